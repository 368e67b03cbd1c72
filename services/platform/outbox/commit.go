package outbox

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"
)

// Commit collects what one transaction tells others. Mistakes in its use are reported by Flush.
type Commit struct {
	Region region.Name
	Org    region.ID
	// Version is the organization's version that this commit makes.
	Version int64
	// RecordedAt is when the service knew, in UTC and whole microseconds; later than that of every earlier commit.
	RecordedAt time.Time

	outbox  *Outbox
	tx      pgx.Tx
	home    region.Region
	context notes // of what is added from now on

	facts   []fact
	events  []event
	calls   []call
	err     error
	flushed bool
}

type fact struct {
	key     string
	version int64
	removed bool
	body    []byte
	context notes
}

type event struct {
	id      region.ID
	of      Event
	schema  int32
	body    []byte
	context notes
}

type call struct {
	target    region.Name
	procedure string
	body      []byte
	context   notes
}

// Event says what happened to one thing.
type Event struct {
	Stream  region.ID     // the thing
	Kind    string        // last part of the subject, e.g. grant_created
	Payload proto.Message // as the service's events.proto names it for Kind; opaque ids only
	// Sealed personal fields and the key that sealed them; only identity's events have them.
	Sealed []byte
	KeyID  string
	// OccurredAt is when it happened in the world; default: when it was recorded.
	OccurredAt time.Time
	// SchemaVersion is the version of the payload's meaning; default 1.
	SchemaVersion int32
}

// One microsecond at least lies between two commits of an organization, however the clocks of database nodes differ.
const advanceHead = `INSERT INTO org_heads (region, org, version, recorded_at) VALUES ($1, $2, 1, clock_timestamp())
	ON CONFLICT (region, org) DO UPDATE SET version = org_heads.version + 1,
		recorded_at = greatest(org_heads.recorded_at + INTERVAL '1 microsecond', clock_timestamp())
	RETURNING version, recorded_at`

// Begin advances the organization's version at home and locks it until tx ends. Writers of one organization take turns:
// where another transaction of this process is writing, Begin ends the first run early (return its error) and InTx runs
// the closure again when its turn has come. So call it early, and once per organization and transaction.
func (o *Outbox) Begin(ctx context.Context, tx pgx.Tx, home region.Name, org region.ID) (*Commit, error) {
	var batch pgx.Batch
	c, err := o.BeginIn(ctx, tx, &batch, home, org)
	if err != nil {
		return nil, err
	}
	return c, tx.SendBatch(ctx, &batch).Close()
}

// BeginIn is Begin whose statement is added to batch: the commit may be used when batch was sent without an error.
func (o *Outbox) BeginIn(ctx context.Context, tx pgx.Tx, batch *pgx.Batch, home region.Name, org region.ID) (*Commit, error) {
	r, err := o.cfg.Regions.Lookup(home)
	if err != nil {
		return nil, fmt.Errorf("outbox: %w", err)
	}
	if !o.Serves(home) {
		return nil, fmt.Errorf("outbox: rows of %s do not belong into the jurisdiction of %s", home, o.cfg.Region)
	}
	c := &Commit{Region: home, Org: org, outbox: o, tx: tx, home: r, context: notesFrom(ctx)}
	if err := database.Turn(ctx, "org_heads "+string(home)+" "+string(org)); err != nil {
		return nil, fmt.Errorf("outbox: %w", err)
	}
	batch.Queue(advanceHead, home, org).QueryRow(func(row pgx.Row) error {
		if err := row.Scan(&c.Version, &c.RecordedAt); err != nil {
			return fmt.Errorf("outbox: advance the version of %s: %w", org, err)
		}
		c.RecordedAt = c.RecordedAt.UTC()
		return nil
	})
	return c, nil
}

// Serves says whether commits may have their home in a region: it is of the service's jurisdiction.
func (o *Outbox) Serves(home region.Name) bool { return o.cfg.Regions.Together(o.cfg.Region, home) }

// word is what may stand between the dots of a subject.
var word = regexp.MustCompile(`^[a-z0-9_-]{1,64}$`)

// Event adds an event and returns its id. Events of one commit keep their order.
func (c *Commit) Event(e Event) region.ID {
	id := region.NewID(region.Event, c.home.Code)
	if e.Stream == "" || !word.MatchString(e.Kind) {
		c.fail(fmt.Errorf("event %q of stream %q: not a kind or no stream", e.Kind, e.Stream))
	}
	if e.OccurredAt.IsZero() {
		e.OccurredAt = c.RecordedAt
	}
	schema := max(e.SchemaVersion, 1)
	body := c.marshal(e.Payload, len(e.Sealed))
	c.events = append(c.events, event{id: id, of: e, schema: schema, body: body, context: c.context})
	return id
}

// Put adds an access-state fact at this commit's version. It goes to every region of the home's jurisdiction. A nil body
// is an empty message. Of several Put and Remove of one key in a commit the last counts.
func (c *Commit) Put(key string, body proto.Message) { c.PutAt(c.Version, key, body) }

// Remove adds the end of a fact at this commit's version.
func (c *Commit) Remove(key string) { c.RemoveAt(c.Version, key) }

// PutAt is Put for a fact received from another home, at its source's version: several regions of a jurisdiction may
// receive the same fact, and all their writes compare by the source's version. It must rise with each change of the fact.
func (c *Commit) PutAt(version int64, key string, body proto.Message) {
	c.needAccessState()
	c.facts = append(c.facts, fact{key: c.check(key), version: version, body: c.marshal(body, 0), context: c.context})
}

// RemoveAt is Remove for a fact received from another home.
func (c *Commit) RemoveAt(version int64, key string) {
	c.needAccessState()
	c.facts = append(c.facts, fact{key: c.check(key), version: version, removed: true, context: c.context})
}

// Call adds a Connect call to the same service in another region, e.g. "/cardea.identity.v1.IdentityService/ReceiveOrganization".
// It is made at least once, and in order per organization and target.
func (c *Commit) Call(target region.Name, procedure string, msg proto.Message) {
	if _, err := c.outbox.cfg.Regions.Lookup(target); err != nil {
		c.fail(err)
	}
	c.calls = append(c.calls, call{target: target, procedure: procedure, body: c.marshal(msg, 0), context: c.context})
}

func (c *Commit) token() *typev1.ConsistencyToken {
	return &typev1.ConsistencyToken{Service: c.outbox.cfg.Service, Region: string(c.Region), OrgId: string(c.Org), Version: c.Version}
}

func (c *Commit) fail(err error) { c.err = errors.Join(c.err, err) }

func (c *Commit) needAccessState() {
	if !c.outbox.cfg.AccessState {
		c.fail(errors.New("this outbox was made without AccessState"))
	}
}

func (c *Commit) check(key string) string {
	if !keyForm.MatchString(key) {
		c.fail(fmt.Errorf("%q is not a key", key))
	}
	return key
}

func (c *Commit) marshal(m proto.Message, more int) []byte {
	if m == nil {
		return []byte{}
	}
	body, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		c.fail(err)
	}
	if len(body)+more > maxMessage {
		c.fail(fmt.Errorf("%w: %s has %d bytes", ErrTooLarge, m.ProtoReflect().Descriptor().FullName(), len(body)+more))
	}
	if body == nil {
		body = []byte{}
	}
	return body
}
