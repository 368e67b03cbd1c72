package fleet

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/cardea-mesh/cardea/services/device-gateway/locksim"
)

// counters are what a fleet's locks count together.
type counters struct {
	connected, opened, lost                         atomic.Int64
	swipes, granted, denied, unanswered, alone      atomic.Int64
	written, received, durable                      atomic.Int64
	offlineSpells, halfOpen, reboots, powerFailures atomic.Int64
	answers, reconnects                             histogram

	mu     sync.Mutex
	errors map[string]int64 // guarded by mu; by code
}

// Counts is what happened since the start. Counts of several processes add up.
type Counts struct {
	// Connected is how many locks have a session now.
	Connected int64 `json:"connected"`
	// SessionsOpened and SessionsLost count sessions; the difference is Connected.
	SessionsOpened int64 `json:"sessions_opened"`
	SessionsLost   int64 `json:"sessions_lost"`
	// Swipes is how many cards were presented; each was granted or denied by a gateway's answer, or had none in
	// time; of those, Alone were granted by the lock itself.
	Swipes     int64 `json:"swipes"`
	Granted    int64 `json:"granted"`
	Denied     int64 `json:"denied"`
	Unanswered int64 `json:"unanswered"`
	Alone      int64 `json:"granted_alone"`
	// EventsWritten is how many events locks wrote; EventsReceived and EventsDurable how many they were told are on a
	// gateway's disk, and in the region for good. Received counts the events of this run only.
	EventsWritten  int64 `json:"events_written"`
	EventsReceived int64 `json:"events_received"`
	EventsDurable  int64 `json:"events_durable"`
	// OfflineSpells, HalfOpen and Reboots are what the script did; a part of the reboots were power failures, without a close.
	OfflineSpells int64 `json:"offline_spells"`
	HalfOpen      int64 `json:"half_open"`
	Reboots       int64 `json:"reboots"`
	PowerFailures int64 `json:"power_failures"`
	// Answers are the times from a request to its answer, Reconnects those from a session's end to the next Welcome, without
	// the time that the script kept a lock away.
	Answers    Distribution `json:"answers,omitempty"`
	Reconnects Distribution `json:"reconnects,omitempty"`
	// Errors is why sessions ended or could not begin, by protocol error code or kind of network error.
	Errors map[string]int64 `json:"errors"`
}

func (c *counters) read() Counts {
	c.mu.Lock()
	failed := maps.Clone(c.errors)
	c.mu.Unlock()
	return Counts{
		Connected: c.connected.Load(), SessionsOpened: c.opened.Load(), SessionsLost: c.lost.Load(),
		Swipes: c.swipes.Load(), Granted: c.granted.Load(), Denied: c.denied.Load(), Unanswered: c.unanswered.Load(), Alone: c.alone.Load(),
		EventsWritten: c.written.Load(), EventsReceived: c.received.Load(), EventsDurable: c.durable.Load(),
		OfflineSpells: c.offlineSpells.Load(), HalfOpen: c.halfOpen.Load(), Reboots: c.reboots.Load(), PowerFailures: c.powerFailures.Load(),
		Answers: c.answers.read(), Reconnects: c.reconnects.read(), Errors: failed,
	}
}

// plus adds the counts of another process.
func (c Counts) plus(o Counts) Counts {
	failed := maps.Clone(c.Errors)
	if failed == nil {
		failed = map[string]int64{}
	}
	for code, n := range o.Errors {
		failed[code] += n
	}
	return Counts{
		Connected: c.Connected + o.Connected, SessionsOpened: c.SessionsOpened + o.SessionsOpened, SessionsLost: c.SessionsLost + o.SessionsLost,
		Swipes: c.Swipes + o.Swipes, Granted: c.Granted + o.Granted, Denied: c.Denied + o.Denied, Unanswered: c.Unanswered + o.Unanswered, Alone: c.Alone + o.Alone,
		EventsWritten: c.EventsWritten + o.EventsWritten, EventsReceived: c.EventsReceived + o.EventsReceived, EventsDurable: c.EventsDurable + o.EventsDurable,
		OfflineSpells: c.OfflineSpells + o.OfflineSpells, HalfOpen: c.HalfOpen + o.HalfOpen,
		Reboots: c.Reboots + o.Reboots, PowerFailures: c.PowerFailures + o.PowerFailures,
		Answers: c.Answers.plus(o.Answers), Reconnects: c.Reconnects.plus(o.Reconnects), Errors: failed,
	}
}

func (c *counters) failed(err error) {
	code := codeOf(err)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.errors == nil {
		c.errors = map[string]int64{}
	}
	c.errors[code]++
}

// codeOf names an error in few words, so that equal ones can be counted.
func codeOf(err error) string {
	var said *locksim.ProtocolError
	var timeout net.Error
	var number syscall.Errno
	switch {
	case errors.As(err, &said):
		return said.Code.String()
	case errors.Is(err, locksim.ErrAskedToLeave):
		return "GO_AWAY"
	case errors.Is(err, errUplinkCut):
		return "UPLINK_CUT"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "CLOSED"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "NO_ANSWER"
	case errors.As(err, &number):
		return fmt.Sprintf("%s", number)
	default:
		return "OTHER"
	}
}
