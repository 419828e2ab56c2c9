// Package wstest holds every WebSocket library to the same, with real servers and connections.
package wstest

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"

	socketpass "github.com/socketpass/socketpass/clients/go"
	"github.com/socketpass/socketpass/clients/go/internal/scripted"
	pb "github.com/socketpass/socketpass/clients/go/socketpassv1"
)

// Library is a server on one of the libraries. Handler sends each socket its user as JSON, and then back whatever it says;
// opened is told of each that is tracked. Reject is the package's.
type Library struct {
	Handler func(opened func(*socketpass.Socket)) http.Handler
	Reject  func(http.ResponseWriter, *http.Request, socketpass.Decision)
}

// world is a server with a client, its socketpass, and what they have come to.
type world struct {
	client   *socketpass.Client
	service  *scripted.Server
	server   *httptest.Server
	opened   chan *socketpass.Socket
	finished chan struct{} // A handler has returned.
}

func (l Library) begin(t *testing.T, config socketpass.Config) *world {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{service: scripted.New(), opened: make(chan *socketpass.Socket, 10), finished: make(chan struct{}, 10)}
	t.Cleanup(w.service.Serve(listener))
	config.Address = listener.Addr().String()
	if w.client, err = socketpass.New(config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		w.client.Close(ctx)
	})
	handler := l.Handler(func(s *socketpass.Socket) { w.opened <- s })
	w.server = httptest.NewServer(w.client.Authorize(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		handler.ServeHTTP(rw, r)
		w.finished <- struct{}{}
	})))
	t.Cleanup(w.server.Close)
	return w
}

// dial opens a socket as a browser would, and reads who it is.
func (w *world) dial(t *testing.T) *websocket.Conn {
	t.Helper()
	conn, _, err := websocket.Dial(t.Context(), w.server.URL+"/chat", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.CloseNow() })
	var user struct{ Name string }
	if text := read(t, conn); json.Unmarshal([]byte(text), &user) != nil || user.Name != "Ana" {
		t.Fatalf("the user is %s", text)
	}
	return conn
}

func read(t *testing.T, conn *websocket.Conn) string {
	t.Helper()
	_, text, err := conn.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func wantClose(t *testing.T, conn *websocket.Conn, code websocket.StatusCode, reason string) {
	t.Helper()
	_, _, err := conn.Read(t.Context())
	var closed websocket.CloseError
	if !errors.As(err, &closed) || closed.Code != code || closed.Reason != reason {
		t.Errorf("closed with %v", err)
	}
}

// report takes the stream, and passes on the results of commands and what is listed and closed, by id.
func (w *world) report() (report *scripted.Report, results chan *pb.CommandResult, listed, closed chan string) {
	report = <-w.service.Reports
	results, listed, closed = make(chan *pb.CommandResult, 100), make(chan string, 100), make(chan string, 100)
	go func() {
		for request := range report.Requests {
			switch m := request.Message.(type) {
			case *pb.ReportRequest_Hello:
				report.Welcome()
			case *pb.ReportRequest_Batch:
				report.Ack(m.Batch.Sequence)
				for _, event := range m.Batch.Events {
					switch e := event.Event.(type) {
					case *pb.Event_Opened:
						listed <- e.Opened.SocketId
					case *pb.Event_Closed:
						closed <- e.Closed.SocketId
					}
				}
			case *pb.ReportRequest_CommandResult:
				results <- m.CommandResult
			case *pb.ReportRequest_Goodbye:
				report.End(nil)
			}
		}
	}()
	return report, results, listed, closed
}

// Test runs everything.
func (l Library) Test(t *testing.T) {
	t.Run("a socket from its opening to its end", l.fromOpeningToEnd)
	t.Run("commands", l.commands)
	t.Run("a peer that does not answer the close", l.deafPeer)
	t.Run("closed after the upgrade", l.rejectAfterUpgrade)
	t.Run("the end", l.end)
}

func (l Library) fromOpeningToEnd(t *testing.T) {
	w := l.begin(t, socketpass.Config{})
	_, _, listed, closed := w.report()
	conn := w.dial(t)
	socket := <-w.opened
	if id := <-listed; id != socket.ID() {
		t.Errorf("%s is listed", id)
	}
	if err := conn.Write(t.Context(), websocket.MessageText, []byte("echo")); err != nil || read(t, conn) != "echo" {
		t.Error(err)
	}
	conn.Close(websocket.StatusNormalClosure, "")
	if id := <-closed; id != socket.ID() || len(w.client.Sockets()) != 0 {
		t.Errorf("%s is closed", id)
	}
}

func (l Library) commands(t *testing.T) {
	w := l.begin(t, socketpass.Config{})
	report, results, listed, closed := w.report()
	conn := w.dial(t)
	socket := <-w.opened
	<-listed
	for range 50 { // While the application writes, too.
		if err := conn.Write(t.Context(), websocket.MessageText, []byte("echo")); err != nil {
			t.Fatal(err)
		}
		report.Command(&pb.Command{CommandId: "send", Command: &pb.Command_Send{Send: &pb.Send{
			SocketIds: []string{socket.ID(), "gone"}, Event: "news", Args: []*structpb.Value{structpb.NewStringValue("x")}}}})
	}
	var heard []string
	for range 100 {
		heard = append(heard, read(t, conn))
	}
	slices.Sort(heard)
	if heard = slices.Compact(heard); !slices.Equal(heard, []string{"echo", `{"event":"news","args":["x"]}`}) {
		t.Errorf("heard is %q", heard)
	}
	for range 50 {
		if result := <-results; !slices.Equal(result.Done, []string{socket.ID()}) {
			t.Errorf("%v", result)
		}
	}
	report.Command(&pb.Command{CommandId: "disconnect", Command: &pb.Command_Disconnect{Disconnect: &pb.Disconnect{
		SocketIds: []string{socket.ID()}, Close: &pb.Close{Code: 4505, Reason: "disconnected"}}}})
	wantClose(t, conn, 4505, "disconnected")
	if result := <-results; !slices.Equal(result.Done, []string{socket.ID()}) {
		t.Errorf("%v", result)
	}
	if id := <-closed; id != socket.ID() {
		t.Errorf("%s is closed", id)
	}
	<-w.finished
}

func (l Library) deafPeer(t *testing.T) {
	w := l.begin(t, socketpass.Config{})
	report, results, _, _ := w.report()
	w.dial(t) // It reads no more.
	socket := <-w.opened
	start := time.Now()
	report.Command(&pb.Command{CommandId: "disconnect", Command: &pb.Command_Disconnect{Disconnect: &pb.Disconnect{
		SocketIds: []string{socket.ID()}, Close: &pb.Close{Code: 4505, Reason: "disconnected"}}}})
	result := <-results
	if took := time.Since(start); took > 4*time.Second || !slices.Equal(result.Done, []string{socket.ID()}) {
		t.Errorf("after %v: %v", took, result)
	}
	<-w.finished // In the end the connection is closed all the same.
}

func (l Library) rejectAfterUpgrade(t *testing.T) {
	w := l.begin(t, socketpass.Config{Reject: l.Reject})
	rejection := scripted.Rejection(pb.Reason_REASON_NOT_LOGGED_IN, "no", 4501, "not_logged_in")
	w.service.Decide(func(context.Context, *pb.AuthorizeRequest) (*pb.AuthorizeResponse, error) { return rejection, nil })
	conn, _, err := websocket.Dial(t.Context(), w.server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	wantClose(t, conn, 4501, "not_logged_in")
	response, err := http.Get(w.server.URL) // Which asks for no upgrade.
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode < 400 {
		t.Errorf("the status is %d", response.StatusCode)
	}

	w.service.Decide(func(context.Context, *pb.AuthorizeRequest) (*pb.AuthorizeResponse, error) {
		return nil, status.Error(codes.Internal, "")
	})
	conn, _, err = websocket.Dial(t.Context(), w.server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	wantClose(t, conn, 4000, "service_unavailable")
}

// end is what the README tells applications to do: Shutdown leaves alone what was upgraded, Close does not.
func (l Library) end(t *testing.T) {
	w := l.begin(t, socketpass.Config{})
	_, _, listed, _ := w.report()
	first, second := w.dial(t), w.dial(t)
	<-listed
	<-listed
	if err := w.server.Config.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- w.client.Close(context.Background()) }()
	wantClose(t, first, 4001, "gateway_draining")
	wantClose(t, second, 4001, "gateway_draining")
	if err := <-ended; err != nil {
		t.Error(err)
	}
	<-w.finished
	<-w.finished
	if _, _, err := websocket.Dial(t.Context(), w.server.URL, nil); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("the server still listens: %v", err)
	}
}
