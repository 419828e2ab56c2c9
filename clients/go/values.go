package socketpass

import (
	"encoding/json"

	"google.golang.org/protobuf/types/known/structpb"
)

// objectOf makes a Struct of whatever encoding/json writes as an object; of nil none.
func objectOf(v any) (*structpb.Struct, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	if string(text) == "null" {
		return nil, nil
	}
	object := &structpb.Struct{}
	if err := object.UnmarshalJSON(text); err != nil {
		return nil, err
	}
	return object, nil
}

// valuesOf makes Values of whatever encoding/json writes.
func valuesOf(vs []any) ([]*structpb.Value, error) {
	values := make([]*structpb.Value, len(vs))
	for i, v := range vs {
		text, err := json.Marshal(v)
		if err != nil {
			return nil, err
		}
		values[i] = &structpb.Value{}
		if err := values[i].UnmarshalJSON(text); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// anysOf are Values as encoding/json has them.
func anysOf(values []*structpb.Value) []any {
	vs := make([]any, len(values))
	for i, value := range values {
		vs[i] = value.AsInterface()
	}
	return vs
}

// encodeEvent is how an event is sent over a WebSocket if the application does not say otherwise.
func encodeEvent(event string, args []any) ([]byte, error) {
	return json.Marshal(struct {
		Event string `json:"event"`
		Args  []any  `json:"args"`
	}{event, args})
}
