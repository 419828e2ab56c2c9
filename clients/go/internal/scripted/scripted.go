// Package scripted is a socketpass that does what a test tells it to.
package scripted

import (
	"context"
	"net"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"

	"time"

	pb "github.com/socketpass/socketpass/clients/go/socketpassv1"
)

// Lease is what Welcome promises.
const Lease = 16 * time.Second

// Server answers Authorize by Decide and hands every Report to the test.
type Server struct {
	pb.UnimplementedAuthorizationServiceServer
	pb.UnimplementedRegistryServiceServer

	// Reports are the streams, as gateways open them.
	Reports chan *Report

	mu       sync.Mutex
	decide   func(context.Context, *pb.AuthorizeRequest) (*pb.AuthorizeResponse, error)
	asked    []*pb.AuthorizeRequest
	metadata []metadata.MD

	// Registry answers what is asked of the registry.
	Filter     func(*pb.FilterSocketsRequest, grpc.ServerStreamingServer[pb.FilterSocketsResponse]) error
	Count      func(*pb.CountSocketsRequest) (*pb.CountSocketsResponse, error)
	Send       func(*pb.SendToSocketsRequest, grpc.ServerStreamingServer[pb.SendToSocketsResponse]) error
	Disconnect func(*pb.DisconnectSocketsRequest, grpc.ServerStreamingServer[pb.DisconnectSocketsResponse]) error
}

// New makes a server that lets everybody in as Ana.
func New() *Server {
	s := &Server{Reports: make(chan *Report, 100)}
	s.Decide(func(context.Context, *pb.AuthorizeRequest) (*pb.AuthorizeResponse, error) { return Ana(), nil })
	return s
}

// Serve serves until the stop it answers with is called.
func (s *Server) Serve(listener net.Listener, options ...grpc.ServerOption) (stop func()) {
	server := grpc.NewServer(options...)
	pb.RegisterAuthorizationServiceServer(server, s)
	pb.RegisterRegistryServiceServer(server, s)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		server.Serve(listener)
	}()
	return func() {
		server.Stop()
		<-ended
	}
}

// Ana is the answer to somebody who is logged in.
func Ana() *pb.AuthorizeResponse {
	return &pb.AuthorizeResponse{
		Accepted:  true,
		Reason:    pb.Reason_REASON_AUTHORIZED,
		User:      Object(map[string]any{"logged_in": true, "id": 1, "name": "Ana"}),
		SessionId: "session-of-ana",
	}
}

// Rejection is the answer no.
func Rejection(reason pb.Reason, message string, code uint32, name string) *pb.AuthorizeResponse {
	return &pb.AuthorizeResponse{
		Reason:  reason,
		Message: message,
		User:    Object(map[string]any{"logged_in": false}),
		Close:   &pb.Close{Code: code, Reason: name},
	}
}

// Object is a map that can be one.
func Object(members map[string]any) *structpb.Struct {
	object, err := structpb.NewStruct(members)
	if err != nil {
		panic(err)
	}
	return object
}

// Decide answers handshakes from now on.
func (s *Server) Decide(decide func(context.Context, *pb.AuthorizeRequest) (*pb.AuthorizeResponse, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.decide = decide
}

// Asked are the handshakes so far, and the metadata that came with each.
func (s *Server) Asked() ([]*pb.AuthorizeRequest, []metadata.MD) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked, s.metadata
}

func (s *Server) Authorize(ctx context.Context, r *pb.AuthorizeRequest) (*pb.AuthorizeResponse, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	s.mu.Lock()
	s.asked = append(s.asked, r)
	s.metadata = append(s.metadata, md)
	decide := s.decide
	s.mu.Unlock()
	return decide(ctx, r)
}

func (s *Server) Report(call grpc.BidiStreamingServer[pb.ReportRequest, pb.ReportResponse]) error {
	md, _ := metadata.FromIncomingContext(call.Context())
	r := &Report{
		Metadata: md,
		Requests: make(chan *pb.ReportRequest, 1000),
		Gone:     call.Context().Done(),
		call:     call,
		end:      make(chan error, 1),
	}
	go func() {
		defer close(r.Requests)
		for {
			request, err := call.Recv()
			if err != nil {
				return
			}
			r.Requests <- request
		}
	}()
	s.Reports <- r
	select {
	case err := <-r.end:
		return err
	case <-call.Context().Done():
		return call.Context().Err()
	}
}

func (s *Server) FilterSockets(r *pb.FilterSocketsRequest, call grpc.ServerStreamingServer[pb.FilterSocketsResponse]) error {
	return s.Filter(r, call)
}

func (s *Server) CountSockets(_ context.Context, r *pb.CountSocketsRequest) (*pb.CountSocketsResponse, error) {
	return s.Count(r)
}

func (s *Server) SendToSockets(r *pb.SendToSocketsRequest, call grpc.ServerStreamingServer[pb.SendToSocketsResponse]) error {
	return s.Send(r, call)
}

func (s *Server) DisconnectSockets(r *pb.DisconnectSocketsRequest, call grpc.ServerStreamingServer[pb.DisconnectSocketsResponse]) error {
	return s.Disconnect(r, call)
}

// Report is a gateway's stream, seen from the service.
type Report struct {
	Metadata metadata.MD
	// Requests are what the gateway says; closed when it says no more.
	Requests chan *pb.ReportRequest
	// Gone is closed when the gateway has given the stream up, or it has ended.
	Gone <-chan struct{}

	call grpc.BidiStreamingServer[pb.ReportRequest, pb.ReportResponse]
	end  chan error
}

// End ends the stream with a status; nil is OK.
func (r *Report) End(err error) { r.end <- err }

// Welcome answers hello.
func (r *Report) Welcome() {
	r.call.Send(&pb.ReportResponse{Message: &pb.ReportResponse_Welcome{Welcome: &pb.Welcome{Lease: durationpb.New(Lease)}}})
}

// Ack says that batches are kept.
func (r *Report) Ack(sequence uint64, rejected ...*pb.Rejection) {
	r.call.Send(&pb.ReportResponse{Message: &pb.ReportResponse_Ack{Ack: &pb.Ack{Sequence: sequence, Rejected: rejected}}})
}

// Command tells the gateway to do something.
func (r *Report) Command(c *pb.Command) {
	r.call.Send(&pb.ReportResponse{Message: &pb.ReportResponse_Command{Command: c}})
}

// Obey does all that a service does, until the gateway says goodbye: every batch is acked. opened is told of sockets.
func (r *Report) Obey(opened func(*pb.Socket)) {
	for request := range r.Requests {
		switch message := request.Message.(type) {
		case *pb.ReportRequest_Hello:
			r.Welcome()
		case *pb.ReportRequest_Batch:
			for _, event := range message.Batch.Events {
				if socket := event.GetOpened(); socket != nil {
					opened(socket)
				}
			}
			r.Ack(message.Batch.Sequence)
		case *pb.ReportRequest_Goodbye:
			r.End(nil)
		}
	}
}
