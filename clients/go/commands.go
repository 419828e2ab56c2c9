package socketpass

import (
	"context"
	"time"

	pb "github.com/socketpass/socketpass/clients/go/socketpassv1"
)

// How long a send may take: a command is to be answered within five seconds.
const sendWithin = 4 * time.Second

// obey carries a command out and answers it, also one that is not known here: its caller waits.
func (s *stream) obey(command *pb.Command) {
	switch c := command.Command.(type) {
	case *pb.Command_Disconnect:
		go s.answer(command, func() []string { return s.disconnect(c.Disconnect) })
	case *pb.Command_Send:
		go s.answer(command, func() []string { return s.emit(c.Send) })
	case *pb.Command_UserChanged:
		// Changes come in order, and nothing is waited for.
		s.answer(command, func() []string { return s.changeUsers(c.UserChanged) })
	default:
		s.answer(command, func() []string { return nil })
	}
}

func (s *stream) answer(command *pb.Command, do func() (done []string)) {
	result := &pb.CommandResult{CommandId: command.CommandId, Done: do()}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.results = append(s.results, &pb.ReportRequest{Message: &pb.ReportRequest_CommandResult{CommandResult: result}})
	s.sockets.nudge()
}

// disconnect closes sockets. Those that are gone are disconnected, too; one that does not answer the close frame in time is
// off the list, and will be.
func (s *stream) disconnect(d *pb.Disconnect) []string {
	closeAll(context.Background(), s.sockets.named(d.SocketIds), d.Close)
	return d.SocketIds
}

func (s *stream) emit(e *pb.Send) []string {
	text, err := s.encode(e.Event, anysOf(e.Args))
	if err != nil {
		s.log.Error("socketpass: an event cannot be written", "event", e.Event, "error", err)
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), sendWithin)
	defer cancel()
	return each(ctx, s.sockets.named(e.SocketIds), func(s *Socket) bool {
		return s.conn.Send(ctx, text) == nil
	})
}

func (s *stream) changeUsers(c *pb.UserChanged) []string {
	sockets := s.sockets.named(c.SocketIds)
	done := make([]string, len(sockets))
	for i, socket := range sockets {
		socket.changeUser(c.User)
		done[i] = socket.id
	}
	return done
}
