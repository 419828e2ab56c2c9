package socketpass

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc"

	pb "github.com/socketpass/socketpass/clients/go/socketpassv1"
)

// View is how much an answer of the registry knows.
type View struct {
	// Age is how old the answer may be.
	Age time.Duration
	// IncompleteGateways are those whose sockets may not be as listed.
	IncompleteGateways []string
	// WarmingUp says that the registry began without data less than a lease ago.
	WarmingUp bool
}

// SocketInfo is a socket of the fleet, as the registry knows it.
type SocketInfo struct {
	GatewayID     string
	SocketID      string
	Namespace     string
	RemoteAddress string // For admins alone.
	Origin        string
	User          User
	Data          map[string]any
	ConnectedAt   time.Time
}

// FilterResult are the sockets that match, ordered by gateway and socket.
type FilterResult struct {
	Sockets []SocketInfo
	View    View
}

// CountResult is how many sockets match.
type CountResult struct {
	Total  uint64
	Groups []Group // The largest first.
	View   View
}

// Group is how many sockets have the same value.
type Group struct {
	Key   any // nil where there is none.
	Count uint64
}

// Outcome is what came of telling the fleet's gateways something about their sockets.
type Outcome struct {
	Matched     uint64
	Done        uint64
	Failed      uint64 // Their gateway could not.
	Unreachable uint64 // Their gateway did not answer.
	View        View
}

// FilterSockets finds the sockets of the fleet that match a filter in CEL. Values go into params, which encoding/json writes
// as an object, and never into the text: user.team == params.team.
//
// What the service has against it, as with the other methods, is a gRPC status in the error: see
// [google.golang.org/grpc/status.FromError].
func (c *Client) FilterSockets(ctx context.Context, filter string, params any) (FilterResult, error) {
	var result FilterResult
	object, err := objectOf(params)
	if err != nil {
		return result, failed("FilterSockets", err)
	}
	call, err := c.registry.FilterSockets(ctx, &pb.FilterSocketsRequest{Filter: filter, Params: object})
	if err != nil {
		return result, failed("FilterSockets", err)
	}
	for {
		response, err := call.Recv()
		if errors.Is(err, io.EOF) {
			return result, nil
		}
		if err != nil {
			return FilterResult{}, failed("FilterSockets", err)
		}
		for _, s := range response.Sockets {
			result.Sockets = append(result.Sockets, infoOf(s))
		}
		result.View = viewOf(response.View)
	}
}

// CountSockets counts the sockets of the fleet that match, by the value at the path groupBy (user.team) if it is not empty.
func (c *Client) CountSockets(ctx context.Context, filter string, params any, groupBy string) (CountResult, error) {
	object, err := objectOf(params)
	if err != nil {
		return CountResult{}, failed("CountSockets", err)
	}
	response, err := c.registry.CountSockets(ctx, &pb.CountSocketsRequest{Filter: filter, Params: object, GroupBy: groupBy})
	if err != nil {
		return CountResult{}, failed("CountSockets", err)
	}
	result := CountResult{Total: response.Total, View: viewOf(response.View)}
	for _, g := range response.Groups {
		result.Groups = append(result.Groups, Group{Key: g.Key.AsInterface(), Count: g.Count})
	}
	return result, nil
}

// SendToSockets has the fleet's gateways send an event to the sockets that match, to each once or never.
func (c *Client) SendToSockets(ctx context.Context, filter string, params any, event string, args ...any) (Outcome, error) {
	object, err := objectOf(params)
	if err != nil {
		return Outcome{}, failed("SendToSockets", err)
	}
	values, err := valuesOf(args)
	if err != nil {
		return Outcome{}, failed("SendToSockets", err)
	}
	call, err := c.registry.SendToSockets(ctx, &pb.SendToSocketsRequest{Filter: filter, Params: object, Event: event, Args: values})
	return settled("SendToSockets", call, err)
}

// DisconnectSockets has the fleet's gateways disconnect the sockets that match. The zero how is 4505, disconnected. It needs
// the role admin.
func (c *Client) DisconnectSockets(ctx context.Context, filter string, params any, how Close) (Outcome, error) {
	object, err := objectOf(params)
	if err != nil {
		return Outcome{}, failed("DisconnectSockets", err)
	}
	request := &pb.DisconnectSocketsRequest{Filter: filter, Params: object}
	if how != (Close{}) {
		request.Close = &pb.Close{Code: uint32(how.Code), Reason: how.Reason}
	}
	call, err := c.registry.DisconnectSockets(ctx, request)
	return settled("DisconnectSockets", call, err)
}

// outcome is what the answers of SendToSockets and DisconnectSockets have in common.
type outcome interface {
	GetMatched() uint64
	GetDone() uint64
	GetFailed() uint64
	GetUnreachable() uint64
	GetView() *pb.View
}

// settled reads to the last answer, which has everything.
func settled[T any, O interface {
	*T
	outcome
}](method string, call grpc.ServerStreamingClient[T], err error) (Outcome, error) {
	if err != nil {
		return Outcome{}, failed(method, err)
	}
	var last O
	for {
		response, err := call.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Outcome{}, failed(method, err)
		}
		last = response
	}
	return Outcome{
		Matched:     last.GetMatched(),
		Done:        last.GetDone(),
		Failed:      last.GetFailed(),
		Unreachable: last.GetUnreachable(),
		View:        viewOf(last.GetView()),
	}, nil
}

func failed(method string, err error) error {
	return fmt.Errorf("socketpass: %s: %w", method, err)
}

func infoOf(s *pb.Socket) SocketInfo {
	return SocketInfo{
		GatewayID:     s.GatewayId,
		SocketID:      s.SocketId,
		Namespace:     s.Namespace,
		RemoteAddress: s.RemoteAddress,
		Origin:        s.Origin,
		User:          s.User.AsMap(),
		Data:          s.Data.AsMap(),
		ConnectedAt:   s.ConnectedAt.AsTime(),
	}
}

func viewOf(v *pb.View) View {
	return View{Age: v.GetAge().AsDuration(), IncompleteGateways: v.GetIncompleteGateways(), WarmingUp: v.GetWarmingUp()}
}
