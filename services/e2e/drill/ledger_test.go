package drill_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	auditv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/audit/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/audit/v1/auditv1connect"
	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/e2e/drill"
	"google.golang.org/protobuf/proto"
)

// readLedger notes what the ledger has of the locks, once it has as many of their events as are durable, or does not get more.
func (p *play) readLedger() error {
	out := p.w.mesh.Public(p.w.identity.Key(p.w.t, p.org, identityv1.Role_ROLE_AUDITOR))
	defer out.CloseIdle()
	client := auditv1connect.NewAuditServiceClient(out.HTTPClient(), p.w.audit.URL, out.Options()...)
	ctx, cancel := context.WithTimeout(context.Background(), settled)
	defer cancel()
	for from := int64(0); ctx.Err() == nil; {
		page, err := client.ListEntries(ctx, &auditv1.ListEntriesRequest{
			OrgId: string(p.org.ID), Region: string(regions[0]), FromPosition: from, PageSize: 1000,
		})
		if err != nil {
			return fmt.Errorf("read the ledger: %w", err)
		}
		for _, e := range page.GetEntries() {
			if err := p.entry(e); err != nil {
				return err
			}
		}
		from += int64(len(page.GetEntries()))
		switch {
		case from < page.GetHead().GetSize():
		case len(p.record.Ledger) >= p.record.AllDurable():
			return nil
		default:
			time.Sleep(20 * time.Millisecond)
		}
	}
	return nil // what is missing the oracle says
}

// entry notes an entry if it is a lock's.
func (p *play) entry(e *auditv1.Entry) error {
	envelope, event := new(typev1.Event), new(gatewayv1.LockEvent)
	if err := proto.Unmarshal(e.GetBody(), envelope); err != nil {
		return fmt.Errorf("ledger entry %s: %w", e.GetEventId(), err)
	}
	if envelope.GetService() != "device-gateway" || envelope.GetKind() != "access" && envelope.GetKind() != "lock" {
		return nil
	}
	if err := proto.Unmarshal(envelope.GetPayload(), event); err != nil {
		return fmt.Errorf("ledger entry %s: %w", e.GetEventId(), err)
	}
	if event.GetSequence() == 0 { // the gateway noted it
		return nil
	}
	id, err := p.eventID(envelope.GetId())
	if err != nil {
		return err
	}
	entry := drill.Entry{Event: id, Opened: event.GetDecision().GetOutcome() == permissionsv1.Outcome_OUTCOME_GRANTED}
	if entry.Opened {
		entry.Door, entry.Alone = slices.Index(p.doors[:], event.GetDoorId()), event.GetOffline()
		entry.Card = p.cardOf(event.GetCredentialId(), id)
	}
	p.record.Ledger = append(p.record.Ledger, entry)
	return nil
}

// eventID reads `<device id>.<boot epoch>.<sequence>`.
func (p *play) eventID(text string) (drill.EventID, error) {
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return drill.EventID{}, fmt.Errorf("the ledger has a lock's event with the id %q", text)
	}
	lock, known := p.byDevice[parts[0]]
	epoch, err := strconv.ParseUint(parts[1], 10, 64)
	sequence, err2 := strconv.ParseUint(parts[2], 10, 64)
	if !known || err != nil || err2 != nil {
		return drill.EventID{}, fmt.Errorf("the ledger has a lock's event with the id %q", text)
	}
	return drill.EventID{Lock: lock, Epoch: epoch, Sequence: sequence}, nil
}

// cardOf is the number of a credential. One that was issued by a call whose answer was lost has an id that nobody knows: it is believed
// to be what was presented then.
func (p *play) cardOf(credential string, event drill.EventID) int {
	if at := slices.IndexFunc(p.cards, func(c *card) bool { return c.id == credential }); at >= 0 && credential != "" {
		return at
	}
	at := slices.IndexFunc(p.record.Unlocks, func(u drill.Unlock) bool { return u.Event == event })
	if at >= 0 && credential != "" && p.cards[p.record.Unlocks[at].Card].id == "" {
		return p.record.Unlocks[at].Card
	}
	return drill.NoCard
}
