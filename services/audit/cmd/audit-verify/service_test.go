package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/audit"
	"github.com/cardea-mesh/cardea/services/audit/audittest"
	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/dbtest"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// The command against the whole service: it verifies, and it tells what somebody with the power of the tables' owner changed.
func TestTheRealServiceVerifiesAndItsDatabaseIsNotTrusted(t *testing.T) {
	a := audittest.Start(t, audittest.Options{})
	org := region.NewID(region.Organization, "euc")
	for n := range 42 {
		a.Publish(t, &typev1.Event{Id: fmt.Sprintf("event_%d", n), Region: "eu-central", OrgId: string(org), Service: "identity", Kind: "person_read"})
	}
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, a.Mesh.CA.CertPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	key := a.Mesh.Key(org, "ledger.read").Reveal()
	check := func(args ...string) (int, string) {
		var out, errOut bytes.Buffer
		args = append([]string{"-url", a.URL, "-ca", ca, "-org", string(org), "-region", "eu-central"}, args...)
		code := run(t.Context(), args, key, &out, &errOut)
		return code, out.String() + errOut.String()
	}
	var code int
	var line string
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end) && !strings.Contains(line, ": 42 entries verified, head "); time.Sleep(20 * time.Millisecond) {
		code, line = check()
	}
	if code != verified || !strings.HasPrefix(line, "ledger of "+string(org)+" in eu-central: 42 entries verified, head ") {
		t.Fatalf("exit %d: %s", code, line)
	}
	noted := strings.TrimSpace(line[strings.LastIndex(line, " ")+1:])
	if code, line := check("-expect-size", "42", "-expect-hash", noted); code != verified {
		t.Fatalf("exit %d: %s", code, line)
	}
	owner := dbtest.Open(t, database.Config{URL: a.Database.OwnerURL, Schema: audit.Schema})
	for _, c := range []struct{ sql, says string }{
		{`UPDATE ledger_bodies SET body = body || '\x2001'::bytea WHERE position = 7`, "position 7: SHA-256 of the body"},
		{`UPDATE ledger_entries SET event_id = 'event_x' WHERE position = 5`, "position 5: hash is"},
		{`DELETE FROM ledger_entries WHERE position = 3`, "position 3: the entry says that its position is 4"},
	} {
		if _, err := owner.Pool().Exec(t.Context(), c.sql); err != nil {
			t.Fatal(err)
		}
		if code, line := check(); code != differs || !strings.Contains(line, c.says) {
			t.Fatalf("after %s: exit %d: %s", c.sql, code, line)
		}
	}
}
