package socketpass

import (
	"context"
	"encoding/json"
	"net/http"

	"go.opentelemetry.io/otel"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	pb "github.com/socketpass/socketpass/clients/go/socketpassv1"
)

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
	case ReasonUnspecified, ReasonSessionMalformed, ReasonUserSourceFailed, ReasonStoreUnavailable:
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
	answer, err := c.ask(r.Context(), handshake)
	switch {
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
	answer, err := c.service.Authorize(traced(call), &pb.AuthorizeRequest{Handshake: handshake, GatewayId: c.config.GatewayID})
	if err != nil {
		cause := status.Convert(err)
		left := ctx.Err() != nil // The client, before there was an answer.
		if !left && c.undecided.first(cause.Code().String()) {
			c.config.Logger.Warn("socketpass: no decision on a handshake",
				"code", cause.Code().String(), "message", cause.Message(), "look_at", settingOf(err))
		}
		return noDecision(), err
	}
	c.undecided.forget()
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

// traced sends the current trace along, as the propagator that is set writes it.
func traced(ctx context.Context) context.Context {
	carrier := carrier{}
	otel.GetTextMapPropagator().Inject(ctx, carrier)
	if len(carrier) == 0 {
		return ctx
	}
	return metadata.NewOutgoingContext(ctx, metadata.MD(carrier))
}

// carrier lets a propagator write metadata.
type carrier metadata.MD

func (c carrier) Set(key, value string) { metadata.MD(c).Set(key, value) }

func (c carrier) Get(key string) string {
	if values := metadata.MD(c).Get(key); len(values) > 0 {
		return values[0]
	}
	return ""
}

func (c carrier) Keys() []string {
	keys := make([]string, 0, len(c))
	for key := range c {
		keys = append(keys, key)
	}
	return keys
}
