package grants

import (
	"context"
	"time"

	"github.com/cardea-mesh/cardea/services/platform/region"
)

// Event is what a commit said, as it is published; none of permissions' events has sealed fields.
type Event struct {
	ID, Stream    region.ID
	SchemaVersion int32
	Version       int64 // of the stream
	OrgVersion    int64 // the commit
	Kind          string
	Payload       []byte
	Actor, Cause  string
	Traceparent   string
	OccurredAt    time.Time
	RecordedAt    time.Time
}

// EventReader reads what commits said.
type EventReader interface {
	// Events returns those of the organization's commits in a region after From and up to To, in their order; kinds
	// empty: all. It ends with the commit that reaches limit, and returns that commit whole: more is true when it did.
	Events(ctx context.Context, home region.Name, org region.ID, from, to int64, kinds []string, limit int) (events []Event, more bool, err error)
}

// WatchQuery asks for what an organization committed in a region.
type WatchQuery struct {
	Org   region.ID
	Home  region.Name
	After *Token // nil: from now on
	Kinds []string
	Limit int
}

// WatchPage is whole commits.
type WatchPage struct {
	Events     []Event
	Checkpoint Token // up to which everything of the kinds is in Events
	More       bool  // there are commits after it
}

// maxCommits bounds the commits that are looked through at once, for kinds that are rare.
const maxCommits = 10_000

// Committed returns what there is after the checkpoint. A checkpoint that is ahead of the state fails as in Fresh.
func (c Commands) Committed(ctx context.Context, r Reader, q WatchQuery) (WatchPage, error) {
	if q.After != nil {
		if err := r.Fresh(ctx, []Token{*q.After}); err != nil {
			return WatchPage{}, err
		}
	}
	head, err := r.Head(ctx, q.Home, q.Org)
	if err != nil {
		return WatchPage{}, err
	}
	page := WatchPage{Checkpoint: head.Token}
	if q.After == nil || q.After.Version == head.Version {
		return page, nil
	}
	page.Checkpoint.Version = min(head.Version, q.After.Version+maxCommits)
	events, more, err := r.Events(ctx, q.Home, q.Org, q.After.Version, page.Checkpoint.Version, q.Kinds, q.Limit)
	if err != nil {
		return WatchPage{}, err
	}
	if page.Events = events; more {
		page.Checkpoint.Version = events[len(events)-1].OrgVersion
	}
	page.More = page.Checkpoint.Version < head.Version
	return page, nil
}
