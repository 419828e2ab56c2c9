package socketpass

import (
	"net/http"
	"net/url"
	"strings"

	pb "github.com/socketpass/socketpass/clients/go/socketpassv1"
)

// handshakeOf is what a client sent, as socketpass wants it: nothing is read here, and nothing left out.
func handshakeOf(r *http.Request) *pb.Handshake {
	target := r.RequestURI
	if target == "" { // A request that no server has read.
		target = r.URL.RequestURI()
	}
	target = latin1(target)
	headers := make(map[string]string, len(r.Header)+1)
	headers["host"] = latin1(r.Host) // net/http takes it out of the others.
	for name, values := range r.Header {
		name = strings.ToLower(latin1(name))
		separator := ", "
		if name == "cookie" {
			separator = "; "
		}
		value := latin1(strings.Join(values, separator))
		if other, ok := headers[name]; ok { // In another case, put there by a handler before.
			value = other + separator + value
		}
		headers[name] = value
	}
	return &pb.Handshake{Headers: headers, Url: target, RemoteAddress: latin1(r.RemoteAddr), Namespace: pathOf(r)}
}

// pathOf is the whole path as routers see it: of an encoded one a policy on `socket.namespace` would know nothing.
func pathOf(r *http.Request) string {
	path := r.URL.Path
	if whole, err := url.ParseRequestURI(r.RequestURI); err == nil { // A handler before may have taken a part of it.
		path = whole.Path
	}
	return strings.ToValidUTF8(path, "\uFFFD")
}

// latin1 reads each byte as a character, as Node does.
func latin1(text string) string {
	ascii := true
	for i := range len(text) {
		ascii = ascii && text[i] < 0x80
	}
	if ascii {
		return text
	}
	characters := make([]rune, len(text))
	for i := range len(text) {
		characters[i] = rune(text[i])
	}
	return string(characters)
}
