package socketpass

import (
	"context"
	"encoding/json"
	"net/http"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	pb "github.com/socketpass/socketpass/clients/go/socketpassv1"
)

// As large a handshake may be, as a message.
const maxHandshake = 256 << 10

// Authorize asks socketpass about each request, and lets those that are accepted through to next, which finds the user in
// their context. It belongs around the handler that upgrades to a WebSocket, inside whatever else changes the request.
func (c *Client) Authorize(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handshake := handshakeOf(r)
		answer := c.decide(r, handshake)
		if !answer.Accepted {
			c.config.Reject(w, r, decisionOf(answer))
			return
		}
		next.ServeHTTP(w, r.WithContext(withGuest(r.Context(), c, handshake, answer)))
	})
}

// RejectWithStatus answers a rejected handshake with a status and a JSON object of code, reason and message: 401 when
// nobody is logged in, 403 when somebody or their page may not come in, 429 for too many sockets, 503 without a decision.
func RejectWithStatus(w http.ResponseWriter, _ *http.Request, d Decision) {
	body, _ := json.Marshal(struct { // Texts and a number can always be written.
		Close
		Message string `json:"message"`
	}{d.Close, d.Message})
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(statusOf(d))
	w.Write(body) // Whoever is gone need not hear it.
}

func statusOf(d Decision) int {
	switch d.Reason {
	case ReasonOriginNotAllowed, ReasonDeniedByPolicy:
		return http.StatusForbidden
	case ReasonTooManySockets:
		return http.StatusTooManyRequests
	case ReasonUnspecified, ReasonSessionMalformed, ReasonUserSourceFailed, ReasonStoreUnavailable, ReasonGatewayDraining:
		return http.StatusServiceUnavailable
	}
	// Also for a reason that is not known here.
	if d.User.LoggedIn() {
		return http.StatusForbidden
	}
	return http.StatusUnauthorized
}

// decide gives the answer that counts: the service's, as the settings and hooks leave it.
func (c *Client) decide(r *http.Request, handshake *pb.Handshake) *pb.AuthorizeResponse {
	if c.sockets.isShut() {
		return whileClosing()
	}
	answer, err := c.ask(r.Context(), handshake)
	switch {
	case c.sockets.isShut(): // Since the question was put.
		return whileClosing()
	case err != nil && ownMistake(err):
		c.heed(c.config.Fail, r, answer) // Is told, and may choose its words.
		return answer
	case (err != nil || isFault(answer.Reason)) && c.config.OnUnavailable == Accept:
		return letIn(answer)
	case answer.Accepted:
		return c.heed(c.config.Success, r, answer)
	default:
		return c.heed(c.config.Fail, r, answer)
	}
}

// ask puts the question. Without a decision the answer says so, and the error why.
func (c *Client) ask(ctx context.Context, handshake *pb.Handshake) (*pb.AuthorizeResponse, error) {
	call, cancel := c.callWithin(ctx)
	defer cancel()
	answer, err := c.authorize(call, &pb.AuthorizeRequest{Handshake: handshake, GatewayId: c.config.GatewayID})
	if err != nil {
		cause := status.Convert(err)
		left := ctx.Err() != nil // The client, before there was an answer.
		if !left && c.undecided.due(cause.Code().String()) {
			c.config.Logger.Warn("socketpass: no decision on a handshake",
				"code", cause.Code().String(), "message", reasonOfCall(err, c.config.Address), "look_at", settingOf(err))
		}
		return noDecision(), err
	}
	if answer.User == nil {
		answer.User = nobody
	}
	// An answer that cannot be understood keeps out.
	answer.Accepted = answer.Accepted && answer.Reason != pb.Reason_REASON_UNSPECIFIED
	if !answer.Accepted && answer.Close == nil {
		answer.Close = unavailable
	}
	return answer, nil
}

// authorize calls the service, unless the handshake is too large for it. Whoever sends such a one must not have it taken for a
// service that cannot answer.
func (c *Client) authorize(ctx context.Context, request *pb.AuthorizeRequest) (*pb.AuthorizeResponse, error) {
	if size := proto.Size(request); size > maxHandshake {
		return nil, status.Errorf(codes.InvalidArgument, "the handshake has %d bytes; the client sends %d", size, maxHandshake)
	}
	return c.service.Authorize(traced(ctx), request)
}

// callWithin is the context of a call that ends with the request's, or when its time is over. It is no child: what a context
// makes for its children it keeps as long as it lives, and a request lives as long as its socket.
func (c *Client) callWithin(request context.Context) (context.Context, context.CancelFunc) {
	call, cancel := context.WithTimeout(context.WithoutCancel(request), c.config.Timeout)
	go func() {
		select {
		case <-request.Done():
			cancel()
		case <-call.Done():
		}
	}()
	return call, cancel
}

// heed asks the application's hook, and does as it says.
func (c *Client) heed(hook Hook, r *http.Request, answer *pb.AuthorizeResponse) *pb.AuthorizeResponse {
	if hook == nil {
		return answer
	}
	d := decisionOf(answer)
	if err := hook(r, &d); err != nil {
		c.config.Logger.Error("socketpass: the application's hook failed: the handshake is rejected", "error", err)
		return rejected(answer)
	}
	switch {
	case d.Accepted && !answer.Accepted:
		return letIn(answer)
	case !d.Accepted && answer.Accepted:
		return &pb.AuthorizeResponse{Reason: pb.Reason_REASON_DENIED_BY_POLICY, Message: d.Message, User: answer.User, Close: denied}
	default:
		answer.Message = d.Message
		return answer
	}
}

// letIn accepts against the decision. With a session id the service would end the socket.
func letIn(answer *pb.AuthorizeResponse) *pb.AuthorizeResponse {
	return &pb.AuthorizeResponse{Accepted: true, Reason: answer.Reason, User: nobody}
}

// rejected keeps to a rejection; an acceptance that could not be carried through is no decision.
func rejected(answer *pb.AuthorizeResponse) *pb.AuthorizeResponse {
	if answer.Accepted {
		return noDecision()
	}
	return answer
}
