package socketpass

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/socketpass/socketpass/clients/go/internal/scripted"
)

// listen listens on a host of the loopback.
func listen(t *testing.T, address string) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return listener
}

// over makes a client over real connections, which ends with the test.
func over(t *testing.T, config Config) (*Client, *logs) {
	t.Helper()
	logs := &logs{}
	config.Logger = slog.New(slog.NewTextHandler(logs, nil))
	client, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		client.Close(ctx)
	})
	return client, logs
}

// authority signs certificates.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	a.key = newKey(t)
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.file = filepath.Join(t.TempDir(), "ca.pem")
	writePEM(t, a.file, "CERTIFICATE", der)
	return a
}

// sign makes a certificate, and the files that hold it and its key.
func (a *authority) sign(name, certFile, keyFile string) {
	a.t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	key := newKey(a.t)
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	writePEM(a.t, certFile, "CERTIFICATE", der)
	writePEM(a.t, keyFile, "EC PRIVATE KEY", keyDER)
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func writePEM(t *testing.T, file, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// overTLS serves a scripted socketpass that asks for client certificates if clients is set. seen are their names.
func overTLS(t *testing.T, authority *authority, clients bool) (address string, seen chan string) {
	t.Helper()
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	authority.sign("socketpass", certFile, keyFile)
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	seen = make(chan string, 100)
	config := &tls.Config{Certificates: []tls.Certificate{pair}}
	if clients {
		config.ClientAuth = tls.RequireAndVerifyClientCert
		config.ClientCAs = x509.NewCertPool()
		config.ClientCAs.AddCert(authority.cert)
		config.VerifyConnection = func(state tls.ConnectionState) error {
			seen <- state.PeerCertificates[0].Subject.CommonName
			return nil
		}
	}
	listener := listen(t, "127.0.0.1:0")
	t.Cleanup(scripted.New().Serve(listener, grpc.Creds(credentials.NewTLS(config))))
	return listener.Addr().String(), seen
}

func TestTLS(t *testing.T) {
	authority := newAuthority(t)
	address, _ := overTLS(t, authority, false)
	client, _ := over(t, Config{Address: address, TLS: &TLS{CA: authority.file}, Token: "abc"})
	if r, _ := ask(client, get("/")); r == nil {
		t.Error("the handshake is rejected")
	}
	for name, other := range map[string]*TLS{
		"no TLS":            nil,
		"another authority": {CA: newAuthority(t).file},
		"the system's":      {},
		"no certificate":    {CA: authority.file},
		"another name":      {CA: authority.file},
	} {
		address := address
		if name == "no certificate" {
			address, _ = overTLS(t, authority, true)
		}
		if name == "another name" {
			_, port, _ := net.SplitHostPort(address)
			address = "localhost:" + port // Is not in the certificate.
		}
		client, logs := over(t, Config{Address: address, TLS: other})
		if r, response := ask(client, get("/")); r != nil || response.StatusCode != 503 || logs.count(`look_at="Address, TLS"`) == 0 {
			t.Errorf("%s: %d %s", name, response.StatusCode, logs.text.String())
		}
	}
}

func TestClientCertificatesAreReadAgain(t *testing.T) {
	authority := newAuthority(t)
	address, seen := overTLS(t, authority, true)
	dir := t.TempDir()
	own := &TLS{CA: authority.file, Cert: filepath.Join(dir, "tls.crt"), Key: filepath.Join(dir, "tls.key")}
	authority.sign("gateway-1", own.Cert, own.Key)
	client, _ := over(t, Config{Address: address, TLS: own})
	if r, _ := ask(client, get("/")); r == nil || <-seen != "gateway-1" {
		t.Error("the certificate is not shown")
	}
	authority.sign("gateway-2", own.Cert, own.Key)
	config, err := own.credentials()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	authority.sign("gateway-3", own.Cert, own.Key) // After the settings were read.
	if _, _, err := config.ClientHandshake(context.Background(), "socketpass", conn); err != nil || <-seen != "gateway-3" {
		t.Errorf("the certificate is an old one: %v", err)
	}
}

// answerNames answers all questions for addresses with those of the replicas, until the test ends.
func answerNames(t *testing.T, addresses func() []string) {
	t.Helper()
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		buffer := make([]byte, 1500)
		for {
			n, from, err := server.ReadFrom(buffer)
			if err != nil {
				return
			}
			var question dnsmessage.Message
			if question.Unpack(buffer[:n]) != nil {
				continue
			}
			answer := dnsmessage.Message{
				Header:    dnsmessage.Header{ID: question.ID, Response: true, Authoritative: true},
				Questions: question.Questions,
			}
			if q := question.Questions[0]; q.Type == dnsmessage.TypeA {
				for _, address := range addresses() {
					answer.Answers = append(answer.Answers, dnsmessage.Resource{
						Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class},
						Body:   &dnsmessage.AResource{A: [4]byte(net.ParseIP(address).To4())},
					})
				}
			}
			if packed, err := answer.Pack(); err == nil {
				server.WriteTo(packed, from)
			}
		}
	}()
	before := net.DefaultResolver
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", server.LocalAddr().String())
	}}
	t.Cleanup(func() {
		net.DefaultResolver = before
		server.Close()
	})
}

func TestCallsGoRoundAllAddressesAndNoneIsLostWhenOneGoes(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("it takes addresses of the loopback that are there on Linux alone")
	}
	hosts := []string{"127.0.0.1", "127.0.0.2", "127.0.0.3"}
	first := listen(t, hosts[0]+":0")
	port := strconv.Itoa(first.Addr().(*net.TCPAddr).Port)
	listeners := []net.Listener{first, listen(t, net.JoinHostPort(hosts[1], port)), listen(t, net.JoinHostPort(hosts[2], port))}
	servers := make([]*scripted.Server, len(hosts))
	stops := make([]func(), len(hosts))
	for i, listener := range listeners {
		servers[i] = scripted.New()
		stops[i] = servers[i].Serve(listener)
		defer func() { stops[i]() }()
	}
	answerNames(t, func() []string { return hosts })
	client, _ := over(t, Config{Address: "replicas.example:" + port})

	counts := func() (counts [3]int) {
		for i, server := range servers {
			asked, _ := server.Asked()
			counts[i] = len(asked)
		}
		return counts
	}
	asks := func(n int) {
		t.Helper()
		for range n {
			if r, response := ask(client, get("/")); r == nil {
				t.Errorf("a handshake is lost: %d", response.StatusCode)
			}
		}
	}
	for c := counts(); c[0] == 0 || c[1] == 0 || c[2] == 0; c = counts() {
		asks(1) // Until all are connected.
	}
	before := counts()
	asks(99)
	for i, n := range counts() {
		if n := n - before[i]; n < 31 || n > 35 { // The stream has a turn, too.
			t.Errorf("replica %d is asked %d times of 99", i, n)
		}
	}

	// The replica that has the stream goes, and comes back.
	var gone int
	var report *scripted.Report
	select {
	case report = <-servers[0].Reports:
		gone = 0
	case report = <-servers[1].Reports:
		gone = 1
	case report = <-servers[2].Reports:
		gone = 2
	}
	hello(t, report)
	report.Welcome()
	listing(t, report)
	stops[gone]()
	asks(60)
	select {
	case report = <-servers[(gone+1)%3].Reports:
	case report = <-servers[(gone+2)%3].Reports:
	}
	hello(t, report)
	back := scripted.New()
	servers[gone] = back
	stops[gone] = back.Serve(listen(t, net.JoinHostPort(hosts[gone], port)))
	for asked, _ := back.Asked(); len(asked) == 0; asked, _ = back.Asked() {
		asks(1)
	}
}
