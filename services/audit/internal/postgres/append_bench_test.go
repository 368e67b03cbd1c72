package postgres_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/cardea-mesh/cardea/services/audit/internal/ledger"
	"github.com/cardea-mesh/cardea/services/audit/internal/postgres"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
)

// Entries appended in a second, by the number of events and organizations in a transaction; and what a bare COPY of the same
// bodies into a table with only a primary key does. The test server does not sync its log (see dbtest).
func BenchmarkAppend(b *testing.B) {
	for _, c := range []struct{ batch, orgs int }{{1, 1}, {16, 1}, {128, 1}, {512, 1}, {512, 100}} {
		b.Run(fmt.Sprintf("events=%d/orgs=%d", c.batch, c.orgs), func(b *testing.B) {
			s := postgres.New(onPostgres(b).DB)
			orgs := make([]region.ID, c.orgs)
			for i := range orgs {
				orgs[i] = newOrg()
			}
			n := 0
			for b.Loop() {
				batch := make([]ledger.Event, c.batch)
				for i := range batch {
					batch[i] = ordinary(orgs[i%c.orgs], n)
					n++
				}
				if _, err := s.Append(b.Context(), "eu-central", batch, time.Now()); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
		})
	}
	b.Run("bare COPY of 512", func(b *testing.B) {
		made := onPostgres(b)
		owner := open(b, made, made.OwnerURL)
		if _, err := owner.Pool().Exec(b.Context(), `CREATE TABLE bare (n BIGINT PRIMARY KEY, body BYTEA NOT NULL)`); err != nil {
			b.Fatal(err)
		}
		n, org := 0, newOrg()
		for b.Loop() {
			rows := make([][]any, 512)
			for i := range rows {
				rows[i] = []any{int64(n), ordinary(org, n).Body}
				n++
			}
			if _, err := owner.Pool().CopyFrom(b.Context(), pgx.Identifier{"bare"}, []string{"n", "body"}, pgx.CopyFromRows(rows)); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
	})
}

// ordinary is an access event of about the size and with the columns that a door's events have.
func ordinary(org region.ID, n int) ledger.Event {
	e := event(org, "eu-central", n)
	e.Body = append(e.Body, make([]byte, 500)...)
	e.Door, e.Person = region.ID(fmt.Sprintf("door_euc_%022d", n%97)), region.ID(fmt.Sprintf("person_euc_%022d", n%997))
	e.Device, e.Lock = region.ID(fmt.Sprintf("device_euc_%022d", n%97)), ledger.Place{Epoch: 3, Sequence: int64(n/97 + 1)}
	return e
}
