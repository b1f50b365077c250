package main

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/centrifugal/centrifuge"
)

const (
	// keptPrefix begins the name of channels with a history, in which who returns gets what was missed.
	// In all others publications go to who is there.
	keptPrefix = "kept:"
	// historySize and historyTTL are how much such a channel keeps.
	historySize = 1000
	historyTTL  = 10 * time.Minute
	// queueBytes wait for a client before it is slow. The default of 1 MB would end the scenarios in
	// which the load is raised until no more arrives.
	queueBytes = 64 << 20
)

// newNode returns a running node that lets everybody subscribe and publish.
func newNode(c config) (*centrifuge.Node, error) {
	node, err := centrifuge.New(centrifuge.Config{
		ClientQueueMaxSize: queueBytes,
		UseSingleFlight:    true, // who returns together reads a history once
		LogLevel:           centrifuge.LogLevelError,
		LogHandler:         func(entry centrifuge.LogEntry) { println(entry.Message, fmt.Sprint(entry.Fields)) },
	})
	if err != nil {
		return nil, err
	}
	if c.redis != "" {
		if err := useRedis(node, c.redis); err != nil {
			return nil, err
		}
	}
	node.OnConnecting(func(context.Context, centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
		return centrifuge.ConnectReply{
			Credentials: &centrifuge.Credentials{},
			WriteDelay:  c.writeDelay, MaxMessagesInFrame: c.frameMessages,
		}, nil
	})
	node.OnConnect(func(client *centrifuge.Client) { allow(node, client, c) })
	return node, node.Run()
}

func useRedis(node *centrifuge.Node, url string) error {
	shard, err := centrifuge.NewRedisShard(node, centrifuge.RedisShardConfig{Address: url})
	if err != nil {
		return err
	}
	broker, err := centrifuge.NewRedisBroker(node, centrifuge.RedisBrokerConfig{Shards: []*centrifuge.RedisShard{shard}})
	if err != nil {
		return err
	}
	node.SetBroker(broker)
	presence, err := centrifuge.NewRedisPresenceManager(node, centrifuge.RedisPresenceManagerConfig{
		Shards: []*centrifuge.RedisShard{shard},
	})
	if err != nil {
		return err
	}
	node.SetPresenceManager(presence)
	return nil
}

// allow handles what a client asks for.
func allow(node *centrifuge.Node, client *centrifuge.Client, c config) {
	client.OnSubscribe(func(e centrifuge.SubscribeEvent, reply centrifuge.SubscribeCallback) {
		reply(centrifuge.SubscribeReply{Options: centrifuge.SubscribeOptions{
			EnableRecovery: strings.HasPrefix(e.Channel, keptPrefix),
			EmitPresence:   c.presence, EmitJoinLeave: c.presence, PushJoinLeave: c.presence,
		}}, nil)
	})
	client.OnPresence(func(_ centrifuge.PresenceEvent, reply centrifuge.PresenceCallback) {
		reply(centrifuge.PresenceReply{}, nil)
	})
	number := 0 // clients publish one after the other
	client.OnPublish(func(e centrifuge.PublishEvent, reply centrifuge.PublishCallback) {
		options := []centrifuge.PublishOption{centrifuge.WithClientInfo(e.ClientInfo)}
		if strings.HasPrefix(e.Channel, keptPrefix) {
			options = append(options, centrifuge.WithHistory(historySize, historyTTL))
			if c.idempotent {
				number++
				options = append(options, centrifuge.WithIdempotencyKey(client.ID()+strconv.Itoa(number)))
			}
		}
		result, err := node.Publish(e.Channel, e.Data, options...)
		reply(centrifuge.PublishReply{Result: &result}, err)
	})
}

func newHandler(node *centrifuge.Node, c config) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/connection/websocket", centrifuge.NewWebsocketHandler(node, centrifuge.WebsocketConfig{
		UseWriteBufferPool: true, ProcessCommandsOffReadLoop: c.offReadLoop,
		WriteTimeout: 10 * time.Second, // a busy machine is no slow client
	}))
	return mux
}
