package fleet

import (
	"cmp"
	"errors"
	"fmt"
	"time"
)

// Config says how a fleet lives. Dir and Locks are required.
type Config struct {
	// Dir is the folder that Provision filled.
	Dir string
	// First and Locks are which of its locks live: Locks from number First on.
	First, Locks int
	// Sources is how many loopback addresses they dial from; default one for 32 locks. -1: the system chooses.
	Sources int
	// Endpoints go before those that the locks were told.
	Endpoints []string
	// Duration is how long they live; 0: until the context ends.
	Duration time.Duration
	// Drain bounds the wait at the end for events to become durable; default 30 s.
	Drain time.Duration
	// Ramp is how many locks begin to connect in a second; default 500.
	Ramp float64
	// BackoffMax is the locks' longest wait before a reconnect; default 60 s, as PROTOCOL.md has it.
	BackoffMax time.Duration

	// Seed is what the scripts follow from.
	Seed uint64
	// Speed is how much faster than true time the day goes; default 144, a day in ten minutes.
	Speed float64
	// StartAt is the day's clock at the start; default 06:00.
	StartAt time.Duration
	// SwipesPerDay, OfflinePerDay, HalfOpenPerDay and RebootsPerDay are means for each lock and (fast) day.
	SwipesPerDay, OfflinePerDay, HalfOpenPerDay, RebootsPerDay float64
	// OfflineFor is how long an offline spell lasts on average, by the day's clock; default 1 hour.
	OfflineFor time.Duration
	// Unknown is the share of swipes with a card that nobody has, 0 to 1.
	Unknown float64

	// Acked is the file that every durable event is written to; empty: none.
	Acked string
}

func (c *Config) setDefaults() {
	c.Sources = cmp.Or(c.Sources, (c.Locks+31)/32)
	c.Drain = cmp.Or(c.Drain, 30*time.Second)
	c.Ramp = cmp.Or(c.Ramp, 500)
	c.BackoffMax = cmp.Or(c.BackoffMax, 60*time.Second)
	c.Speed = cmp.Or(c.Speed, 144)
	c.StartAt = cmp.Or(c.StartAt, 6*time.Hour)
	c.OfflineFor = cmp.Or(c.OfflineFor, time.Hour)
}

// Validate says what is wrong; it does not look at the folder.
func (c Config) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(c.Dir != "", "the folder of the fleet is needed")
	check(c.Locks > 0 && c.First >= 0, "%d locks from number %d: at least one is needed", c.Locks, c.First)
	check(c.Sources <= maxSources, "%d source addresses: loopback has %d", c.Sources, maxSources)
	check(c.Speed >= 0 && c.Ramp >= 0, "speed and ramp are positive")
	check(c.SwipesPerDay >= 0 && c.OfflinePerDay >= 0 && c.HalfOpenPerDay >= 0 && c.RebootsPerDay >= 0, "rates are not negative")
	check(c.Unknown >= 0 && c.Unknown <= 1, "the share of unknown cards is %g: 0 to 1", c.Unknown)
	return errors.Join(errs...)
}
