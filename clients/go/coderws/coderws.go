// Package coderws tracks connections of github.com/coder/websocket.
package coderws

import (
	"context"
	"net/http"

	"github.com/coder/websocket"

	socketpass "github.com/socketpass/socketpass/clients/go"
)

// Track puts a connection on the registry's list, and under the fleet's commands, until its Release. ctx is that of the
// request that it was accepted from. See [socketpass.Track] for the errors.
//
// The application goes on reading from the connection, or calls its CloseRead: else nobody sees that the peer is gone. A peer
// that takes nothing for some seconds while the fleet sends it an event loses its connection, as with every write of the library
// whose context ends.
func Track(ctx context.Context, conn *websocket.Conn) (*socketpass.Socket, error) {
	return socketpass.Track(ctx, connection{conn})
}

// Reject is for Config.Reject: it accepts the WebSocket of a rejected handshake and closes it right away with the decision's
// code, which browsers can see. options are those that the application accepts with.
func Reject(options *websocket.AcceptOptions) func(http.ResponseWriter, *http.Request, socketpass.Decision) {
	return func(w http.ResponseWriter, r *http.Request, d socketpass.Decision) {
		conn, err := websocket.Accept(w, r, options)
		if err != nil {
			return // Accept has answered.
		}
		conn.Close(websocket.StatusCode(d.Close.Code), d.Close.Reason)
	}
}

type connection struct{ conn *websocket.Conn }

func (c connection) Send(ctx context.Context, text []byte) error {
	return c.conn.Write(ctx, websocket.MessageText, text)
}

// Close has a time of its own for the peer's answer, some seconds.
func (c connection) Close(_ context.Context, code int, reason string) {
	c.conn.Close(websocket.StatusCode(code), reason)
}
