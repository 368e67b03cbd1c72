package postgres

import (
	"time"

	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// commit is grants.Commit over the outbox's.
type commit struct {
	*outbox.Commit
	record func(*outbox.Commit, grants.Change) error
	// before is the head that this commit comes after.
	before grants.Head
	// users counts the commands that began it and did not fail.
	users int
}

func (c *commit) Token() grants.Token {
	return grants.Token{Service: Service, Region: c.Region, Org: c.Org, Version: c.Version}
}

func (c *commit) At() time.Time { return c.RecordedAt }

func (c *commit) Record(ch grants.Change) error {
	if err := c.record(c.Commit, ch); err != nil {
		return err
	}
	return wrap(c.Err(), "record %T", ch)
}

// stamp is what every bitemporal row has: where and when it was recorded, and from when it holds.
func stamp(c grants.Commit) (home region.Name, version int64, org region.ID, at time.Time) {
	t := c.Token()
	return t.Region, t.Version, t.Org, c.At()
}

// null is NULL for a validity without end.
func null(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t
}

// ends is the reverse of null.
func ends(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}
