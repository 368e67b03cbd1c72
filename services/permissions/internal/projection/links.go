package projection

import (
	"cmp"
	"slices"
)

// links are sorted sets: what belongs to a key.
type links[K, X ~string] struct{ table[K, []X] }

// of returns the set of a key, ascending. It is not to be changed.
func (l *links[K, X]) of(k K) []X {
	set, _ := l.get(k)
	return set
}

// linkEdit collects changes of links and makes them all at once, so that a set of n members that is loaded costs one sort.
type linkEdit[K, X ~string] struct {
	links   links[K, X]
	changes map[K][]linkChange[X]
	bytes   int64 // by how much the sets have grown
}

type linkChange[X ~string] struct {
	of  X
	add bool
}

func (l links[K, X]) edit() *linkEdit[K, X] {
	return &linkEdit[K, X]{links: l, changes: map[K][]linkChange[X]{}}
}

// link and unlink: the last word about a pair counts.
func (e *linkEdit[K, X]) link(k K, x X) { e.changes[k] = append(e.changes[k], linkChange[X]{x, true}) }

func (e *linkEdit[K, X]) unlink(k K, x X) {
	e.changes[k] = append(e.changes[k], linkChange[X]{x, false})
}

func (e *linkEdit[K, X]) done() links[K, X] {
	t := e.links.table.edit()
	t.expect(len(e.changes))
	for k, changes := range e.changes {
		old, had := t.get(k)
		set := merge(old, changes)
		e.bytes += int64(len(set)-len(old)) * linkBytes
		switch {
		case len(set) > 0:
			t.set(k, set)
		case had:
			t.remove(k)
		}
		e.bytes += keyBytes(had, len(set) > 0)
	}
	return links[K, X]{t.done()}
}

// merge makes a new set of exactly the size that it needs.
func merge[X ~string](old []X, changes []linkChange[X]) []X {
	slices.SortStableFunc(changes, func(a, b linkChange[X]) int { return cmp.Compare(a.of, b.of) })
	set := make([]X, 0, len(old)+len(changes))
	at := 0
	for i, c := range changes {
		if i+1 < len(changes) && changes[i+1].of == c.of {
			continue // a later word about it follows
		}
		for at < len(old) && old[at] < c.of {
			set, at = append(set, old[at]), at+1
		}
		if at < len(old) && old[at] == c.of {
			at++
		}
		if c.add {
			set = append(set, c.of)
		}
	}
	set = append(set, old[at:]...)
	if cap(set) > len(set)+len(set)/4 {
		set = slices.Clip(slices.Clone(set))
	}
	return set
}
