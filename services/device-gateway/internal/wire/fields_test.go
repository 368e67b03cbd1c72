package wire

import (
	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// noteFields notes the full names of all fields that a message has set, and of the enum values in them.
func noteFields(used map[string]bool, m protoreflect.Message) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		used[string(f.FullName())] = true
		one := func(v protoreflect.Value) {
			switch {
			case f.Message() != nil && !f.IsMap():
				noteFields(used, v.Message())
			case f.Enum() != nil:
				if known := f.Enum().Values().ByNumber(v.Enum()); known != nil {
					used[string(known.FullName())] = true
				}
			}
		}
		if !f.IsList() {
			one(v)
			return true
		}
		for i := range v.List().Len() {
			one(v.List().Get(i))
		}
		return true
	})
}

// everyField lists the fields and enum values of the protocol; UNSPECIFIED values and FrameType, which is not in a field,
// are left out, and what the bundle's rules have besides what the vectors show.
func everyField() []string {
	var all []string
	for _, file := range []protoreflect.FileDescriptor{lockwirev1.File_cardea_lockwire_v1_lockwire_proto, lockwirev1.File_cardea_lockwire_v1_bundle_proto} {
		for i := range file.Messages().Len() {
			fields := file.Messages().Get(i).Fields()
			for j := range fields.Len() {
				all = append(all, string(fields.Get(j).FullName()))
			}
		}
		for i := range file.Enums().Len() {
			if e := file.Enums().Get(i); e.Name() != "FrameType" {
				for j := 1; j < e.Values().Len(); j++ {
					all = append(all, string(e.Values().Get(j).FullName()))
				}
			}
		}
	}
	return all
}
