package registrar_test

import (
	"context"
	"errors"
	"io/fs"
	"testing"
	"time"

	"github.com/cardea-mesh/cardea/services/identity/internal/postgres"
	"github.com/cardea-mesh/cardea/services/identity/internal/registrar"
	"github.com/cardea-mesh/cardea/services/identity/internal/registry"
	"github.com/cardea-mesh/cardea/services/identity/internal/vault"
	"github.com/cardea-mesh/cardea/services/platform/dbtest"
	"github.com/cardea-mesh/cardea/services/platform/keyring"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/policy/credential"
	"github.com/jackc/pgx/v5"

	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"google.golang.org/protobuf/proto"
)

const (
	central region.Name = "eu-central"
	west    region.Name = "eu-west"
	useast  region.Name = "us-east"
)

var ada = registry.Fields{Name: "Ada Lovelace", Email: "ada@example.com"}

// A card whose number cannot turn up in a dump by chance.
var card = registry.CardNumber{Format: "uid", BitLength: 80, Bits: []byte{0x04, 0xde, 0xad, 0xbe, 0xef, 0x51, 0x77, 0x99, 0xab, 0xcd}}

// jurisdiction is a registrar with a database of its own.
type jurisdiction struct {
	*registrar.Registrar
	t        *testing.T
	database *dbtest.Database
	regions  *region.Map
	vault    *vault.Vault
	draws    []registry.Digits // what is drawn next; then at random
}

func newJurisdiction(t *testing.T, in region.Jurisdiction) *jurisdiction {
	t.Helper()
	regions := dbtest.Regions(t)
	own := regions.In(in)
	j := &jurisdiction{t: t, regions: regions, vault: vault.New(ring(t, "person-"+in), ring(t, "state-"+in))}
	j.database = dbtest.Make(t, dbtest.Options{
		Schema: "identity", Regions: own, Sets: []fs.FS{outbox.Migrations, postgres.Migrations()},
	})
	j.Registrar = registrar.New(registrar.Config{
		Regions: regions, Vault: j.vault, Directory: own[0].Name, Now: time.Now,
		Draw:   j.draw,
		Outbox: outbox.New(outbox.Config{Service: registrar.Service, Region: own[0].Name, Regions: regions, AccessState: true}),
	})
	return j
}

func (j *jurisdiction) draw(kind string) registry.Digits {
	if len(j.draws) == 0 {
		return registrar.Draw(kind)
	}
	drawn := j.draws[0]
	j.draws = j.draws[1:]
	return drawn
}

func ring(t *testing.T, id region.Jurisdiction) *keyring.Ring {
	t.Helper()
	var secret [32]byte
	copy(secret[:], id+"-secret-of-this-test")
	r, err := keyring.New([]keyring.Key{{ID: string(id), Secret: secret}})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (j *jurisdiction) region(name region.Name) region.Region {
	j.t.Helper()
	r, err := j.regions.Lookup(name)
	if err != nil {
		j.t.Fatal(err)
	}
	return r
}

func (j *jurisdiction) try(do func(context.Context, pgx.Tx) error) error {
	return j.database.DB.InTx(j.t.Context(), do)
}

func (j *jurisdiction) must(do func(context.Context, pgx.Tx) error) {
	j.t.Helper()
	if err := j.try(do); err != nil {
		j.t.Fatal(err)
	}
}

func (j *jurisdiction) organization(home region.Name, slug string) (made registrar.NewOrganization) {
	j.t.Helper()
	j.must(func(ctx context.Context, tx pgx.Tx) (err error) {
		made, err = j.CreateOrganization(ctx, tx, j.region(home), slug)
		return err
	})
	return made
}

func (j *jurisdiction) person(org region.ID, home region.Name) (id region.ID) {
	j.t.Helper()
	j.must(func(ctx context.Context, tx pgx.Tx) (err error) {
		id, _, err = j.CreatePerson(ctx, tx, org, j.region(home), ada)
		return err
	})
	return id
}

func (j *jurisdiction) issue(org, person region.ID, card registry.CardNumber) (c registry.Credential, err error) {
	issued, err := j.give(org, person, registry.Carried{Kind: credential.KindCard, Card: card})
	return issued.Credential, err
}

// give issues anything.
func (j *jurisdiction) give(org, person region.ID, what registry.Carried) (issued registrar.Issued, err error) {
	err = j.try(func(ctx context.Context, tx pgx.Tx) error {
		issued, err = j.IssueCredential(ctx, tx, org, person, what)
		return err
	})
	return issued, err
}

func (j *jurisdiction) mustIssue(org, person region.ID, card registry.CardNumber) registry.Credential {
	j.t.Helper()
	c, err := j.issue(org, person, card)
	if err != nil {
		j.t.Fatal(err)
	}
	return c
}

func (j *jurisdiction) revoke(org, credential region.ID) (token *registrar.Token) {
	j.t.Helper()
	j.must(func(ctx context.Context, tx pgx.Tx) (err error) {
		token, err = j.RevokeCredential(ctx, tx, org, credential)
		return err
	})
	return token
}

func (j *jurisdiction) read(org, person region.ID) (p registry.Person, err error) {
	err = j.try(func(ctx context.Context, tx pgx.Tx) error {
		p, err = j.ReadPerson(ctx, tx, org, person)
		return err
	})
	return p, err
}

func (j *jurisdiction) erase(org, person region.ID) (token *registrar.Token) {
	j.t.Helper()
	j.must(func(ctx context.Context, tx pgx.Tx) (err error) {
		token, err = j.ErasePerson(ctx, tx, org, person)
		return err
	})
	return token
}

// fact is the newest row of an access-state key for one target region: what a gateway there will see.
type fact struct {
	Removed bool
	Version int64
	Body    []byte
}

func (j *jurisdiction) fact(target region.Name, key string) (f fact, found bool) {
	j.t.Helper()
	err := j.database.DB.Pool().QueryRow(j.t.Context(), `SELECT removed, fact_version, body FROM outbox
		WHERE target = $1 AND what = 'state' AND name = $2 ORDER BY fact_version DESC LIMIT 1`, target, key).Scan(&f.Removed, &f.Version, &f.Body)
	if errors.Is(err, pgx.ErrNoRows) {
		return f, false
	}
	if err != nil {
		j.t.Fatal(err)
	}
	return f, true
}

// calls are the cross-border calls that wait for a target, in the order of their commits.
func (j *jurisdiction) calls(target region.Name) (procedures []string, bodies [][]byte) {
	j.t.Helper()
	rows, err := j.database.DB.Pool().Query(j.t.Context(),
		`SELECT name, body FROM outbox WHERE target = $1 AND what = 'call' ORDER BY org_version, ordinal`, target)
	if err != nil {
		j.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var body []byte
		if err := rows.Scan(&name, &body); err != nil {
			j.t.Fatal(err)
		}
		procedures, bodies = append(procedures, name), append(bodies, body)
	}
	return procedures, bodies
}

// kinds are the kinds of a stream's events, in order.
func (j *jurisdiction) kinds(stream region.ID) []string {
	j.t.Helper()
	rows, err := j.database.DB.Pool().Query(j.t.Context(), `SELECT kind FROM events WHERE stream = $1 ORDER BY version`, stream)
	if err != nil {
		j.t.Fatal(err)
	}
	kinds, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		j.t.Fatal(err)
	}
	return kinds
}

func unmarshal(t *testing.T, b []byte, m proto.Message) {
	t.Helper()
	if err := proto.Unmarshal(b, m); err != nil {
		t.Fatal(err)
	}
}

func sourceOf(token *typev1.ConsistencyToken) registry.Source {
	return registry.Source{Region: region.Name(token.GetRegion()), Version: token.GetVersion()}
}

func credentialOf(m *identityv1.ReceiveCredentialRequest) registry.Credential {
	c := registry.Credential{
		ID: region.ID(m.GetCredentialId()), Org: region.ID(m.GetOrgId()), Person: region.ID(m.GetPersonId()),
		Kind: registrar.KindFromProto(m.GetKind()), Status: registry.Revoked,
	}
	if m.GetStatus() == identityv1.CredentialStatus_CREDENTIAL_STATUS_ACTIVE {
		c.Status = registry.Active
	}
	for _, d := range m.GetDigests() {
		c.Digests = append(c.Digests, registry.Digest{KeyID: region.ID(d.GetKeyId()), Sum: d.GetDigest()})
	}
	return c
}
