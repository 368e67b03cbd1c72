package exposure

import (
	"context"
	"errors"
	"slices"

	"github.com/cardea-mesh/cardea/services/device-gateway/internal/access"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/bundlestate"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// ErrNotReady: the copy is not whole yet.
var ErrNotReady = errors.New("the access state is still being loaded, try again")

// List are up to limit locks of an organization and home region, by device id after one, that are exposed to anything, and after which
// device to go on; empty: these were the last. Errors: ErrNotReady; the records cannot be read.
func (b *Book) List(ctx context.Context, org string, home region.Name, after string, limit int) (page []Exposure, next string, err error) {
	if _, following := b.Copy.Head(org, ""); !following {
		return nil, "", ErrNotReady
	}
	if home == b.Own.Name {
		if err := b.States.Settle(ctx); err != nil {
			return nil, "", err
		}
	}
	for _, c := range b.all(org, home, after) {
		e, err := b.any(ctx, c)
		if err != nil {
			return nil, "", err
		}
		if e == nil {
			continue
		}
		if len(page) == limit {
			return page, page[limit-1].Device, nil
		}
		page = append(page, *e)
	}
	return page, "", nil
}

// all are the devices of an organization and home, in order.
func (b *Book) all(org string, home region.Name, after string) []candidate {
	ids := map[string]access.Reached{}
	for _, r := range b.Copy.Reached(org, "") {
		ids[r.Device] = r
	}
	for _, of := range b.unserved(org, func(id string) bool { _, served := ids[id]; return served }) {
		ids[of.ID] = access.Reached{Device: of.ID}
	}
	var list []candidate
	for id, r := range ids {
		if at, err := b.Regions.Home(region.ID(id)); err == nil && at.Name == home && id > after {
			list = append(list, candidate{of: bundlestate.Device{Home: home, Org: org, ID: id}, door: r.Door, rule: r.Rule})
		}
	}
	slices.SortFunc(list, func(a, b candidate) int {
		if a.of.ID < b.of.ID {
			return -1
		}
		return 1
	})
	return list
}

// any says how a device is exposed to anything; nil: it is not.
func (b *Book) any(ctx context.Context, c candidate) (*Exposure, error) {
	read := func(_ context.Context, d bundlestate.Device) (bundlestate.Record, error) { return b.States.Known(d) }
	if c.of.Home != b.Own.Name {
		read = b.States.Read
	}
	record, err := read(ctx, c.of)
	if err != nil {
		return nil, err
	}
	if c.door != "" && record.Revision > 0 && !b.stale(c.of.Org, c.door, record.State) {
		c.taken = 0 // but it may be of another door
	} else {
		c.taken = 1
	}
	if e := b.exposed(c, record, asked{org: c.of.Org, version: c.taken}); e != nil {
		return &e.Exposure, nil
	}
	return nil, nil
}
