package rpc

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// strictJSON reads JSON bodies and refuses what the contract does not name. Connect's own codec drops unknown fields and
// unknown names of enum values: a grant with a misspelled `validTo` would never end, a check with a misspelled direction would
// ask no anti-passback. Callers that must be ahead of a server speak binary, which keeps unknown fields.
type strictJSON struct{ name string }

// jsonCodecs are under the names by which Connect looks for them.
var jsonCodecs = []strictJSON{{"json"}, {"json; charset=utf-8"}}

func (c strictJSON) Name() string { return c.name }

func (c strictJSON) Marshal(message any) ([]byte, error) { return c.MarshalAppend(nil, message) }

// MarshalAppend is Marshal into a buffer of Connect's.
func (strictJSON) MarshalAppend(dst []byte, message any) ([]byte, error) {
	m, ok := message.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("%T is no protobuf message", message)
	}
	return protojson.MarshalOptions{}.MarshalAppend(dst, m)
}

func (strictJSON) Unmarshal(data []byte, message any) error {
	m, ok := message.(proto.Message)
	if !ok {
		return fmt.Errorf("%T is no protobuf message", message)
	}
	if len(data) == 0 {
		return errors.New("the body is empty; a request without fields is {}")
	}
	if err := protojson.Unmarshal(data, m); err != nil {
		return fmt.Errorf("the body is no %s in JSON: %w", m.ProtoReflect().Descriptor().Name(), err)
	}
	return nil
}
