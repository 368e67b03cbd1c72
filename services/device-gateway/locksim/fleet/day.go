package fleet

import (
	"math/rand/v2"
	"time"
)

const day = 24 * time.Hour

// rhythm is how busy a door is in each hour of the day; their mean is 1.
var rhythm = [24]float64{
	0.05, 0.05, 0.05, 0.05, 0.1, 0.3, 1.0, 3.0, 4.0, 2.0, 1.0, 0.8,
	1.5, 1.3, 0.8, 0.8, 1.2, 2.5, 1.7, 0.8, 0.4, 0.3, 0.2, 0.1,
}

// busiest is the largest of rhythm.
const busiest = 4.0

// step is something that happens to a lock.
type step int

const (
	swipe step = iota
	goOffline
	goHalfOpen
	reboot
	powerFail
)

// script is what happens in one lock's life. It follows from its seed alone.
type script struct {
	random *rand.Rand
	cfg    *Config
	at     time.Duration // of the day's clock; the last step's
}

func newScript(cfg *Config, lock int) *script {
	return &script{random: rand.New(rand.NewPCG(cfg.Seed, uint64(lock))), cfg: cfg, at: cfg.StartAt}
}

// next is the next step and when it comes, since the start of the run in true time. Each kind of step comes at random with
// the rate that is configured, swipes more often when the day is busy.
func (s *script) next() (at time.Duration, what step) {
	swipes, rest := s.cfg.SwipesPerDay*busiest, s.cfg.OfflinePerDay+s.cfg.HalfOpenPerDay+s.cfg.RebootsPerDay
	if swipes+rest <= 0 {
		return never, swipe
	}
	for {
		s.at += time.Duration(s.random.ExpFloat64() / (swipes + rest) * float64(day))
		pick := s.random.Float64() * (swipes + rest)
		what, ok := s.which(pick, swipes)
		if ok {
			return time.Duration(float64(s.at-s.cfg.StartAt) / s.cfg.Speed), what
		}
	}
}

// never is later than any run ends.
const never = 100 * 365 * day

func (s *script) which(pick, swipes float64) (step, bool) {
	if pick < swipes {
		return swipe, s.random.Float64()*busiest < rhythm[int(s.at%day/time.Hour)]
	}
	if pick -= swipes; pick < s.cfg.OfflinePerDay {
		return goOffline, true
	}
	if pick -= s.cfg.OfflinePerDay; pick < s.cfg.HalfOpenPerDay {
		return goHalfOpen, true
	}
	if s.random.IntN(2) == 0 {
		return powerFail, true
	}
	return reboot, true
}

// spell is how long a lock stays offline, in true time: OfflineFor on average.
func (s *script) spell() time.Duration {
	return time.Duration(s.random.ExpFloat64() * float64(s.cfg.OfflineFor) / s.cfg.Speed)
}
