package grants

import (
	"errors"
	"fmt"

	"github.com/cardea-mesh/cardea/services/platform/region"
)

// Errors of commands and questions. The RPC layer gives each a code and a reason; the texts are for people.
var (
	// ErrNotFound: no such thing in this organization.
	ErrNotFound = errors.New("not found")
	// ErrInvalid: a value breaks a rule of its own; the text says which.
	ErrInvalid = errors.New("invalid")
	// ErrOtherHome: things that must live in one region do not.
	ErrOtherHome = errors.New("must live in the same region")
	// ErrCycle: a group or zone would contain itself.
	ErrCycle = errors.New("nothing can contain itself")
	// ErrTooDeep: groups in groups, or zones in zones, deeper than anybody evaluates.
	ErrTooDeep = errors.New("nested too deeply")
	// ErrClockNonsense: a time that cannot be meant.
	ErrClockNonsense = errors.New("this time cannot be meant")
	// ErrConflict: what was read before has changed meanwhile; read again.
	ErrConflict = errors.New("it has changed since it was read; read it again")
	// ErrForbidden: the state of things forbids it; the text says which.
	ErrForbidden = errors.New("not as things are")
	// ErrForeignCaller: a service speaks for a jurisdiction that is not its own.
	ErrForeignCaller = errors.New("a service may speak for its own jurisdiction only")
)

// NotFound is ErrNotFound about one thing.
func NotFound(id region.ID) error { return fmt.Errorf("%s: %w", id, ErrNotFound) }

// found turns ErrNotFound into false.
func found[T any](_ T, err error) (bool, error) {
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
