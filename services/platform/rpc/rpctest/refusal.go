package rpctest

import (
	"context"
	"errors"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/platform/fault"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// RefusesOthers calls every method of the file's services, on the server at url, as a key of another organization that holds
// every permission, as nobody, and with a key of no permission; and fails the test where one is not refused.
func (m *Mesh) RefusesOthers(t *testing.T, url string, file protoreflect.FileDescriptor) {
	t.Helper()
	mine, other := region.NewID(region.Organization, "euc"), region.NewID(region.Organization, "euc")
	for i := range file.Services().Len() {
		all := file.Services().Get(i).Methods()
		for j := range all.Len() {
			method := all.Get(j)
			permission, _ := proto.GetExtension(method.Options().(*descriptorpb.MethodOptions), typev1.E_Permission).(string)
			if permission == "public" {
				continue
			}
			t.Run(string(method.Name()), func(t *testing.T) {
				request, aboutOrg := requestFor(method, mine)
				m.refused(t, url, method, request, "", faultv1.Reason_REASON_NO_CALLER)
				m.refused(t, url, method, request, m.Key(mine).Reveal(), faultv1.Reason_REASON_MISSING_PERMISSION)
				if aboutOrg && permission[:min(5, len(permission))] != "mesh." {
					m.refused(t, url, method, request, m.Key(other, permission).Reveal(), faultv1.Reason_REASON_OTHER_ORGANIZATION)
				}
			})
		}
	}
}

// requestFor is an otherwise empty request about an organization.
func requestFor(method protoreflect.MethodDescriptor, org region.ID) (*dynamicpb.Message, bool) {
	request := dynamicpb.NewMessage(method.Input())
	fields := method.Input().Fields()
	for i := range fields.Len() {
		options, _ := fields.Get(i).Options().(*descriptorpb.FieldOptions)
		if set, _ := proto.GetExtension(options, typev1.E_Org).(bool); set {
			request.Set(fields.Get(i), protoreflect.ValueOfString(string(org)))
			return request, true
		}
	}
	return request, false
}

func (m *Mesh) refused(t *testing.T, url string, method protoreflect.MethodDescriptor, request *dynamicpb.Message, credential string, want faultv1.Reason) {
	t.Helper()
	out := m.Public("")
	defer out.CloseIdle()
	client := connect.NewClient[dynamicpb.Message, dynamicpb.Message](out.HTTPClient(),
		url+"/"+string(method.Parent().FullName())+"/"+string(method.Name()), connect.WithSchema(method), connect.WithClientOptions(out.Options()...))
	call := connect.NewRequest(request)
	if credential != "" {
		call.Header().Set("Authorization", "Bearer "+credential)
	}
	_, err := client.CallUnary(context.WithoutCancel(t.Context()), call)
	if !fault.Is(err, want) {
		var f *fault.Error
		errors.As(err, &f)
		t.Errorf("got %v (%+v), want %s", err, f, want)
	}
}
