package socketpass

import (
	"net/http"
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
	path, _, _ := strings.Cut(target, "?")
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
	return &pb.Handshake{Headers: headers, Url: target, RemoteAddress: latin1(r.RemoteAddr), Namespace: path}
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
