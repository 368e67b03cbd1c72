package rpc

import (
	"strings"
	"sync"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
)

// Words of the option `permission`.
const (
	public     = "public"
	meshPrefix = "mesh."
)

// method is what the stack needs to know of an RPC, read from its descriptor.
type method struct {
	service    string // as the directory calls it: identity, device-gateway
	descriptor protoreflect.MethodDescriptor
	permission string
	data       typev1.DataClass
	homes      []protoreflect.FieldDescriptor // in the order of their numbers
	org        protoreflect.FieldDescriptor   // nil: the call is about no organization
	key        protoreflect.FieldDescriptor   // `idempotency_key`; nil: none
}

// methods remembers what was read. Descriptors are few and never change.
type methods struct{ known sync.Map } // protoreflect.FullName -> *method

// of returns the method of a spec; nil when the spec has no schema (which generated code never does).
func (m *methods) of(spec connect.Spec) *method {
	descriptor, ok := spec.Schema.(protoreflect.MethodDescriptor)
	if !ok {
		return nil
	}
	if found, ok := m.known.Load(descriptor.FullName()); ok {
		return found.(*method)
	}
	found, _ := m.known.LoadOrStore(descriptor.FullName(), readMethod(descriptor))
	return found.(*method)
}

func readMethod(descriptor protoreflect.MethodDescriptor) *method {
	m := &method{service: ServiceOf("/" + string(descriptor.Parent().FullName()) + "/"), descriptor: descriptor}
	if options, ok := descriptor.Options().(*descriptorpb.MethodOptions); ok && options != nil {
		m.permission, _ = proto.GetExtension(options, typev1.E_Permission).(string)
		m.data, _ = proto.GetExtension(options, typev1.E_Data).(typev1.DataClass)
	}
	fields := descriptor.Input().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		if field.Kind() != protoreflect.StringKind || field.Cardinality() == protoreflect.Repeated {
			continue
		}
		if flag(field, typev1.E_Home) {
			m.homes = append(m.homes, field)
		}
		if flag(field, typev1.E_Org) {
			m.org = field
		}
		if field.Name() == "idempotency_key" {
			m.key = field
		}
	}
	return m
}

func flag(field protoreflect.FieldDescriptor, extension protoreflect.ExtensionType) bool {
	options, ok := field.Options().(*descriptorpb.FieldOptions)
	if !ok || options == nil {
		return false
	}
	set, _ := proto.GetExtension(options, extension).(bool)
	return set
}

// mesh says whether the method is for services only.
func (m *method) mesh() bool { return strings.HasPrefix(m.permission, meshPrefix) }

// home returns the text of the first home field that is set; empty: none is.
func (m *method) home(msg proto.Message) string {
	for _, field := range m.homes {
		if text := msg.ProtoReflect().Get(field).String(); text != "" {
			return text
		}
	}
	return ""
}

// repeatable says whether doing it twice is doing it once: the request has an idempotency key, the method declares itself
// repeatable (`idempotency_level`), or it is of the mesh, whose calls are all made at least once.
func (m *method) repeatable(msg proto.Message) bool {
	if m.key != nil && msg.ProtoReflect().Get(m.key).String() != "" {
		return true
	}
	options, ok := m.descriptor.Options().(*descriptorpb.MethodOptions)
	return m.mesh() || ok && options.GetIdempotencyLevel() != descriptorpb.MethodOptions_IDEMPOTENCY_UNKNOWN
}

// ServiceOf returns the directory's name of the service that a procedure, `/cardea.<package>.v1.<Service>/<Method>`, belongs to.
func ServiceOf(procedure string) string {
	parts := strings.Split(strings.TrimPrefix(procedure, "/"), ".")
	if len(parts) < 3 || parts[0] != "cardea" {
		return ""
	}
	if parts[1] == "gateway" {
		return "device-gateway" // its package is shorter than its name
	}
	return parts[1]
}
