// A small socket server built with the client, for the conformance runner (../../conformance/SUBJECT.md).
package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"

	socketpass "github.com/socketpass/socketpass/clients/go"
)

func main() {
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err := run(); err != nil {
		say("error", object{"message": err.Error()})
		os.Exit(1)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	otel.SetTextMapPropagator(propagation.TraceContext{})

	var settings settings
	if err := json.Unmarshal([]byte(os.Getenv("SUBJECT")), &settings); err != nil {
		return err
	}
	handler := settings.handler()
	var client *socketpass.Client // None when the server is bare.
	if !settings.Bare {
		var err error
		if client, err = socketpass.New(settings.config()); err != nil {
			return err
		}
		handler = client.Authorize(handler)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/off", http.NotFound)
	mux.Handle("/", traced(handler))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: mux}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	say("listening", object{"port": listener.Addr().(*net.TCPAddr).Port})
	go answer(client)

	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	ending, cancel := context.WithTimeout(context.Background(), 9*time.Second)
	defer cancel()
	err = server.Shutdown(ending)
	if client != nil {
		err = errors.Join(err, client.Close(ending))
	}
	if err != nil {
		slog.Error("the end", "error", err)
	}
	return nil
}

// traced takes the trace from the request, as a server's own instrumentation would.
func traced(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := otel.GetTextMapPropagator().Extract(r.Context(), propagation.HeaderCarrier(r.Header))
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

type object map[string]any

var stdout sync.Mutex

// say writes a line on standard output.
func say(event string, members object) {
	stdout.Lock()
	defer stdout.Unlock()
	members["event"] = event
	json.NewEncoder(os.Stdout).Encode(members)
}
