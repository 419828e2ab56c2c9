package socketpass

import (
	"context"
	"errors"
	"io"
	"math"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "github.com/socketpass/socketpass/clients/go/socketpassv1"
)

const (
	// A hello may wait for half a lease until this gateway's former life is over.
	welcomeWithin = 20 * time.Second
	// What happens meanwhile goes out in one batch.
	batchesApart = 20 * time.Millisecond
	// So many batches may be without their ack.
	batchesUnderWay = 16

	untilWoken = time.Duration(math.MaxInt64)
)

var (
	errNoWelcome = errors.New("no welcome came within 20 s")
	errNoAck     = errors.New("batches waited for their ack for half a lease")
	errNoStream  = errors.New("no stream is open")
	errEnded     = errors.New("the service ended it")
	errNoEnd     = errors.New("the service did not end the stream in time")
)

// stream is one Report call, from hello to its end. One goroutine writes and one reads.
type stream struct {
	*reporter
	call grpc.BidiStreamingClient[pb.ReportRequest, pb.ReportResponse]

	mu              sync.Mutex
	lease           time.Duration // 0 until the welcome.
	sequence, acked uint64
	listed          bool
	whole           uint64 // The sequence of the batch that ended the listing; 0 until then.
	lastBatch       time.Time
	results         []*pb.ReportRequest

	// A replica that hangs ends no stream: this does, when it runs out. It runs while the service owes something.
	patience *time.Timer
	owed     bool
	sending  bool
}

// run answers why the stream ended; nil when it did so after goodbye.
func (s *stream) run(ctx context.Context) error {
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	s.patience = time.AfterFunc(welcomeWithin, func() {
		if s.welcomed() {
			giveUp(errNoAck)
		} else {
			giveUp(errNoWelcome)
		}
	})
	defer s.patience.Stop()
	defer context.AfterFunc(s.ending, func() {
		if s.welcomed() {
			s.sockets.nudge()
		} else {
			giveUp(errNoStream) // There is nobody to say goodbye to.
		}
	})()

	err := s.converse(ctx)
	switch cause := context.Cause(ctx); {
	case errors.Is(err, io.EOF) && s.ending.Err() != nil:
		return nil
	case errors.Is(err, io.EOF):
		return errEnded
	case cause != nil && s.ending.Err() != nil:
		return cause
	case cause != nil:
		// gRPC adds what kept it from connecting.
		return status.Errorf(codes.DeadlineExceeded, "%v: %s", cause, status.Convert(err).Message())
	}
	return err
}

func (s *stream) converse(ctx context.Context) (err error) {
	s.call, err = s.registry.Report(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var writer sync.WaitGroup
	writer.Go(func() { s.write(ctx) })
	err = s.read()
	cancel()
	writer.Wait()
	if s.welcomed() {
		s.sockets.end()
	}
	return err
}

func (s *stream) welcomed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lease > 0
}

// kept says whether the service has the whole listing.
func (s *stream) kept() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.whole > 0 && s.acked >= s.whole
}

// write sends until the stream ends, and says goodbye at the end. Why a message cannot be sent, read learns.
func (s *stream) write(ctx context.Context) {
	if s.call.Send(&pb.ReportRequest{Message: &pb.ReportRequest_Hello{Hello: s.hello}}) != nil {
		return
	}
	timer := time.NewTimer(untilWoken)
	defer timer.Stop()
	for {
		message, wait := s.next()
		if message != nil {
			if s.send(message) != nil {
				return
			}
			if message.GetGoodbye() != nil {
				s.call.CloseSend()
				return
			}
			continue
		}
		timer.Reset(wait)
		select {
		case <-s.sockets.wake:
		case <-timer.C:
		case <-ctx.Done():
			return
		}
	}
}

// next is what to send now, or how long there is nothing to send.
func (s *stream) next() (message *pb.ReportRequest, wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.lease == 0:
		return nil, untilWoken
	case len(s.results) > 0:
		message, s.results = s.results[0], s.results[1:]
		return message, 0
	case s.ending.Err() != nil:
		return &pb.ReportRequest{Message: &pb.ReportRequest_Goodbye{Goodbye: &pb.Goodbye{}}}, 0
	case s.sequence-s.acked >= batchesUnderWay:
		return nil, untilWoken
	}
	// A sign of life is due every third of the lease; a quarter leaves time for its way.
	signOfLife := s.lastBatch.Add(max(s.lease/4, batchesApart))
	due := signOfLife
	if !s.listed || s.sockets.waiting() {
		due = s.lastBatch.Add(batchesApart)
	}
	if wait := time.Until(due); wait > 0 {
		return nil, wait
	}
	events, listed := s.sockets.take()
	if len(events) == 0 && s.listed && time.Now().Before(signOfLife) {
		return nil, time.Until(signOfLife) // What waited has opened and closed.
	}
	s.sequence++
	s.lastBatch = time.Now()
	batch := &pb.Batch{Sequence: s.sequence, Events: events, Complete: listed && !s.listed}
	if batch.Complete {
		s.whole = s.sequence
	}
	s.listed = listed
	return &pb.ReportRequest{Message: &pb.ReportRequest_Batch{Batch: batch}}, 0
}

// send waits as long as the service does not read, and no longer than patience lasts.
func (s *stream) send(message *pb.ReportRequest) error {
	s.mu.Lock()
	s.sending = true
	if !s.owed {
		s.owed = true
		s.patience.Reset(s.lease / 2)
	}
	s.mu.Unlock()
	err := s.call.Send(message)
	s.mu.Lock()
	s.sending = false
	s.settle()
	s.mu.Unlock()
	return err
}

// settle ends the waiting when nothing is owed any more.
func (s *stream) settle() {
	if s.sequence == s.acked && !s.sending {
		s.owed = false
		s.patience.Stop()
	}
}

// read takes what the service says until the stream ends, and answers with what it ended.
func (s *stream) read() error {
	for {
		response, err := s.call.Recv()
		if err != nil {
			return err
		}
		switch message := response.Message.(type) {
		case *pb.ReportResponse_Welcome:
			s.begin(message.Welcome)
		case *pb.ReportResponse_Ack:
			s.acknowledge(message.Ack)
		case *pb.ReportResponse_Command:
			s.obey(message.Command)
		}
	}
}

func (s *stream) begin(welcome *pb.Welcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lease = welcome.Lease.AsDuration()
	s.patience.Stop()
	s.sockets.begin()
	s.sockets.nudge()
	s.log.Info("socketpass: the stream to the registry is open", "gateway_id", s.hello.GatewayId, "lease", s.lease)
}

func (s *stream) acknowledge(ack *pb.Ack) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acked = ack.Sequence
	s.patience.Reset(s.lease / 2)
	s.settle()
	s.sockets.nudge()
	for _, r := range ack.Rejected {
		if s.refusals.due(r.Field + ": " + r.Message) {
			s.log.Warn("socketpass: the registry lists a socket without a field that it cannot take",
				"socket_id", r.SocketId, "field", r.Field, "message", r.Message)
		}
	}
}
