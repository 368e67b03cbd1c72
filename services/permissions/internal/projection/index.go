package projection

import (
	"slices"
	"strings"
)

// index keeps things by their id, and by what they are about: grants by subject and target, lockdowns by target, roles by
// subject. A thing may have several values, of different times.
type index[ID ~string, About comparable, V any] struct {
	byID    table[ID, []placed[About, V]]
	byAbout table[About, []V]
}

// placed is a value and what it is about.
type placed[About comparable, V any] struct {
	about About
	value V
}

// about returns the values about something, in the order of their ids. They are not to be changed.
func (x *index[ID, About, V]) about(a About) []V {
	values, _ := x.byAbout.get(a)
	return values
}

// indexEdit replaces what is known of things, all at once.
type indexEdit[ID ~string, About comparable, V any] struct {
	index[ID, About, V]
	idOf func(V) ID
	next map[ID][]placed[About, V] // of the things that are mentioned
	// appeared and vanished are told what something is known about from now on, or not any more; nil: nobody asks.
	appeared, vanished func(About)
	bytes              int64
	each               int64 // bytes of one value
}

func (x index[ID, About, V]) edit(idOf func(V) ID, each int64) *indexEdit[ID, About, V] {
	return &indexEdit[ID, About, V]{index: x, idOf: idOf, next: map[ID][]placed[About, V]{}, each: each}
}

// mention says that all that was known of a thing is void.
func (e *indexEdit[ID, About, V]) mention(id ID) {
	if _, ok := e.next[id]; !ok {
		e.next[id] = nil
	}
}

// put adds a value of a thing that is mentioned.
func (e *indexEdit[ID, About, V]) put(id ID, about About, v V) {
	e.next[id] = append(e.next[id], placed[About, V]{about, v})
}

func (e *indexEdit[ID, About, V]) done() index[ID, About, V] {
	byID, byAbout := e.byID.edit(), e.byAbout.edit()
	byID.expect(len(e.next))
	byAbout.expect(len(e.next))
	changed := map[About][]placed[About, V]{} // the new values of each that is concerned
	for id, next := range e.next {
		old, had := byID.get(id)
		for _, p := range old {
			if _, is := changed[p.about]; !is {
				changed[p.about] = nil
			}
		}
		for _, p := range next {
			changed[p.about] = append(changed[p.about], p)
		}
		switch {
		case len(next) > 0:
			byID.set(id, slices.Clip(next))
		case had:
			byID.remove(id)
		}
		e.bytes += int64(len(next)-len(old))*e.each + keyBytes(had, len(next) > 0)
	}
	for about, added := range changed {
		old, had := byAbout.get(about)
		values := e.rest(old, added)
		switch {
		case len(values) > 0:
			byAbout.set(about, values)
			if !had && e.appeared != nil {
				e.appeared(about)
			}
		case had:
			byAbout.remove(about)
			if e.vanished != nil {
				e.vanished(about)
			}
		}
		e.bytes += int64(len(values)-len(old))*e.each + keyBytes(had, len(values) > 0)
	}
	return index[ID, About, V]{byID.done(), byAbout.done()}
}

// rest is old without the things that are mentioned, and what was added, in the order of ids.
func (e *indexEdit[ID, About, V]) rest(old []V, added []placed[About, V]) []V {
	values := make([]V, 0, len(old)+len(added))
	for _, v := range old {
		if _, mentioned := e.next[e.idOf(v)]; !mentioned {
			values = append(values, v)
		}
	}
	for _, p := range added {
		values = append(values, p.value)
	}
	slices.SortStableFunc(values, func(a, b V) int { return strings.Compare(string(e.idOf(a)), string(e.idOf(b))) })
	return slices.Clip(values)
}
