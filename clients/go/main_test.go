package socketpass

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/test/bufconn"

	"github.com/socketpass/socketpass/clients/go/internal/scripted"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// logs keeps what was logged.
type logs struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logs) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), text)
}

// begin makes a client of a scripted socketpass, over a connection in memory. Both end with the test.
func begin(t *testing.T, config Config) (*Client, *scripted.Server, *logs) {
	t.Helper()
	listener := bufconn.Listen(1 << 20)
	server := scripted.New()
	stop := server.Serve(listener)
	t.Cleanup(stop)
	client, logs := connect(t, config, func(context.Context, string) (net.Conn, error) { return listener.Dial() })
	return client, server, logs
}

func connect(t *testing.T, config Config, dial func(context.Context, string) (net.Conn, error)) (*Client, *logs) {
	t.Helper()
	logs := &logs{}
	if config.Logger == nil {
		config.Logger = slog.New(slog.NewTextHandler(logs, nil))
	}
	client, err := newClient(config, grpc.WithContextDialer(dial))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // Nobody answers goodbye any more.
		client.Close(ctx)
	})
	return client, logs
}

// ask sends a request through the middleware, and answers with what the handler behind it got, or nil, and the response.
func ask(client *Client, r *http.Request) (*http.Request, *http.Response) {
	var through *http.Request
	w := httptest.NewRecorder()
	client.Authorize(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { through = r })).ServeHTTP(w, r)
	return through, w.Result()
}

func get(target string) *http.Request { return httptest.NewRequest(http.MethodGet, target, nil) }

func bodyOf(t *testing.T, response *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// fakeConn is a connection that does nothing but remember.
type fakeConn struct {
	mu     sync.Mutex
	sent   []string
	closed []Close
	broken bool          // Sends fail.
	hangs  chan struct{} // Close waits until it is closed, if it is set.
}

func (c *fakeConn) Send(_ context.Context, text []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken || len(c.closed) > 0 {
		return errors.New("broken")
	}
	c.sent = append(c.sent, string(text))
	return nil
}

func (c *fakeConn) Close(_ context.Context, code int, reason string) {
	c.mu.Lock()
	c.closed = append(c.closed, Close{code, reason})
	c.mu.Unlock()
	if c.hangs != nil {
		<-c.hangs
	}
}

func (c *fakeConn) closes() []Close {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

// open opens a socket, as an application would.
func open(t *testing.T, client *Client, path string, conn Conn) *Socket {
	t.Helper()
	r, _ := ask(client, get(path))
	if r == nil {
		t.Fatal("the handshake was rejected")
	}
	socket, err := Track(r.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	return socket
}
