package socketpass

import (
	"bufio"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
)

func TestAHandshakeIsWhatTheClientSent(t *testing.T) {
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader("GET /chat/r%C3%A4ume?session_id=s%3Aabc&x=\xfc HTTP/1.1\r\n" +
		"Host: app.example\r\n" +
		"Cookie: a=1\r\n" +
		"cookie: name=J\xf6rg\r\n" +
		"Origin: https://app.example\r\n" +
		"X-Forwarded-For: 203.0.113.7\r\n" +
		"X-Forwarded-For: 10.0.0.1\r\n\r\n")))
	if err != nil {
		t.Fatal(err)
	}
	r.RemoteAddr = "203.0.113.7:51234"
	r.Header["x-forwarded-for"] = []string{"10.0.0.2"} // Put there by a handler.
	h := handshakeOf(r)
	headers := map[string]string{
		"host":            "app.example",
		"cookie":          "a=1; name=Jörg",
		"origin":          "https://app.example",
		"x-forwarded-for": h.Headers["x-forwarded-for"],
	}
	if !maps.Equal(h.Headers, headers) {
		t.Errorf("the headers are %q", h.Headers)
	}
	switch h.Headers["x-forwarded-for"] {
	case "203.0.113.7, 10.0.0.1, 10.0.0.2", "10.0.0.2, 203.0.113.7, 10.0.0.1":
	default:
		t.Errorf("x-forwarded-for is %q", h.Headers["x-forwarded-for"])
	}
	if h.Url != "/chat/r%C3%A4ume?session_id=s%3Aabc&x=ü" || h.Namespace != "/chat/räume" {
		t.Errorf("the url is %q, the namespace %q", h.Url, h.Namespace)
	}
	if h.RemoteAddress != "203.0.113.7:51234" || h.Xdomain || h.Auth != nil {
		t.Errorf("%v", h)
	}
	if _, err := proto.Marshal(h); err != nil {
		t.Error(err)
	}
}

func TestARequestThatWasRoutedKeepsItsTarget(t *testing.T) {
	client, server, _ := begin(t, Config{})
	http.StripPrefix("/ws", client.Authorize(http.NotFoundHandler())).ServeHTTP(discard{}, get("/ws/chat?a=b"))
	asked, _ := server.Asked()
	if h := asked[0].Handshake; h.Url != "/ws/chat?a=b" || h.Namespace != "/ws/chat" {
		t.Errorf("%v", h)
	}
}

// discard is a response that nobody reads.
type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) WriteHeader(int)             {}

func TestNamespaceIsThePathAsRoutersSeeIt(t *testing.T) {
	for target, namespace := range map[string]string{
		"/%61dmin":           "/admin",
		"/caf%C3%A9?a=%61":   "/café",
		"/%FF":               "/\uFFFD",
		"http://host/%61b?a": "/ab",
	} {
		r := httptest.NewRequest("GET", target, nil)
		handler := http.StripPrefix("/", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if h := handshakeOf(r); h.Namespace != namespace || h.Url != target {
				t.Errorf("of %q the namespace is %q, the url %q", target, h.Namespace, h.Url)
			}
		}))
		handler.ServeHTTP(httptest.NewRecorder(), r)
	}
}
