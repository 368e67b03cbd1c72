package dbtest

import (
	"bytes"
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

// A deferred trigger makes the commit slow, so that a request to cancel it would come in time.
func TestACommitThatATapLetPassIsNotCancelled(t *testing.T) {
	t.Parallel()
	made := Make(t, Options{Schema: "bank"})
	direct, err := pgx.Connect(t.Context(), made.AdminURL)
	if err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{
		`CREATE TABLE kept (n INT)`,
		`CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.3); RETURN NULL; END'`,
		`CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON kept DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION linger()`,
	} {
		if _, err := direct.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	proxy, url := NewProxy(t, made.AdminURL)
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	proxy.SetTap(func(sent []byte) ([]byte, bool) { return sent, bytes.Contains(sent, []byte("commit")) })
	if _, err := conn.Exec(t.Context(), `begin; insert into kept values (1); commit`); err == nil {
		t.Fatal("the connection was not cut")
	}
	<-conn.PgConn().CleanupDone() // with it the request to cancel has been sent
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		var n int
		if err := direct.QueryRow(t.Context(), `SELECT count(*) FROM kept`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		if n == 1 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("what the tap let pass was not committed")
		}
	}
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
