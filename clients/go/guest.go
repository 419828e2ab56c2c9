package socketpass

import (
	"context"
	"errors"
	"sync/atomic"

	"google.golang.org/protobuf/types/known/structpb"

	pb "github.com/socketpass/socketpass/clients/go/socketpassv1"
)

// ErrNotAuthorized says that a context is not of a request that came through Client.Authorize.
var ErrNotAuthorized = errors.New("socketpass: the request did not come through Client.Authorize")

// guest is whoever was let in: what is kept of a handshake.
type guest struct {
	client *Client
	answer *pb.AuthorizeResponse
	user   atomic.Pointer[structpb.Struct] // As it is now.

	namespace, remoteAddress, origin string
}

type guestKey struct{}

func withGuest(ctx context.Context, c *Client, handshake *pb.Handshake, answer *pb.AuthorizeResponse) context.Context {
	g := &guest{
		client:        c,
		answer:        answer,
		namespace:     handshake.Namespace,
		remoteAddress: handshake.RemoteAddress,
		origin:        handshake.Headers["origin"],
	}
	g.user.Store(answer.User)
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
		return g.user.Load().AsMap()
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
	err := User(g.user.Load().AsMap()).Decode(&user)
	return user, err
}

// DecisionFrom is the decision that let a request in through Client.Authorize; false without such a request.
func DecisionFrom(ctx context.Context) (Decision, bool) {
	g := guestFrom(ctx)
	if g == nil {
		return Decision{}, false
	}
	return decisionOf(g.answer), true
}
