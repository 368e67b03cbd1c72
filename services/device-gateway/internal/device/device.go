// Package device is what a device is and the rules of its life: made with a claim code, enrolled once, revoked for ever.
//
// Values only; safe for concurrent use.
package device

import (
	"errors"
	"time"

	"github.com/cardea-mesh/cardea/services/platform/region"
)

// Errors of devices.
var (
	// ErrNotFound: no such device, or it belongs to another organization.
	ErrNotFound = errors.New("no such device")
	// ErrDoorNotFound: the organization has no such door, or it was made a moment ago.
	ErrDoorNotFound = errors.New("no such door")
	// ErrOffline: no gateway holds a connection of the door's lock.
	ErrOffline = errors.New("the door's lock is not connected to any gateway")
	// ErrKeyEnded: the key is not one of the device's: it was replaced, or the device was revoked.
	ErrKeyEnded = errors.New("the key is not the device's any more")
	// ErrBusy: too many commands of the lock wait for their answer.
	ErrBusy = errors.New("too many commands of this lock wait for their answer; try again later")
	// ErrInvalid: a value that makes no sense; the text says which.
	ErrInvalid = errors.New("invalid")
)

// Status is the life of a device; it only goes forward.
type Status string

// The statuses, as they are stored.
const (
	Claimable Status = "claimable"
	Enrolled  Status = "enrolled"
	Revoked   Status = "revoked"
)

// Device is a lock or controller at a door.
type Device struct {
	ID, Org, Door, Site region.ID
	Status              Status
	// EnrolledAt is zero before.
	EnrolledAt time.Time
}

// Limits of a claim code's life.
const (
	DefaultClaimTTL = 24 * time.Hour
	MaxClaimTTL     = 30 * 24 * time.Hour
)
