// Package doorstate is the state that the gateways of a region share about their doors: who is inside a zone, who arrived
// first, who waits for a second person, how often a limited grant has opened.
//
// It rests in the bucket of the door's home region, one key for each person and zone, door, or grant. A decision reads what it
// needs into a View, and what it changes is written, compare-and-set on what was read, before the answer goes to the lock. So two
// gateways never both give the last use of a grant. A View that loses reads again, and its owner decides again.
//
// The own region's bucket is watched: reading it is memory, only a write is a round trip. Another region's is reached over
// the leaf, and so is the own one while the watch is cut off.
//
// A decision that writes several keys writes them one after the other. One that ends otherwise takes back what it wrote; where
// it cannot, because the broker has just gone, a use is lost or a person counts as passed. Nothing is ever given twice.
//
// A bucket that was lost with its broker's disk is filled again by use: a gateway goes on from what it remembers of the former one
// wherever the new one has nothing. What no running gateway remembers is gone.
//
// A Store is safe for concurrent use; a View belongs to one goroutine.
package doorstate
