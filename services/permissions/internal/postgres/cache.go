package postgres

import (
	"context"
	"slices"
	"strings"

	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// cache is what was read for the commands of one transaction before they run. It is of the transaction's organization and
// home, and tells what is so now: a command that changes a thing makes the cache forget it, or know the change.
type cache struct {
	sites     shelf[grants.Site]
	doors     shelf[grants.Door]
	zones     shelf[grants.Zone]
	schedules shelf[grants.Schedule]
	groups    shelf[grants.Group]
	grants    shelf[grants.Grant]
	followers shelf[[]region.Name] // of a subject, ascending
	in        map[grants.Membership]bool

	// By the command that runs now.
	changed []region.ID
	moved   []grants.Membership
}

// shelf has what was looked up: nil means that it is not there.
type shelf[T any] map[region.ID]*T

func newCache() *cache {
	c := &cache{}
	c.clear()
	return c
}

// clear forgets everything.
func (c *cache) clear() {
	*c = cache{
		sites: shelf[grants.Site]{}, doors: shelf[grants.Door]{}, zones: shelf[grants.Zone]{}, schedules: shelf[grants.Schedule]{},
		groups: shelf[grants.Group]{}, grants: shelf[grants.Grant]{}, followers: shelf[[]region.Name]{}, in: map[grants.Membership]bool{},
	}
}

// forget makes the next look-up of things go to the database.
func (c *cache) forget(ids ...region.ID) {
	for _, id := range ids {
		delete(c.sites, id)
		delete(c.doors, id)
		delete(c.zones, id)
		delete(c.schedules, id)
		delete(c.groups, id)
		delete(c.grants, id)
		delete(c.followers, id)
	}
}

func (c *cache) start() { c.changed, c.moved = nil, nil }

func (c *cache) undo() {
	c.forget(c.changed...)
	for _, m := range c.moved {
		delete(c.in, m)
	}
}

// moves notes that somebody is in a group from now on, or not any more.
func (w *writer) moves(home region.Name, m grants.Membership, in bool) {
	if _, known := w.in[m]; known && home == w.at.home {
		w.in[m] = in
		w.moved = append(w.moved, m)
	}
}

// follows keeps a subject's followers up to date. A list that was handed out is not changed.
func (w *writer) follows(k grants.ReasonKey) {
	list := w.followers[k.Subject]
	if list == nil || !w.here(k.Holder, k.Org) {
		return
	}
	if at, is := slices.BinarySearch(*list, k.Follower); !is {
		longer := slices.Insert(slices.Clone(*list), at, k.Follower)
		w.followers[k.Subject] = &longer
		w.changed = append(w.changed, k.Subject)
	}
}

// find answers from a shelf, or asks.
func find[T any](ctx context.Context, w *writer, from shelf[T], org, id region.ID, ask func(ctx context.Context, org, id region.ID) (T, error)) (T, error) {
	thing, known := from[id]
	switch {
	case !known || org != w.at.org:
		return ask(ctx, org, id)
	case thing == nil:
		var none T
		return none, grants.NotFound(id)
	}
	return *thing, nil
}

func (w *writer) Site(ctx context.Context, org, id region.ID) (grants.Site, error) {
	return find(ctx, w, w.cache.sites, org, id, w.reader.Site)
}

func (w *writer) Door(ctx context.Context, org, id region.ID) (grants.Door, error) {
	return find(ctx, w, w.cache.doors, org, id, w.reader.Door)
}

func (w *writer) Zone(ctx context.Context, org, id region.ID) (grants.Zone, error) {
	return find(ctx, w, w.cache.zones, org, id, w.reader.Zone)
}

func (w *writer) Schedule(ctx context.Context, org, id region.ID) (grants.Schedule, error) {
	return find(ctx, w, w.cache.schedules, org, id, w.reader.Schedule)
}

func (w *writer) Group(ctx context.Context, org, id region.ID) (grants.Group, error) {
	return find(ctx, w, w.cache.groups, org, id, w.reader.Group)
}

func (w *writer) Grant(ctx context.Context, org, id region.ID) (grants.Grant, error) {
	return find(ctx, w, w.cache.grants, org, id, w.reader.Grant)
}

// here says whether rows of a region and organization may be in the cache.
func (w *writer) here(home region.Name, org region.ID) bool {
	return home == w.at.home && org == w.at.org
}

func compare(a, b region.Name) int { return strings.Compare(string(a), string(b)) }
