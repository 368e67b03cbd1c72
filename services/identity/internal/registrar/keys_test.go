package registrar_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/cardea-mesh/cardea/services/identity/internal/registrar"
	"github.com/cardea-mesh/cardea/services/identity/internal/registry"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"
)

// split takes a bearer key apart, as the server stack does.
func split(t *testing.T, bearer string) (region.ID, registry.Secret) {
	t.Helper()
	const idLength = len("key_euc_") + 26
	rest, ok := strings.CutPrefix(bearer, "cardea_")
	if !ok || len(rest) < idLength+2 {
		t.Fatalf("not a key: %d characters", len(bearer))
	}
	return region.ID(rest[:idLength]), registry.Secret(rest[idLength+1:])
}

func (j *jurisdiction) authenticate(id region.ID, secret registry.Secret) (key registry.APIKey, err error) {
	err = j.try(func(ctx context.Context, tx pgx.Tx) error {
		key, err = j.Authenticate(ctx, tx, id, secret.SHA256())
		return err
	})
	return key, err
}

func (j *jurisdiction) key(org region.ID, role registry.Role, expires time.Time) (made registrar.NewAPIKey, err error) {
	err = j.try(func(ctx context.Context, tx pgx.Tx) error {
		made, err = j.CreateAPIKey(ctx, tx, org, role, expires)
		return err
	})
	return made, err
}

func TestAKeyIsGoodUntilItIsRevoked(t *testing.T) {
	t.Parallel()
	eu := newJurisdiction(t, "eu")
	made := eu.organization(west, "acme")
	id, secret := split(t, made.AdminKey)
	key, err := eu.authenticate(id, secret)
	if err != nil || key.Org != made.Organization.ID || key.Role != registry.OrgAdmin {
		t.Fatalf("the first key: %v %v, %v", key.Org, key.Role, err)
	}
	other, err := eu.key(made.Organization.ID, registry.Viewer, time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	id, secret = split(t, other.Bearer)
	if key, err = eu.authenticate(id, secret); err != nil || key.Role != registry.Viewer || id != other.ID {
		t.Fatalf("the second key: %v, %v", key.Role, err)
	}
	var tokens []*registrar.Token
	for range 2 {
		eu.must(func(ctx context.Context, tx pgx.Tx) error {
			token, err := eu.RevokeAPIKey(ctx, tx, made.Organization.ID, id)
			tokens = append(tokens, token)
			return err
		})
	}
	if !proto.Equal(tokens[0], tokens[1]) {
		t.Errorf("revoking twice is one commit: %v", tokens)
	}
	if _, err = eu.authenticate(id, secret); !errors.Is(err, registry.ErrBadKey) {
		t.Errorf("after the revocation: %v", err)
	}
}

func TestEveryBadKeyHasTheSameError(t *testing.T) {
	t.Parallel()
	eu := newJurisdiction(t, "eu")
	made := eu.organization(central, "acme")
	id, secret := split(t, made.AdminKey)
	short, err := eu.key(made.Organization.ID, registry.OrgAdmin, time.Now().Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := eu.database.DB.Pool().Exec(t.Context(), `UPDATE api_keys SET expires_at = now() - INTERVAL '1 second' WHERE id = $1`, short.ID); err != nil {
		t.Fatal(err)
	}
	shortID, shortSecret := split(t, short.Bearer)
	for name, try := range map[string]struct {
		id     region.ID
		secret registry.Secret
	}{
		"unknown":             {region.NewID(region.APIKey, "euc"), secret},
		"wrong secret":        {id, registry.NewSecret([32]byte{1})},
		"empty secret":        {id, ""},
		"another key's":       {shortID, secret},
		"expired":             {shortID, shortSecret},
		"not an id":           {"'; DROP TABLE api_keys", secret},
		"of no region":        {"key_xyz_01jd3q8v5dfw0b9m3cz1n2k4xw", secret},
		"the home's neighbor": {region.ID(strings.Replace(string(id), "euc", "euw", 1)), secret},
	} {
		_, err := eu.authenticate(try.id, try.secret)
		if err == nil || err.Error() != registry.ErrBadKey.Error() {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAKeyThatIsBornDeadIsRefused(t *testing.T) {
	t.Parallel()
	eu := newJurisdiction(t, "eu")
	made := eu.organization(central, "acme")
	if _, err := eu.key(made.Organization.ID, registry.Viewer, time.Now().Add(-time.Second)); !errors.Is(err, registry.ErrExpiresInPast) {
		t.Errorf("got %v", err)
	}
}
