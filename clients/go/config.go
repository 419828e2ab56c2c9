package socketpass

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	defaultAddress = "127.0.0.1:50051"
	defaultTimeout = 5 * time.Second

	// The registry's bounds for what a gateway says of itself.
	maxGatewayID  = 256
	maxLabels     = 32
	maxLabelName  = 63
	maxLabelValue = 256
)

// Config says where socketpass is, who this gateway is, and what becomes of handshakes. The zero Config is a gateway of a
// socketpass on this machine that needs no token.
type Config struct {
	// Address is socketpass' host and port; empty is 127.0.0.1:50051. A name that has several addresses is asked again when
	// connections are lost, and calls go round all of them.
	Address string

	// TLS encrypts the connection; nil is plaintext.
	TLS *TLS

	// Token is what "socketpass token" made; empty is none.
	Token string

	// TokenFunc gives the token instead, and is asked for every call, so that a token can be exchanged. Its context is the
	// call's.
	TokenFunc func(context.Context) (string, error)

	// GatewayID is this process' name in the fleet, of 1 to 256 bytes; empty is the host's name and six random hex digits.
	// With a name that is the same after a restart, a pod's name, nothing is listed twice for a lease.
	GatewayID string

	// Labels are what filters see as gateway.labels: at most 32, names of 1 to 63 bytes, values of at most 256.
	Labels map[string]string

	// Timeout is how long an Authorize may take, repetitions included; 0 is 5 s.
	Timeout time.Duration

	// OnUnavailable says what becomes of handshakes that the service could not answer, or answered with a fault; empty is
	// Reject.
	OnUnavailable OnUnavailable

	// CloseAfterLoss is how long a socket may be open without a stream to socketpass until it is closed; 0 is for ever.
	CloseAfterLoss time.Duration

	// Success is asked about each handshake that the service accepted.
	Success Hook

	// Fail is asked about each handshake that is to be rejected.
	Fail Hook

	// Reject answers a rejected handshake; nil is RejectWithStatus. Browsers cannot see an HTTP status: to tell them a close
	// code, take the Reject of coderws or gorillaws.
	Reject func(http.ResponseWriter, *http.Request, Decision)

	// EncodeEvent writes the text message in which the fleet's event is sent to a socket; nil is the JSON
	// {"event": event, "args": [...]}. args hold what encoding/json makes of JSON.
	EncodeEvent func(event string, args []any) ([]byte, error)

	// Logger is told what an operator should know; nil is slog.Default().
	Logger *slog.Logger
}

// OnUnavailable is what becomes of a handshake without a decision.
type OnUnavailable string

// What Config.OnUnavailable takes.
const (
	Reject OnUnavailable = "reject"
	Accept OnUnavailable = "accept"
)

// Hook is the application's own say about a handshake. It lets the decision stand by leaving it as it is, and does otherwise
// by setting Accepted; when it rejects, Message is what the client hears. What else it changes does not count. An error
// rejects, and is logged.
//
// Whom a hook lets in against the decision has the user {"logged_in": false}. When the service refused the client's own
// credentials, Fail is told, but lets nobody in.
type Hook func(r *http.Request, d *Decision) error

// SettingError is a setting that cannot be. New joins one for each into its error.
type SettingError struct {
	// Setting is the field's name in Config: "Timeout", "TLS.CA".
	Setting string
	// Message says what is wrong and what the setting takes.
	Message string
	// Err is the cause, if there is one.
	Err error
}

func (e *SettingError) Error() string {
	return fmt.Sprintf("socketpass: %s: %s", e.Setting, e.Message)
}

func (e *SettingError) Unwrap() error { return e.Err }

// withDefaults fills in what was not set, and says all that cannot be.
func (c Config) withDefaults() (Config, error) {
	var faults []error
	fault := func(setting, format string, args ...any) {
		faults = append(faults, &SettingError{Setting: setting, Message: fmt.Sprintf(format, args...)})
	}

	if c.Address == "" {
		c.Address = defaultAddress
	}
	c.Address = strings.TrimPrefix(c.Address, "dns:///")
	if !isHostPort(c.Address) {
		fault("Address", "%q is no host and port; it takes host:port, such as %s", c.Address, defaultAddress)
	}
	if c.Token != "" && c.TokenFunc != nil {
		fault("Token", "is set, and TokenFunc too; it takes one of them")
	}
	if c.Token != "" && !isToken(c.Token) {
		fault("Token", "%s", badToken)
	}
	if c.GatewayID == "" {
		c.GatewayID = someGatewayID()
	}
	if len(c.GatewayID) > maxGatewayID || !isText(c.GatewayID) {
		fault("GatewayID", "%q cannot be one; it takes 1 to %d bytes without control characters", c.GatewayID, maxGatewayID)
	}
	c.Labels = maps.Clone(c.Labels) // They are sent again and again.
	if len(c.Labels) > maxLabels {
		fault("Labels", "has %d; it takes at most %d", len(c.Labels), maxLabels)
	}
	for name, value := range c.Labels {
		if name == "" || len(name) > maxLabelName || len(value) > maxLabelValue || !isText(name) || !isText(value) {
			fault("Labels", "%q cannot be one; it takes names of 1 to %d bytes and values of at most %d, without control characters",
				name, maxLabelName, maxLabelValue)
		}
	}
	if c.Timeout < 0 {
		fault("Timeout", "is %v; it takes a duration above 0", c.Timeout)
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	switch c.OnUnavailable {
	case "":
		c.OnUnavailable = Reject
	case Reject, Accept:
	default:
		fault("OnUnavailable", "is %q; it takes %q or %q", string(c.OnUnavailable), string(Reject), string(Accept))
	}
	if c.CloseAfterLoss < 0 {
		fault("CloseAfterLoss", "is %v; it takes a duration above 0, or 0 for never", c.CloseAfterLoss)
	}
	if c.Reject == nil {
		c.Reject = RejectWithStatus
	}
	if c.EncodeEvent == nil {
		c.EncodeEvent = encodeEvent
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c, errors.Join(faults...)
}

func isHostPort(address string) bool {
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" || strings.ContainsAny(host, "/ ") {
		return false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0
}

func isText(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl)
}

func someGatewayID() string {
	host, err := os.Hostname()
	if err != nil {
		host = "gateway"
	}
	digits := make([]byte, 3)
	rand.Read(digits) // Never fails.
	return host + "-" + hex.EncodeToString(digits)
}
