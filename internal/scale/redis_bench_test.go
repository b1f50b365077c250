package scale_test

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/internal/redistest"
	"github.com/fiberflow/flow/redisx"
)

// meter tells what a Redis has used since it was made.
type meter struct {
	b      *testing.B
	client *redis.Client
	cpu    float64 // seconds
	memory float64 // bytes
}

func newMeter(b *testing.B, s *redistest.Server) *meter {
	b.Helper()
	m := &meter{b: b, client: s.Client(b)}
	m.cpu, m.memory = m.look()
	return m
}

func (m *meter) look() (cpu, memory float64) {
	m.b.Helper()
	info, err := m.client.InfoMap(m.b.Context(), "cpu", "memory").Result()
	if err != nil {
		m.b.Fatal(err)
	}
	return number(m.b, info["CPU"]["used_cpu_user"]) + number(m.b, info["CPU"]["used_cpu_sys"]),
		number(m.b, info["Memory"]["used_memory"])
}

// report tells what one of n took.
func (m *meter) report(n int, name string) {
	m.b.Helper()
	cpu, memory := m.look()
	m.b.ReportMetric((cpu-m.cpu)/float64(n)*1e6, "redis-us/"+name)
	m.b.ReportMetric((memory-m.memory)/float64(n), "redis-bytes/"+name)
}

func number(b *testing.B, text string) float64 {
	b.Helper()
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		b.Fatal(err)
	}
	return n
}

func connect(b *testing.B, mode redisx.Mode, servers ...*redistest.Server) *redisx.Conn {
	b.Helper()
	config := redisx.Config{Mode: mode, Timeout: patience, Logger: slog.New(slog.DiscardHandler)}
	for _, s := range servers {
		config.Addrs = append(config.Addrs, s.Addr())
	}
	conn, err := redisx.Open(b.Context(), config)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close() })
	return conn
}

// BenchmarkRedis_Append is what operations of 200 bytes in 16 rooms cost Redis, by the batch, when nobody
// listens; and all nodes of a Cluster together, where each operation alone is a message on its bus.
func BenchmarkRedis_Append(b *testing.B) {
	for _, size := range []int{1, 4, 32} {
		b.Run(fmt.Sprint("batch=", size), func(b *testing.B) {
			server := redistest.Start(b)
			log := redisx.NewLog(connect(b, redisx.Single, server))
			m := newMeter(b, server)
			appendTo(b, log, size)
			m.report(b.N*size, "op")
		})
	}
	b.Run("cluster", func(b *testing.B) {
		nodes := redistest.StartCluster(b)
		log := redisx.NewLog(connect(b, redisx.Cluster, nodes...))
		meters := make([]*meter, len(nodes))
		for i, node := range nodes {
			meters[i] = newMeter(b, node)
		}
		appendTo(b, log, 1)
		var all float64
		for _, m := range meters {
			cpu, _ := m.look()
			all += cpu - m.cpu
		}
		b.ReportMetric(all/float64(b.N)*1e6, "all-us/op")
	})
}

// appendTo appends batches, each worker to its own room, whose head it knows as a hub does.
func appendTo(b *testing.B, log *redisx.Log, size int) {
	b.Helper()
	data := []byte(`"` + strings.Repeat("x", 198) + `"`)
	var heads [workers]flow.Position
	each(b, b.N, func(worker, i int) error {
		batch := flow.Batch{Fence: heads[worker], Operations: make([]flow.Operation, size)}
		for k := range batch.Operations {
			batch.Operations[k] = flow.Operation{
				Session: "session", N: uint64(i*size + k + 1), User: "user", Time: 1, Data: data,
			}
		}
		answers, err := log.Append(b.Context(), fmt.Sprint("room-", worker), batch)
		if err == nil {
			heads[worker] = flow.Position{Seq: answers[size-1].Seq, Hash: answers[size-1].Hash}
		}
		return err
	})
}

// workers is how many work at a time, each in a room of its own.
const workers = 16

// each does n things, each worker its own, in order.
func each(b *testing.B, n int, do func(worker, i int) error) {
	b.Helper()
	var running sync.WaitGroup
	for worker := range workers {
		running.Go(func() {
			for i := range (n + workers - 1 - worker) / workers {
				if err := do(worker, i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	running.Wait()
}

// BenchmarkRedis_Session is what sessions cost Redis: to write one that is new, to read it as a return does,
// and to write it again with another instance; and to write it when its presence has changed.
func BenchmarkRedis_Session(b *testing.B) {
	server := redistest.Start(b)
	store := redisx.NewSessionStore(connect(b, redisx.Single, server))
	session := func(worker, i int, instance string) flow.Session {
		return flow.Session{
			ID: fmt.Sprintf("session-%02d-%09d", worker, i), Room: fmt.Sprintf("room-%d-%d", worker, i/5),
			User:     flow.User{ID: fmt.Sprintf("user-%02d-%09d", worker, i), Name: "Ann Example"},
			Presence: []byte(`{"cursor":[120,340],"color":"#aabbcc"}`), Joined: 1, Claimed: 1, Instance: instance,
		}
	}
	b.Run("new", func(b *testing.B) {
		m := newMeter(b, server)
		each(b, b.N, func(worker, i int) error { return store.Put(b.Context(), session(worker, i, "one")) })
		m.report(b.N, "session")
	})
	b.Run("return", func(b *testing.B) {
		m := newMeter(b, server)
		each(b, b.N, func(worker, i int) error {
			if _, err := store.Get(b.Context(), session(worker, i, "").ID); flow.ErrorCode(err) == flow.CodeInternal {
				return err
			}
			return store.Put(b.Context(), session(worker, i, "two"))
		})
		m.report(b.N, "session")
	})
	b.Run("moved", func(b *testing.B) {
		m := newMeter(b, server)
		each(b, b.N, func(worker, i int) error { return store.Put(b.Context(), session(worker, i, "two")) })
		m.report(b.N, "session")
	})
}

// BenchmarkRedis_Publish is what a message of 300 bytes costs Redis, by the number of connections that hear it.
func BenchmarkRedis_Publish(b *testing.B) {
	for _, listeners := range []int{0, 1, 4, 16} {
		b.Run(fmt.Sprint("listeners=", listeners), func(b *testing.B) {
			server := redistest.Start(b)
			client := server.Client(b)
			for range listeners {
				listen(b, client)
			}
			m := newMeter(b, server)
			publish(b, client, 16)
			m.report(b.N, "message")
		})
	}
}

// listen reads what is published until the benchmark ends.
func listen(b *testing.B, client *redis.Client) {
	b.Helper()
	ps := client.Subscribe(b.Context(), "topic")
	if _, err := ps.Receive(b.Context()); err != nil {
		b.Fatal(err)
	}
	var reading sync.WaitGroup
	reading.Go(func() {
		for {
			if _, err := ps.Receive(context.WithoutCancel(b.Context())); err != nil {
				return
			}
		}
	})
	b.Cleanup(func() {
		_ = ps.Close()
		reading.Wait()
	})
}

// publish publishes b.N messages or a few more: in pipelines, as the bus does when much is under way, or in
// pipelines of one, as scripts do.
func publish(b *testing.B, client *redis.Client, size int) {
	b.Helper()
	payload := strings.Repeat("x", 300)
	each(b, (b.N+size-1)/size, func(int, int) error {
		_, err := client.Pipelined(b.Context(), func(p redis.Pipeliner) error {
			for range size {
				p.Publish(b.Context(), "topic", payload)
			}
			return nil
		})
		return err
	})
}

// BenchmarkRedis_Bus is what a message costs the nodes of a Cluster, of which each gets every message: the one
// that it is published at, and each of the others.
func BenchmarkRedis_Bus(b *testing.B) {
	for _, atOnce := range []int{1, 16} {
		for _, size := range []int{1, 3, 6, 12} {
			b.Run(fmt.Sprintf("pipeline=%d/nodes=%d", atOnce, size), func(b *testing.B) { onBus(b, size, atOnce) })
		}
	}
}

func onBus(b *testing.B, size, atOnce int) {
	b.Helper()
	all := meet(b, size)
	first := all[0].Client(b)
	meters := make([]*meter, size)
	for i, node := range all {
		meters[i] = newMeter(b, node)
	}
	publish(b, first, atOnce)
	settled(b, all, int64(b.N)*int64(size-1))
	var others float64
	for _, m := range meters[1:] {
		cpu, _ := m.look()
		others += cpu - m.cpu
	}
	cpu, _ := meters[0].look()
	b.ReportMetric((cpu-meters[0].cpu)/float64(b.N)*1e6, "sender-us/message")
	if size > 1 {
		b.ReportMetric(others/float64(size-1)/float64(b.N)*1e6, "other-us/message")
	}
}

// meet starts nodes of a Cluster that know each other. They serve no slots: messages need none.
func meet(b *testing.B, size int) []*redistest.Server {
	b.Helper()
	nodes := make([]*redistest.Server, size)
	for i := range nodes {
		nodes[i] = redistest.Start(b, redistest.Set("cluster-enabled", "yes"))
	}
	for _, node := range nodes[1:] {
		host, port, _ := strings.Cut(nodes[0].Addr(), ":")
		if err := node.Client(b).ClusterMeet(b.Context(), host, port).Err(); err != nil {
			b.Fatal(err)
		}
	}
	for _, node := range nodes {
		client := node.Client(b)
		poll(b, func() bool {
			text := client.ClusterNodes(b.Context()).Val()
			return strings.Count(text, " connected") == size && !strings.Contains(text, "handshake")
		})
	}
	return nodes
}

// settled waits until the nodes have got so many messages from each other.
func settled(b *testing.B, nodes []*redistest.Server, want int64) {
	b.Helper()
	poll(b, func() bool {
		var got int64
		for _, node := range nodes {
			for line := range strings.Lines(node.Client(b).ClusterInfo(b.Context()).Val()) {
				if n, ok := strings.CutPrefix(strings.TrimSpace(line), "cluster_stats_messages_publish_received:"); ok {
					got += int64(number(b, n))
				}
			}
		}
		return got >= want
	})
}

func poll(b *testing.B, ok func() bool) {
	b.Helper()
	limit, tick := time.After(patience), time.NewTicker(10*time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-limit:
			b.Fatal("nothing in time")
		}
	}
}
