package access

import (
	"testing"
	"time"
)

func TestTheAgeCountsFromTheOlderOfBrokerAndRegister(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		name         string
		broker, told time.Duration // ago; negative: never
		tooOld       bool
	}{
		{"both fresh", 0, time.Minute, false},
		{"the broker's old", 2 * time.Hour, 0, true},
		{"the register's old: this region may be cut off", 0, 2 * time.Hour, true},
		{"never loaded", -1, 0, true},
		{"never told", 0, -1, true},
	} {
		moment := func(ago time.Duration) time.Time {
			if ago < 0 {
				return time.Time{}
			}
			return now.Add(-ago)
		}
		copied := &Copy{asOf: moment(c.broker), cfg: Config{MaxAge: time.Hour, Told: func() time.Time { return moment(c.told) }}}
		if got := copied.tooOld(now); got != c.tooOld {
			t.Errorf("%s: too old %t", c.name, got)
		}
	}
}
