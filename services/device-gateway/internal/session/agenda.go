package session

import (
	"container/heap"
	"time"
)

// agenda is what is to be looked at at a moment, the next one first. It is not safe for concurrent use.
type agenda[T any] struct{ dates dates[T] }

// date is when an item is to be looked at; the zero date: never. Its owner keeps it where it is, the agenda points to it.
type date[T any] struct {
	item  T
	at    time.Time
	place int // in its agenda, from 1; 0: in none
}

// set puts an item on the agenda under its date, at another moment if it was there, and says whether it is the next one now.
func (a *agenda[T]) set(d *date[T], item T, at time.Time) (next bool) {
	a.drop(d)
	d.item, d.at = item, at
	heap.Push(&a.dates, d)
	return d.place == 1
}

// drop takes a date off the agenda; nothing happens when it is not there.
func (a *agenda[T]) drop(d *date[T]) {
	if d.place > 0 {
		heap.Remove(&a.dates, d.place-1)
	}
}

// next is when the next item is due; false: there is none.
func (a *agenda[T]) next() (time.Time, bool) {
	if len(a.dates) == 0 {
		return time.Time{}, false
	}
	return a.dates[0].at, true
}

// due takes off an item whose moment has come; false: there is none.
func (a *agenda[T]) due(now time.Time) (item T, ok bool) {
	at, ok := a.next()
	if !ok || at.After(now) {
		return item, false
	}
	d := heap.Pop(&a.dates).(*date[T])
	item, *d = d.item, date[T]{}
	return item, true
}

// dates is a heap in the order of time.
type dates[T any] []*date[T]

func (h dates[T]) Len() int           { return len(h) }
func (h dates[T]) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h dates[T]) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i+1, j+1
}

// Push implements heap.Interface.
func (h *dates[T]) Push(x any) {
	d := x.(*date[T])
	*h = append(*h, d)
	d.place = len(*h)
}

// Pop implements heap.Interface.
func (h *dates[T]) Pop() any {
	last := len(*h) - 1
	d := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	d.place = 0
	return d
}
