package socketpass

import (
	"context"
	"crypto/rand"
	"log/slog"
	mathrand "math/rand/v2"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "github.com/socketpass/socketpass/clients/go/socketpassv1"
)

const (
	// How long the stream may take to end after goodbye.
	goodbyeWithin = 5 * time.Second

	// So that not all gateways of a replica that goes come to the next one in the same moment.
	jitter = 100 * time.Millisecond

	shortestPause = 200 * time.Millisecond
	longestPause  = 5 * time.Second
)

// reporter keeps a stream to the registry open, one after another.
type reporter struct {
	registry pb.RegistryServiceClient
	sockets  *sockets
	hello    *pb.Hello
	address  string
	encode   func(event string, args []any) ([]byte, error)
	log      *slog.Logger

	ends     causes // Why streams ended.
	refusals causes // Which fields the registry did not take.

	ending   context.Context // Ends when goodbye is to be said.
	sayEnd   context.CancelFunc
	cancel   context.CancelCauseFunc // Ends everything.
	ended    chan struct{}
	farewell error // How the last stream ended; to be read when ended is closed.
}

func newReporter(registry pb.RegistryServiceClient, sockets *sockets, c Config) *reporter {
	r := &reporter{
		registry: registry,
		sockets:  sockets,
		hello:    &pb.Hello{GatewayId: c.GatewayID, Incarnation: rand.Text(), Labels: c.Labels},
		address:  c.Address,
		encode:   c.EncodeEvent,
		log:      c.Logger,
		ended:    make(chan struct{}),
	}
	r.ending, r.sayEnd = context.WithCancel(context.Background())
	ctx, cancel := context.WithCancelCause(context.Background())
	r.cancel = cancel
	go r.run(ctx)
	return r
}

// goodbye takes the gateway off the list, and waits for the stream to end. An error says that it may still be there.
func (r *reporter) goodbye(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, goodbyeWithin)
	defer cancel()
	r.sayEnd()
	select {
	case <-r.ended:
	case <-ctx.Done():
		r.cancel(errNoEnd)
		<-r.ended
	}
	return r.farewell
}

func (r *reporter) run(ctx context.Context) {
	defer close(r.ended)
	defer r.cancel(nil)
	pauses := 0 // Since a listing was kept.
	for {
		s := &stream{reporter: r}
		err := s.run(ctx)
		if r.ending.Err() != nil {
			r.farewell = err
			return
		}
		if s.kept() { // A listing that is refused is not sent again without a pause.
			pauses = 0
		}
		r.tellEnd(err)
		var wait time.Duration
		if s.welcomed() && status.Code(err) == codes.Unavailable { // A replica that goes sends its gateways on.
			wait = mathrand.N(jitter)
		} else {
			wait = pause(pauses)
			pauses++
		}
		select {
		case <-time.After(wait):
		case <-r.ending.Done():
			r.farewell = errNoStream
			return
		}
	}
}

// pause is how long to wait after so many pauses.
func pause(before int) time.Duration {
	longest := min(longestPause, shortestPause<<min(before, 10))
	return longest/2 + mathrand.N(longest/2)
}

// tellEnd tells an operator why a stream ended, once for each cause.
func (r *reporter) tellEnd(err error) {
	code := status.Code(err)
	if r.ends.due(code.String()) {
		r.log.Warn("socketpass: the stream to the registry ended; another is opened",
			"gateway_id", r.hello.GatewayId, "code", code.String(), "message", reasonOfCall(err, r.address), "look_at", settingOf(err))
	}
}
