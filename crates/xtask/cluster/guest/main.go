// What runs inside the pods of a test cluster: a pause container, and a server that says who it is.
//
//	guest pause           waits for the end, as the first process of a pod must
//	guest serve ADDRESS   answers /ready with 200 and everything else with the pod's name
//	guest get URL         one request; prints the answer, fails when there is none
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	requestLimit = 5 * time.Second
	drainTime    = 2 * time.Second
)

func main() {
	var err error
	switch {
	case len(os.Args) == 2 && os.Args[1] == "pause":
		<-ended()
	case len(os.Args) == 3 && os.Args[1] == "serve":
		err = serve(os.Args[2])
	case len(os.Args) == 3 && os.Args[1] == "get":
		err = get(os.Args[2])
	default:
		err = fmt.Errorf("guest pause | serve ADDRESS | get URL, not %q", os.Args[1:])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func ended() <-chan os.Signal {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	return signals
}

// On SIGTERM it goes on answering for a while, each answer with Connection: close: only so is no request lost. Closing
// idle connections at once would lose what a client sends at that instant.
func serve(address string) error {
	name, err := os.Hostname()
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	var draining atomic.Bool
	server := &http.Server{ReadHeaderTimeout: requestLimit, Handler: http.HandlerFunc(
		func(answer http.ResponseWriter, _ *http.Request) {
			if draining.Load() {
				answer.Header().Set("Connection", "close")
			}
			fmt.Fprintln(answer, name)
		})}
	fmt.Println("serving as", name)
	done := make(chan error, 1)
	go func() {
		<-ended()
		draining.Store(true)
		time.Sleep(drainTime)
		done <- server.Shutdown(context.Background())
	}()
	if err := server.Serve(listener); err != http.ErrServerClosed {
		return err
	}
	return <-done
}

func get(url string) error {
	client := http.Client{Timeout: requestLimit}
	answer, err := client.Get(url)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", url, answer.Status)
	}
	_, err = io.Copy(os.Stdout, answer.Body)
	return err
}
