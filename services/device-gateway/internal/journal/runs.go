package journal

import "slices"

// run is an unbroken series of sequences, both ends included.
type run struct{ first, last uint64 }

// runs is a set of sequences: runs in rising order with a hole between each two. It holds at most runsKept and forgets the
// lowest first.
type runs []run

// from returns where the run that has first ends; first - 1 when first is not in the set.
func (r runs) from(first uint64) uint64 {
	i, found := r.find(first)
	if !found {
		return first - 1
	}
	return r[i].last
}

// add puts a sequence in. The set may be changed in place.
func (r runs) add(sequence uint64) runs {
	i, found := r.find(sequence)
	if found {
		return r
	}
	before := i > 0 && r[i-1].last+1 == sequence
	after := i < len(r) && r[i].first == sequence+1
	switch {
	case before && after:
		r[i-1].last = r[i].last
		return slices.Delete(r, i, i+1)
	case before:
		r[i-1].last = sequence
	case after:
		r[i].first = sequence
	default:
		r = slices.Insert(r, i, run{sequence, sequence})
	}
	if len(r) > runsKept {
		r = slices.Delete(r, 0, 1)
	}
	return r
}

// find returns the run that has the sequence, or where it would be.
func (r runs) find(sequence uint64) (int, bool) {
	return slices.BinarySearchFunc(r, sequence, func(one run, sequence uint64) int {
		switch {
		case one.last < sequence:
			return -1
		case one.first > sequence:
			return 1
		default:
			return 0
		}
	})
}
