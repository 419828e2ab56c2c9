package socketpass

import (
	"crypto/tls"
	"crypto/x509"
	"os"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

// TLS names the PEM files of an encrypted connection. The zero TLS trusts the system's authorities.
type TLS struct {
	// CA holds the authorities to trust in place of the system's.
	CA string

	// Cert and Key are the client's own, for a service that asks for one. They go together, and are read again for every
	// connection, so that they can be exchanged.
	Cert, Key string
}

// credentials are those of the connection: in plaintext without TLS.
func (t *TLS) credentials() (credentials.TransportCredentials, error) {
	if t == nil {
		return insecure.NewCredentials(), nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, &SettingError{Setting: "TLS.CA", Message: err.Error(), Err: err}
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, &SettingError{Setting: "TLS.CA", Message: t.CA + " holds no certificate; it takes a PEM file"}
		}
	}
	switch {
	case t.Cert == "" && t.Key != "":
		return nil, &SettingError{Setting: "TLS.Cert", Message: "is not set, and TLS.Key is; they go together"}
	case t.Cert != "" && t.Key == "":
		return nil, &SettingError{Setting: "TLS.Key", Message: "is not set, and TLS.Cert is; they go together"}
	case t.Cert != "":
		pair := func() (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
			return &pair, err
		}
		if _, err := pair(); err != nil {
			return nil, &SettingError{Setting: "TLS.Cert", Message: "with TLS.Key: " + err.Error(), Err: err}
		}
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return pair() }
	}
	return credentials.NewTLS(config), nil
}
