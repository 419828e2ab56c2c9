package gorillaws_test

import (
	"encoding/json"
	"net/http"
	"sync"
	"testing"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"

	socketpass "github.com/socketpass/socketpass/clients/go"
	"github.com/socketpass/socketpass/clients/go/gorillaws"
	"github.com/socketpass/socketpass/clients/go/internal/wstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var upgrader websocket.Upgrader

func TestGorilla(t *testing.T) {
	wstest.Library{Handler: handler, Reject: gorillaws.Reject(&upgrader)}.Test(t)
}

func handler(opened func(*socketpass.Socket)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		var mu sync.Mutex
		write := func(text []byte) error {
			mu.Lock()
			defer mu.Unlock()
			return conn.WriteMessage(websocket.TextMessage, text)
		}
		socket, err := gorillaws.Track(r.Context(), conn, write)
		if err != nil {
			return
		}
		defer socket.Release()
		text, err := json.Marshal(socketpass.UserFrom(r.Context()))
		if err == nil {
			err = write(text)
		}
		opened(socket)
		for err == nil {
			if _, text, err = conn.ReadMessage(); err == nil {
				err = write(text)
			}
		}
	})
}
