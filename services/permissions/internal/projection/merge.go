package projection

import (
	"container/heap"
	"slices"
	"strings"
)

// merger yields what is in any of several sorted lists, ascending and each once, without making the whole: a page costs
// what it shows, however long the lists are.
type merger[X ~string] struct{ lists [][]X } // a heap by their first; none is empty

// add takes the part of a list that begins with a prefix and is after an id.
func (m *merger[X]) add(list []X, prefix, after string) {
	list = prefixed(list, prefix)
	from, found := slices.BinarySearch(list, X(after))
	if found {
		from++
	}
	m.push(list[from:])
}

// prefixed is the part of a sorted list that begins with a prefix.
func prefixed[X ~string](list []X, prefix string) []X {
	from, _ := slices.BinarySearch(list, X(prefix))
	n, _ := slices.BinarySearchFunc(list[from:], prefix, func(x X, prefix string) int {
		if strings.HasPrefix(string(x), prefix) {
			return -1
		}
		return 1
	})
	return list[from : from+n]
}

func (m *merger[X]) push(list []X) {
	if len(list) > 0 {
		heap.Push(m, list)
	}
}

// run yields until there is nothing left or yield says enough.
func (m *merger[X]) run(yield func(X) bool) {
	var last X
	for len(m.lists) > 0 {
		first := m.lists[0][0]
		if first != last {
			if last = first; !yield(first) {
				return
			}
		}
		if m.lists[0] = m.lists[0][1:]; len(m.lists[0]) == 0 {
			heap.Pop(m)
		} else {
			heap.Fix(m, 0)
		}
	}
}

// Len, Less, Swap, Push and Pop implement heap.Interface.
func (m *merger[X]) Len() int { return len(m.lists) }

// Less implements heap.Interface.
func (m *merger[X]) Less(i, j int) bool { return m.lists[i][0] < m.lists[j][0] }

// Swap implements heap.Interface.
func (m *merger[X]) Swap(i, j int) { m.lists[i], m.lists[j] = m.lists[j], m.lists[i] }

// Push implements heap.Interface.
func (m *merger[X]) Push(x any) { m.lists = append(m.lists, x.([]X)) }

// Pop implements heap.Interface.
func (m *merger[X]) Pop() any {
	last := m.lists[len(m.lists)-1]
	m.lists = m.lists[:len(m.lists)-1]
	return last
}
