package process_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/cardea-mesh/cardea/deploy/local/internal/process"
)

func TestAFrozenChildDoesNothingFromThatMomentOn(t *testing.T) {
	g := process.NewGroup()
	written := filepath.Join(t.TempDir(), "written")
	spec := shell(t, "while :; do echo x >> "+written+"; done")
	spec.Name = "writer"
	c, err := g.Start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	size := func() int64 {
		info, err := os.Stat(written)
		if err != nil {
			return 0
		}
		return info.Size()
	}
	for range 20 {
		for before, end := size(), time.Now().Add(20*time.Second); size() == before; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("it does not write")
			}
		}
		if err := g.Freeze("writer"); err != nil {
			t.Fatal(err)
		}
		frozen := size()
		time.Sleep(5 * time.Millisecond)
		if now := size(); now != frozen {
			t.Fatalf("it had written %d bytes when it was frozen, now %d", frozen, now)
		}
		if err := g.Thaw("writer"); err != nil {
			t.Fatal(err)
		}
	}
	c.Kill()
	if err := process.Freeze(c.Pid()); err == nil {
		t.Error("a process that has ended was frozen")
	}
}
