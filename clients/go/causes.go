package socketpass

import "sync"

// As many causes are kept apart; who has more is told again.
const maxCauses = 1000

// causes are what was logged already.
type causes struct {
	mu     sync.Mutex
	logged map[string]struct{}
}

// first says whether the cause is a new one.
func (c *causes) first(cause string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.logged[cause]; ok {
		return false
	}
	if c.logged == nil || len(c.logged) >= maxCauses {
		c.logged = map[string]struct{}{}
	}
	c.logged[cause] = struct{}{}
	return true
}

// forget has everything logged again that happens again.
func (c *causes) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.logged)
}
