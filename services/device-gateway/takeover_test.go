package gateway_test

import (
	"fmt"
	"slices"
	"testing"

	auditv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/audit/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/audit/v1/auditv1connect"
	"github.com/cardea-mesh/cardea/services/audit/audittest"
	"github.com/cardea-mesh/cardea/services/device-gateway/locksim"
	"github.com/cardea-mesh/cardea/services/platform/porttest"
)

// TestADeadGatewaysJournalComesLateAndInItsPlace: a gateway is killed with a lock's events on its disk that the broker does not have. The
// lock's ring runs over, and another gateway takes it over. When the first one is back the ledger has every event once, and
// the lock's order can be read, whatever the order of arrival.
func TestADeadGatewaysJournalComesLateAndInItsPlace(t *testing.T) {
	p := newPlace(t)
	first := p.process()
	store := first.stores(1)[0]
	p.listen = porttest.Address(t) // where the second gateway will be
	first.start(false)
	l := p.boot(store, func(c *locksim.Config) { c.Endpoints, c.RingSize = []string{first.locks, p.listen}, 20 })
	p.must(l.WaitOpen(p.soon()))
	p.opens(l)
	p.must(l.WaitDurable(p.soon()))
	p.broker.Stop()
	for range 10 {
		l.Present(p.soon(), badge)
	}
	p.must(l.WaitReceived(p.soon()))
	first.kill()
	p.must(l.WaitClosed(p.soon()))
	p.broker.Restart(t)
	p.awaitBroker()
	for range 15 { // nobody answers; of the ten that the first gateway holds five are dropped, and a gap stands for them and the sixth
		l.Present(p.soon(), badge)
	}
	p.start("")
	p.must(l.WaitDurable(p.soon()))

	ledger := p.readLedger()
	written := l.Events()
	last := written[len(written)-1].Sequence
	before := ledger.of(l, func(events []*auditv1.LedgerEvent) bool { return len(events) == int(last)-5 })
	if n := missing(before); n != 0 { // what is not there is what the gap accounts for
		t.Fatalf("%d are missing: %v", n, before)
	}
	first.start(false)
	after := ledger.of(l, func(events []*auditv1.LedgerEvent) bool { return len(events) >= int(last) })
	if len(after) != int(last) || missing(after) != 0 {
		t.Fatalf("%d events of %d, %d missing", len(after), last, missing(after))
	}
	late := 0
	for i, e := range after { // newest first
		if e.GetLock().GetSequence() != last-uint64(i) || e.GetEvent().GetId() != fmt.Sprintf("%s.1.%d", l.DeviceID(), last-uint64(i)) {
			t.Fatalf("event %d is %v", i, e)
		}
		if i > 0 && e.GetPosition() > after[i-1].GetPosition() {
			late++
		}
	}
	if late != 1 {
		t.Fatalf("the ledger goes back %d times, and should once, behind what was late: nothing was tested", late)
	}
}

// ledgerReader asks the audit service.
type ledgerReader struct {
	place *place
	audit auditv1connect.AuditServiceClient
}

// readLedger runs an audit service on the place's broker.
func (p *place) readLedger() *ledgerReader {
	p.t.Helper()
	a := audittest.Start(p.t, audittest.Options{Mesh: p.mesh, Broker: p.broker})
	out := a.Mesh.Public(a.Mesh.Key(p.org, "ledger.read"))
	p.t.Cleanup(out.CloseIdle)
	return &ledgerReader{p, auditv1connect.NewAuditServiceClient(out.HTTPClient(), a.URL, out.Options()...)}
}

// of waits until what a lock reported is as wanted.
func (r *ledgerReader) of(l *locksim.Lock, wanted func([]*auditv1.LedgerEvent) bool) (events []*auditv1.LedgerEvent) {
	r.place.t.Helper()
	r.place.eventually("the ledger has what the lock reported", func() bool {
		page, err := r.audit.QueryEvents(r.place.soon(), &auditv1.QueryEventsRequest{
			OrgId: string(r.place.org), Region: string(home), DeviceId: l.DeviceID(), PageSize: 1000,
		})
		events = page.GetEvents()
		return err == nil && wanted(events)
	})
	return slices.Clone(events)
}

func missing(events []*auditv1.LedgerEvent) (n uint64) {
	for _, e := range events {
		n += e.GetLock().GetMissingBefore()
	}
	return n
}
