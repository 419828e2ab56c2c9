// Tells socketpass who is behind the id that a session holds: `deserializeUser`, over gRPC.
package main

import (
	"cmp"
	"context"
	"crypto/subtle"
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"

	pb "github.com/socketpass/socketpass/clients/go/socketpassv1"
)

// Put your own database here. An id is a string, also where serializeUser stored a number.
var users = map[string]map[string]any{
	"1": {"id": 1, "name": "Ana", "role": "admin", "teams": []any{"payments"}},
	"2": {"id": 2, "name": "José", "role": "member", "teams": []any{}},
}

func findUser(_ context.Context, id string) (map[string]any, error) {
	return users[id], nil
}

type userSource struct {
	pb.UnimplementedUserSourceServiceServer
	// What user.authorization of socketpass is, if callers shall show it.
	authorization string
}

func (s *userSource) ResolveUser(ctx context.Context, request *pb.ResolveUserRequest) (*pb.ResolveUserResponse, error) {
	shown := strings.Join(metadata.ValueFromIncomingContext(ctx, "authorization"), "")
	if s.authorization != "" && subtle.ConstantTimeCompare([]byte(shown), []byte(s.authorization)) != 1 {
		return nil, status.Error(codes.Unauthenticated, "authorization is not what it should be")
	}
	found, err := findUser(ctx, request.GetId())
	if err != nil {
		log.Print(err)
		return nil, status.Error(codes.Unavailable, "the database does not answer")
	}
	if found == nil {
		return nil, status.Error(codes.NotFound, "there is no such user")
	}
	user, err := structpb.NewStruct(found)
	if err != nil {
		return nil, status.Error(codes.Internal, "the user is nothing that JSON can say")
	}
	return &pb.ResolveUserResponse{User: user}, nil
}

func main() {
	address := net.JoinHostPort(cmp.Or(os.Getenv("HOST"), "127.0.0.1"), cmp.Or(os.Getenv("PORT"), "50052"))
	listener, err := net.Listen("tcp", address)
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer()
	pb.RegisterUserSourceServiceServer(server, &userSource{authorization: os.Getenv("AUTHORIZATION")})
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, server.GracefulStop)
	fmt.Printf("listening on %s\n", listener.Addr())
	if err := server.Serve(listener); err != nil {
		log.Fatal(err)
	}
}
