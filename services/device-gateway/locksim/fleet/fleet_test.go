package fleet

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestCheckerFindsWhatDiffers(t *testing.T) {
	acked := []Acked{
		{Device: "a", Epoch: 1, UpTo: 3, Ranges: [][2]uint64{{1, 3}}},
		{Device: "a", Epoch: 2, UpTo: 200, Ranges: [][2]uint64{{1, 1}, {198, 200}}},
	}
	whole := []string{"x.1.1", "a.1.1", "grant-7", "a.1.2", "a.1.clock-5", "a.1.3", "a.2.1", "a.2.198", "a.2.199", "a.2.200", "a.2.201"}
	look := func(ledger []string) Findings {
		c := newChecker(acked)
		for _, id := range ledger {
			c.show(id)
		}
		return c.findings()
	}
	if f := look(whole); f.Missing+f.Doubled+f.OutOfOrder != 0 || f.Acknowledged != 7 || f.InLedger != 8 || f.Entries != 11 || f.Epochs != 2 {
		t.Errorf("a whole ledger: %+v", f)
	}
	if f := look(slices.Delete(slices.Clone(whole), 7, 8)); f.Missing != 1 || f.MissingFirst[0] != "a.2.198" || f.LocksDiffering[0] != "a" {
		t.Errorf("without a.2.198: %+v", f)
	}
	if f := look(append(slices.Clone(whole), "a.1.2")); f.Doubled != 1 || f.DoubledFirst[0] != "a.1.2" || f.OutOfOrder != 0 {
		t.Errorf("with a.1.2 twice: %+v", f)
	}
	swapped := slices.Clone(whole)
	swapped[1], swapped[3] = swapped[3], swapped[1]
	if f := look(swapped); f.OutOfOrder != 1 || f.Missing+f.Doubled != 0 {
		t.Errorf("with a.1.2 before a.1.1: %+v", f)
	}
}

func TestTruthKeepsRanges(t *testing.T) {
	var told truth
	for _, e := range [][3]uint64{{2, 1, 3}, {1, 7, 9}, {2, 4, 4}, {2, 6, 8}} {
		told = told.add("a", e[0], e[1], e[2])
	}
	got, err := json.Marshal(told)
	want := `[{"device":"a","boot_epoch":1,"durable_up_to":9,"durable":[[7,9]]},{"device":"a","boot_epoch":2,"durable_up_to":8,"durable":[[1,4],[6,8]]}]`
	if err != nil || string(got) != want {
		t.Errorf("%s (%v); want %s", got, err, want)
	}
}

// TestScriptFollowsSeed: the same seed is the same life, another is not, and the day has its rhythm.
func TestScriptFollowsSeed(t *testing.T) {
	cfg := Config{Seed: 1, Speed: 24, SwipesPerDay: 20, OfflinePerDay: 1, HalfOpenPerDay: 1, RebootsPerDay: 1}
	life := func(seed uint64) (text string, hours [24]int) {
		cfg.Seed = seed
		s := newScript(&cfg, 3)
		for n := range 5000 {
			at, what := s.next()
			if n < 50 {
				text += fmt.Sprintln(at, what)
			}
			if what == swipe {
				hours[(at*24)%day/time.Hour]++
			}
		}
		return text, hours
	}
	one, hours := life(1)
	same, _ := life(1)
	other, _ := life(2)
	if one != same || one == other {
		t.Error("the life does not follow from the seed")
	}
	if hours[8] < 20*hours[2] || hours[17] < 2*hours[14] {
		t.Errorf("swipes by hour: %v", hours)
	}
}

func TestQuantiles(t *testing.T) {
	var h histogram
	for i := range 1000 {
		h.add(time.Duration(i+1) * time.Millisecond)
	}
	for q, want := range map[float64]time.Duration{0.5: 500 * time.Millisecond, 0.99: 990 * time.Millisecond, 1: time.Second} {
		if got := h.read().Quantile(q); got < want || got > want*109/100 {
			t.Errorf("quantile %g is %s; at most 8 %% over %s", q, got, want)
		}
	}
	if twice := h.read().plus(h.read()); twice.Count() != 2000 || twice.minus(h.read()).Quantile(0.5) != h.read().Quantile(0.5) {
		t.Error("distributions do not add up")
	}
	if (Distribution{}).Quantile(0.5) != 0 {
		t.Error("nothing has a median")
	}
}

// TestFolderAfterKill: a run that was killed makes the next one skip boot epochs, and what parts left is kept.
func TestFolderAfterKill(t *testing.T) {
	dir := t.TempDir()
	lock := func(i int, flash string) lockRecord {
		return lockRecord{Index: i, Device: fmt.Sprint("d", i), Flash: []byte(flash)}
	}
	if err := writeLines(filepath.Join(dir, locksFile), []lockRecord{lock(0, "0"), lock(1, "0"), lock(2, "0")}); err != nil {
		t.Fatal(err)
	}
	if killed, err := begin(dir); killed || err != nil {
		t.Fatalf("a new folder: %v, %v", killed, err)
	}
	if err := writeLines(pieceOf(dir, 1), []lockRecord{lock(1, "1")}); err != nil {
		t.Fatal(err)
	}
	if err := end(dir, 2); err == nil {
		t.Error("one of two parts is missing, and nothing was said")
	}
	if killed, err := begin(dir); !killed || err != nil {
		t.Errorf("after a part was lost: %v, %v", killed, err)
	}
	locks, err := readLocks(dir)
	if err != nil || len(locks) != 3 || string(locks[1].Flash) != "1" || string(locks[2].Flash) != "0" {
		t.Errorf("locks %v, %v", locks, err)
	}
	for _, first := range []int{0, 2} {
		if err := writeLines(pieceOf(dir, first), []lockRecord{lock(first, "2")}); err != nil {
			t.Fatal(err)
		}
	}
	if err := end(dir, 2); err != nil {
		t.Fatal(err)
	}
	if killed, err := begin(dir); killed || err != nil {
		t.Errorf("after a whole run: %v, %v", killed, err)
	}
}

func TestLineCutShortIsLeftOut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte("{\"index\":0}\n{\"ind"), 0o600); err != nil {
		t.Fatal(err)
	}
	if lines, err := readLines[lockRecord](path); err != nil || len(lines) != 1 {
		t.Errorf("%v, %v", lines, err)
	}
}

func TestFits(t *testing.T) {
	if err := Fits(19000, 19500); err != nil {
		t.Error(err)
	}
	if err := Fits(50000, 19500); err == nil || !strings.Contains(err.Error(), "at least 3") {
		t.Errorf("50,000 locks: %v", err)
	}
}

func TestSplitIsWhole(t *testing.T) {
	parts := split(Config{First: 5, Locks: 10, Ramp: 30, Acked: "a"}, 3)
	next := 5
	for i, p := range parts {
		if p.First != next || p.Locks < 3 || p.Ramp != 10 || p.Acked != fmt.Sprint("a.", i) {
			t.Errorf("part %d: %+v", i, p)
		}
		next += p.Locks
	}
	if next != 15 || len(split(Config{Locks: 2}, 9)) != 2 {
		t.Errorf("parts end at %d", next)
	}
}

func TestSourcesAreApart(t *testing.T) {
	seen := map[string]bool{}
	for _, i := range []int{0, 1, 254, 255, 256, 65534, 65535, 65536, maxSources - 2} {
		a := sourceOf(i)
		if !a.IsLoopback() || seen[a.String()] || a.As4()[1] == 0 {
			t.Errorf("source %d is %s", i, a)
		}
		seen[a.String()] = true
	}
}
