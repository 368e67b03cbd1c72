package dbtest

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

func TestAKilledServerKeepsWhatItCommitted(t *testing.T) {
	t.Parallel()
	s := NewServer(t)
	made := s.Make(t, Options{Schema: "bank"})
	exec := func(sql string) {
		t.Helper()
		conn, err := pgx.Connect(t.Context(), made.AdminURL)
		if err == nil {
			_, err = conn.Exec(t.Context(), sql)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	exec(`CREATE TABLE kept (n INT)`)
	exec(`INSERT INTO kept VALUES (1)`)
	s.Kill(t)
	if err := made.DB.Ping(t.Context()); err == nil {
		t.Fatal("a killed server answers")
	}
	s.Restart(t)
	exec(`DO $$ BEGIN IF (SELECT count(*) FROM kept) <> 1 THEN RAISE 'lost'; END IF; END $$`)
}

func TestASlowedDatabaseAnswersLate(t *testing.T) {
	t.Parallel()
	made := Make(t, Options{Schema: "bank"})
	proxy, url := NewProxy(t, made.URL)
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	proxy.SetDelay(100 * time.Millisecond)
	began := time.Now()
	if _, err := conn.Exec(t.Context(), `SELECT 1`); err != nil || time.Since(began) < 100*time.Millisecond {
		t.Fatalf("after %s, %v", time.Since(began), err)
	}
}
