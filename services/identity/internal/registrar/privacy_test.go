package registrar_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"slices"
	"testing"

	"github.com/cardea-mesh/cardea/services/identity/internal/registry"
	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/policy/credential"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"
)

// dump is every row of every table of the schema, as text and as the wire's bytes.
func (j *jurisdiction) dump() []byte {
	j.t.Helper()
	conn, err := pgx.Connect(j.t.Context(), j.database.AdminURL)
	if err != nil {
		j.t.Fatal(err)
	}
	defer conn.Close(j.t.Context())
	rows, _ := conn.Query(j.t.Context(), `SELECT table_name FROM information_schema.tables WHERE table_schema = 'identity'`)
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(tables) < 15 {
		j.t.Fatalf("tables %v: %v", tables, err)
	}
	formats := []string{"text", "binary"}
	if j.database.DB.Engine == database.Cockroach {
		formats = formats[:1] // it copies out as text only
	}
	var out bytes.Buffer
	for _, table := range tables {
		for _, format := range formats {
			if _, err := conn.PgConn().CopyTo(j.t.Context(), &out, "COPY identity."+table+" TO STDOUT (FORMAT "+format+")"); err != nil {
				j.t.Fatal(err)
			}
		}
	}
	return bytes.ToLower(out.Bytes())
}

// spellings are the forms in which a secret could stand in a dump.
func spellings(secret []byte) [][]byte {
	return [][]byte{bytes.ToLower(secret), []byte(hex.EncodeToString(secret))}
}

func TestADumpOfAllTablesShowsNothingPersonal(t *testing.T) {
	t.Parallel()
	eu := newJurisdiction(t, "eu")
	made := eu.organization(central, "acme-of-the-dump")
	person := eu.person(made.Organization.ID, west)
	c := eu.mustIssue(made.Organization.ID, person, card)
	for _, typed := range []registry.Carried{{Kind: credential.KindPIN, Digits: "739104852617"}, {Kind: credential.KindEntryCode, Digits: "739104852618"}} {
		if _, err := eu.give(made.Organization.ID, person, typed); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := eu.read(made.Organization.ID, person); err != nil {
		t.Fatal(err)
	}
	eu.revoke(made.Organization.ID, c.ID)
	_, secret := split(t, made.AdminKey)
	digestKey := eu.digestKeyOfGateway(made.Organization.ID, central, c.Digests[0].KeyID)

	dump := eu.dump()
	if !bytes.Contains(dump, []byte("acme-of-the-dump")) {
		t.Fatal("the dump does not show the slug, so it proves nothing")
	}
	for name, value := range map[string][]byte{
		"the name": []byte(ada.Name), "a part of the name": []byte("lovelace"), "the e-mail": []byte(ada.Email),
		"the card": card.Bits, "a PIN or entry code": []byte("73910485261"), "an API key's secret": []byte(secret), "a digest key": digestKey[:],
	} {
		for _, spelling := range spellings(value) {
			if bytes.Contains(dump, spelling) {
				t.Errorf("the dump shows %s", name)
			}
		}
	}
}

func TestAnErasedPersonIsUnreadableButTheEventsStay(t *testing.T) {
	t.Parallel()
	eu := newJurisdiction(t, "eu")
	acme := eu.organization(central, "acme").Organization
	person := eu.person(acme.ID, central)
	c := eu.mustIssue(acme.ID, person, card)
	typed, err := eu.give(acme.ID, person, registry.Carried{Kind: credential.KindEntryCode})
	if err != nil {
		t.Fatal(err)
	}
	before := eu.sealedEvents()

	first := eu.erase(acme.ID, person)
	if second := eu.erase(acme.ID, person); !proto.Equal(first, second) {
		t.Errorf("erasing twice is one commit: %v, %v", first, second)
	}
	got, err := eu.read(acme.ID, person)
	if err != nil || got.Status != registry.Erased || got.Fields != (registry.Fields{}) {
		t.Errorf("after the erasure: %v, %v", got.Status, err)
	}
	if _, err := eu.issue(acme.ID, person, card); !errors.Is(err, registry.ErrErased) {
		t.Errorf("a card for an erased person: %v", err)
	}
	if f, _ := eu.fact(west, outbox.OrgKey(acme.ID, "credential", c.ID)); !f.Removed {
		t.Error("the card still opens doors")
	}
	if f, _ := eu.fact(west, outbox.OrgKey(acme.ID, "credential", typed.ID)); !f.Removed {
		t.Error("the entry code still opens doors")
	}
	if kinds := eu.kinds(person); !slices.Equal(kinds, []string{"person_created", "person_erased"}) {
		t.Errorf("events of the person: %v", kinds)
	}
	if kinds := eu.kinds(c.ID); !slices.Equal(kinds, []string{"credential_issued", "credential_revoked"}) {
		t.Errorf("events of the credential: %v", kinds)
	}
	// The person's fields and the card; not the entry code.
	if after := eu.sealedEvents(); len(before) != 2 || !slices.EqualFunc(before, after, bytes.Equal) {
		t.Errorf("%d sealed events before, %d after: they must stay as they were", len(before), len(after))
	}
	for _, table := range []string{"person_keys", "people WHERE sealed IS NOT NULL", "credentials WHERE sealed IS NOT NULL"} {
		var n int
		if err := eu.database.DB.Pool().QueryRow(t.Context(), "SELECT count(*) FROM "+table).Scan(&n); err != nil || n != 0 {
			t.Errorf("%s has %d rows, %v", table, n, err)
		}
	}
}

func (j *jurisdiction) sealedEvents() [][]byte {
	j.t.Helper()
	rows, _ := j.database.DB.Pool().Query(j.t.Context(), `SELECT sealed FROM events WHERE sealed IS NOT NULL AND length(sealed) > 0 ORDER BY id`)
	sealed, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
	if err != nil {
		j.t.Fatal(err)
	}
	return sealed
}
