package projection

import (
	"hash/maphash"
	"maps"
	"math/bits"
)

// table is a map that is never changed: an edit shares with it every part that it does not touch. A part is an ordinary
// map of about partSize entries, so that a lookup is a hash and a lookup, and a change copies one part.
type table[K comparable, V any] struct {
	parts []map[K]V // a power of two, or none; a part may be nil
	n     int
}

// partSize is how many entries a part has when it was laid out; it may grow to four times that.
const partSize = 32

// seed is the same in all tables: what is hashed are ids that we made, and a part that is too full is only slower.
var seed = maphash.MakeSeed()

func (t *table[K, V]) get(k K) (v V, ok bool) {
	if len(t.parts) == 0 {
		return v, false
	}
	v, ok = t.parts[t.place(k)][k]
	return v, ok
}

func (t *table[K, V]) place(k K) int {
	if len(t.parts) == 1 {
		return 0
	}
	return int(maphash.Comparable(seed, k) & uint64(len(t.parts)-1))
}

// all calls yield for each entry, in any order.
func (t *table[K, V]) all(yield func(K, V) bool) {
	for _, part := range t.parts {
		for k, v := range part {
			if !yield(k, v) {
				return
			}
		}
	}
}

// edit makes a new table from one. It belongs to one goroutine until done.
type edit[K comparable, V any] struct {
	table[K, V]
	mine []bool // parts that are this edit's own; nil: not even the list of parts is
}

func (t table[K, V]) edit() edit[K, V] { return edit[K, V]{table: t} }

// expect lays an empty table out for n entries.
func (e *edit[K, V]) expect(n int) {
	if e.n == 0 && n > partSize {
		e.layOut(n)
	}
}

func (e *edit[K, V]) layOut(n int) {
	parts := 1 << bits.Len(uint(n/partSize))
	e.parts, e.mine, e.n = make([]map[K]V, parts), make([]bool, parts), 0
}

func (e *edit[K, V]) set(k K, v V) {
	if e.n >= 4*partSize*max(len(e.parts), 1) {
		e.grow()
	}
	part := e.own(k)
	if _, ok := part[k]; !ok {
		e.n++
	}
	part[k] = v
}

func (e *edit[K, V]) remove(k K) {
	if _, ok := e.get(k); ok {
		delete(e.own(k), k)
		e.n--
	}
}

// own returns k's part, as one that may be changed.
func (e *edit[K, V]) own(k K) map[K]V {
	if e.mine == nil {
		if len(e.parts) == 0 {
			e.layOut(0)
		} else {
			e.parts = append([]map[K]V(nil), e.parts...)
			e.mine = make([]bool, len(e.parts))
		}
	}
	at := e.place(k)
	if !e.mine[at] {
		e.mine[at] = true
		if e.parts[at] == nil {
			e.parts[at] = map[K]V{}
		} else {
			e.parts[at] = maps.Clone(e.parts[at])
		}
	}
	return e.parts[at]
}

func (e *edit[K, V]) grow() {
	old := e.table
	e.layOut(2 * old.n)
	for k, v := range old.all {
		e.own(k)[k] = v
		e.n++
	}
}

func (e *edit[K, V]) done() table[K, V] { return e.table }
