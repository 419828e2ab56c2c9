package socketpass

import (
	"context"
	"errors"
	"sync/atomic"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	pb "github.com/socketpass/socketpass/clients/go/socketpassv1"
)

// ErrNotAuthorized says that a context is not of a request that came through Client.Authorize.
var ErrNotAuthorized = errors.New("socketpass: the request did not come through Client.Authorize")

// guest is whoever was let in: what is kept of a handshake.
type guest struct {
	client   *Client
	decision Decision               // But for its user.
	decided  *packed                // That user.
	user     atomic.Pointer[packed] // As it is now.

	namespace, remoteAddress, origin string
}

type guestKey struct{}

func withGuest(ctx context.Context, c *Client, handshake *pb.Handshake, answer *pb.AuthorizeResponse) context.Context {
	decision, user := decisionOf(answer), pack(answer.User)
	decision.User = nil
	g := &guest{
		client:        c,
		decision:      decision,
		decided:       user,
		namespace:     handshake.Namespace,
		remoteAddress: handshake.RemoteAddress,
		origin:        handshake.Headers["origin"],
	}
	g.user.Store(user)
	return context.WithValue(ctx, guestKey{}, g)
}

func guestFrom(ctx context.Context) *guest {
	g, _ := ctx.Value(guestKey{}).(*guest)
	return g
}

// UserFrom is the user behind a request that came through Client.Authorize, as it is now: when the service says that it has
// changed while the socket is open, the new one. Without such a request it is nil. The value is the caller's own.
func UserFrom(ctx context.Context) User {
	if g := guestFrom(ctx); g != nil {
		return g.user.Load().asMap()
	}
	return nil
}

// UserAs is UserFrom, decoded into a type of the application's own as encoding/json would.
func UserAs[T any](ctx context.Context) (T, error) {
	var user T
	g := guestFrom(ctx)
	if g == nil {
		return user, ErrNotAuthorized
	}
	err := g.user.Load().asMap().Decode(&user)
	return user, err
}

// DecisionFrom is the decision that let a request in through Client.Authorize; false without such a request.
func DecisionFrom(ctx context.Context) (Decision, bool) {
	g := guestFrom(ctx)
	if g == nil {
		return Decision{}, false
	}
	decision := g.decision
	decision.User = g.decided.asMap()
	return decision, true
}

// packed is a user as protobuf writes it. Every open socket has one: a Struct takes five times as much.
type packed struct{ bytes []byte }

func pack(user *structpb.Struct) *packed {
	bytes, err := proto.Marshal(user)
	if err != nil { // It has come over the wire, so it can go back.
		return pack(nobody)
	}
	return &packed{bytes}
}

func (p *packed) asStruct() *structpb.Struct {
	user := &structpb.Struct{}
	if proto.Unmarshal(p.bytes, user) != nil {
		return nobody
	}
	return user
}

// report is what the registry is told: nothing of a user that it would not take.
func (p *packed) report() *structpb.Struct {
	if len(p.bytes) > maxUser {
		return nil
	}
	return p.asStruct()
}

func (p *packed) asMap() User { return p.asStruct().AsMap() }
