package main

import (
	"bufio"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	socketpass "github.com/socketpass/socketpass/clients/go"
)

// question is a line on standard input.
type question struct {
	ID          json.RawMessage  `json:"id"`
	Do          string           `json:"do"`
	Calls       int64            `json:"calls"`
	Concurrency int              `json:"concurrency"`
	Cookie      string           `json:"cookie"`
	Filter      string           `json:"filter"`
	Params      map[string]any   `json:"params"`
	Name        string           `json:"name"`
	Args        []any            `json:"args"`
	Close       socketpass.Close `json:"close"`
	SocketID    string           `json:"socket_id"`
	Data        map[string]any   `json:"data"`
	Namespace   string           `json:"namespace"`
}

// answer answers the lines on standard input, each in a time of its own.
func answer(client *socketpass.Client) {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var q question
		if err := json.Unmarshal(lines.Bytes(), &q); err != nil {
			slog.Error("a line on standard input", "error", err)
			continue
		}
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			members, err := q.answer(ctx, client)
			if err != nil {
				members = object{"error": err.Error()}
			}
			members["id"] = q.ID
			say("answer", members)
		}()
	}
}

func (q question) answer(ctx context.Context, client *socketpass.Client) (object, error) {
	switch q.Do {
	case "authorize":
		return q.authorize(client), nil
	case "memory":
		return memory(), nil
	case "filter":
		result, err := client.FilterSockets(ctx, q.Filter, q.Params)
		sockets := []object{}
		for _, s := range result.Sockets {
			sockets = append(sockets, object{"gateway_id": s.GatewayID, "socket_id": s.SocketID, "namespace": s.Namespace, "user": s.User})
		}
		return object{"sockets": sockets}, err
	case "count":
		result, err := client.CountSockets(ctx, q.Filter, q.Params, "")
		return object{"total": result.Total}, err
	case "send":
		result, err := client.SendToSockets(ctx, q.Filter, q.Params, q.Name, q.Args...)
		return object{"done": result.Done}, err
	case "disconnect":
		result, err := client.DisconnectSockets(ctx, q.Filter, q.Params, q.Close)
		return object{"done": result.Done}, err
	case "data":
		for _, s := range client.Sockets() {
			if s.ID() == q.SocketID {
				return object{"ok": true}, s.SetData(q.Data)
			}
		}
		return object{"ok": false}, nil
	case "local":
		sockets := []object{}
		for _, s := range client.Sockets() {
			if q.Namespace == "" || s.Namespace() == q.Namespace {
				sockets = append(sockets, object{"socket_id": s.ID(), "user": s.User()})
			}
		}
		return object{"sockets": sockets}, nil
	}
	return object{"error": "unknown: " + q.Do}, nil
}

// authorize has the middleware decide on handshakes that no socket follows.
func (q question) authorize(client *socketpass.Client) object {
	var started, accepted atomic.Int64
	handler := client.Authorize(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { accepted.Add(1) }))
	begin, cpu := time.Now(), cpuTime()
	var workers sync.WaitGroup
	for range max(1, q.Concurrency) {
		workers.Go(func() {
			for started.Add(1) <= q.Calls {
				r := httptest.NewRequest(http.MethodGet, "/", nil)
				r.Header.Set("Cookie", q.Cookie)
				handler.ServeHTTP(httptest.NewRecorder(), r)
			}
		})
	}
	workers.Wait()
	return object{
		"calls":    q.Calls,
		"accepted": accepted.Load(),
		"wall_ms":  milliseconds(time.Since(begin)),
		"cpu_ms":   milliseconds(cpuTime() - cpu),
	}
}

// memory is what is live, the stacks of goroutines included.
func memory() object {
	var stats runtime.MemStats
	runtime.GC()
	runtime.GC() // What is kept in pools survives one.
	runtime.ReadMemStats(&stats)
	return object{"bytes": stats.HeapAlloc + stats.StackInuse}
}

// cpuTime is what the whole process has used.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
