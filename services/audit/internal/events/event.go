package events

import (
	"errors"
	"fmt"
	"regexp"
	"time"

	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/audit/internal/ledger"
	"github.com/cardea-mesh/cardea/services/platform/bus"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// ErrUnfit is wrapped by every reason for which a message cannot go into a ledger.
var ErrUnfit = errors.New("not fit for a ledger")

var (
	eventIDForm = regexp.MustCompile(`^[0-9A-Za-z_.-]{1,128}$`)
	serviceForm = regexp.MustCompile(`^[a-z][a-z-]{0,31}$`)
	kindForm    = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)
)

// toLedger checks a message of a region's stream and makes of it what a ledger takes. Its body is the message as it came, byte for
// byte. unreadable says that the payload is not what its kind promises: the event is kept all the same, but no query by
// door or person finds it.
func toLedger(regions *region.Map, own region.Name, d *bus.Delivery, now time.Time) (e ledger.Event, unreadable, err error) {
	if d.Event == nil {
		return ledger.Event{}, nil, fmt.Errorf("%w: not an event: %w", ErrUnfit, d.Err)
	}
	org, err := check(regions, own, d)
	if err != nil {
		return ledger.Event{}, nil, fmt.Errorf("%w: %w", ErrUnfit, err)
	}
	ev := d.Event
	e = ledger.Event{Org: org, ID: ev.Id, Body: d.Data, Service: ev.Service, Kind: ev.Kind, OccurredAt: occurred(ev, now)}
	unreadable = index(regions, &e, ev.Payload)
	return e, unreadable, nil
}

// check holds the envelope against its form and against the subject, by which the broker lets a service publish only in its
// own name.
func check(regions *region.Map, own region.Name, d *bus.Delivery) (region.ID, error) {
	ev := d.Event
	switch {
	case !eventIDForm.MatchString(ev.Id):
		return "", fmt.Errorf("event id %.140q", ev.Id)
	case !serviceForm.MatchString(ev.Service):
		return "", fmt.Errorf("service %.40q", ev.Service)
	case !kindForm.MatchString(ev.Kind):
		return "", fmt.Errorf("kind %.70q", ev.Kind)
	case region.Name(ev.Region) != own:
		return "", fmt.Errorf("event of region %.40q on the stream of %s", ev.Region, own)
	}
	org, err := regions.Parse(ev.OrgId, region.Organization)
	if err != nil {
		return "", fmt.Errorf("organization: %w", err)
	}
	if subject := bus.Subject(ev); subject != d.Subject {
		return "", fmt.Errorf("the event belongs on subject %s, it came on %.200q", subject, d.Subject)
	}
	return org, nil
}

// occurred is when it happened; where that is missing or nonsense when the service knew, else when it came here.
func occurred(ev *typev1.Event, now time.Time) time.Time {
	for _, at := range []*timestamppb.Timestamp{ev.OccurredAt, ev.RecordedAt} {
		if at.IsValid() {
			return at.AsTime()
		}
	}
	return now
}
