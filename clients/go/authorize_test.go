package socketpass

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/socketpass/socketpass/clients/go/internal/scripted"
	pb "github.com/socketpass/socketpass/clients/go/socketpassv1"
)

// answers makes Authorize answer the same to everybody.
func answers(server *scripted.Server, answer *pb.AuthorizeResponse, err error) {
	server.Decide(func(context.Context, *pb.AuthorizeRequest) (*pb.AuthorizeResponse, error) { return answer, err })
}

func TestWhoIsAcceptedIsKnown(t *testing.T) {
	client, server, _ := begin(t, Config{GatewayID: "chat-1"})
	r, _ := ask(client, get("/chat"))
	if r == nil {
		t.Fatal("was rejected")
	}
	user := UserFrom(r.Context())
	if !reflect.DeepEqual(user, User{"logged_in": true, "id": 1.0, "name": "Ana"}) || !user.LoggedIn() {
		t.Errorf("the user is %v", user)
	}
	ana, err := UserAs[struct {
		ID       int64 `json:"id"`
		Name     string
		LoggedIn bool `json:"logged_in"`
	}](r.Context())
	if err != nil || ana.ID != 1 || ana.Name != "Ana" || !ana.LoggedIn {
		t.Errorf("%+v, %v", ana, err)
	}
	d, ok := DecisionFrom(r.Context())
	if !ok || !d.Accepted || d.Reason != ReasonAuthorized || d.SessionID != "session-of-ana" || d.Message != "" || d.Error {
		t.Errorf("%+v", d)
	}
	if asked, _ := server.Asked(); asked[0].GatewayId != "chat-1" {
		t.Errorf("the gateway is %q", asked[0].GatewayId)
	}
}

func TestWithoutAuthorizeNobodyIsKnown(t *testing.T) {
	ctx := context.Background()
	if user := UserFrom(ctx); user != nil || user.LoggedIn() {
		t.Error(user)
	}
	if _, err := UserAs[map[string]any](ctx); !errors.Is(err, ErrNotAuthorized) {
		t.Error(err)
	}
	if _, ok := DecisionFrom(ctx); ok {
		t.Error("there is a decision")
	}
	if _, err := Track(ctx, &fakeConn{}); !errors.Is(err, ErrNotAuthorized) {
		t.Error(err)
	}
}

func TestAUserThatIsNoneOfTheApplications(t *testing.T) {
	client, _, _ := begin(t, Config{})
	r, _ := ask(client, get("/"))
	var typeError *json.UnmarshalTypeError
	if _, err := UserAs[struct{ Name int }](r.Context()); !errors.As(err, &typeError) {
		t.Error(err)
	}
}

func TestAnonymousSocketsKeepTheirSession(t *testing.T) {
	client, server, _ := begin(t, Config{})
	answers(server, &pb.AuthorizeResponse{Accepted: true, Reason: pb.Reason_REASON_NOT_LOGGED_IN, SessionId: "s"}, nil)
	r, _ := ask(client, get("/"))
	if d, _ := DecisionFrom(r.Context()); d.Reason != ReasonNotLoggedIn || d.SessionID != "s" || d.User["logged_in"] != false {
		t.Errorf("%+v", d)
	}
}

func TestWhatARejectedClientHears(t *testing.T) {
	client, server, _ := begin(t, Config{})
	for reason, want := range map[pb.Reason]int{
		pb.Reason_REASON_NO_SESSION_ID:            401,
		pb.Reason_REASON_BAD_SIGNATURE:            401,
		pb.Reason_REASON_SESSION_NOT_FOUND:        401,
		pb.Reason_REASON_PASSPORT_NOT_INITIALIZED: 401,
		pb.Reason_REASON_NOT_LOGGED_IN:            401,
		pb.Reason_REASON_USER_NOT_FOUND:           401,
		pb.Reason_REASON_ORIGIN_NOT_ALLOWED:       403,
		pb.Reason_REASON_DENIED_BY_POLICY:         403,
		pb.Reason_REASON_TOO_MANY_SOCKETS:         429,
		pb.Reason_REASON_SESSION_MALFORMED:        503,
		pb.Reason_REASON_USER_SOURCE_FAILED:       503,
		pb.Reason_REASON_STORE_UNAVAILABLE:        503,
		pb.Reason(99):                             401, // Of a newer service.
	} {
		answers(server, scripted.Rejection(reason, `no "way"`, 4500, "name"), nil)
		r, response := ask(client, get("/"))
		body := bodyOf(t, response)
		if r != nil || response.StatusCode != want || body != `{"code":4500,"reason":"name","message":"no \"way\""}` ||
			response.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%v: %d %s", reason, response.StatusCode, body)
		}
	}
}

func TestAnAnswerThatCannotBeUnderstoodKeepsOut(t *testing.T) {
	client, server, _ := begin(t, Config{OnUnavailable: Accept})
	for _, answer := range []*pb.AuthorizeResponse{{}, {Accepted: true}} {
		answers(server, answer, nil)
		r, response := ask(client, get("/"))
		if body := bodyOf(t, response); r != nil || body != `{"code":4000,"reason":"service_unavailable","message":""}` {
			t.Errorf("%v: %s", answer, body)
		}
	}
}

const noDecisionBody = `{"code":4000,"reason":"service_unavailable","message":"Authorization service unavailable"}`

func TestWithoutADecision(t *testing.T) {
	for _, code := range []codes.Code{codes.Unavailable, codes.DeadlineExceeded, codes.ResourceExhausted, codes.Internal, codes.Unknown, codes.Canceled} {
		t.Run(code.String(), func(t *testing.T) {
			var seen []Decision
			fail := func(_ *http.Request, d *Decision) error { seen = append(seen, *d); return nil }
			client, server, logs := begin(t, Config{Fail: fail})
			answers(server, nil, status.Error(code, "why"))
			for range 2 {
				r, response := ask(client, get("/"))
				if body := bodyOf(t, response); r != nil || response.StatusCode != 503 || body != noDecisionBody {
					t.Errorf("%d %s", response.StatusCode, body)
				}
			}
			want := Decision{
				Reason:  ReasonUnspecified,
				Message: "Authorization service unavailable",
				Error:   true,
				User:    User{"logged_in": false},
				Close:   Close{4000, "service_unavailable"},
			}
			if len(seen) != 2 || !reflect.DeepEqual(seen[0], want) {
				t.Errorf("the hook saw %+v", seen)
			}
			if n := logs.count("no decision on a handshake"); n != 1 {
				t.Errorf("it is logged %d times", n)
			}

			accepting, server, _ := begin(t, Config{OnUnavailable: Accept, Fail: fail})
			answers(server, nil, status.Error(code, "why"))
			r, _ := ask(accepting, get("/"))
			if r == nil || len(seen) != 2 {
				t.Fatal("is not let in, or the hook was asked")
			}
			if d, _ := DecisionFrom(r.Context()); d.SessionID != "" || !reflect.DeepEqual(d.User, User{"logged_in": false}) {
				t.Errorf("%+v", d)
			}
		})
	}
}

func TestFaults(t *testing.T) {
	for _, reason := range []pb.Reason{pb.Reason_REASON_SESSION_MALFORMED, pb.Reason_REASON_USER_SOURCE_FAILED, pb.Reason_REASON_STORE_UNAVAILABLE} {
		fault := scripted.Rejection(reason, "Error in session store", 4000, "fault")
		fault.SessionId = "s"
		rejecting, server, _ := begin(t, Config{})
		answers(server, fault, nil)
		if r, response := ask(rejecting, get("/")); r != nil || response.StatusCode != 503 {
			t.Errorf("%v: %d", reason, response.StatusCode)
		}
		accepting, server, _ := begin(t, Config{OnUnavailable: Accept})
		answers(server, fault, nil)
		r, _ := ask(accepting, get("/"))
		if r == nil {
			t.Fatalf("%v: is not let in", reason)
		}
		if d, _ := DecisionFrom(r.Context()); d.SessionID != "" || d.User["logged_in"] != false {
			t.Errorf("%v: %+v", reason, d)
		}
	}
}

func TestTheGatewaysOwnMistakesLetNobodyIn(t *testing.T) {
	for code, setting := range map[codes.Code]string{
		codes.Unauthenticated:  "look_at=\"Token, TLS\"",
		codes.PermissionDenied: "look_at=Token",
		codes.InvalidArgument:  "look_at=\"\"",
		codes.Unimplemented:    "look_at=Address",
	} {
		asked := 0
		client, server, logs := begin(t, Config{OnUnavailable: Accept, Fail: func(_ *http.Request, d *Decision) error {
			asked++
			d.Accepted = true
			return nil
		}})
		answers(server, nil, status.Error(code, "why"))
		if r, response := ask(client, get("/")); r != nil || response.StatusCode != 503 || asked != 1 {
			t.Errorf("%v: %d, the hook was asked %d times", code, response.StatusCode, asked)
		}
		if logs.count(setting) != 1 {
			t.Errorf("%v: the log does not say %s", code, setting)
		}
	}
}

func TestHooks(t *testing.T) {
	fails := func(*http.Request, *Decision) error { return errors.New("a secret of the application's") }
	observes := func(*http.Request, *Decision) error { return nil }
	refuses := func(_ *http.Request, d *Decision) error {
		d.Accepted, d.Message = false, "refused by the application"
		return nil
	}
	accepts := func(_ *http.Request, d *Decision) error { d.Accepted = true; return nil }
	no := scripted.Rejection(pb.Reason_REASON_NOT_LOGGED_IN, "not logged in", 4501, "not_logged_in")
	no.SessionId = "s"
	for name, test := range map[string]struct {
		answer        *pb.AuthorizeResponse
		success, fail Hook
		status        int
		body          string
	}{
		"success lets stand":     {scripted.Ana(), observes, fails, 200, ""},
		"success refuses":        {scripted.Ana(), refuses, accepts, 403, `{"code":4504,"reason":"denied_by_policy","message":"refused by the application"}`},
		"success fails":          {scripted.Ana(), fails, accepts, 503, noDecisionBody},
		"fail lets stand":        {no, fails, observes, 401, `{"code":4501,"reason":"not_logged_in","message":"not logged in"}`},
		"fail has its own words": {no, fails, refuses, 401, `{"code":4501,"reason":"not_logged_in","message":"refused by the application"}`},
		"fail fails":             {no, accepts, fails, 401, `{"code":4501,"reason":"not_logged_in","message":"not logged in"}`},
		"fail lets in":           {no, fails, accepts, 200, ""},
	} {
		t.Run(name, func(t *testing.T) {
			client, server, _ := begin(t, Config{Success: test.success, Fail: test.fail})
			answers(server, test.answer, nil)
			r, response := ask(client, get("/"))
			if body := bodyOf(t, response); response.StatusCode != test.status || body != test.body || (r != nil) != (test.status == 200) {
				t.Errorf("%d %s", response.StatusCode, body)
			}
			if name == "fail lets in" {
				if d, _ := DecisionFrom(r.Context()); d.SessionID != "" || d.User.LoggedIn() || d.Reason != ReasonNotLoggedIn {
					t.Errorf("%+v", d)
				}
			}
		})
	}
}

func TestWhatAHookSees(t *testing.T) {
	var path string
	var seen Decision
	client, _, _ := begin(t, Config{Success: func(r *http.Request, d *Decision) error { path, seen = r.URL.Path, *d; return nil }})
	ask(client, get("/chat"))
	if path != "/chat" || !seen.Accepted || seen.User["name"] != "Ana" || seen.SessionID != "session-of-ana" {
		t.Errorf("%q, %+v", path, seen)
	}
}

func TestUnavailableIsTriedAgainFourTimesInAll(t *testing.T) {
	for failures, accepted := range map[int]bool{3: true, 4: false} {
		client, server, _ := begin(t, Config{})
		left := failures
		server.Decide(func(context.Context, *pb.AuthorizeRequest) (*pb.AuthorizeResponse, error) {
			if left--; left >= 0 {
				return nil, status.Error(codes.Unavailable, "going")
			}
			return scripted.Ana(), nil
		})
		r, _ := ask(client, get("/"))
		asked, _ := server.Asked()
		if (r != nil) != accepted || len(asked) != 4 {
			t.Errorf("after %d failures: let in is %v, asked were %d", failures, r != nil, len(asked))
		}
	}
}

func TestTimeoutHoldsForAllRepetitions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server, _ := begin(t, Config{Timeout: time.Second})
		server.Decide(func(ctx context.Context, _ *pb.AuthorizeRequest) (*pb.AuthorizeResponse, error) {
			select {
			case <-time.After(600 * time.Millisecond):
				return nil, status.Error(codes.Unavailable, "going")
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		})
		start := time.Now()
		r, response := ask(client, get("/"))
		if took := time.Since(start); r != nil || response.StatusCode != 503 || took != time.Second {
			t.Errorf("%d after %v", response.StatusCode, took)
		}
	})
}

func TestTheCurrentTraceGoesAlong(t *testing.T) {
	client, server, _ := begin(t, Config{})
	span := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: 1})
	r := get("/").WithContext(trace.ContextWithSpanContext(context.Background(), span))
	none := propagation.NewCompositeTextMapPropagator()
	otel.SetTextMapPropagator(none)
	defer otel.SetTextMapPropagator(none)
	ask(client, r)
	otel.SetTextMapPropagator(propagation.TraceContext{})
	ask(client, r)
	_, md := server.Asked()
	if got := md[0].Get("traceparent"); got != nil {
		t.Errorf("without a propagator it is %q", got)
	}
	if got := md[1].Get("traceparent"); len(got) != 1 || got[0] != "00-01000000000000000000000000000000-0200000000000000-01" {
		t.Errorf("it is %q", got)
	}
}

// loud is a propagator that writes whatever a browser made it carry.
type loud struct {
	propagation.TraceContext
	carried map[string]string
}

func (l loud) Inject(_ context.Context, carrier propagation.TextMapCarrier) {
	for key, value := range l.carried {
		carrier.Set(key, value)
	}
}

func TestWhatABrowserSendsMakesNoServiceUnavailable(t *testing.T) {
	defer otel.SetTextMapPropagator(propagation.NewCompositeTextMapPropagator())
	client, server, _ := begin(t, Config{OnUnavailable: Accept})
	answers(server, scripted.Rejection(pb.Reason_REASON_NOT_LOGGED_IN, "not logged in", 4501, "not_logged_in"), nil)
	rejects := func(what string, status int, r *http.Request) {
		t.Helper()
		if through, response := ask(client, r); through != nil || response.StatusCode != status {
			t.Errorf("%s: %d", what, response.StatusCode)
		}
	}
	for what, carried := range map[string]map[string]string{
		"a name":  {"uberctx-a!": "b", "Good": "x"},
		"a value": {"bad": "\x00\n", "good": "x"},
	} {
		otel.SetTextMapPropagator(loud{carried: carried})
		rejects(what, http.StatusUnauthorized, get("/"))
		_, md := server.Asked()
		if got := md[len(md)-1]; len(got.Get("good")) != 1 || len(got.Get("bad")) != 0 {
			t.Errorf("%s: the metadata is %v", what, got)
		}
	}
	otel.SetTextMapPropagator(loud{carried: map[string]string{"baggage": strings.Repeat("x", maxTrace)}})
	rejects("a long value", http.StatusUnauthorized, get("/"))
	large := get("/")
	large.Header.Set("X-Large", strings.Repeat("x", maxHandshake))
	rejects("a large handshake", http.StatusServiceUnavailable, large)
	if asked, _ := server.Asked(); len(asked) != 3 {
		t.Errorf("the service is asked %d times", len(asked))
	}
}

func TestTokens(t *testing.T) {
	authorization := func(md metadata.MD) string {
		if values := md.Get("authorization"); len(values) == 1 {
			return values[0]
		}
		return ""
	}
	next := "first"
	for name, test := range map[string]struct {
		config Config
		want   []string
	}{
		"none":     {Config{}, []string{"", ""}},
		"a text":   {Config{Token: "abc"}, []string{"Bearer abc", "Bearer abc"}},
		"function": {Config{TokenFunc: func(context.Context) (string, error) { return next, nil }}, []string{"Bearer first", "Bearer second"}},
	} {
		t.Run(name, func(t *testing.T) {
			next = "first"
			client, server, _ := begin(t, test.config)
			report := <-server.Reports
			ask(client, get("/"))
			next = "second"
			ask(client, get("/"))
			_, md := server.Asked()
			if authorization(md[0]) != test.want[0] || authorization(md[1]) != test.want[1] {
				t.Errorf("%v", md)
			}
			if authorization(report.Metadata) != test.want[0] {
				t.Errorf("the stream has %q", report.Metadata)
			}
		})
	}
}

func TestATokenThatCannotBeGotIsTheGatewaysOwnMistake(t *testing.T) {
	for _, function := range []func(context.Context) (string, error){
		func(context.Context) (string, error) { return "", errors.New("the vault is shut") },
		func(context.Context) (string, error) { return "with a line ending\n", nil },
		func(context.Context) (string, error) { return "", nil },
	} {
		client, server, logs := begin(t, Config{TokenFunc: function, OnUnavailable: Accept})
		r, response := ask(client, get("/"))
		if asked, _ := server.Asked(); r != nil || response.StatusCode != 503 || len(asked) != 0 {
			t.Errorf("%d", response.StatusCode)
		}
		if logs.count(`look_at="Token, TLS"`) == 0 || logs.count("line ending\n") != 0 {
			t.Error(logs.text.String())
		}
	}
}
