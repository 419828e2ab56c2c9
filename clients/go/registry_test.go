package socketpass

import (
	"context"
	"reflect"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/socketpass/socketpass/clients/go/internal/scripted"
	pb "github.com/socketpass/socketpass/clients/go/socketpassv1"
)

var params = struct {
	Team string    `json:"team"`
	IDs  []int     `json:"ids"`
	T    time.Time `json:"t"`
}{"payments", []int{1, 2}, time.Date(2026, 11, 25, 8, 0, 0, 0, time.UTC)}

func checkParams(t *testing.T, got *structpb.Struct) {
	t.Helper()
	if want := map[string]any{"team": "payments", "ids": []any{1.0, 2.0}, "t": "2026-11-25T08:00:00Z"}; !reflect.DeepEqual(got.AsMap(), want) {
		t.Errorf("the params are %v", got)
	}
}

func TestFilterSockets(t *testing.T) {
	client, server, _ := begin(t, Config{})
	connected := time.Date(2026, 11, 25, 8, 0, 0, 0, time.UTC)
	server.Filter = func(r *pb.FilterSocketsRequest, call grpc.ServerStreamingServer[pb.FilterSocketsResponse]) error {
		if r.Filter != "user.team == params.team" {
			return status.Error(codes.InvalidArgument, "filter: no")
		}
		checkParams(t, r.Params)
		view := &pb.View{Age: durationpb.New(time.Second), IncompleteGateways: []string{"g2"}, WarmingUp: true}
		call.Send(&pb.FilterSocketsResponse{Sockets: []*pb.Socket{{GatewayId: "g1", SocketId: "a"}}, View: view})
		return call.Send(&pb.FilterSocketsResponse{Sockets: []*pb.Socket{{
			GatewayId: "g1", SocketId: "b", Namespace: "/chat", RemoteAddress: "::1", Origin: "o", ConnectedAt: timestamppb.New(connected),
			User: scripted.Object(map[string]any{"id": 1}), Data: scripted.Object(map[string]any{"x": "y"}),
		}}, View: view})
	}
	result, err := client.FilterSockets(context.Background(), "user.team == params.team", params)
	if err != nil {
		t.Fatal(err)
	}
	want := SocketInfo{"g1", "b", "/chat", "::1", "o", User{"id": 1.0}, map[string]any{"x": "y"}, connected}
	if len(result.Sockets) != 2 || result.Sockets[0].SocketID != "a" || !reflect.DeepEqual(result.Sockets[1], want) {
		t.Errorf("%+v", result.Sockets)
	}
	if want := (View{time.Second, []string{"g2"}, true}); !reflect.DeepEqual(result.View, want) {
		t.Errorf("%+v", result.View)
	}
	_, err = client.FilterSockets(context.Background(), "?", nil)
	if s, ok := status.FromError(err); !ok || s.Code() != codes.InvalidArgument {
		t.Error(err)
	}
	if _, err := client.FilterSockets(context.Background(), "true", []int{1}); err == nil {
		t.Error("a list can be params")
	}
}

func TestCountSockets(t *testing.T) {
	client, server, _ := begin(t, Config{})
	server.Count = func(r *pb.CountSocketsRequest) (*pb.CountSocketsResponse, error) {
		checkParams(t, r.Params)
		if r.GroupBy != "user.team" {
			t.Errorf("%v", r)
		}
		return &pb.CountSocketsResponse{Total: 3, Groups: []*pb.Group{
			{Key: structpb.NewStringValue("a"), Count: 2}, {Key: structpb.NewNullValue(), Count: 1}}}, nil
	}
	result, err := client.CountSockets(context.Background(), "true", params, "user.team")
	if err != nil || result.Total != 3 || !reflect.DeepEqual(result.Groups, []Group{{"a", 2}, {nil, 1}}) {
		t.Errorf("%+v, %v", result, err)
	}
}

func TestSendToSockets(t *testing.T) {
	client, server, _ := begin(t, Config{})
	server.Send = func(r *pb.SendToSocketsRequest, call grpc.ServerStreamingServer[pb.SendToSocketsResponse]) error {
		checkParams(t, r.Params)
		if want := []any{map[string]any{"a": 1.0}, nil}; r.Event != "news" || !reflect.DeepEqual(anysOf(r.Args), want) {
			t.Errorf("%v", r)
		}
		call.Send(&pb.SendToSocketsResponse{Matched: 4})
		return call.Send(&pb.SendToSocketsResponse{Matched: 4, Done: 1, Failed: 2, Unreachable: 1, View: &pb.View{}})
	}
	outcome, err := client.SendToSockets(context.Background(), "true", params, "news", map[string]int{"a": 1}, nil)
	if want := (Outcome{4, 1, 2, 1, View{}}); err != nil || !reflect.DeepEqual(outcome, want) {
		t.Errorf("%+v, %v", outcome, err)
	}
	if _, err := client.SendToSockets(context.Background(), "true", nil, "news", make(chan int)); err == nil {
		t.Error("a channel can be sent")
	}
}

func TestDisconnectSockets(t *testing.T) {
	client, server, _ := begin(t, Config{})
	var closes []*pb.Close
	server.Disconnect = func(r *pb.DisconnectSocketsRequest, call grpc.ServerStreamingServer[pb.DisconnectSocketsResponse]) error {
		if r.Filter == "false" {
			return status.Error(codes.PermissionDenied, "needs the role admin")
		}
		checkParams(t, r.Params)
		closes = append(closes, r.Close)
		return call.Send(&pb.DisconnectSocketsResponse{Matched: 1, Done: 1})
	}
	for _, how := range []Close{{}, {4999, "bye"}} {
		if outcome, err := client.DisconnectSockets(context.Background(), "true", params, how); err != nil || outcome.Done != 1 {
			t.Errorf("%+v, %v", outcome, err)
		}
	}
	if closes[0] != nil || closes[1].Code != 4999 || closes[1].Reason != "bye" {
		t.Errorf("%v", closes)
	}
	if _, err := client.DisconnectSockets(context.Background(), "false", nil, Close{}); status.Code(err) != codes.PermissionDenied {
		t.Error(err)
	}
}

func TestTheStubsGoOverTheSameConnection(t *testing.T) {
	client, server, _ := begin(t, Config{})
	if _, err := pb.NewAuthorizationServiceClient(client.GRPCConn()).Authorize(context.Background(), &pb.AuthorizeRequest{}); err != nil {
		t.Error(err)
	}
	if asked, _ := server.Asked(); len(asked) != 1 {
		t.Error("it was not asked")
	}
}
