package rpc

import (
	"testing"

	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// What a neighbour may do again after the home answered Unavailable, and perhaps did it.
func TestOnlyWhatIsTheSameTwiceIsRepeated(t *testing.T) {
	identity := identityv1.File_cardea_identity_v1_identity_proto.Services().Get(0).Methods()
	gateway := gatewayv1.File_cardea_gateway_v1_gateway_proto.Services().Get(0).Methods()
	for _, c := range []struct {
		method  protoreflect.MethodDescriptor
		request proto.Message
		want    bool
	}{
		{identity.ByName("GetOrganization"), &identityv1.GetOrganizationRequest{}, true},
		{identity.ByName("CreatePerson"), &identityv1.CreatePersonRequest{IdempotencyKey: "k"}, true},
		{identity.ByName("CreatePerson"), &identityv1.CreatePersonRequest{}, false},
		{identity.ByName("FollowOrganization"), &identityv1.FollowOrganizationRequest{}, true},
		{gateway.ByName("Unlock"), &gatewayv1.UnlockRequest{}, false},
	} {
		if got := readMethod(c.method).repeatable(c.request); got != c.want {
			t.Errorf("%s(%v): repeatable %v, want %v", c.method.FullName(), c.request, got, c.want)
		}
	}
}
