package postgres_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"testing"

	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/device"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/enroll"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/postgres"
	"github.com/cardea-mesh/cardea/services/platform/dbtest"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"
)

// renewing is an enrolled device and its first key.
type renewing struct {
	t       *testing.T
	db      *dbtest.Database
	store   *postgres.Store
	org, id region.ID
	first   enroll.Request
}

func newRenewing(t *testing.T, d *dbtest.Database) renewing {
	t.Helper()
	r := renewing{t: t, db: d, store: store(t, d, "eu-central"), org: region.NewID(region.Organization, "euc"), first: request(t)}
	id, secret := create(t, r.store, r.org)
	_, _, err := r.store.Enroll(t.Context(), secret, r.first)
	must(t, err)
	r.id = id
	return r
}

// renew asks with one key's session for another key's certificate.
func (r renewing) renew(s *postgres.Store, session, next enroll.Request) error {
	r.t.Helper()
	der, err := s.Renew(r.t.Context(), enroll.Renewal{Device: r.id, Org: r.org, KeyHash: session.KeyHash(), Request: next})
	if err != nil {
		return err
	}
	cert, err := x509.ParseCertificate(der)
	must(r.t, err)
	id, err := enroll.IdentityOf(cert, dbtest.Regions(r.t))
	must(r.t, err)
	if id.Device != r.id || id.Org != r.org || !bytes.Equal(id.KeyHash, next.KeyHash()) {
		r.t.Fatalf("a certificate for %+v", id)
	}
	return nil
}

// published is what gateways were told last of the device.
func (r renewing) published() *gatewayv1.DeviceState {
	r.t.Helper()
	var body []byte
	must(r.t, r.db.DB.Read(r.t.Context(), func(ctx context.Context, tx pgx.Tx) error {
		return tx.QueryRow(ctx, `SELECT body FROM outbox WHERE region = 'eu-central' AND org = $1 AND target = 'eu-central' AND what = 'state' AND name LIKE '%.device.%'
			ORDER BY org_version DESC, ordinal DESC LIMIT 1`, string(r.org)).Scan(&body)
	}))
	state := new(gatewayv1.DeviceState)
	must(r.t, proto.Unmarshal(body, state))
	return state
}

func (r renewing) expectKeys(current, next enroll.Request) {
	r.t.Helper()
	var want []byte
	if next != (enroll.Request{}) {
		want = next.KeyHash()
	}
	got := r.published()
	if !bytes.Equal(got.GetPublicKeySha256(), current.KeyHash()) || !bytes.Equal(got.GetNextPublicKeySha256(), want) || got.GetNewestNotBeforeMs() == 0 {
		r.t.Fatalf("gateways know %v", got)
	}
}

// events are the device_renewed events: for each whether the old key ended.
func (r renewing) events() (ended []bool) {
	r.t.Helper()
	must(r.t, r.db.DB.Read(r.t.Context(), func(ctx context.Context, tx pgx.Tx) error {
		ended = nil
		rows, err := tx.Query(ctx, `SELECT payload FROM events WHERE region = 'eu-central' AND stream = $1 AND kind = 'device_renewed' ORDER BY version`, string(r.id))
		if err != nil {
			return err
		}
		payloads, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
		for _, p := range payloads {
			m := new(gatewayv1.DeviceRenewed)
			must(r.t, proto.Unmarshal(p, m))
			ended = append(ended, m.GetOldKeyEnded())
		}
		return err
	}))
	return ended
}

func testACertificateIsRenewed(t *testing.T, d *dbtest.Database) {
	r := newRenewing(t, d)
	second, third := request(t), request(t)
	must(t, r.renew(r.store, r.first, second))
	r.expectKeys(r.first, second)
	must(t, r.renew(r.store, r.first, second)) // the answer was lost
	if got := r.events(); len(got) != 1 || got[0] {
		t.Fatalf("one renewal, asked twice, has events %v", got)
	}
	must(t, r.renew(r.store, r.first, third)) // the lock lost its new key
	r.expectKeys(r.first, third)
	if err := r.store.Promote(t.Context(), r.org, r.id, second.KeyHash()); !errors.Is(err, device.ErrKeyEnded) {
		t.Fatalf("a key that was replaced before its use: %v", err)
	}
	must(t, r.store.Promote(t.Context(), r.org, r.id, third.KeyHash()))
	must(t, r.store.Promote(t.Context(), r.org, r.id, third.KeyHash()))
	r.expectKeys(third, enroll.Request{})
	if err := r.renew(r.store, r.first, request(t)); !errors.Is(err, device.ErrKeyEnded) {
		t.Fatalf("the old key renews: %v", err)
	}
	if got := r.events(); len(got) != 3 || got[0] || got[1] || !got[2] {
		t.Fatalf("events %v", got)
	}
}

func testTheKeyInUseIsNotRenewed(t *testing.T, d *dbtest.Database) {
	r := newRenewing(t, d)
	if err := r.renew(r.store, r.first, r.first); !errors.Is(err, enroll.ErrBadRequest) {
		t.Fatal(err)
	}
	second := request(t)
	must(t, r.renew(r.store, r.first, second))
	if err := r.renew(r.store, second, r.first); !errors.Is(err, enroll.ErrBadRequest) {
		t.Fatalf("back to the key that is about to end: %v", err)
	}
}

// A session with the next key asks for one more before the database heard that it was used.
func testARenewalWithTheNextKeyEndsTheCurrentOne(t *testing.T, d *dbtest.Database) {
	r := newRenewing(t, d)
	second, third := request(t), request(t)
	must(t, r.renew(r.store, r.first, second))
	must(t, r.renew(r.store, second, third))
	r.expectKeys(second, third)
	if got := r.events(); len(got) != 3 || !got[1] || got[2] {
		t.Fatalf("events %v", got)
	}
}

func testARevokedDeviceRenewsNothing(t *testing.T, d *dbtest.Database) {
	r := newRenewing(t, d)
	second := request(t)
	must(t, r.renew(r.store, r.first, second))
	_, err := r.store.Revoke(t.Context(), r.org, r.id)
	must(t, err)
	for _, session := range []enroll.Request{r.first, second} {
		if err := r.renew(r.store, session, request(t)); !errors.Is(err, device.ErrKeyEnded) {
			t.Fatal(err)
		}
		if err := r.store.Promote(t.Context(), r.org, r.id, session.KeyHash()); !errors.Is(err, device.ErrKeyEnded) {
			t.Fatal(err)
		}
	}
	other := r
	other.org = region.NewID(region.Organization, "euc")
	if err := other.renew(r.store, r.first, request(t)); !errors.Is(err, device.ErrNotFound) {
		t.Fatalf("another organization's certificate: %v", err)
	}
}

func testANeighbourRenews(t *testing.T, d *dbtest.Database) {
	r := newRenewing(t, d)
	west, second := store(t, d, "eu-west"), request(t)
	must(t, r.renew(west, r.first, second))
	must(t, west.Promote(t.Context(), r.org, r.id, second.KeyHash()))
	r.expectKeys(second, enroll.Request{})
}
