package socketpass

import (
	"context"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	pb "github.com/socketpass/socketpass/clients/go/socketpassv1"
)

const (
	eventsABatch = 500
	// The service takes 4 MiB, or less if limits.max_message_bytes says so; a socket alone has up to 130 KiB.
	bytesABatch = 1 << 20
)

// sockets are those that are open in this process, and what a stream has still to tell of them.
type sockets struct {
	closeAfterLoss time.Duration
	wake           chan struct{} // There is something to tell.

	mu   sync.Mutex
	open map[string]*Socket
	shut bool

	streaming bool
	queue     []*Socket
	listing   int // So many at the queue's front belong to the first listing.

	lostAt time.Time
	lost   *time.Timer // Set while it runs.
}

func newSockets(closeAfterLoss time.Duration) *sockets {
	return &sockets{
		closeAfterLoss: closeAfterLoss,
		wake:           make(chan struct{}, 1),
		open:           map[string]*Socket{},
		lostAt:         time.Now(),
	}
}

// add says whether the socket may be open.
func (l *sockets) add(s *Socket) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.shut {
		return false
	}
	s.open = true
	l.open[s.id] = s
	l.tell(s)
	l.watchLoss()
	return true
}

// release is the application's word that it has done with the socket.
func (l *sockets) release(s *Socket) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.remove(s)
	s.released = true
	for _, cancel := range s.closing {
		cancel()
	}
	s.closing = nil
}

// takeOff takes the socket off the list.
func (l *sockets) takeOff(s *Socket) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.remove(s)
}

// atRelease calls cancel when the application has released the socket.
func (l *sockets) atRelease(s *Socket, cancel context.CancelFunc) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.released {
		cancel()
		return
	}
	s.closing = append(s.closing, cancel)
}

func (l *sockets) remove(s *Socket) {
	if s.open {
		s.open = false
		delete(l.open, s.id)
		l.tell(s)
	}
}

func (l *sockets) setData(s *Socket, data *structpb.Struct) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s.data = data
	if s.open {
		l.tell(s)
	}
}

// tell has the stream tell what has become of the socket by then. Without a stream the next one lists it anyway.
func (l *sockets) tell(s *Socket) {
	if !l.streaming || s.queued {
		return
	}
	s.queued = true
	l.queue = append(l.queue, s)
	l.nudge()
}

func (l *sockets) nudge() {
	select {
	case l.wake <- struct{}{}:
	default: // It is to wake already.
	}
}

// all are those that are open.
func (l *sockets) all() []*Socket {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]*Socket, 0, len(l.open))
	for _, s := range l.open {
		all = append(all, s)
	}
	return all
}

// named are those of the ids that are open.
func (l *sockets) named(ids []string) []*Socket {
	l.mu.Lock()
	defer l.mu.Unlock()
	named := make([]*Socket, 0, len(ids))
	for _, id := range ids {
		if s, ok := l.open[id]; ok {
			named = append(named, s)
		}
	}
	return named
}

// begin has a new stream tell of everything that is open.
func (l *sockets) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.streaming = true
	l.queue = make([]*Socket, 0, len(l.open))
	for _, s := range l.open {
		s.queued, s.listed = true, false
		l.queue = append(l.queue, s)
	}
	l.listing = len(l.queue)
	if l.lost != nil {
		l.lost.Stop()
		l.lost = nil
	}
}

// end is the end of a stream that had begun.
func (l *sockets) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.queue {
		s.queued = false
	}
	l.streaming, l.queue, l.listing = false, nil, 0
	l.lostAt = time.Now()
	l.watchLoss()
}

// waiting says whether there is something to tell.
func (l *sockets) waiting() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.queue) > 0
}

// take gives the next events, as many as go into a batch, and says whether the first listing is through.
func (l *sockets) take() (events []*pb.Event, listed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	taken, bytes := 0, 0
	for _, s := range l.queue {
		event := l.event(s)
		if event != nil {
			bytes += proto.Size(event)
			if len(events) == eventsABatch || len(events) > 0 && bytes > bytesABatch {
				break
			}
			events = append(events, event)
		}
		s.queued, s.listed = false, s.open
		taken++
	}
	clear(l.queue[:taken]) // Else what is closed is kept until the queue is empty.
	l.queue = l.queue[taken:]
	l.listing = max(0, l.listing-taken)
	return events, l.listing == 0
}

// event is what has to be told of a socket. One that has opened and closed since is not told at all.
func (l *sockets) event(s *Socket) *pb.Event {
	switch {
	case s.open:
		return &pb.Event{Event: &pb.Event_Opened{Opened: s.report()}}
	case s.listed:
		return &pb.Event{Event: &pb.Event_Closed{Closed: &pb.SocketClosed{SocketId: s.id}}}
	}
	return nil
}

// isShut says whether new ones are kept out.
func (l *sockets) isShut() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.shut
}

// shutAll keeps new ones out, and gives those that are open.
func (l *sockets) shutAll() []*Socket {
	l.mu.Lock()
	l.shut = true
	if l.lost != nil {
		l.lost.Stop()
		l.lost = nil
	}
	l.mu.Unlock()
	return l.all()
}
