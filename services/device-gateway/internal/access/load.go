package access

import (
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/platform/bus"
)

// load is one delivery of a whole bucket.
type load struct {
	incarnation string
	seen        map[string]bool // nil once it is complete
	caughtUp    bool
}

// update takes one record of the broker.
func (c *Copy) update(u bus.Update) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.loading(u.Incarnation)
	if c.load.seen != nil {
		c.load.seen[u.Key] = true
	}
	if old, ok := c.records[u.Key]; ok && old.record.GetVersion() >= u.Record.GetVersion() {
		return
	}
	c.put(u.Key, u.Record)
	c.store.add(u.Key, u.Record, u.Incarnation)
}

// loading starts over when the bucket is another one than before.
func (c *Copy) loading(incarnation string) {
	if c.load.incarnation != incarnation {
		c.load = load{incarnation: incarnation, seen: map[string]bool{}}
	}
}

// caughtUp is called when the broker has no more to deliver for now.
func (c *Copy) caughtUp(incarnation string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.loading(incarnation)
	c.sweep()
	c.follow()
	c.load.caughtUp = true
	c.noteAsOf()
	c.broadcast()
}

// sweep drops what a complete load did not bring: its tombstone was purged. An organization for which the bucket is
// behind what is held keeps its facts: the bucket was made anew and is still being filled.
func (c *Copy) sweep() {
	if c.load.seen == nil {
		return
	}
	seen := c.load.seen
	c.load.seen = nil
	behind := map[string]bool{}
	for key := range c.records {
		if k, ok := parseKey(key); ok && k.kind == kindHead && !seen[key] {
			behind[k.org] = true
		}
	}
	for key, h := range c.records {
		k, ok := parseKey(key)
		switch {
		case !ok:
		case !seen[key] && !behind[k.org]:
			c.put(key, nil)
			c.store.add(key, &typev1.StateRecord{Removed: true}, "")
		case seen[key] && k.kind == kindHead:
			c.store.add(key, h.record, c.load.incarnation) // so that it is told of this bucket too
		}
	}
}
