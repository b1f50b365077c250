// Command centrifuge is a server on the library of that name, which the benchmarks play their scenarios
// against: what it offers to be fast is switched on by variables of the environment, and nothing is
// left out that an application needs to know that its users have missed nothing.
//
//	REDIS_URL                  broker; without it everything is in memory
//	CENTRIFUGE_WRITE_DELAY     how long a connection collects what it writes, like 5ms; default none
//	CENTRIFUGE_FRAME_MESSAGES  messages in a frame at most; default 16, -1 for no limit
//	CENTRIFUGE_OFF_READ_LOOP   true: commands are handled on goroutines that end, for idle memory
//	CENTRIFUGE_PRESENCE        true: members of a channel are told who comes and goes
//	CENTRIFUGE_IDEMPOTENT      true: a publication with a history that is sent twice is kept once
//
// It prints its address on one line when it listens on a free port of 127.0.0.1, and ends on SIGTERM.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const (
	readHeaderTimeout = 15 * time.Second // bounds a handshake
	// closing is how long connections may take to end. Clients that are measured do not answer.
	closing = 500 * time.Millisecond
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	config, err := configFromEnvironment()
	if err != nil {
		return err
	}
	node, err := newNode(config)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: newHandler(node, config), ReadHeaderTimeout: readHeaderTimeout}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }() // ends when the server is closed
	fmt.Println("listening on", listener.Addr())
	select {
	case err = <-served:
	case <-ctx.Done():
		err = server.Close()
		if failed := <-served; !errors.Is(failed, http.ErrServerClosed) {
			err = errors.Join(err, failed)
		}
	}
	within, cancel := context.WithTimeout(context.Background(), closing)
	defer cancel()
	if failed := node.Shutdown(within); !errors.Is(failed, context.DeadlineExceeded) {
		err = errors.Join(err, failed)
	}
	return err
}
