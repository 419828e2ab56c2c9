package main

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"

	"github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"

	socketpass "github.com/socketpass/socketpass/clients/go"
	"github.com/socketpass/socketpass/clients/go/coderws"
	"github.com/socketpass/socketpass/clients/go/gorillaws"
)

// Which pages may open sockets says socketpass (session.allowed_origins): the libraries' own checks are off.
var (
	options  = &websocket.AcceptOptions{InsecureSkipVerify: true}
	upgrader = gorilla.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
)

func (s settings) serveCoder(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	conn, err := websocket.Accept(w, r, options)
	if err != nil {
		return
	}
	defer conn.CloseNow()
	var socket *socketpass.Socket
	if !s.Bare {
		if socket, err = coderws.Track(ctx, conn); err != nil {
			return
		}
		defer socket.Release()
	}
	converse(ctx, socket,
		func() ([]byte, error) { _, text, err := conn.Read(ctx); return text, err },
		func(text []byte) error { return conn.Write(ctx, websocket.MessageText, text) })
}

func (s settings) serveGorilla(w http.ResponseWriter, r *http.Request) {
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	var mu sync.Mutex
	write := func(text []byte) error {
		mu.Lock()
		defer mu.Unlock()
		return conn.WriteMessage(gorilla.TextMessage, text)
	}
	var socket *socketpass.Socket
	if !s.Bare {
		if socket, err = gorillaws.Track(r.Context(), conn, write); err != nil {
			return
		}
		defer socket.Release()
	}
	converse(r.Context(), socket, func() ([]byte, error) { _, text, err := conn.ReadMessage(); return text, err }, write)
}

// converse says who is there, and again whenever it is asked. There is no socket in a bare server.
func converse(ctx context.Context, socket *socketpass.Socket, read func() ([]byte, error), write func([]byte) error) {
	var id string
	if socket != nil {
		id = socket.ID()
		socket.OnUserChanged(func(user socketpass.User) { say("user_changed", object{"socket_id": id, "user": user}) })
	}
	say("opened", object{"socket_id": id})
	defer say("closed", object{"socket_id": id})
	you := func() error {
		text, err := json.Marshal(object{"event": "you", "args": []any{socketpass.UserFrom(ctx)}})
		if err != nil {
			return err
		}
		return write(text)
	}
	err := you()
	for err == nil {
		var text []byte
		if text, err = read(); err != nil {
			return
		}
		var message struct{ Event string }
		if json.Unmarshal(text, &message) == nil && message.Event == "whoami" {
			err = you()
		}
	}
}
