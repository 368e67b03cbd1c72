package postgres_test

import (
	"testing"
)

func TestAKilledServerRecoversWhatWasCommitted(t *testing.T) {
	dir := t.TempDir()
	s, cfg := newServer(t, dir)
	if err := s.Kill(); err != nil {
		t.Fatal("killing a stopped one:", err)
	}
	for range 2 {
		if err := s.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		exec1(t, dir, cfg.Address, "CREATE TABLE IF NOT EXISTS kept (word TEXT)")
		exec1(t, dir, cfg.Address, "INSERT INTO kept VALUES ('still here')")
		family := append(descendants(s.Pid()), s.Pid())
		if len(family) < 3 {
			t.Fatalf("the server has no processes of its own: %v", family)
		}
		if err := s.Kill(); err != nil {
			t.Fatal(err)
		}
		for _, pid := range family {
			if alive(pid) {
				t.Errorf("process %d is alive", pid)
			}
		}
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := exec1(t, dir, cfg.Address, "SELECT count(*)::TEXT FROM kept"); got != "2" {
		t.Errorf("%s of 2 committed rows are there", got)
	}
}
