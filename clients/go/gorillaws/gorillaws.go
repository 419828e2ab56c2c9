// Package gorillaws tracks connections of github.com/gorilla/websocket.
package gorillaws

import (
	"context"
	"net/http"
	"time"

	"github.com/gorilla/websocket"

	socketpass "github.com/socketpass/socketpass/clients/go"
)

// How long a rejected peer may take to answer the close frame.
const closeWithin = 3 * time.Second

// Track puts a connection on the registry's list, and under the fleet's commands, until its Release. ctx is that of the
// request that it was upgraded from. See [socketpass.Track] for the errors.
//
// A connection takes one writer at a time. Therefore write is the application's own way to send a text message: under its lock,
// or to the goroutine that writes. It is called by goroutines of the client, several at a time, and an error says that the message
// was not handed over. The application goes on reading: else nobody sees that the peer is gone.
func Track(ctx context.Context, conn *websocket.Conn, write func(text []byte) error) (*socketpass.Socket, error) {
	return socketpass.Track(ctx, connection{conn, write})
}

// Reject is for Config.Reject: it upgrades a rejected handshake and closes it right away with the decision's code, which
// browsers can see. upgrader is the application's.
func Reject(upgrader *websocket.Upgrader) func(http.ResponseWriter, *http.Request, socketpass.Decision) {
	return func(w http.ResponseWriter, r *http.Request, d socketpass.Decision) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return // Upgrade has answered.
		}
		defer conn.Close()
		deadline := time.Now().Add(closeWithin)
		if closeFrame(conn, d.Close.Code, d.Close.Reason, deadline) != nil {
			return
		}
		// Ended at once, the connection might take the frame with it.
		conn.SetReadDeadline(deadline)
		for err == nil {
			_, _, err = conn.NextReader()
		}
	}
}

type connection struct {
	conn  *websocket.Conn
	write func(text []byte) error
}

func (c connection) Send(_ context.Context, text []byte) error { return c.write(text) }

// Close leaves it to the application, which reads, to see the peer's answer and to release the socket.
func (c connection) Close(ctx context.Context, code int, reason string) {
	defer c.conn.Close()
	deadline, _ := ctx.Deadline()
	if closeFrame(c.conn, code, reason, deadline) == nil {
		<-ctx.Done()
	}
}

func closeFrame(conn *websocket.Conn, code int, reason string, deadline time.Time) error {
	return conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason), deadline)
}
