package locksim

import (
	"encoding/json"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"google.golang.org/protobuf/proto"
)

// epochRing is what the ring has of one boot epoch.
type epochRing struct {
	Epoch uint64
	// First is the sequence of Events[0].
	First  uint64
	Events []*slot
	// Next is the sequence that the next event gets.
	Next uint64
}

// slot is one entry; its event is nil while the sequence is only reserved.
type slot struct{ event *lockwirev1.Event }

// MarshalJSON writes the event as protobuf bytes.
func (s *slot) MarshalJSON() ([]byte, error) {
	if s.event == nil {
		return []byte("null"), nil
	}
	b, err := proto.Marshal(s.event)
	if err != nil {
		return nil, err
	}
	return json.Marshal(b)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (s *slot) UnmarshalJSON(text []byte) error {
	var b []byte
	if err := json.Unmarshal(text, &b); err != nil {
		return err
	}
	s.event = new(lockwirev1.Event)
	return proto.Unmarshal(b, s.event)
}

// written are the events that may be sent: up to the first reserved sequence.
func (r *epochRing) written() []*slot {
	for i, s := range r.Events {
		if s.empty() {
			return r.Events[:i]
		}
	}
	return r.Events
}

// afterBoot accounts for what was only reserved when the power went: nothing opened, and what was written behind it is kept. At the end
// of the epoch nothing is missed.
func (r *epochRing) afterBoot() {
	for n := len(r.Events); n > 0 && r.Events[n-1].empty(); n-- {
		r.Events = r.Events[:n-1]
	}
	for i, s := range r.Events {
		if s.empty() {
			r.Events[i] = &slot{event: &lockwirev1.Event{Kind: lockwirev1.EventKind_EVENT_KIND_ACCESS, Outcome: lockwirev1.Outcome_OUTCOME_DENIED}}
		}
	}
	r.Next = r.First + uint64(len(r.Events))
}

// empty: nil is what null in the flash is read as.
func (s *slot) empty() bool { return s == nil || s.event == nil }

func (r *epochRing) reserve() uint64 {
	sequence := r.Next
	r.Next++
	r.Events = append(r.Events, &slot{})
	return sequence
}

func (r *epochRing) fill(sequence uint64, e *lockwirev1.Event) {
	if sequence >= r.First && sequence-r.First < uint64(len(r.Events)) {
		r.Events[sequence-r.First].event = e
	}
}

// free drops the events up to and including a sequence; it says whether there were any.
func (r *epochRing) free(upTo uint64) bool {
	n := 0
	for n < len(r.Events) && r.First <= upTo && r.Events[n].event != nil {
		n++
		r.First++
	}
	clear(r.Events[:n]) // what is kept of the slice shall not keep the events
	if r.Events = r.Events[n:]; len(r.Events) == 0 {
		r.Events = nil
	}
	return n > 0
}

// squeeze makes one GAP of the two oldest events; false when there are not two.
func (r *epochRing) squeeze() bool {
	if written := r.written(); len(written) < 2 {
		return false
	}
	gap := &lockwirev1.Event{
		Kind: lockwirev1.EventKind_EVENT_KIND_GAP, Lost: lost(r.Events[0].event) + lost(r.Events[1].event),
		LockTimeMs: r.Events[1].event.GetLockTimeMs(), UptimeMs: r.Events[1].event.GetUptimeMs(), ClockQuality: r.Events[1].event.GetClockQuality(),
	}
	r.Events = r.Events[1:]
	r.First++
	r.Events[0] = &slot{event: gap}
	return true
}

func lost(e *lockwirev1.Event) uint64 {
	if e.GetKind() == lockwirev1.EventKind_EVENT_KIND_GAP {
		return e.GetLost()
	}
	return 1
}
