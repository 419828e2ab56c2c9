package socketpass

import (
	"context"
	"time"
)

// watchLoss sees to it that sockets without a stream are closed in time.
func (l *sockets) watchLoss() {
	if l.closeAfterLoss > 0 && !l.streaming && !l.shut && l.lost == nil && len(l.open) > 0 {
		l.lost = time.AfterFunc(l.closeAfterLoss, l.closeLost)
	}
}

// closeLost closes the sockets that have been without a stream for too long, and comes back when the next one has.
func (l *sockets) closeLost() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lost == nil { // A stream came in the same moment.
		return
	}
	l.lost = nil
	var due []*Socket
	next := time.Duration(0)
	for _, s := range l.open {
		since := l.lostAt
		if s.openedAt.After(since) {
			since = s.openedAt
		}
		switch left := l.closeAfterLoss - time.Since(since); {
		case left <= 0:
			due = append(due, s)
		case next == 0 || left < next:
			next = left
		}
	}
	if next > 0 {
		l.lost = time.AfterFunc(next, l.closeLost)
	}
	if len(due) > 0 {
		go func() { closeAll(context.Background(), due, unavailable)() }()
	}
}
