package access

import (
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
)

// put replaces what is held of a key; a nil record takes it out for good. mu is held, or the Copy is not shared yet.
func (c *Copy) put(text string, record *typev1.StateRecord) {
	k, known := parseKey(text)
	old, had := c.records[text]
	if record == nil {
		delete(c.records, text)
	}
	var next fact
	if known && record != nil && !record.GetRemoved() && k.kind != kindHead {
		var err error
		if next, err = c.decode(k, record.GetBody(), old.fact); err != nil {
			c.cfg.Logger.Error("access: a fact cannot be read; nothing that depends on it opens a door", "key", text, "error", err)
		}
	}
	if known {
		c.swap(k, record, old.fact, next)
	}
	if record != nil {
		c.records[text] = held{record: record, fact: next}
	}
	if k.kind == "door" {
		c.broadcast()
	}
	if known && k.isDoorRule() {
		c.cfg.OnDoorRule(DoorRule{Org: k.org, Site: k.site, Kind: k.kind, ID: k.id})
	}
	if k.isDevice() {
		delete(c.revoked, k.id)
		if record.GetRemoved() {
			c.revoked[k.id] = k.org
		}
		if had || next != nil {
			c.deviceChanged(k.id, old.fact, next)
		}
	}
}

func (c *Copy) swap(k factKey, record *typev1.StateRecord, old, next fact) {
	o := c.organizations[k.org]
	if o == nil {
		o = newOrganization()
		c.organizations[k.org] = o
	}
	change := c.begin(o, old, next)
	if old != nil {
		o.links.remove(old)
		old.remove(o)
	}
	if next != nil {
		next.add(o)
		o.links.add(next)
	}
	change.end(k, record, old, next)
	switch {
	case k.kind == kindHead && record == nil:
		delete(o.heads, k.id)
	case k.kind == kindHead:
		o.heads[k.id] = record.GetVersion()
		c.headCame(k.org, o, k.id)
	}
}

func (c *Copy) deviceChanged(id string, old, next fact) {
	before, _ := old.(device)
	after, ok := next.(device)
	if old != nil && (!ok || !before.same(after.Device)) {
		c.cfg.OnDeviceChanged(id, after.Device)
	}
	c.broadcast()
}

func (c *Copy) broadcast() {
	close(c.changed)
	c.changed = make(chan struct{})
}
