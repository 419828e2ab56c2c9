package socketpass

import "sync"

// turns have what a socket is told happen one thing after another, while sockets do not wait for each other.
type turns struct {
	mu      sync.Mutex
	waiting map[*Socket][]func() // Of the sockets that are busy: what comes after.
}

// next has f called when all that the socket was given before has returned.
func (t *turns) next(s *Socket, f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if after, busy := t.waiting[s]; busy {
		t.waiting[s] = append(after, f)
		return
	}
	if t.waiting == nil {
		t.waiting = map[*Socket][]func(){}
	}
	t.waiting[s] = nil
	go t.take(s, f)
}

// take calls f and what comes after.
func (t *turns) take(s *Socket, f func()) {
	for f != nil {
		f()
		f = t.after(s)
	}
}

// after is what comes next; nil when the socket is busy no more.
func (t *turns) after(s *Socket) func() {
	t.mu.Lock()
	defer t.mu.Unlock()
	after := t.waiting[s]
	if len(after) == 0 {
		delete(t.waiting, s)
		return nil
	}
	t.waiting[s] = after[1:]
	return after[0]
}
