package socketpass

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestSettingsThatCannotBeAreNamed(t *testing.T) {
	noPEM := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(noPEM, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	many := map[string]string{}
	for i := range 33 {
		many[strings.Repeat("x", i+1)] = ""
	}
	for _, test := range []struct {
		setting string
		config  Config
	}{
		{"Address", Config{Address: "socketpass"}},
		{"Address", Config{Address: ":50051"}},
		{"Address", Config{Address: "socketpass:http"}},
		{"Address", Config{Address: "socketpass:0"}},
		{"Address", Config{Address: "http://socketpass:50051"}},
		{"TLS.CA", Config{TLS: &TLS{CA: "/nowhere/ca.pem"}}},
		{"TLS.CA", Config{TLS: &TLS{CA: noPEM}}},
		{"TLS.Key", Config{TLS: &TLS{Cert: "tls.crt"}}},
		{"TLS.Cert", Config{TLS: &TLS{Key: "tls.key"}}},
		{"TLS.Cert", Config{TLS: &TLS{Cert: "/nowhere/tls.crt", Key: "/nowhere/tls.key"}}},
		{"Token", Config{Token: "from a file\n"}},
		{"Token", Config{Token: "a", TokenFunc: func(context.Context) (string, error) { return "b", nil }}},
		{"GatewayID", Config{GatewayID: strings.Repeat("x", 257)}},
		{"GatewayID", Config{GatewayID: "a\nb"}},
		{"GatewayID", Config{GatewayID: "\xff"}},
		{"Labels", Config{Labels: many}},
		{"Labels", Config{Labels: map[string]string{"": "eu"}}},
		{"Labels", Config{Labels: map[string]string{strings.Repeat("x", 64): "eu"}}},
		{"Labels", Config{Labels: map[string]string{"zone": strings.Repeat("x", 257)}}},
		{"Labels", Config{Labels: map[string]string{"zone": "\x00"}}},
		{"Timeout", Config{Timeout: -1}},
		{"OnUnavailable", Config{OnUnavailable: "perhaps"}},
		{"CloseAfterLoss", Config{CloseAfterLoss: -time.Second}},
	} {
		client, err := New(test.config)
		var fault *SettingError
		if client != nil || !errors.As(err, &fault) || fault.Setting != test.setting {
			t.Errorf("%+v: %v is no error of %s", test.config, err, test.setting)
			continue
		}
		if !strings.HasPrefix(err.Error(), "socketpass: "+test.setting+": ") || strings.Contains(err.Error(), "from a file") {
			t.Errorf("%q does not read well", err)
		}
	}
}

func TestAllSettingsThatCannotBeAreSaidAtOnce(t *testing.T) {
	_, err := New(Config{Address: "x", Timeout: -1, TLS: &TLS{CA: "/nowhere"}})
	var named []string
	for _, err := range err.(interface{ Unwrap() []error }).Unwrap() {
		named = append(named, regexp.MustCompile(`socketpass: (\S+):`).FindAllString(err.Error(), -1)...)
	}
	if !slices.Equal(named, []string{"socketpass: Address:", "socketpass: Timeout:", "socketpass: TLS.CA:"}) {
		t.Errorf("named are %q", named)
	}
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v does not carry its cause", err)
	}
}

func TestDefaults(t *testing.T) {
	c, err := Config{}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile("^" + regexp.QuoteMeta(host) + "-[0-9a-f]{6}$").MatchString(c.GatewayID) {
		t.Errorf("GatewayID is %q", c.GatewayID)
	}
	if c.Address != "127.0.0.1:50051" || c.Timeout != 5*time.Second || c.OnUnavailable != Reject || c.CloseAfterLoss != 0 {
		t.Errorf("%+v", c)
	}
}

func TestSettingsThatCanBe(t *testing.T) {
	for _, config := range []Config{
		{Address: "dns:///socketpass.internal:50051"},
		{Address: "[::1]:50051"},
		{GatewayID: strings.Repeat("x", 256), Labels: map[string]string{"zone": "", "größe": "ä"}},
		{TLS: &TLS{}, OnUnavailable: "accept"},
	} {
		if _, err := config.withDefaults(); err != nil {
			t.Errorf("%+v: %v", config, err)
		}
	}
}
