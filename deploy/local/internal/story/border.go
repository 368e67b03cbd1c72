package story

import (
	"context"
	"errors"
	"fmt"
	"time"

	"connectrpc.com/connect"
	"github.com/cardea-mesh/cardea/deploy/local/internal/scan"
	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
)

// crossing is how long the facts that a US grant needs may take to come over the border.
const crossing = 20 * time.Second

func (t *tenant) createUSSite(ctx context.Context) (string, error) {
	site, err := t.permissions(usEast).CreateSite(ctx, &permissionsv1.CreateSiteRequest{
		OrgId: t.org, Region: string(usEast), Name: "5th Avenue 1", TimeZone: "America/New_York", IdempotencyKey: key(),
	})
	if err != nil {
		return "", fmt.Errorf("create site: %w", err)
	}
	t.usSite = site.SiteId
	if t.usDoor, err = t.createDoor(ctx, usEast, t.usSite, "lobby"); err != nil {
		return "", err
	}
	if err := t.enrol(ctx, usEast, t.usDoor); err != nil {
		return "", err
	}
	g, err := t.grant(ctx, usEast, t.usDoor, t.group, "", time.Time{})
	if err != nil {
		return "", err
	}
	return t.usSite + ", " + g.GrantId, nil
}

// swipeInUS swipes until the membership and the card's digest have come over; each refusal on the way is an event too.
func (t *tenant) swipeInUS(ctx context.Context) (string, error) {
	deadline := time.Now().Add(crossing)
	for tries := 1; ; tries++ {
		got, err := t.present(ctx, usEast, t.usDoor, t.personCard.presented())
		if err != nil {
			return "", err
		}
		if got.opened {
			return fmt.Sprintf("%s, at swipe %d", got, tries), nil
		}
		if time.Now().After(deadline) {
			return "", want(fmt.Sprintf("granted within %s", crossing), got)
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return "", err
		}
	}
}

func (t *tenant) readAcrossBorder(ctx context.Context) (string, error) {
	_, err := t.identity(usEast).GetPerson(ctx, &identityv1.GetPersonRequest{OrgId: t.org, PersonId: t.person})
	detail := faultOf(err)
	if detail == nil || detail.Reason != faultv1.Reason_REASON_RESIDENCY_VIOLATION || detail.HomeRegion != string(euCentral) {
		return "", want("RESIDENCY_VIOLATION with home eu-central", err)
	}
	return fmt.Sprintf("refused: %s, home %s at %s", connect.CodeOf(err), detail.HomeRegion, detail.HomeEndpoint), nil
}

func faultOf(err error) *faultv1.Fault {
	var refused *connect.Error
	if !errors.As(err, &refused) {
		return nil
	}
	for _, d := range refused.Details() {
		if value, err := d.Value(); err == nil {
			if f, ok := value.(*faultv1.Fault); ok {
				return f
			}
		}
	}
	return nil
}

func (t *tenant) searchUS(ctx context.Context) (string, error) {
	report, err := scan.Trees(ctx, []scan.Needle{
		{Name: "name", Bytes: []byte(t.personName)},
		{Name: "e-mail", Bytes: []byte(t.personEmail)},
		{Name: "card number", Bytes: t.personCard.bits},
	}, t.system.StateDirs("us")...)
	if err != nil {
		return "", err
	}
	if len(report.Findings) > 0 {
		return "", want("nothing", report.Findings)
	}
	return fmt.Sprintf("0 finds in %d files, %d MiB", report.Files, report.Bytes>>20), nil
}

func (t *tenant) searchControl(ctx context.Context) (string, error) {
	report, err := scan.Trees(ctx, []scan.Needle{{Name: "slug", Bytes: []byte(t.slug)}}, t.system.StateDirs("eu")...)
	if err != nil {
		return "", err
	}
	if len(report.Findings) == 0 {
		return "", want("the organization's slug on the EU side: the search would find what is there", "nothing")
	}
	return fmt.Sprintf("%d finds of %q, so the search can find", len(report.Findings), t.slug), nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
