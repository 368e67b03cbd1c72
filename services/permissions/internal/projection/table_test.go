package projection

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// A table is a map, and one that was edited is as it was.
func TestATableIsAMapAndStaysWhatItWas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type version struct {
			table table[string, int]
			model map[string]int
		}
		all := []version{{model: map[string]int{}}}
		for range rapid.IntRange(1, 6).Draw(t, "edits") {
			last := all[len(all)-1]
			e, model := last.table.edit(), maps.Clone(last.model)
			e.expect(rapid.IntRange(0, 300).Draw(t, "expected"))
			for range rapid.IntRange(0, 400).Draw(t, "changes") {
				k := rapid.StringOfN(rapid.RuneFrom([]rune("abcdefgh")), 1, 3, -1).Draw(t, "key")
				if rapid.IntRange(0, 3).Draw(t, "what") == 0 {
					e.remove(k)
					delete(model, k)
				} else {
					v := rapid.Int().Draw(t, "value")
					e.set(k, v)
					model[k] = v
				}
			}
			all = append(all, version{e.done(), model})
		}
		for i, v := range all {
			if got := maps.Collect(v.table.all); !maps.Equal(got, v.model) || v.table.n != len(v.model) {
				t.Fatalf("version %d: %v (n %d), want %v", i, got, v.table.n, v.model)
			}
			for k, want := range v.model {
				if got, ok := v.table.get(k); !ok || got != want {
					t.Fatalf("version %d: %s is %d, %v", i, k, got, ok)
				}
			}
		}
	})
}

// Links are sorted sets, the last word about a pair counts, and what was handed out does not change.
func TestLinksAreSortedSets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var l links[string, string]
		model := map[string]map[string]bool{}
		for range rapid.IntRange(1, 6).Draw(t, "edits") {
			before := slices.Clone(l.of("a"))
			handed := l.of("a")
			e := l.edit()
			for range rapid.IntRange(0, 40).Draw(t, "changes") {
				k, x := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "key"), rapid.StringOfN(rapid.RuneFrom([]rune("xyz")), 1, 2, -1).Draw(t, "in")
				if model[k] == nil {
					model[k] = map[string]bool{}
				}
				if model[k][x] = rapid.Bool().Draw(t, "add"); model[k][x] {
					e.link(k, x)
				} else {
					e.unlink(k, x)
				}
			}
			l = e.done()
			if !slices.Equal(before, handed) {
				t.Fatalf("%v became %v", before, handed)
			}
			for k, set := range model {
				maps.DeleteFunc(set, func(_ string, in bool) bool { return !in })
				if want := slices.Sorted(maps.Keys(set)); !slices.Equal(l.of(k), want) {
					t.Fatalf("%s: %v, want %v", k, l.of(k), want)
				}
			}
		}
	})
}

// A merger yields what a set of the whole would, from any place on.
func TestAMergerYieldsTheRestOfTheUnion(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.Custom(func(t *rapid.T) string {
			return rapid.SampledFrom([]string{"group_", "person_", "zone_"}).Draw(t, "kind") + rapid.StringOfN(rapid.RuneFrom([]rune("abc")), 1, 2, -1).Draw(t, "id")
		})
		after := rapid.SampledFrom([]string{"", "person_", "person_b", "person_bb", "zone_a"}).Draw(t, "after")
		var m merger[string]
		want := map[string]bool{}
		for range rapid.IntRange(0, 6).Draw(t, "lists") {
			list := rapid.SliceOfDistinct(name, rapid.ID[string]).Draw(t, "list")
			slices.Sort(list)
			m.add(list, "person_", after)
			for _, x := range list {
				if strings.HasPrefix(x, "person_") && x > after {
					want[x] = true
				}
			}
		}
		if got := slices.Collect(m.run); !slices.Equal(got, slices.Sorted(maps.Keys(want))) {
			t.Fatalf("%v, want %v", got, want)
		}
	})
}
