// Package story plays Cardea's main job, end to end, against a running system, as its users would: over the public API with
// an API key, with simulated locks on the true protocol, by stopping servers and by reading their files.
//
// Each step says what was done, what came back and how long it took. The first difference from what is expected ends the
// story: later steps build on it.
package story

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/cardea-mesh/cardea/services/platform/region"
	"go.opentelemetry.io/otel/trace"
)

// System is the running system that the story is played on.
type System interface {
	// URL is the public endpoint of a service in a region.
	URL(service string, in region.Name) string
	// OperatorKey is the bearer token of the operator who makes organizations.
	OperatorKey() string
	// CAFile is the certificate by which the endpoints are verified, PEM.
	CAFile() string
	// LockEndpoint is where the locks of a region dial, host:port.
	LockEndpoint(in region.Name) string
	// Program is the path of a built program.
	Program(name string) string
	// Tracer makes the simulated locks' spans; nil: none.
	Tracer() trace.TracerProvider
	// LockDir is a folder in which a simulated lock keeps its flash.
	LockDir(name string) string
	// StopDatabase and StartDatabase stop and start the database of a jurisdiction.
	StopDatabase(ctx context.Context, of region.Jurisdiction) error
	StartDatabase(ctx context.Context, of region.Jurisdiction) error
	// StateDirs are the folders with everything that a jurisdiction's servers wrote: databases, brokers, gateways, logs.
	StateDirs(of region.Jurisdiction) []string
}

// Result is how the story went.
type Result struct {
	// Passed of Total steps went as expected.
	Passed, Total int
	// Difference is what differed first; nil when nothing did.
	Difference error
}

type step struct {
	name string
	do   func(context.Context) (string, error)
}

// Play plays the story and prints a line a step to out.
func Play(ctx context.Context, system System, out io.Writer) Result {
	t := newTenant(system, out)
	defer t.close()
	steps := t.steps()
	for i, s := range steps {
		began := time.Now()
		got, err := s.do(ctx)
		took := time.Since(began)
		if err != nil {
			fmt.Fprintf(out, "%2d/%d  %s\n       DIFFERENT: %v  (%s)\n", i+1, len(steps), s.name, err, short(took))
			return Result{Passed: i, Total: len(steps), Difference: fmt.Errorf("step %d, %s: %w", i+1, s.name, err)}
		}
		fmt.Fprintf(out, "%2d/%d  %-64s %-8s %s\n", i+1, len(steps), s.name, short(took), got)
	}
	return Result{Passed: len(steps), Total: len(steps)}
}

// steps is the story. The order matters.
func (t *tenant) steps() []step {
	return []step{
		{"an organization and its site in eu-central", t.createOrganizationAndSite},
		{"two schedules: one open now, one closed now", t.createSchedules},
		{"two doors, and the claim codes of their locks", t.createDoors},
		{"two locks enrol: claim code, own key, certificate; sessions open", t.enrolLocks},
		{"a person, a card, a group, grants on both schedules", t.createPersonAndGrants},
		{"the card at the front door, inside hours", t.swipeInsideHours},
		{"the same card at the archive, whose schedule excludes now", t.swipeOutsideHours},
		{"a visitor's card at a door without a grant", t.swipeWithoutGrant},
		{"a host shares their key for one hour, then the visitor's card", t.swipeVisitor},
		{"the site locked down, the visitor's card; then it ends", t.swipeInLockdown},
		{"a phone answers the lock's challenge; its copied key cannot", t.presentPhone},
		{"the archive asks for more than the visitor's card: a PIN", t.presentWithPIN},
		{"the office unlocks the front door from afar", t.remoteUnlock},
		{"the front door's line is cut; its lock decides from its bundle", t.cutFrontDoor},
		{"a lockdown that a cut off lock cannot hear of: who is exposed?", t.revokeWhileCut},
		{"a US site of the same organization, a lock, a grant for the EU group", t.createUSSite},
		{"the EU person's card at the US door", t.swipeInUS},
		{"the EU person's record asked for at the US border", t.readAcrossBorder},
		{"the US database, broker, gateway and logs searched for the EU person", t.searchUS},
		{"the same search on the EU side, for a marker stored in clear", t.searchControl},
		{"the group's grant revoked, until both EU gateways enforce it", t.revokeAndWait},
		{"the person's card at the front door again", t.swipeRevoked},
		{"PostgreSQL of eu stopped; the visitor's card at the front door", t.swipeWithoutDatabase},
		{"PostgreSQL of eu started; the event reaches the ledger", t.eventAfterRestart},
		{"the ledgers hold every access event once", t.everyEventOnce},
		{"audit-verify over both ledgers", t.verifyLedgers},
		{"who could open the front door before and after the revoke?", t.accessBeforeAndAfter},
	}
}

func short(d time.Duration) string {
	switch {
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1fms", float64(d.Microseconds())/1000)
	case d < time.Second:
		return fmt.Sprintf("%dms", d.Milliseconds())
	default:
		return fmt.Sprintf("%.2fs", d.Seconds())
	}
}

// want is the error of a difference.
func want(expected, got any) error {
	return fmt.Errorf("expected %v, got %v", expected, got)
}
