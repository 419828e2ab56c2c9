package socketpass

import (
	"context"
	"time"

	pb "github.com/socketpass/socketpass/clients/go/socketpassv1"
)

// How long a send may take: a command is to be answered within five seconds.
const sendWithin = 4 * time.Second

// obey carries a command out and answers it, also one that is not known here: its caller waits. What a socket is told by
// several commands it is told in their order; what takes long is waited for aside.
func (s *stream) obey(command *pb.Command) {
	switch c := command.Command.(type) {
	case *pb.Command_Disconnect:
		go s.answer(command, s.disconnect(c.Disconnect))
	case *pb.Command_Send:
		go s.answer(command, s.emit(c.Send))
	case *pb.Command_UserChanged:
		s.answer(command, s.changeUsers(c.UserChanged))
	default:
		s.answer(command, nothing)
	}
}

// pending waits until a command is carried out, and gives the sockets for which it is so.
type pending func() (done []string)

func nothing() []string { return nil }

func (s *stream) answer(command *pb.Command, pending pending) {
	result := &pb.CommandResult{CommandId: command.CommandId, Done: pending()}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.results = append(s.results, &pb.ReportRequest{Message: &pb.ReportRequest_CommandResult{CommandResult: result}})
	s.sockets.nudge()
}

// disconnect closes sockets. Those that are gone are disconnected, too; one that does not answer the close frame in time is
// off the list, and will be.
func (s *stream) disconnect(d *pb.Disconnect) pending {
	how := d.Close
	if how.GetCode() == 0 {
		how = disconnected
	}
	closed := closeAll(context.Background(), s.sockets.named(d.SocketIds), how)
	return func() []string {
		closed()
		return d.SocketIds
	}
}

func (s *stream) emit(e *pb.Send) pending {
	text, err := s.encode(e.Event, anysOf(e.Args))
	if err != nil {
		s.log.Error("socketpass: an event cannot be written", "event", e.Event, "error", err)
		return nothing
	}
	ctx, cancel := context.WithTimeout(context.Background(), sendWithin)
	sent := each(ctx, s.sockets.named(e.SocketIds), func(s *Socket) bool {
		return s.conn.Send(ctx, text) == nil
	})
	return func() []string {
		defer cancel()
		return sent()
	}
}

func (s *stream) changeUsers(c *pb.UserChanged) pending {
	sockets := s.sockets.named(c.SocketIds)
	done := make([]string, len(sockets))
	for i, socket := range sockets {
		socket.changeUser(c.User)
		done[i] = socket.id
	}
	return func() []string { return done }
}
