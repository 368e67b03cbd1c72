package policytest

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// strict decodes a node and refuses keys that `into` has no field for; Node.Decode by
// itself ignores them, also where the file's decoder is told not to.
func strict(node *yaml.Node, into any) error {
	if err := unknownKey(node, reflect.TypeOf(into).Elem()); err != nil {
		return err
	}
	return node.Decode(into)
}

var readsItself = reflect.TypeFor[yaml.Unmarshaler]()

// unknownKey looks through what node would be decoded to. Types that read themselves
// answer for what is inside.
func unknownKey(node *yaml.Node, t reflect.Type) error {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if node.Kind != yaml.MappingNode || t.Kind() != reflect.Struct {
		return nil
	}
	fields := make(map[string]reflect.Type)
	var names []string
	for i := range t.NumField() {
		if name := t.Field(i).Tag.Get("yaml"); name != "" {
			fields[name] = t.Field(i).Type
			names = append(names, name)
		}
	}
	for i := 0; i < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		if !slices.Contains(names, key.Value) {
			return fmt.Errorf("line %d: unknown key %q; known are %s", key.Line, key.Value, strings.Join(names, ", "))
		}
		if field := fields[key.Value]; !reflect.PointerTo(field).Implements(readsItself) {
			if err := unknownKey(value, field); err != nil {
				return err
			}
		}
	}
	return nil
}
