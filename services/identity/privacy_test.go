package identity_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/cardea-mesh/cardea/services/identity/identitytest"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
	"github.com/cardea-mesh/cardea/services/platform/telemetry"
	"google.golang.org/protobuf/proto"

	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
)

// logs is what a service wrote to its log.
type logs struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logs) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func TestNeitherLogsNorRefusalsRepeatWhatIsPersonal(t *testing.T) {
	t.Parallel()
	mesh, written := rpctest.New(t), &logs{}
	mesh.Telemetry = &telemetry.Telemetry{
		Logger: telemetry.NewLogger(written, slog.LevelDebug), Tracer: mesh.Telemetry.Tracer, Meter: mesh.Telemetry.Meter,
	}
	eu := identitytest.Start(t, mesh, "eu-central")
	acme := eu.Organization(t, "acme")
	admin := eu.Client(t, acme.Admin)
	ada := eu.Person(t, acme, identitytest.Ada)
	eu.Card(t, acme, ada, identitytest.Card(1))

	create := func(change func(*identityv1.PersonalFields)) error {
		fields := proto.CloneOf(identitytest.Ada)
		change(fields)
		_, err := admin.CreatePerson(t.Context(), &identityv1.CreatePersonRequest{OrgId: string(acme.ID), Region: "eu-central", Fields: fields, IdempotencyKey: "k"})
		return err
	}
	issue := func(card *identityv1.CardNumber) error {
		_, err := admin.IssueCredential(t.Context(), &identityv1.IssueCredentialRequest{OrgId: string(acme.ID), PersonId: string(ada), Card: card, IdempotencyKey: "k"})
		return err
	}
	typed := func(kind identityv1.CredentialKind, digits string) error {
		_, err := admin.IssueCredential(t.Context(), &identityv1.IssueCredentialRequest{
			OrgId: string(acme.ID), PersonId: string(ada), Kind: kind, Digits: digits, IdempotencyKey: digits,
		})
		return err
	}
	const pin, code = identityv1.CredentialKind_CREDENTIAL_KIND_PIN, identityv1.CredentialKind_CREDENTIAL_KIND_ENTRY_CODE
	if err := typed(code, "739104852617"); err != nil {
		t.Fatal(err)
	}
	long, short := identitytest.Card(1), identitytest.Card(1)
	long.BitLength, short.Bits = 1024, short.Bits[:6]
	errs := map[string]error{
		"a long name":    create(func(f *identityv1.PersonalFields) { f.Name = strings.Repeat("Ada Lovelace ", 40) }),
		"a bad e-mail":   create(func(f *identityv1.PersonalFields) { f.Email = "ada lovelace at example" }),
		"a taken card":   issue(identitytest.Card(1)),
		"a long card":    issue(long),
		"a short card":   issue(short),
		"a foreign card": issue(&identityv1.CardNumber{Format: "magstripe", BitLength: 56, Bits: identitytest.Card(1).GetBits()}),
		"another format": issue(&identityv1.CardNumber{Format: "wiegand26", BitLength: 26, Bits: identitytest.Card(1).GetBits()[:5]}),
		"a long code":    typed(code, "7391048526179"),
		"a word":         typed(code, "x7391048526"),
		"a short code":   typed(code, "73910"),
		"a weak PIN":     typed(pin, "234567890123"),
	}
	_, errs["a taken code"] = admin.IssueCredential(t.Context(), &identityv1.IssueCredentialRequest{
		OrgId: string(acme.ID), PersonId: string(ada), Kind: code, Digits: "739104852617", IdempotencyKey: "another",
	})
	// A fault of ours, which is logged: the person's key was wrapped with a key that this service does not have.
	if _, err := eu.Database.DB.Pool().Exec(t.Context(), `DELETE FROM person_keys`); err != nil {
		t.Fatal(err)
	}
	if _, err := eu.Database.DB.Pool().Exec(t.Context(), `INSERT INTO person_keys (region, person_id, wrapped, wrapping_key_id) VALUES ('eu-central', $1, 'x', 'lost')`, ada); err != nil {
		t.Fatal(err)
	}
	_, errs["a fault of ours"] = admin.GetPerson(t.Context(), &identityv1.GetPersonRequest{OrgId: string(acme.ID), PersonId: string(ada)})

	if log := written.String(); !strings.Contains(log, "call failed") {
		t.Fatalf("the log shows no failure, so it proves nothing:\n%s", log)
	}
	texts := map[string]string{"the log": written.String()}
	for name, err := range errs {
		if err == nil {
			t.Errorf("%s: accepted", name)
		}
		texts[name] = fmt.Sprintf("%v %+v", err, err)
	}
	bits := identitytest.Card(1).GetBits()
	for where, text := range texts {
		for _, bad := range []string{"Lovelace", "lovelace", "ada@", "73910", "234567890123", string(bits), hex.EncodeToString(bits), fmt.Sprint(bits), acme.Admin.Reveal()[40:]} {
			if strings.Contains(text, bad) {
				t.Errorf("%s: repeats what is personal or secret: %s", where, text)
			}
		}
	}
}
