package grants

import (
	"context"
	"time"

	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/policy"
)

// Token names a commit: the organization's version in a service and region.
type Token struct {
	Service string
	Region  region.Name
	Org     region.ID
	Version int64
}

// Head is the organization's latest commit in a region, and when it was recorded. Version 0: there is none yet.
type Head struct {
	Token
	RecordedAt time.Time
}

// Reader is one read transaction: all answers are of one state. The look-ups of one thing fail with ErrNotFound when it
// is not there, or is another organization's.
type Reader interface {
	PastReader

	KeyReader
	// Head returns the organization's head in a region.
	Head(ctx context.Context, home region.Name, org region.ID) (Head, error)
	// Heads is Head, and when the organization's latest commit in any region of the jurisdiction was recorded.
	Heads(ctx context.Context, home region.Name, org region.ID) (head Head, latest time.Time, err error)
	// Fresh fails when this state is older than one of the tokens. Tokens of other services and other jurisdictions say
	// nothing about this state and are passed over.
	Fresh(ctx context.Context, tokens []Token) error
	Site(ctx context.Context, org, id region.ID) (Site, error)
	Door(ctx context.Context, org, id region.ID) (Door, error)
	// Doors is Door for several of one region, in the order of ids.
	Doors(ctx context.Context, home region.Name, org region.ID, ids []region.ID) ([]Door, error)
	Zone(ctx context.Context, org, id region.ID) (Zone, error)
	Schedule(ctx context.Context, org, id region.ID) (Schedule, error)
	// Import returns how far an import is; false: it has not begun.
	Import(ctx context.Context, home region.Name, org region.ID, name string) (ImportProgress, bool, error)
	PlaceReader

	// Facts returns what a decision about these people at these doors needs, as it held and was known at the moment.
	Facts(ctx context.Context, q FactsQuery) (*policy.Snapshot, error)
	// PeopleOf returns, ascending, up to limit people after an id whom a grant of the door names, directly or through groups,
	// that holds at the moment and has a schedule that includes it.
	PeopleOf(ctx context.Context, org, door region.ID, m Moment, after string, limit int) ([]region.ID, error)
	// DoorsFor returns, ascending, up to limit doors of a region after an id that a grant to the person, or a group of
	// theirs, names, directly or through a zone; of such grants as well.
	DoorsFor(ctx context.Context, org, person region.ID, home region.Name, m Moment, after string, limit int) ([]region.ID, error)
}

// Moment is a point in both times: what held At, as it was known at KnownAt (zero: now).
type Moment struct {
	At, KnownAt time.Time
}

// FactsQuery names the people and doors of one question. The doors are of one region.
type FactsQuery struct {
	Org    region.ID
	Home   region.Name // the doors' region
	Doors  []region.ID
	People []region.ID
	Moment Moment
}

// Tx is one writing transaction. It may run twice: nothing of it is seen outside before the commit.
type Tx interface {
	Reader
	KeyTx
	// Commit begins the organization's next commit in a region, once per transaction and region. Everything written
	// there afterwards bears its version and moment.
	Commit(ctx context.Context, home region.Name, org region.ID) (Commit, error)

	PlaceTx
	AddSite(ctx context.Context, c Commit, s Site) error
	AddDoor(ctx context.Context, c Commit, d Door) error
	AddZone(ctx context.Context, c Commit, z Zone) error
	AddSchedule(ctx context.Context, c Commit, s Schedule) error

	// Members returns the members that a group has now, ascending, as a region knows it: the group's own, or one that
	// received a copy.
	Members(ctx context.Context, home region.Name, org, group region.ID) ([]region.ID, error)
	// Containers returns the groups that directly contain any of these now, as far as this jurisdiction knows.
	Containers(ctx context.Context, home region.Name, org region.ID, of []region.ID) ([]region.ID, error)
	// Contents returns the groups that are directly in any of these now, as far as this jurisdiction knows.
	Contents(ctx context.Context, home region.Name, org region.ID, of []region.ID) ([]region.ID, error)

	Followers
	ImportBook
}

// Followers is the book of who follows what, and why. It is kept in the region of each entry and has no past: what
// matters is only what is so now, and which request was the latest.
type Followers interface {
	// Reason returns the entry; the zero value when there is none.
	Reason(ctx context.Context, k ReasonKey) (Reason, error)
	// SetReason writes the entry.
	SetReason(ctx context.Context, k ReasonKey, r Reason) error
	// Followed says whether there is any held reason, this or another, for which the follower follows the subject.
	Followed(ctx context.Context, k ReasonKey) (bool, error)
	// FollowersOf returns who follows a subject now, ascending.
	FollowersOf(ctx context.Context, holder region.Name, org, subject region.ID) ([]region.Name, error)
	// FollowingRegion returns the region of the same jurisdiction as `in` that follows, or once followed, a subject of
	// another jurisdiction; empty when none ever did.
	FollowingRegion(ctx context.Context, in region.Name, org, subject region.ID) (region.Name, error)
	// ReceivedVersion returns the source's version of a group's copy in a region; 0: none was received.
	ReceivedVersion(ctx context.Context, in region.Name, org, group region.ID) (int64, error)
	// SetReceivedVersion writes it.
	SetReceivedVersion(ctx context.Context, in region.Name, org, group region.ID, version int64) error
}

// ReasonKey names why somebody follows a subject.
type ReasonKey struct {
	Holder   region.Name // whose rows these are
	Org      region.ID   // never in each other's way, whatever ids they name
	Subject  region.ID
	Follower region.Name
	Why      string // a grant's id, a containing group's id, or the name of the region that asked
}

// Reason is whether it holds, and for a region's request the requester's commit.
type Reason struct {
	Held          bool
	SourceVersion int64
}

// Commit is the organization's next version in one region.
type Commit interface {
	// Token names it.
	Token() Token
	// At is when it is recorded: never before the organization's previous commit there.
	At() time.Time
	// Record makes a change part of it: its event, its access state and its calls to other regions.
	Record(ch Change) error
}
