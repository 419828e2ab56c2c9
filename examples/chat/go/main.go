// The Go room: WebSockets of github.com/coder/websocket.
package main

import (
	"cmp"
	"context"
	"errors"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
	"google.golang.org/grpc/status"

	socketpass "github.com/socketpass/socketpass/clients/go"
	"github.com/socketpass/socketpass/clients/go/coderws"
)

const room = "go"

// message is what goes over the socket, in both directions. What the fleet sends looks the same.
type message struct {
	Event string `json:"event"`
	Args  []any  `json:"args"`
}

// accept leaves the origin alone: the page comes from another port, and socketpass says which origins may come in.
var accept = &websocket.AcceptOptions{InsecureSkipVerify: true}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	client, err := socketpass.New(socketpass.Config{
		Address:   os.Getenv("SOCKETPASS_ADDR"),
		Token:     os.Getenv("SOCKETPASS_TOKEN"),
		GatewayID: room,
		Reject:    coderws.Reject(accept), // A browser sees the close code of a socket, but no HTTP status.
	})
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("/", client.Authorize(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { chat(client, w, r) })))

	listener, err := net.Listen("tcp", net.JoinHostPort(cmp.Or(os.Getenv("HOST"), "127.0.0.1"), cmp.Or(os.Getenv("PORT"), "3003")))
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("listening on ws://%s", listener.Addr())
	server := &http.Server{}
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Fatal(err)
		}
	}()

	<-ctx.Done()
	ending, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := errors.Join(server.Shutdown(ending), client.Close(ending)); err != nil {
		log.Print(err)
	}
}

// chat serves one socket, of somebody whom socketpass has let in.
func chat(client *socketpass.Client, w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	conn, err := websocket.Accept(w, r, accept)
	if err != nil {
		return
	}
	defer conn.CloseNow()
	socket, err := coderws.Track(ctx, conn)
	if err != nil {
		return
	}
	defer socket.Release()

	for {
		var heard struct {
			Event string
			Args  []string
		}
		if err := wsjson.Read(ctx, conn, &heard); err != nil || len(heard.Args) != 1 {
			return
		}
		var answer *message
		switch heard.Event {
		case "say":
			said := map[string]any{"room": room, "from": socket.User()["name"], "text": heard.Args[0]}
			_, err = client.SendToSockets(ctx, "gateway.gateway_id == params.room", map[string]any{"room": room}, "said", said)
		case "who":
			answer, err = online(ctx, client, heard.Args[0])
		}
		if err != nil {
			answer = &message{"problem", []any{heard.Event, status.Convert(err).Message()}}
		}
		if answer != nil && wsjson.Write(ctx, conn, answer) != nil {
			return
		}
	}
}

func online(ctx context.Context, client *socketpass.Client, filter string) (*message, error) {
	found, err := client.FilterSockets(ctx, filter, nil)
	if err != nil {
		return nil, err
	}
	list := []any{}
	for _, s := range found.Sockets {
		list = append(list, map[string]any{"room": s.GatewayID, "id": s.User["id"], "name": s.User["name"], "role": s.User["role"]})
	}
	return &message{"online", []any{list}}, nil
}
