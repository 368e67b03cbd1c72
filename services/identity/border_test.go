package identity_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1/identityv1connect"
	"github.com/cardea-mesh/cardea/services/identity/identitytest"
	"github.com/cardea-mesh/cardea/services/platform/bus"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
	"github.com/cardea-mesh/cardea/services/policy/credential"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
)

// permissionsSays publishes an event as the permissions service of a region would.
func permissionsSays(t *testing.T, s *identitytest.Service, org, stream region.ID, version int64, kind string, payload proto.Message) {
	t.Helper()
	body, err := proto.Marshal(payload)
	if err != nil {
		t.Fatal(err)
	}
	ev := &typev1.Event{
		Id: string(region.NewID(region.Event, s.Region.Code)), SchemaVersion: 1, Region: string(s.Region.Name), OrgId: string(org),
		Service: "permissions", Stream: string(stream), Version: version, OrgVersion: version, Kind: kind, Payload: body,
		OccurredAt: timestamppb.Now(), RecordedAt: timestamppb.Now(),
	}
	b := s.Broker.Connect(t)
	for range 2 { // the broker may deliver twice; so may this
		if err := b.PublishEvent(t.Context(), bus.Subject(ev), ev); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAPersonOfTheEUAtASiteInTheUS(t *testing.T) {
	t.Parallel()
	_, eu, us := jurisdictions(t)
	gateway := watch(t, us)
	acme := eu.Organization(t, "acme")
	ada := eu.Person(t, acme, identitytest.Ada)
	card := eu.Card(t, acme, ada, identitytest.Card(1))

	// A site is made in the US: its jurisdiction gets the organization's digest keys.
	site := region.NewID(region.Site, "use")
	permissionsSays(t, us, acme.ID, site, 1, "site_created", &permissionsv1.SiteCreated{SiteId: string(site)})
	// A grant there names the person: permissions at the person's home says who follows.
	follow := &permissionsv1.PersonFollowed{PersonId: string(ada), FollowerRegion: "us-east"}
	permissionsSays(t, eu, acme.ID, ada, 1, "person_followed", follow)

	var state identityv1.CredentialState
	read(t, gateway.record(t, outbox.OrgKey(acme.ID, "credential", card.ID), present).GetBody(), &state)
	if state.GetPersonId() != string(ada) || len(state.GetDigests()) != 1 {
		t.Fatalf("the US gateway sees %v", &state)
	}
	wantDigestOf(t, gateway, us, acme.ID, &state, identitytest.Card(1))

	// A card that is issued later follows by itself; a revocation does too.
	later := eu.Card(t, acme, ada, identitytest.Card(2))
	gateway.record(t, outbox.OrgKey(acme.ID, "credential", later.ID), present)
	eu.Revoke(t, acme, card.ID)
	gateway.record(t, outbox.OrgKey(acme.ID, "credential", card.ID), removed)

	// The last grant ends: what is left is withdrawn.
	permissionsSays(t, eu, acme.ID, ada, 2, "person_unfollowed", &permissionsv1.PersonUnfollowed{PersonId: string(ada), FollowerRegion: "us-east"})
	gateway.record(t, outbox.OrgKey(acme.ID, "credential", later.ID), removed)

	wantNothingPersonal(t, us, gateway)
}

// wantDigestOf does what a gateway does: it opens the key that the digest names and computes the card's digest.
func wantDigestOf(t *testing.T, gateway *state, s *identitytest.Service, org region.ID, seen *identityv1.CredentialState, card *identityv1.CardNumber) {
	t.Helper()
	keyID := seen.GetDigests()[0].GetKeyId()
	var wrapped identityv1.DigestKeyState
	read(t, gateway.record(t, outbox.OrgKey(org, "digest_key", region.ID(keyID)), present).GetBody(), &wrapped)
	key, err := identitytest.StateRing(t, s.Region.Jurisdiction).
		Open(wrapped.GetWrappingKeyId(), wrapped.GetWrapped(), credential.DigestKeyContext(string(org), keyID))
	if err != nil {
		t.Fatalf("the gateway cannot open the digest key: %v", err)
	}
	want := credential.Digest([32]byte(key), credential.KindCard, card.GetFormat(), card.GetBitLength(), card.GetBits())
	if !bytes.Equal(seen.GetDigests()[0].GetDigest(), want[:]) {
		t.Error("the gateway computes another digest")
	}
}

// wantNothingPersonal searches a jurisdiction's whole database for the person of another one.
func wantNothingPersonal(t *testing.T, s *identitytest.Service, gateway *state) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.Database.AdminURL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	rows, _ := conn.Query(t.Context(), `SELECT table_name FROM information_schema.tables WHERE table_schema = 'identity'`)
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	var dump bytes.Buffer
	for _, table := range tables {
		if _, err := conn.PgConn().CopyTo(t.Context(), &dump, "COPY identity."+table+" TO STDOUT (FORMAT binary)"); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Contains(dump.Bytes(), []byte("digestkey_euc_")) {
		t.Fatal("the dump does not show the received digest key's id, so it proves nothing")
	}
	for _, bad := range [][]byte{[]byte("Lovelace"), []byte("ada@example.com"), identitytest.Card(1).GetBits(), identitytest.Card(2).GetBits()} {
		if bytes.Contains(dump.Bytes(), bad) {
			t.Errorf("the US database has %q", bad)
		}
	}
	for _, key := range gateway.keys() {
		if strings.Contains(key, ".org.person.") {
			t.Errorf("the US access state has %s", key)
		}
	}
}

func TestAPersonalCallAtTheWrongBorderIsRefusedWithTheWayHome(t *testing.T) {
	t.Parallel()
	_, eu, us := jurisdictions(t)
	acme := eu.Organization(t, "acme")
	ada := eu.Person(t, acme, identitytest.Ada)
	there := us.Client(t, acme.Admin)

	_, err := there.GetPerson(t.Context(), &identityv1.GetPersonRequest{OrgId: string(acme.ID), PersonId: string(ada)})
	wantReason(t, "GetPerson in the US", err, faultv1.Reason_REASON_RESIDENCY_VIOLATION)
	_, err = there.CreatePerson(t.Context(), &identityv1.CreatePersonRequest{OrgId: string(acme.ID), Region: "eu-central", Fields: identitytest.Ada, IdempotencyKey: "k"})
	wantReason(t, "CreatePerson in the US", err, faultv1.Reason_REASON_RESIDENCY_VIOLATION)

	// An opaque call is forwarded to its home; the caller's key, whose home is the EU too, is judged there.
	org, err := there.GetOrganization(t.Context(), &identityv1.GetOrganizationRequest{OrgId: string(acme.ID)})
	if err != nil || org.GetSlug() != "acme" {
		t.Errorf("GetOrganization in the US: %v, %v", org, describe(err))
	}
}

func TestATenantOfTheEUKeepsAPersonInTheUS(t *testing.T) {
	t.Parallel()
	_, eu, us := jurisdictions(t)
	acme := eu.Organization(t, "acme")
	admin := us.Client(t, acme.Admin)
	made, err := admin.CreatePerson(t.Context(), &identityv1.CreatePersonRequest{
		OrgId: string(acme.ID), Region: "us-east", Fields: identitytest.Ada, IdempotencyKey: "grace",
	})
	if err != nil {
		t.Fatal(err)
	}
	// The organization's digest keys were asked for with the person, and come by themselves.
	issue := &identityv1.IssueCredentialRequest{OrgId: string(acme.ID), PersonId: made.GetPersonId(), Card: identitytest.Card(3), IdempotencyKey: "card"}
	eventually(t, "the card is issued", func() bool {
		_, err = admin.IssueCredential(t.Context(), issue)
		return err == nil
	})
	_, err = eu.Client(t, acme.Admin).GetPerson(t.Context(), &identityv1.GetPersonRequest{OrgId: string(acme.ID), PersonId: made.GetPersonId()})
	wantReason(t, "the person of the US, asked in the EU", err, faultv1.Reason_REASON_RESIDENCY_VIOLATION)
}

func TestTheNeighbourServesWhileTheHomeIsDown(t *testing.T) {
	t.Parallel()
	mesh, eu, _ := jurisdictions(t)
	west := identitytest.Start(t, mesh, "eu-west", identitytest.Database(eu.Database))
	acme := eu.Organization(t, "acme")
	ada := eu.Person(t, acme, identitytest.Ada)
	eu.Stop()

	admin := west.Client(t, acme.Admin)
	got, err := admin.GetPerson(t.Context(), &identityv1.GetPersonRequest{OrgId: string(acme.ID), PersonId: string(ada)})
	if err != nil || got.GetFields().GetName() != identitytest.Ada.GetName() {
		t.Fatalf("read at the neighbour: %v", describe(err))
	}
	made, err := admin.IssueCredential(t.Context(), &identityv1.IssueCredentialRequest{
		OrgId: string(acme.ID), PersonId: string(ada), Card: identitytest.Card(1), IdempotencyKey: "k",
	})
	if err != nil {
		t.Fatalf("write at the neighbour: %v", describe(err))
	}
	if made.GetToken().GetRegion() != "eu-central" || !strings.HasPrefix(made.GetCredential().GetId(), "credential_euc_") {
		t.Errorf("the row's home is %v", made)
	}
	// The neighbour's relay takes the home's rows when nobody renews the lease.
	watch(t, west).record(t, outbox.OrgKey(acme.ID, "credential", region.ID(made.GetCredential().GetId())), present)
}

func TestAnEventWithoutEffectHoldsBackNothing(t *testing.T) {
	t.Parallel()
	_, eu, us := jurisdictions(t)
	gateway := watch(t, us)
	acme, umbrella := eu.Organization(t, "acme"), eu.Organization(t, "umbrella")
	ada := eu.Person(t, acme, identitytest.Ada)
	card := eu.Card(t, acme, ada, identitytest.Card(1))
	nobody := region.NewID(region.Person, "euc")
	follow := func(org, person region.ID, to string) {
		permissionsSays(t, eu, org, person, 1, "person_followed", &permissionsv1.PersonFollowed{PersonId: string(person), FollowerRegion: to})
	}
	follow(acme.ID, nobody, "us-east")
	follow(umbrella.ID, ada, "us-east") // a grant of another organization names her
	follow(acme.ID, ada, "ap-south")
	follow(acme.ID, ada, "eu-west")
	follow(acme.ID, region.ID("'; --"), "us-east")
	follow(acme.ID, ada, "us-east")
	r := gateway.record(t, outbox.OrgKey(acme.ID, "credential", card.ID), present)
	if r.GetVersion() < card.Token.GetVersion() {
		t.Errorf("version %d", r.GetVersion())
	}
	for _, key := range gateway.keys() {
		if strings.HasPrefix(key, string(umbrella.ID)) {
			t.Errorf("another organization's grant brought %s", key)
		}
	}
}

func TestACrossingIsKnownUntilItIsConfirmed(t *testing.T) {
	t.Parallel()
	mesh, eu, us := jurisdictions(t)
	gateway := watch(t, us)
	acme := eu.Organization(t, "acme")
	ada := eu.Person(t, acme, identitytest.Ada)
	card := eu.Card(t, acme, ada, identitytest.Card(1))
	standing := func(caller, in region.Name, version int64) *identityv1.GetStandingResponse {
		t.Helper()
		out, err := peer(t, mesh, caller, in).GetStanding(t.Context(), &identityv1.GetStandingRequest{OrgId: string(acme.ID), Region: string(in), Version: version})
		if err != nil {
			t.Fatal(describe(err))
		}
		return out
	}
	if got := standing("eu-central", "eu-central", card.Token.GetVersion()); got.GetToken().GetVersion() != card.Token.GetVersion() || len(got.GetCrossings()) != 0 {
		t.Fatalf("before anybody follows: %v", got)
	}
	permissionsSays(t, eu, acme.ID, ada, 1, "person_followed", &permissionsv1.PersonFollowed{PersonId: string(ada), FollowerRegion: "us-east"})
	gateway.record(t, outbox.OrgKey(acme.ID, "credential", card.ID), present)

	us.Stop() // cut off
	revoked := eu.Revoke(t, acme, card.ID)
	crossing := func() *typev1.Crossing {
		t.Helper()
		got := standing("eu-central", "eu-central", revoked.GetVersion()).GetCrossings()
		if len(got) != 1 || got[0].GetRegion() != "us-east" || got[0].GetVersion() != revoked.GetVersion() {
			t.Fatalf("crossings %v", got)
		}
		return got[0]
	}
	if got := crossing(); got.GetSent() || got.GetConfirmed() {
		t.Fatalf("while the US is cut off: %v", got)
	}
	us = identitytest.Start(t, mesh, "us-east", identitytest.Database(us.Database), identitytest.Broker(us.Broker))
	eventually(t, "the call is taken", func() bool { return crossing().GetSent() })
	// Asked from the EU, the US's head is at least the receipt, which removes the card.
	if head := standing("eu-central", "us-east", 0); head.GetToken().GetVersion() < 2 || len(head.GetCrossings()) != 0 {
		t.Fatalf("the US is at %v", head)
	}
	gateway.record(t, outbox.OrgKey(acme.ID, "credential", card.ID), removed)

	confirm := func(caller region.Name) error {
		_, err := peer(t, mesh, caller, "eu-central").ConfirmCrossing(t.Context(), &identityv1.ConfirmCrossingRequest{
			OrgId: string(acme.ID), Region: "eu-central", FollowerRegion: "us-east", Version: revoked.GetVersion(),
		})
		return err
	}
	wantReason(t, "the US confirms for itself", confirm("us-east"), faultv1.Reason_REASON_MISSING_PERMISSION)
	if crossing().GetConfirmed() {
		t.Fatal("confirmed by the US")
	}
	if err := confirm("eu-west"); err != nil || !crossing().GetConfirmed() {
		t.Fatalf("confirmed by a neighbour: %v, %v", crossing(), describe(err))
	}
}

// peer calls identity of a region as permissions of another.
func peer(t *testing.T, mesh *rpctest.Mesh, caller, in region.Name) identityv1connect.IdentityServiceClient {
	d := mesh.Dialer(t, "permissions", caller)
	return identityv1connect.NewIdentityServiceClient(d.HTTPClient("identity"), d.URL("identity", in), d.Options()...)
}
