package rpc

import (
	"context"
	"errors"
	"sync"
	"time"

	"connectrpc.com/connect"

	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1/identityv1connect"
	"github.com/cardea-mesh/cardea/services/platform/fault"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// A good answer about a key is remembered for rememberKey: so long may a revoked key still work (identity.proto says so).
// Bad answers are not remembered. The memory is bounded: when it is full of fresh answers it starts anew.
const (
	rememberKey  = 5 * time.Second
	rememberKeys = 10_000
)

// KeyAuthenticator asks identity, in the key's home region, about API keys.
type KeyAuthenticator struct {
	dialer *Dialer
	now    func() time.Time

	mu   sync.Mutex // guards good
	good map[presented]remembered
}

type presented struct {
	id  region.ID
	sum [32]byte
}

type remembered struct {
	caller Caller
	until  time.Time
}

// NewKeyAuthenticator asks over the dialer.
func NewKeyAuthenticator(dialer *Dialer) *KeyAuthenticator {
	return &KeyAuthenticator{dialer: dialer, now: time.Now, good: map[presented]remembered{}}
}

// Authenticate implements Authenticator.
func (a *KeyAuthenticator) Authenticate(ctx context.Context, keyID region.ID, secretSHA256 [32]byte) (Caller, error) {
	key := presented{keyID, secretSHA256}
	if caller, ok := a.recall(key); ok {
		return caller, nil
	}
	home, err := a.dialer.cfg.Regions.Home(keyID)
	if err != nil {
		return Caller{}, BadCaller()
	}
	client := identityv1connect.NewIdentityServiceClient(a.dialer.HTTPClient("identity"), a.dialer.URL("identity", home.Name), a.dialer.Options()...)
	answer, err := client.AuthenticateKey(ctx, &identityv1.AuthenticateKeyRequest{KeyId: string(keyID), SecretSha256: secretSHA256[:]})
	if err != nil {
		return Caller{}, aboutKey(err)
	}
	org, err := a.dialer.cfg.Regions.Parse(answer.GetOrgId(), region.Organization)
	if err != nil || org.Code() != keyID.Code() {
		// A key lives where its organization does. Another home has no say in who may act for an organization of ours.
		return Caller{}, BadCaller()
	}
	caller := Caller{Kind: KeyCaller, ID: string(keyID), Org: org, Permissions: map[string]bool{}}
	for _, permission := range answer.GetPermissions() {
		caller.Permissions[permission] = true
	}
	until := a.now().Add(rememberKey)
	if expires := answer.GetExpiresAt(); expires != nil && expires.AsTime().Before(until) {
		until = expires.AsTime()
	}
	a.remember(key, remembered{caller, until})
	return caller, nil
}

// aboutKey tells our caller what identity said about their key, and nothing that it said about us.
func aboutKey(err error) error {
	var f *fault.Error
	if errors.As(err, &f) && f.Code == connect.CodeUnauthenticated && f.Reason == faultv1.Reason_REASON_BAD_CALLER {
		return BadCaller()
	}
	return err
}

func (a *KeyAuthenticator) recall(key presented) (Caller, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	found, ok := a.good[key]
	if ok && !a.now().Before(found.until) {
		delete(a.good, key)
		return Caller{}, false
	}
	return found.caller, ok
}

func (a *KeyAuthenticator) remember(key presented, answer remembered) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.good) >= rememberKeys {
		now := a.now()
		for k, v := range a.good {
			if !now.Before(v.until) {
				delete(a.good, k)
			}
		}
		if len(a.good) >= rememberKeys {
			clear(a.good)
		}
	}
	a.good[key] = answer
}

// HomeAuthenticator is for identity itself: keys of its own jurisdiction it decides with local, others' homes it asks.
type HomeAuthenticator struct {
	Regions *region.Map
	Own     region.Name
	Local   Authenticator
	Remote  Authenticator
}

// Authenticate implements Authenticator.
func (a HomeAuthenticator) Authenticate(ctx context.Context, keyID region.ID, secretSHA256 [32]byte) (Caller, error) {
	home, err := a.Regions.Home(keyID)
	if err != nil {
		return Caller{}, BadCaller()
	}
	if a.Regions.Together(home.Name, a.Own) {
		return a.Local.Authenticate(ctx, keyID, secretSHA256)
	}
	return a.Remote.Authenticate(ctx, keyID, secretSHA256)
}
