package permissions_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/permissions/permissionstest"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/outbox/relaytest"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
)

func TestMain(m *testing.M) { relaytest.Main(m) }

// row is one of the outbox.
type row struct {
	target  region.Name
	version int64 // of the commit
	what    string
	name    string
	body    []byte
	fact    int64
	removed bool
}

// receivers are the broker and the other jurisdiction, as a relay process reaches them. They note what a gateway would trip
// over: a head that comes before a fact of its commit.
type receivers struct {
	*permissionstest.Broker
	rows []row // all that is to be sent

	mu    sync.Mutex // guards what follows
	sends int
	calls []string
	wrong []string
}

func (r *receivers) PublishEvent(ctx context.Context, subject string, ev *typev1.Event) error {
	r.note()
	return r.Broker.PublishEvent(ctx, subject, ev)
}

func (r *receivers) PutState(ctx context.Context, target region.Name, bucket, key string, rec *typev1.StateRecord) error {
	r.note()
	for _, fact := range r.rows {
		if key != r.head() || fact.target != target || fact.what != "state" || fact.version > rec.GetVersion() || fact.name == key {
			continue
		}
		if r.Record(target, fact.name).GetVersion() < fact.fact {
			r.wrong = append(r.wrong, fmt.Sprintf("%s: the head of version %d before %s", target, rec.GetVersion(), fact.name))
		}
	}
	return r.Broker.PutState(ctx, target, bucket, key, rec)
}

// Call implements outbox.Caller.
func (r *receivers) Call(_ context.Context, _ region.Name, procedure string, body []byte) error {
	r.note()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, procedure+" "+string(body))
	return nil
}

func (r *receivers) note() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sends++
}

// head is the key of the organization's head.
func (r *receivers) head() string {
	i := slices.IndexFunc(r.rows, func(x row) bool { return x.what == "state" && bytes.Contains([]byte(x.name), []byte(".head.")) })
	return r.rows[i].name
}

// The facts of grants, shares, memberships, zones, lockdowns and of people across the border are sent by relay processes that
// are killed one after the other: before they send, after it, and after they were told that it was sent, each at a later
// send. Nothing is lost, nothing is done twice, and all of a commit is there before its head says so.
func TestRelaysKilledAtEveryStepTellEverythingOnceInOrder(t *testing.T) {
	t.Parallel()
	svc := permissionstest.StartWith(t, rpctest.New(t), central, permissionstest.Options{WithoutRelay: true})
	n := svc.Tenant(t, central)
	tellAllKinds(t, svc, n)
	to := &receivers{Broker: permissionstest.NewBroker(), rows: outboxOf(t, svc, n)}
	processes := 0
	for done := false; !done; processes++ {
		done = killedAt(t, svc, to, processes%3, processes+1)
	}

	var events, calls []string
	last := map[string]row{}
	for _, x := range to.rows {
		switch x.what {
		case "event":
			events = append(events, x.name)
		case "call":
			calls = append(calls, x.name+" "+string(x.body))
		case "state":
			last[string(x.target)+" "+x.name] = x
		}
	}
	var got []string
	for _, ev := range to.Events("") {
		got = append(got, ev.GetId())
	}
	if !slices.Equal(got, events) {
		t.Errorf("%d events in this order:\n%q\nwant %d:\n%q", len(got), got, len(events), events)
	}
	for key, x := range last {
		if rec := to.Record(x.target, x.name); rec.GetVersion() != x.fact || rec.GetRemoved() != x.removed || !bytes.Equal(rec.GetBody(), x.body) {
			t.Errorf("%s is %v, want version %d, removed %v", key, rec, x.fact, x.removed)
		}
	}
	if first := firstOfEach(to.calls); !slices.Equal(first, calls) {
		t.Errorf("calls %q, want %q", first, calls)
	}
	for _, wrong := range to.wrong {
		t.Error(wrong)
	}
	if to.sends <= len(to.rows) || len(calls) == 0 {
		t.Errorf("%d sends of %d rows, %d calls: no relay sent anything a second time, and this shows nothing", to.sends, len(to.rows), len(calls))
	}
	t.Logf("%d rows, %d sends by %d processes", len(to.rows), to.sends, processes)
}

// tellAllKinds makes commits of each kind of fact.
func tellAllKinds(t *testing.T, svc *permissionstest.Service, n *permissionstest.Tenant) {
	site := n.Site(t, "UTC")
	door, zone := n.Door(t, site), ""
	person, group := n.Person(t), n.Group(t)
	zone = n.Zone(t, door)
	n.Add(t, group, person)
	grant := n.LetShare(t, group, zone, 1)
	n.Share(t, grant, person, n.Person(t), 0)
	stranger := svc.TenantOf(n.Org, us).Person(t)
	abroad := n.Let(t, stranger, door, "")
	n.LockDown(t, door, 5)
	n.Take(t, group, person)
	n.End(t, grant)  // and its share
	n.End(t, abroad) // and the call that takes the first one back
}

func outboxOf(t *testing.T, svc *permissionstest.Service, n *permissionstest.Tenant) (all []row) {
	t.Helper()
	rows, err := svc.Database.DB.Pool().Query(t.Context(), `SELECT target, org_version, what, name, body, fact_version, removed
		FROM outbox WHERE org = $1 ORDER BY target, org_version, ordinal`, n.Org)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var x row
		if err := rows.Scan(&x.target, &x.version, &x.what, &x.name, &x.body, &x.fact, &x.removed); err != nil {
			t.Fatal(err)
		}
		all = append(all, x)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

func firstOfEach(all []string) (first []string) {
	for _, s := range all {
		if !slices.Contains(first, s) {
			first = append(first, s)
		}
	}
	return first
}

// killedAt serves a relay process until its send number `at`, and kills it there: before doing it (step 0), after doing it
// (1), or after telling the relay (2). done is true when all was sent before.
func killedAt(t *testing.T, svc *permissionstest.Service, to *receivers, step, at int) (done bool) {
	t.Helper()
	child := relaytest.Start(t, svc.Database.URL, "permissions", central)
	asks := make(chan relaytest.Send)
	go func() {
		defer close(asks)
		for s, ok := child.Next(); ok; s, ok = child.Next() {
			asks <- s
		}
	}()
	defer func() {
		child.Kill()
		for range asks {
		}
	}()
	for n := 1; ; n++ {
		var s relaytest.Send
		for got := false; !got; {
			select {
			case s = <-asks:
				got = true
			case <-time.After(20 * time.Millisecond):
				if countOf(t, svc, `SELECT count(*) FROM outbox`) == 0 {
					return true
				}
			}
		}
		if n == at && step == 0 {
			return false
		}
		err := s.To(t.Context(), to, to)
		if n == at && step == 1 {
			return false
		}
		child.Answer(err)
		if n == at {
			return false
		}
	}
}

var _ outbox.Caller = (*receivers)(nil)
