package socketpass

import (
	"context"
	"strings"

	"go.opentelemetry.io/otel"
	"google.golang.org/grpc/metadata"
)

// As much of a trace's context goes along. What baggage it has may come from the browser.
const maxTrace = 8 << 10

// traced sends the current trace along, as the propagator that is set writes it. What would keep the call from being made is
// left out: without a decision `OnUnavailable` would count.
func traced(ctx context.Context) context.Context {
	carrier := carrier{}
	otel.GetTextMapPropagator().Inject(ctx, carrier)
	size := 0
	for key, values := range carrier {
		size += len(key) + len(values[0])
	}
	if size == 0 || size > maxTrace {
		return ctx
	}
	return metadata.NewOutgoingContext(ctx, metadata.MD(carrier))
}

// carrier lets a propagator write metadata.
type carrier metadata.MD

// Set takes what metadata can be.
func (c carrier) Set(key, value string) {
	key = strings.ToLower(key)
	if key != "" && !strings.ContainsFunc(key, notInNames) && !strings.ContainsFunc(value, notInValues) {
		metadata.MD(c).Set(key, value)
	}
}

func (c carrier) Get(key string) string {
	if values := metadata.MD(c).Get(key); len(values) > 0 {
		return values[0]
	}
	return ""
}

func (c carrier) Keys() []string {
	keys := make([]string, 0, len(c))
	for key := range c {
		keys = append(keys, key)
	}
	return keys
}

func notInNames(r rune) bool {
	return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.'
}

func notInValues(r rune) bool { return r < ' ' || r > '~' }
