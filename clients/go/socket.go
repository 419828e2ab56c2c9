package socketpass

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/socketpass/socketpass/clients/go/socketpassv1"
)

const (
	// The registry's bounds for what is said of a socket. It would list a socket without a text that is longer, but may not
	// take the whole message.
	maxText = 1024
	maxData = 64 << 10
	maxUser = 64 << 10
)

// Conn is what the client does with a WebSocket. The packages coderws and gorillaws make one of a library's connection. Its
// methods are called by several goroutines at a time.
type Conn interface {
	// Send sends a text message. An error says that it was not handed over.
	Send(ctx context.Context, text []byte) error

	// Close sends a close frame and ends the connection, at the latest when ctx ends: it does when the application has
	// released the socket, and when there is no more time.
	Close(ctx context.Context, code int, reason string)
}

// Socket is an open connection that the registry knows.
type Socket struct {
	id       string
	guest    *guest
	conn     Conn
	openedAt time.Time

	// Guarded by the mutex of sockets.
	open     bool
	queued   bool                 // Waits to be told of.
	listed   bool                 // Was told of on this stream.
	released bool                 // The application has done with it.
	closing  []context.CancelFunc // Of those who close it, until then.
	data     *structpb.Struct     // Is never written to.

	changes userChanges
}

// Track puts a connection on the registry's list, and under the fleet's commands, until its Release. The context is that
// of the request that it was upgraded from, within Client.Authorize: else the error is ErrNotAuthorized. After Client.Close it
// is ErrClosed, and the connection is closed. Applications call the Track of coderws or gorillaws.
func Track(ctx context.Context, conn Conn) (*Socket, error) {
	g := guestFrom(ctx)
	if g == nil {
		return nil, ErrNotAuthorized
	}
	s := &Socket{id: rand.Text(), guest: g, conn: conn, openedAt: time.Now()}
	if !g.client.sockets.add(s) {
		closeAll(context.Background(), []*Socket{s}, draining)()
		return nil, ErrClosed
	}
	return s, nil
}

// ID is the socket's name in this process, made by Track.
func (s *Socket) ID() string { return s.id }

// Namespace is the path that the socket was opened at.
func (s *Socket) Namespace() string { return s.guest.namespace }

// User is who is behind the socket now. The value is the caller's own.
func (s *Socket) User() User { return s.guest.user.Load().asMap() }

// OnUserChanged has f called with the new user whenever the service says that it has changed, one call after another.
func (s *Socket) OnUserChanged(f func(User)) { s.changes.listen(f) }

// SetData gives the registry what filters see as socket.data, in place of what was there: a map or a struct that
// encoding/json writes as an object of at most 64 KiB and 24 levels, or nil for none.
func (s *Socket) SetData(data any) error {
	object, err := objectOf(data)
	if err != nil {
		return fmt.Errorf("socketpass: the data cannot be sent: %w", err)
	}
	if size := proto.Size(object); size > maxData {
		return fmt.Errorf("socketpass: the data has %d bytes; the registry takes %d", size, maxData)
	}
	s.guest.client.sockets.setData(s, object)
	return nil
}

// Release takes the socket off the list. It is called when the connection has ended, once the application reads and writes
// it no more; again, it does nothing.
func (s *Socket) Release() { s.guest.client.sockets.release(s) }

// close ends the socket's connection.
func (s *Socket) close(ctx context.Context, c *pb.Close) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.guest.client.sockets.atRelease(s, cancel)
	s.conn.Close(ctx, int(c.GetCode()), c.GetReason())
}

// changeUser puts another user in the place of the one behind the socket, and tells the application.
func (s *Socket) changeUser(user *structpb.Struct) {
	s.guest.user.Store(pack(user))
	s.changes.tell(user)
}

// report is all there is to say of the socket. The mutex of sockets is held.
func (s *Socket) report() *pb.Socket {
	return &pb.Socket{
		SocketId:      s.id,
		Namespace:     orNone(s.guest.namespace),
		SessionId:     s.guest.decision.SessionID,
		RemoteAddress: orNone(s.guest.remoteAddress),
		Origin:        orNone(s.guest.origin),
		User:          s.guest.user.Load().report(),
		Data:          s.data,
		ConnectedAt:   timestamppb.New(s.openedAt),
	}
}

// orNone leaves out what is too long. It is the peer's text, who is not to break the stream with it.
func orNone(text string) string {
	if len(text) > maxText {
		return ""
	}
	return text
}
