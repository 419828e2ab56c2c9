package socketpass

import (
	"sync"

	"google.golang.org/protobuf/types/known/structpb"
)

// userChanges tells the application of changes, in order, and has nobody else wait for it.
type userChanges struct {
	mu       sync.Mutex
	listener func(User)
	untold   []*structpb.Struct
	telling  bool
}

func (u *userChanges) listen(f func(User)) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.listener = f
}

func (u *userChanges) tell(user *structpb.Struct) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.listener == nil {
		return
	}
	u.untold = append(u.untold, user)
	if !u.telling {
		u.telling = true
		go u.tellAll()
	}
}

func (u *userChanges) tellAll() {
	for {
		u.mu.Lock()
		if len(u.untold) == 0 {
			u.telling = false
			u.mu.Unlock()
			return
		}
		user, listener := u.untold[0], u.listener
		u.untold = u.untold[1:]
		u.mu.Unlock()
		listener(user.AsMap())
	}
}
