package main

import (
	"errors"
	"net/http"
	"time"

	socketpass "github.com/socketpass/socketpass/clients/go"
	"github.com/socketpass/socketpass/clients/go/coderws"
	"github.com/socketpass/socketpass/clients/go/gorillaws"
)

// settings are those of SUBJECT.
type settings struct {
	Kind               string
	Bare               bool
	Address            string
	Token              string
	TLS                *struct{ CA, Cert, Key string }
	GatewayID          string
	Labels             map[string]string
	OnUnavailable      string
	TimeoutMs          int64
	CloseAfterLossMs   int64
	Success            string
	Fail               string
	RejectAfterUpgrade bool
}

func (s settings) config() socketpass.Config {
	config := socketpass.Config{
		Address:        s.Address,
		TLS:            (*socketpass.TLS)(s.TLS),
		Token:          s.Token,
		GatewayID:      s.GatewayID,
		Labels:         s.Labels,
		OnUnavailable:  socketpass.OnUnavailable(s.OnUnavailable),
		Timeout:        time.Duration(s.TimeoutMs) * time.Millisecond,
		CloseAfterLoss: time.Duration(s.CloseAfterLossMs) * time.Millisecond,
	}
	if s.Success != "" || s.Fail != "" {
		config.Success, config.Fail = s.success, s.fail
	}
	if s.RejectAfterUpgrade {
		config.Reject = coderws.Reject(options)
		if s.Kind == "gorilla" {
			config.Reject = gorillaws.Reject(&upgrader)
		}
	}
	return config
}

func (s settings) handler() http.Handler {
	if s.Kind == "gorilla" {
		return http.HandlerFunc(s.serveGorilla)
	}
	return http.HandlerFunc(s.serveCoder)
}

func (s settings) success(_ *http.Request, d *socketpass.Decision) error {
	say("success", object{"user": d.User})
	switch s.Success {
	case "reject":
		d.Accepted, d.Message = false, "refused by the application"
	case "throw":
		return errors.New("the hook fails")
	}
	return nil
}

func (s settings) fail(_ *http.Request, d *socketpass.Decision) error {
	say("fail", object{"reason": d.Reason, "message": d.Message, "error": d.Error, "close": d.Close})
	switch s.Fail {
	case "accept":
		d.Accepted = true
	case "throw":
		return errors.New("the hook fails")
	}
	return nil
}
