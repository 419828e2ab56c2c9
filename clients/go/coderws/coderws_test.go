package coderws_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	socketpass "github.com/socketpass/socketpass/clients/go"
	"github.com/socketpass/socketpass/clients/go/coderws"
	"github.com/socketpass/socketpass/clients/go/internal/wstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestCoder(t *testing.T) {
	wstest.Library{Handler: handler, Reject: coderws.Reject(nil)}.Test(t)
}

func handler(opened func(*socketpass.Socket)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer conn.CloseNow()
		socket, err := coderws.Track(r.Context(), conn)
		if err != nil {
			return
		}
		defer socket.Release()
		text, err := json.Marshal(socketpass.UserFrom(r.Context()))
		if err == nil {
			err = conn.Write(r.Context(), websocket.MessageText, text)
		}
		opened(socket)
		for err == nil {
			if _, text, err = conn.Read(r.Context()); err == nil {
				err = conn.Write(r.Context(), websocket.MessageText, text)
			}
		}
	})
}
