package socketpass

import (
	"sync"
	"time"
)

const (
	// The same cause is not logged again within.
	causesApart = time.Minute
	// As many causes are kept apart; who has more is told again.
	maxCauses = 1000
)

// causes are what was logged already, and when.
type causes struct {
	mu     sync.Mutex
	logged map[string]time.Time
}

// due says whether the cause is to be logged: it is a new one, or was logged a while ago.
func (c *causes) due(cause string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at, ok := c.logged[cause]; ok && time.Since(at) < causesApart {
		return false
	}
	if c.logged == nil || len(c.logged) >= maxCauses {
		c.logged = map[string]time.Time{}
	}
	c.logged[cause] = time.Now()
	return true
}
