package socketpass

import (
	"encoding/json"
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"

	pb "github.com/socketpass/socketpass/clients/go/socketpassv1"
)

// Decision is what becomes of a handshake, and why.
type Decision struct {
	// Accepted says whether they may come in.
	Accepted bool
	// Reason is why, for programs. When accepted, anything but ReasonAuthorized says why nobody is logged in.
	Reason Reason
	// Message is why rejected, for people; empty when accepted.
	Message string
	// Error is passport.socketio's flag: something is wrong, rather than nobody logged in.
	Error bool
	// User is who it is. It always has "logged_in".
	User User
	// SessionID is the session that was looked up; empty when none was. It is as good as a login: keep it out of logs.
	SessionID string
	// Close is what to tell a rejected client.
	Close Close
}

// Reason is why a decision fell as it did. A newer service may have more than are listed here.
type Reason string

// Reasons of decisions.
const (
	// ReasonUnspecified is that of a handshake without a decision.
	ReasonUnspecified            Reason = "REASON_UNSPECIFIED"
	ReasonAuthorized             Reason = "AUTHORIZED"
	ReasonNoSessionID            Reason = "NO_SESSION_ID"
	ReasonBadSignature           Reason = "BAD_SIGNATURE"
	ReasonSessionNotFound        Reason = "SESSION_NOT_FOUND"
	ReasonSessionMalformed       Reason = "SESSION_MALFORMED"
	ReasonPassportNotInitialized Reason = "PASSPORT_NOT_INITIALIZED"
	ReasonNotLoggedIn            Reason = "NOT_LOGGED_IN"
	ReasonUserNotFound           Reason = "USER_NOT_FOUND"
	ReasonUserSourceFailed       Reason = "USER_SOURCE_FAILED"
	ReasonStoreUnavailable       Reason = "STORE_UNAVAILABLE"
	ReasonOriginNotAllowed       Reason = "ORIGIN_NOT_ALLOWED"
	ReasonDeniedByPolicy         Reason = "DENIED_BY_POLICY"
	ReasonTooManySockets         Reason = "TOO_MANY_SOCKETS"
	// ReasonGatewayDraining is that of those who come while the client closes.
	ReasonGatewayDraining Reason = "GATEWAY_DRAINING"
)

// Close is how a socket is closed. With a code of 4000 to 4499 the client may come back, with 4500 to 4999 it need not.
type Close struct {
	Code   int    `json:"code"`
	Reason string `json:"reason"`
}

// User is who stands behind a handshake, as socketpass answered it. Numbers are float64, as in encoding/json.
type User map[string]any

// LoggedIn says whether anybody is logged in.
func (u User) LoggedIn() bool {
	loggedIn, _ := u["logged_in"].(bool)
	return loggedIn
}

// Decode stores the user in the value that v points to, as encoding/json would.
func (u User) Decode(v any) error {
	text, err := json.Marshal(u)
	if err == nil {
		err = json.Unmarshal(text, v)
	}
	if err != nil {
		return fmt.Errorf("socketpass: the user cannot be decoded: %w", err)
	}
	return nil
}

var (
	nobody = &structpb.Struct{Fields: map[string]*structpb.Value{"logged_in": structpb.NewBoolValue(false)}}

	unavailable = &pb.Close{Code: 4000, Reason: "service_unavailable"}
	draining    = &pb.Close{Code: 4001, Reason: "gateway_draining"}
	denied      = &pb.Close{Code: 4504, Reason: "denied_by_policy"}
	// Of a service that does not say how.
	disconnected = &pb.Close{Code: 4505, Reason: "disconnected"}
)

// noDecision is the answer of a service that gave none.
func noDecision() *pb.AuthorizeResponse {
	return &pb.AuthorizeResponse{Message: "Authorization service unavailable", Error: true, User: nobody, Close: unavailable}
}

// whileClosing is the answer to those who come when the client is closed or closes.
func whileClosing() *pb.AuthorizeResponse {
	return &pb.AuthorizeResponse{Reason: pb.Reason_REASON_GATEWAY_DRAINING, Message: "Gateway is shutting down", User: nobody, Close: draining}
}

func decisionOf(answer *pb.AuthorizeResponse) Decision {
	return Decision{
		Accepted:  answer.Accepted,
		Reason:    reasonOf(answer.Reason),
		Message:   answer.Message,
		Error:     answer.Error,
		User:      answer.User.AsMap(),
		SessionID: answer.SessionId,
		Close:     closeOf(answer.Close),
	}
}

func reasonOf(reason pb.Reason) Reason {
	if reason == pb.Reason_REASON_UNSPECIFIED {
		return ReasonUnspecified
	}
	return Reason(strings.TrimPrefix(reason.String(), "REASON_"))
}

func closeOf(c *pb.Close) Close {
	return Close{Code: int(c.GetCode()), Reason: c.GetReason()}
}

// isFault says whether something kept the service from deciding.
func isFault(reason pb.Reason) bool {
	switch reason {
	case pb.Reason_REASON_SESSION_MALFORMED, pb.Reason_REASON_USER_SOURCE_FAILED, pb.Reason_REASON_STORE_UNAVAILABLE:
		return true
	}
	return false
}

// ownMistake says whether an error is the gateway's own doing, which no waiting mends.
func ownMistake(err error) bool {
	switch status.Code(err) {
	case codes.Unauthenticated, codes.PermissionDenied, codes.InvalidArgument, codes.Unimplemented:
		return true
	}
	return false
}

// settingOf is the setting to look at when a call ends so; empty when none is to blame.
func settingOf(err error) string {
	switch status.Code(err) {
	case codes.Unauthenticated:
		return "Token, TLS"
	case codes.PermissionDenied:
		return "Token"
	case codes.AlreadyExists, codes.Aborted:
		return "GatewayID"
	case codes.Unimplemented:
		return "Address"
	case codes.Unavailable, codes.DeadlineExceeded:
		return "Address, TLS"
	}
	return ""
}
