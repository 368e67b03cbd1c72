package postgres_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	gateway "github.com/cardea-mesh/cardea/services/device-gateway"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/access"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/device"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/enroll"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/postgres"
	"github.com/cardea-mesh/cardea/services/platform/dbtest"
	"github.com/cardea-mesh/cardea/services/platform/dbtest/grammar"
	"github.com/cardea-mesh/cardea/services/platform/idempotency"
	"github.com/cardea-mesh/cardea/services/platform/keyring"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/pki"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
)

// suite is what the store must do on both engines.
var suite = []struct {
	name string
	test func(*testing.T, *dbtest.Database)
}{
	{"a claim is used by one of many", testAClaimIsUsedByOneOfMany},
	{"a claim ends by the clock that judges it", testAClaimEndsByTheClockThatJudgesIt},
	{"a revoked device stays revoked", testARevokedDeviceStaysRevoked},
	{"another organization sees nothing", testAnotherOrganizationSeesNothing},
	{"applied versions never go back", testAppliedVersionsNeverGoBack},
	{"a neighbour serves the region's devices", testANeighbourServesTheRegionsDevices},
	{"a certificate is renewed", testACertificateIsRenewed},
	{"the key in use is not renewed", testTheKeyInUseIsNotRenewed},
	{"a renewal with the next key ends the current one", testARenewalWithTheNextKeyEndsTheCurrentOne},
	{"a revoked device renews nothing", testARevokedDeviceRenewsNothing},
	{"a neighbour renews", testANeighbourRenews},
}

func TestPostgres(t *testing.T) {
	for _, c := range suite {
		t.Run(c.name, func(t *testing.T) {
			c.test(t, dbtest.Make(t, dbtest.Options{Schema: gateway.Schema, Sets: gateway.Migrations()}))
		})
	}
}

func TestCockroach(t *testing.T) {
	for _, c := range suite {
		t.Run(c.name, func(t *testing.T) { c.test(t, dbtest.Cockroach(t, gateway.Schema, gateway.Migrations()...)) })
	}
}

func TestCockroachTakesEveryStatement(t *testing.T) {
	grammar.Check(t, gateway.Schema, gateway.Migrations(), ".")
}

func store(t *testing.T, d *dbtest.Database, name region.Name) *postgres.Store {
	t.Helper()
	return storeAt(t, d, name, time.Now)
}

func storeAt(t *testing.T, d *dbtest.Database, name region.Name, now func() time.Time) *postgres.Store {
	t.Helper()
	regions := dbtest.Regions(t)
	own, err := regions.Lookup(name)
	must(t, err)
	root, err := pki.NewRoot("device root", time.Now().Add(time.Hour))
	must(t, err)
	ring, err := keyring.New([]keyring.Key{{ID: "answer-1", Secret: [32]byte{1}}})
	must(t, err)
	return postgres.New(postgres.Config{
		DB: d.DB, Outbox: outbox.New(outbox.Config{Service: gateway.Service, Region: name, Regions: regions, AccessState: true}),
		Keeper: idempotency.New(ring, nil), Regions: regions, Own: own, Authority: enroll.NewAuthority(root),
		CertificateTTL: time.Hour, Now: now,
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func request(t *testing.T) enroll.Request {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	must(t, err)
	r, err := enroll.ParseRequest(der)
	must(t, err)
	return r
}

func create(t *testing.T, s *postgres.Store, org region.ID) (region.ID, enroll.Secret) {
	t.Helper()
	out, err := s.Create(t.Context(), postgres.NewDevice{
		Org: org, Door: region.NewID(region.Door, "euc"), Site: region.NewID(region.Site, "euc"), ClaimTTL: time.Hour,
		Request: &gatewayv1.CreateDeviceRequest{}, Key: idempotency.Key{Region: "eu-central", Org: org},
	})
	must(t, err)
	secret, _, _ := strings.Cut(out.GetClaimCode(), ".")
	return region.ID(out.GetDeviceId()), enroll.Secret(secret)
}

func testAClaimIsUsedByOneOfMany(t *testing.T, d *dbtest.Database) {
	s, org := store(t, d, "eu-central"), region.NewID(region.Organization, "euc")
	id, secret := create(t, s, org)
	var mu sync.Mutex
	var all sync.WaitGroup
	certificates := 0
	for range 8 {
		r := request(t)
		all.Go(func() {
			got, certificate, err := s.Enroll(t.Context(), secret, r)
			mu.Lock()
			defer mu.Unlock()
			if err == nil && got == id && len(certificate) > 0 {
				certificates++
			} else if !errors.Is(err, enroll.ErrClaimRefused) {
				t.Errorf("%v", err)
			}
		})
	}
	all.Wait()
	if certificates != 1 {
		t.Fatalf("%d certificates for one claim code", certificates)
	}
	for _, unknown := range []enroll.Secret{enroll.NewSecret("euc"), enroll.NewSecret("use"), "euc-", "", "nonsense", "xxx-abc"} {
		if _, _, err := s.Enroll(t.Context(), unknown, request(t)); !errors.Is(err, enroll.ErrClaimRefused) {
			t.Errorf("an unknown secret: %v", err)
		}
	}
}

// The database's clock is a day behind the gateways'.
func testAClaimEndsByTheClockThatJudgesIt(t *testing.T, d *dbtest.Database) {
	ahead := 25 * time.Hour
	s, org := storeAt(t, d, "eu-central", func() time.Time { return time.Now().Add(ahead) }), region.NewID(region.Organization, "euc")
	_, inTime := create(t, s, org)
	_, late := create(t, s, org)
	ahead += 59 * time.Minute
	if _, _, err := s.Enroll(t.Context(), inTime, request(t)); err != nil {
		t.Errorf("a minute before it ends: %v", err)
	}
	ahead += 2 * time.Minute
	if _, _, err := s.Enroll(t.Context(), late, request(t)); !errors.Is(err, enroll.ErrClaimRefused) {
		t.Errorf("a minute after it ended: %v", err)
	}
}

func testARevokedDeviceStaysRevoked(t *testing.T, d *dbtest.Database) {
	s, org := store(t, d, "eu-central"), region.NewID(region.Organization, "euc")
	id, secret := create(t, s, org)
	first, err := s.Revoke(t.Context(), org, id)
	must(t, err)
	again, err := s.Revoke(t.Context(), org, id)
	if err != nil || again.GetVersion() != first.GetVersion() {
		t.Fatalf("%v, %v", again, err)
	}
	if _, _, err := s.Enroll(t.Context(), secret, request(t)); !errors.Is(err, enroll.ErrClaimRefused) {
		t.Fatal(err)
	}
	if got, err := s.Get(t.Context(), org, id); err != nil || got.Status != device.Revoked {
		t.Fatalf("%+v, %v", got, err)
	}
}

func testAnotherOrganizationSeesNothing(t *testing.T, d *dbtest.Database) {
	s, org, other := store(t, d, "eu-central"), region.NewID(region.Organization, "euc"), region.NewID(region.Organization, "euc")
	id, _ := create(t, s, org)
	if _, err := s.Get(t.Context(), other, id); !errors.Is(err, device.ErrNotFound) {
		t.Error(err)
	}
	if _, err := s.Revoke(t.Context(), other, id); !errors.Is(err, device.ErrNotFound) {
		t.Error(err)
	}
}

func testAppliedVersionsNeverGoBack(t *testing.T, d *dbtest.Database) {
	central, west := store(t, d, "eu-central"), store(t, d, "eu-west")
	a, b := region.NewID(region.Gateway, "euc"), region.NewID(region.Gateway, "euw")
	must(t, central.Register(t.Context(), a, time.Hour, time.Time{}))
	must(t, west.Register(t.Context(), b, time.Hour, time.Time{}))
	head := func(version int64) []access.Head {
		return []access.Head{{Org: "org", Service: "permissions", Region: "eu-central", Version: version, Incarnation: fmt.Sprint("i", version)}}
	}
	token := &typev1.ConsistencyToken{Service: "permissions", Region: "eu-central", OrgId: "org", Version: 5}
	for _, version := range []int64{3, 7, 4} {
		must(t, central.Report(t.Context(), a, head(version)))
	}
	from := head(7)
	from[0].Incarnation = "" // from the file: the bucket is not known
	must(t, central.Report(t.Context(), a, from))
	must(t, west.Report(t.Context(), b, head(4)))
	if got := incarnation(t, d, a); got != "i7" {
		t.Errorf("the version is of incarnation %q", got)
	}
	expect := func(want map[region.ID]bool) {
		t.Helper()
		all, err := west.Applied(t.Context(), token)
		must(t, err)
		if len(all) != len(want) {
			t.Fatalf("%+v", all)
		}
		for _, s := range all {
			if s.Applied != want[s.ID] {
				t.Errorf("%+v", s)
			}
		}
	}
	expect(map[region.ID]bool{a: true, b: false})
	must(t, west.Report(t.Context(), b, head(5)))
	expect(map[region.ID]bool{a: true, b: true})
	token.Service = "identity"
	expect(map[region.ID]bool{a: false, b: false})
	must(t, central.Deregister(t.Context(), a))
	expect(map[region.ID]bool{b: false})
	must(t, central.Register(t.Context(), a, time.Hour, time.Time{}))
	expect(map[region.ID]bool{a: false, b: false})
}

func incarnation(t *testing.T, d *dbtest.Database, gateway region.ID) (found string) {
	t.Helper()
	must(t, d.DB.Read(t.Context(), func(ctx context.Context, tx pgx.Tx) error {
		return tx.QueryRow(ctx, `SELECT incarnation FROM applied WHERE region = 'eu-central' AND gateway_id = $1`, string(gateway)).Scan(&found)
	}))
	return found
}

func testANeighbourServesTheRegionsDevices(t *testing.T, d *dbtest.Database) {
	central, west, org := store(t, d, "eu-central"), store(t, d, "eu-west"), region.NewID(region.Organization, "euc")
	id, secret := create(t, central, org)
	if _, _, err := west.Enroll(t.Context(), secret, request(t)); err != nil {
		t.Fatal(err)
	}
	if got, err := central.Get(t.Context(), org, id); err != nil || got.Status != device.Enrolled || got.EnrolledAt.IsZero() {
		t.Fatalf("%+v, %v", got, err)
	}
}
