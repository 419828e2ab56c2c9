package socketpass

import (
	"context"
	"errors"
	"math"
	"net"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"
)

// How long a name is looked up for the log, before a handshake is answered.
const lookupWithin = time.Second

// Calls go round all addresses. What only asks is tried again when a replica goes.
const serviceConfig = `{
	"loadBalancingConfig": [{"round_robin": {}}],
	"methodConfig": [{
		"name": [
			{"service": "socketpass.v1.AuthorizationService", "method": "Authorize"},
			{"service": "socketpass.v1.RegistryService", "method": "FilterSockets"},
			{"service": "socketpass.v1.RegistryService", "method": "CountSockets"}
		],
		"retryPolicy": {
			"maxAttempts": 4,
			"initialBackoff": "0.05s",
			"maxBackoff": "1s",
			"backoffMultiplier": 2,
			"retryableStatusCodes": ["UNAVAILABLE"]
		}
	}]
}`

// dial makes the one connection to socketpass, which connects when it is first used.
func dial(c Config, transport credentials.TransportCredentials, more ...grpc.DialOption) (*grpc.ClientConn, error) {
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(transport),
		grpc.WithDefaultServiceConfig(serviceConfig),
		// Names are asked for addresses alone, and no TXT record overrules the above.
		grpc.WithDisableServiceConfig(),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{
			Time:                10 * time.Second,
			Timeout:             5 * time.Second,
			PermitWithoutStream: true,
		}),
		grpc.WithConnectParams(grpc.ConnectParams{
			// The default grows to two minutes, in which a service that is back lets nobody in.
			Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 2 * time.Second},
			MinConnectTimeout: 5 * time.Second,
		}),
		// Some hundreds of sockets with all that they may carry are more than the default of 4 MiB.
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(math.MaxInt32)),
	}
	switch {
	case c.TokenFunc != nil:
		options = append(options, grpc.WithPerRPCCredentials(bearer(c.TokenFunc)))
	case c.Token != "":
		options = append(options, grpc.WithPerRPCCredentials(bearer(func(context.Context) (string, error) { return c.Token, nil })))
	}
	conn, err := grpc.NewClient("dns:///"+c.Address, append(options, more...)...)
	if err != nil {
		return nil, &SettingError{Setting: "Address", Message: err.Error(), Err: err}
	}
	return conn, nil
}

// reasonOfCall is what a call ended with, in words. Of a name that has no address gRPC says no more than that nobody is there.
func reasonOfCall(err error, address string) string {
	if host, _, split := net.SplitHostPort(address); split == nil && status.Code(err) == codes.Unavailable {
		ctx, cancel := context.WithTimeout(context.Background(), lookupWithin)
		defer cancel()
		if _, err := net.DefaultResolver.LookupHost(ctx, host); err != nil {
			return err.Error()
		}
	}
	if s, ok := status.FromError(err); ok {
		return s.Message()
	}
	return err.Error()
}

// bearer gives the token of each call.
type bearer func(context.Context) (string, error)

func (b bearer) GetRequestMetadata(ctx context.Context, _ ...string) (map[string]string, error) {
	token, err := b(ctx)
	if err == nil && !isToken(token) {
		err = errors.New(badToken)
	}
	if err != nil {
		return nil, status.Errorf(codes.Unauthenticated, "no token: %v", err)
	}
	return map[string]string{"authorization": "Bearer " + token}, nil
}

// RequireTransportSecurity is false: on a network of its own a gateway may send its token in plaintext.
func (bearer) RequireTransportSecurity() bool { return false }

const badToken = "is no token; it takes visible ASCII characters, without space or line ending"

func isToken(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' })
}
