package rpc_test

import (
	"context"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/timestamppb"

	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
	"github.com/cardea-mesh/cardea/services/platform/fault"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/rpc"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
)

// identity answers AuthenticateKey from the mesh's keys.
type identity struct {
	handler
	mesh    *rpctest.Mesh
	asked   int
	expires time.Time
	fails   error
}

func (i *identity) AuthenticateKey(ctx context.Context, req *identityv1.AuthenticateKeyRequest) (*identityv1.AuthenticateKeyResponse, error) {
	i.asked++
	if i.fails != nil {
		return nil, i.fails
	}
	caller, err := i.mesh.Authenticate(ctx, region.ID(req.GetKeyId()), [32]byte(req.GetSecretSha256()))
	if err != nil {
		return nil, err
	}
	out := &identityv1.AuthenticateKeyResponse{KeyId: req.GetKeyId(), OrgId: string(caller.Org)}
	for permission := range caller.Permissions {
		out.Permissions = append(out.Permissions, permission)
	}
	if !i.expires.IsZero() {
		out.ExpiresAt = timestamppb.New(i.expires)
	}
	return out, nil
}

func TestKeysAreDecidedAtTheirHomeAndRememberedAWhile(t *testing.T) {
	t.Parallel()
	m := rpctest.New(t)
	eu := &identity{mesh: m}
	server := serveHandler(t, m, "eu-central", eu)
	auth := rpc.NewKeyAuthenticator(m.Dialer(t, "permissions", "us-east"))
	now := time.Now()
	rpc.SetClock(auth, func() time.Time { return now })
	org := newOrg("euc")
	id, sum := parse(t, m.Key(org, "doors.read").Reveal())
	for range 3 {
		caller, err := auth.Authenticate(t.Context(), id, sum)
		if err != nil || caller.Org != org || caller.ID != string(id) || !caller.Permissions["doors.read"] || caller.Kind != rpc.KeyCaller {
			t.Fatalf("%+v, %v", caller, err)
		}
	}
	if eu.asked != 1 {
		t.Errorf("asked %d times", eu.asked)
	}
	for range 2 {
		_, err := auth.Authenticate(t.Context(), id, [32]byte{1})
		wants(t, err, connect.CodeUnauthenticated, faultv1.Reason_REASON_BAD_CALLER)
	}
	if eu.asked != 3 {
		t.Errorf("a bad answer was remembered: asked %d times", eu.asked)
	}
	now = now.Add(5 * time.Second)
	if _, err := auth.Authenticate(t.Context(), id, sum); err != nil || eu.asked != 4 {
		t.Errorf("after 5 s: %v, asked %d times", err, eu.asked)
	}
	now = now.Add(5 * time.Second)
	eu.expires = now.Add(time.Second)
	if _, err := auth.Authenticate(t.Context(), id, sum); err != nil {
		t.Error(err)
	}
	now = now.Add(time.Second)
	if _, err := auth.Authenticate(t.Context(), id, sum); err != nil || eu.asked != 6 {
		t.Errorf("remembered beyond its expiry: %v, asked %d times", err, eu.asked)
	}
	now = now.Add(time.Second)
	server.Stop()
	_, err := auth.Authenticate(t.Context(), id, sum)
	wants(t, err, connect.CodeUnavailable, faultv1.Reason_REASON_DEPENDENCY_DOWN)
}

func TestWhenIdentityIsDownCallersAreToldToRetry(t *testing.T) {
	t.Parallel()
	m := rpctest.New(t)
	server := serve(t, m, "us-east", &handler{}, func(cfg *rpc.ServerConfig) { cfg.Auth = rpc.NewKeyAuthenticator(m.Dialer(t, "audit", "us-east")) })
	org := newOrg("euc") // whose home's identity does not run
	_, err := outside(t, m, server.URL, m.Key(org, "organizations.read")).GetOrganization(t.Context(), &identityv1.GetOrganizationRequest{OrgId: string(org)})
	wants(t, err, connect.CodeUnavailable, faultv1.Reason_REASON_DEPENDENCY_DOWN)
}

func TestIdentityRefusingUsIsNotTheCallersFault(t *testing.T) {
	t.Parallel()
	m := rpctest.New(t)
	eu := &identity{mesh: m, fails: fault.New(connect.CodePermissionDenied, faultv1.Reason_REASON_MISSING_PERMISSION, "no")}
	serveHandler(t, m, "eu-central", eu)
	server := serve(t, m, "eu-west", &handler{}, func(cfg *rpc.ServerConfig) { cfg.Auth = rpc.NewKeyAuthenticator(m.Dialer(t, "permissions", "eu-west")) })
	org := newOrg("euc")
	_, err := outside(t, m, server.URL, m.Key(org, "organizations.read")).GetOrganization(t.Context(), &identityv1.GetOrganizationRequest{OrgId: string(org)})
	wants(t, err, connect.CodeInternal, faultv1.Reason_REASON_INTERNAL)
}

func TestAHomeSpeaksForItsOwnOrganizationsOnly(t *testing.T) {
	t.Parallel()
	m := rpctest.New(t)
	us := &liar{org: newOrg("euc")}
	serveHandler(t, m, "us-east", us)
	auth := rpc.NewKeyAuthenticator(m.Dialer(t, "permissions", "eu-central"))
	id, sum := parse(t, m.Key(newOrg("use"), "people.read").Reveal())
	_, err := auth.Authenticate(t.Context(), id, sum)
	wants(t, err, connect.CodeUnauthenticated, faultv1.Reason_REASON_BAD_CALLER)
	us.org = newOrg("use")
	if _, err := auth.Authenticate(t.Context(), id, sum); err != nil {
		t.Fatal(err)
	}
}

// liar says of every key that it is an organization's.
type liar struct {
	handler
	org region.ID
}

func (l *liar) AuthenticateKey(_ context.Context, req *identityv1.AuthenticateKeyRequest) (*identityv1.AuthenticateKeyResponse, error) {
	return &identityv1.AuthenticateKeyResponse{KeyId: req.GetKeyId(), OrgId: string(l.org), Permissions: []string{"people.read"}}, nil
}

func parse(t *testing.T, text string) (region.ID, [32]byte) {
	t.Helper()
	id, sum, err := rpc.ParseAPIKey(text)
	if err != nil {
		t.Fatal(err)
	}
	return region.ID(id), sum
}
