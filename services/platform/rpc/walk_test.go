package rpc_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	auditv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/audit/v1"
	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/platform/rpc"
)

func TestEveryContractDeclaresWhatItNeeds(t *testing.T) {
	err := rpc.Walk([]protoreflect.FileDescriptor{
		identityv1.File_cardea_identity_v1_identity_proto, permissionsv1.File_cardea_permissions_v1_permissions_proto,
		gatewayv1.File_cardea_gateway_v1_gateway_proto, auditv1.File_cardea_audit_v1_audit_proto,
	}, "cardea.identity.v1.IdentityService.CreateOrganization", "cardea.identity.v1.IdentityService.AuthenticateKey")
	if err != nil {
		t.Fatal(err)
	}
}

func TestAMethodWithoutItsOptionsFailsTheWalk(t *testing.T) {
	complete := func() (*descriptorpb.MethodOptions, *descriptorpb.FieldOptions, *descriptorpb.FieldOptions) {
		method, home, org := &descriptorpb.MethodOptions{}, &descriptorpb.FieldOptions{}, &descriptorpb.FieldOptions{}
		proto.SetExtension(method, typev1.E_Permission, "things.read")
		proto.SetExtension(method, typev1.E_Data, typev1.DataClass_DATA_CLASS_OPAQUE)
		proto.SetExtension(home, typev1.E_Home, true)
		proto.SetExtension(org, typev1.E_Org, true)
		return method, home, org
	}
	for _, c := range []struct {
		name, want string
		spoil      func(method *descriptorpb.MethodOptions, home, org *descriptorpb.FieldOptions)
		stream     bool
	}{
		{name: "complete", spoil: func(*descriptorpb.MethodOptions, *descriptorpb.FieldOptions, *descriptorpb.FieldOptions) {}},
		{name: "no permission", want: "permission", spoil: func(m *descriptorpb.MethodOptions, _, _ *descriptorpb.FieldOptions) {
			proto.ClearExtension(m, typev1.E_Permission)
		}},
		{name: "odd permission", want: "permission", spoil: func(m *descriptorpb.MethodOptions, _, _ *descriptorpb.FieldOptions) {
			proto.SetExtension(m, typev1.E_Permission, "Everything")
		}},
		{name: "no data class", want: "no data class", spoil: func(m *descriptorpb.MethodOptions, _, _ *descriptorpb.FieldOptions) {
			proto.ClearExtension(m, typev1.E_Data)
		}},
		{name: "no home", want: "names the home", spoil: func(_ *descriptorpb.MethodOptions, h, _ *descriptorpb.FieldOptions) {
			proto.ClearExtension(h, typev1.E_Home)
		}},
		{name: "no organization", want: "names the organization", spoil: func(_ *descriptorpb.MethodOptions, _, o *descriptorpb.FieldOptions) {
			proto.ClearExtension(o, typev1.E_Org)
		}},
		{name: "a stream", want: "streams", stream: true, spoil: func(*descriptorpb.MethodOptions, *descriptorpb.FieldOptions, *descriptorpb.FieldOptions) {}},
	} {
		t.Run(c.name, func(t *testing.T) {
			method, home, org := complete()
			c.spoil(method, home, org)
			err := rpc.Walk([]protoreflect.FileDescriptor{fileWith(t, method, home, org, c.stream)})
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func fileWith(t *testing.T, method *descriptorpb.MethodOptions, home, org *descriptorpb.FieldOptions, stream bool) protoreflect.FileDescriptor {
	t.Helper()
	field := func(name string, number int32, options *descriptorpb.FieldOptions) *descriptorpb.FieldDescriptorProto {
		return &descriptorpb.FieldDescriptorProto{
			Name: &name, Number: &number, Options: options,
			Type: descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum(), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
		}
	}
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: proto.String("test.proto"), Package: proto.String("cardea.test.v1"), Syntax: proto.String("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{{Name: proto.String("Request"), Field: []*descriptorpb.FieldDescriptorProto{field("org_id", 1, org), field("thing_id", 2, home)}}},
		Service: []*descriptorpb.ServiceDescriptorProto{{Name: proto.String("TestService"), Method: []*descriptorpb.MethodDescriptorProto{{
			Name: proto.String("Get"), InputType: proto.String(".cardea.test.v1.Request"), OutputType: proto.String(".cardea.test.v1.Request"),
			Options: method, ServerStreaming: &stream,
		}}}},
	}, protoregistry.GlobalFiles)
	if err != nil {
		t.Fatal(err)
	}
	return file
}
