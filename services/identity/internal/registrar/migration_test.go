package registrar_test

import (
	"io/fs"
	"testing"
	"testing/fstest"
	"time"

	"github.com/cardea-mesh/cardea/services/identity/internal/postgres"
	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/dbtest"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/policy/credential"
	"github.com/jackc/pgx/v5"
)

// A database of the version before there were PINs takes them after the migration, which may be run again.
func TestADatabaseOfCardsLearnsOfDigits(t *testing.T) {
	t.Parallel()
	all := postgres.Migrations()
	before := fstest.MapFS{}
	files, err := fs.Glob(all, "*.sql")
	must(t, err)
	for _, name := range files {
		text, err := fs.ReadFile(all, name)
		must(t, err)
		if name < "0104" {
			before[name] = &fstest.MapFile{Data: text}
		}
	}
	made := dbtest.Make(t, dbtest.Options{Schema: "identity", Sets: []fs.FS{outbox.Migrations, before}})
	insert := func(id region.ID, kind string) error {
		_, err := made.DB.Pool().Exec(t.Context(), `INSERT INTO credentials (region, id, org_id, person_id, kind, status, issued_at)
			VALUES ('eu-central', $1, 'org', 'person', $2, 'active', $3)`, id, kind, time.Now())
		return err
	}
	_, err = made.DB.Pool().Exec(t.Context(), `INSERT INTO people (region, id, org_id, status, created_at) VALUES ('eu-central', 'person', 'org', 'active', $1)`, time.Now())
	must(t, err)
	must(t, insert("old", credential.KindCard))
	if insert("early", credential.KindPIN) == nil {
		t.Fatal("the old schema takes a PIN, so this proves nothing")
	}
	must(t, database.Migrate(t.Context(), made.OwnerURL, made.DB.Engine, "identity", outbox.Migrations, all))
	must(t, insert("pin", credential.KindPIN))
	must(t, insert("code", credential.KindEntryCode))
	if name, broken := database.Constraint(insert("x", "nonsense")); !broken || name != "credentials_kind" {
		t.Errorf("any kind is taken now: %q", name)
	}

	// It stopped between its last statement and the note that it was done: it runs again.
	admin, err := pgx.Connect(t.Context(), made.AdminURL)
	must(t, err)
	defer admin.Close(t.Context())
	gone, err := admin.Exec(t.Context(), `DELETE FROM identity.schema_migrations WHERE version = 104`)
	if err != nil || gone.RowsAffected() != 1 {
		t.Fatalf("%v, %v", gone, err)
	}
	must(t, database.Migrate(t.Context(), made.OwnerURL, made.DB.Engine, "identity", outbox.Migrations, all))
	if insert("y", "nonsense") == nil {
		t.Error("after a second time any kind is taken")
	}
}
