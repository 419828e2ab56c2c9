package socketpass

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc"

	pb "github.com/socketpass/socketpass/clients/go/socketpassv1"
)

// How long a socket that is told to close may take about it before it counts as closed. A command is to be answered
// within five seconds.
const closeWithin = 3 * time.Second

// ErrClosed is what Track answers once Close was called.
var ErrClosed = errors.New("socketpass: the client is closed")

// Client is a process' one connection to socketpass. It is made by New and may be used by any number of goroutines.
type Client struct {
	config    Config
	conn      *grpc.ClientConn
	service   pb.AuthorizationServiceClient
	registry  pb.RegistryServiceClient
	sockets   *sockets
	reporter  *reporter
	turns     turns
	undecided causes // Why handshakes got no decision.

	closing sync.Once
	closed  error
}

// New makes a client and opens its stream to socketpass. It does not wait for it: a service that is away is no error.
// What New cannot take is a [*SettingError] for each setting, joined.
func New(config Config) (*Client, error) {
	return newClient(config)
}

func newClient(config Config, more ...grpc.DialOption) (*Client, error) {
	config, err := config.withDefaults()
	transport, tlsErr := config.TLS.credentials()
	if err := errors.Join(err, tlsErr); err != nil {
		return nil, err
	}
	conn, err := dial(config, transport, more...)
	if err != nil {
		return nil, err
	}
	c := &Client{
		config:   config,
		conn:     conn,
		service:  pb.NewAuthorizationServiceClient(conn),
		registry: pb.NewRegistryServiceClient(conn),
	}
	c.sockets = newSockets(config.CloseAfterLoss)
	c.reporter = newReporter(c.registry, c.sockets, config)
	return c, nil
}

// GatewayID is this process' name in the fleet.
func (c *Client) GatewayID() string { return c.config.GatewayID }

// GRPCConn is the connection, with its credentials, for the stubs of the package socketpassv1.
func (c *Client) GRPCConn() grpc.ClientConnInterface { return c.conn }

// Sockets are those that are tracked in this process now.
func (c *Client) Sockets() []*Socket { return c.sockets.all() }

// Close closes every socket with 4001, gateway_draining, takes them off the registry's list, and ends the connection. It takes
// at most eight seconds, or until ctx ends; the error says that the list was not told. Call it after
// [net/http.Server.Shutdown], which ends the making of sockets but leaves those alone that are made.
func (c *Client) Close(ctx context.Context) error {
	c.closing.Do(func() {
		closeAll(ctx, c.sockets.shutAll(), draining)()
		if err := c.reporter.goodbye(ctx); err != nil {
			c.closed = fmt.Errorf("socketpass: the registry was not told goodbye: %w", err)
		}
		c.conn.Close()
	})
	return c.closed
}

// closeAll takes sockets off the list and closes them. What it gives waits for it, as long as it may take.
func closeAll(ctx context.Context, sockets []*Socket, c *pb.Close) pending {
	ctx, cancel := context.WithTimeout(ctx, closeWithin)
	for _, s := range sockets {
		s.guest.client.sockets.takeOff(s)
	}
	closed := each(ctx, sockets, func(s *Socket) bool {
		s.close(ctx, c)
		return true
	})
	return func() []string {
		defer cancel()
		return closed()
	}
}

// each does the same to all sockets, to each when it is done with what it was told before. What it gives waits until all are
// done, or ctx ends, and answers for which of them it was true.
func each(ctx context.Context, sockets []*Socket, do func(*Socket) bool) pending {
	done := make(chan string, len(sockets)) // Whoever is late blocks nobody.
	for _, s := range sockets {
		s.guest.client.turns.next(s, func() {
			id := ""
			if do(s) {
				id = s.id
			}
			done <- id
		})
	}
	return func() (ids []string) {
		for range sockets {
			select {
			case id := <-done:
				if id != "" {
					ids = append(ids, id)
				}
			case <-ctx.Done():
				return ids
			}
		}
		return ids
	}
}
