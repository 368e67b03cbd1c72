package fleet

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Findings are what differs between a ledger and what locks were told. Lists have the first of each kind.
type Findings struct {
	// Locks and Epochs are how many were looked at; Acknowledged how many events they were told are durable.
	Locks        int   `json:"locks"`
	Epochs       int   `json:"epochs"`
	Acknowledged int64 `json:"acknowledged"`
	// InLedger is how many events of these locks the ledger has, Entries how many entries it has in all.
	InLedger int64 `json:"in_ledger"`
	Entries  int64 `json:"entries"`
	// Missing are acknowledged but not in the ledger; Doubled are there more than once; OutOfOrder come after a later event of
	// the same lock and boot epoch.
	Missing        int64    `json:"missing"`
	Doubled        int64    `json:"doubled"`
	OutOfOrder     int64    `json:"out_of_order"`
	MissingFirst   []string `json:"missing_first,omitempty"`
	DoubledFirst   []string `json:"doubled_first,omitempty"`
	DisorderFirst  []string `json:"out_of_order_first,omitempty"`
	LocksDiffering []string `json:"locks_differing,omitempty"`
}

// shown is how many of a kind are listed.
const shown = 20

// checker looks for acknowledged events in a ledger that it is shown entry by entry.
type checker struct {
	locks  map[string]bool
	epochs map[epochKey]*seen
	found  Findings
}

type epochKey struct {
	device string
	epoch  uint64
}

// seen are the events of a boot epoch that the ledger showed.
type seen struct {
	acked   Acked
	bits    []uint64 // by sequence
	highest uint64
}

func newChecker(acked []Acked) *checker {
	c := &checker{locks: map[string]bool{}, epochs: map[epochKey]*seen{}}
	for _, a := range acked {
		c.locks[a.Device] = true
		e := c.at(a.Device, a.Epoch)
		e.acked.Ranges = append(e.acked.Ranges, a.Ranges...)
	}
	return c
}

func (c *checker) at(device string, epoch uint64) *seen {
	key := epochKey{device: device, epoch: epoch}
	e := c.epochs[key]
	if e == nil {
		e = &seen{acked: Acked{Device: device, Epoch: epoch}}
		c.epochs[key] = e
	}
	return e
}

// show takes the next entry of the ledger; one that is no numbered event of these locks is only counted.
func (c *checker) show(event string) {
	c.found.Entries++
	device, epoch, sequence, ok := parseEventID(event)
	if !ok || !c.locks[device] {
		return
	}
	c.found.InLedger++
	e := c.at(device, epoch)
	if e.has(sequence) {
		c.found.Doubled++
		note(&c.found.DoubledFirst, event)
		note(&c.found.LocksDiffering, device)
		return
	}
	e.set(sequence)
	if sequence < e.highest {
		c.found.OutOfOrder++
		note(&c.found.DisorderFirst, fmt.Sprintf("%s after %d", event, e.highest))
		note(&c.found.LocksDiffering, device)
	}
	e.highest = max(e.highest, sequence)
}

func note(list *[]string, text string) {
	if len(*list) < shown && !slices.Contains(*list, text) {
		*list = append(*list, text)
	}
}

// parseEventID reads `<device>.<boot epoch>.<sequence>`.
func parseEventID(id string) (device string, epoch, sequence uint64, ok bool) {
	parts := strings.Split(id, ".")
	if len(parts) != 3 {
		return "", 0, 0, false
	}
	epoch, err := strconv.ParseUint(parts[1], 10, 64)
	if err != nil {
		return "", 0, 0, false
	}
	// The event of a clock that is off has a name where others have a sequence.
	sequence, err = strconv.ParseUint(parts[2], 10, 32)
	return parts[0], epoch, sequence, err == nil
}

func (s *seen) has(n uint64) bool {
	return n/64 < uint64(len(s.bits)) && s.bits[n/64]&(1<<(n%64)) != 0
}

func (s *seen) set(n uint64) {
	if need := int(n/64) + 1; need > len(s.bits) {
		s.bits = append(s.bits, make([]uint64, need-len(s.bits))...)
	}
	s.bits[n/64] |= 1 << (n % 64)
}

// findings compares what was shown until now with what was acknowledged.
func (c *checker) findings() Findings {
	f := c.found
	f.MissingFirst, f.LocksDiffering = nil, slices.Clone(f.LocksDiffering)
	f.Locks = len(c.locks)
	for _, e := range c.epochs {
		if len(e.acked.Ranges) == 0 {
			continue
		}
		f.Epochs++
		for _, r := range e.acked.Ranges {
			f.Acknowledged += int64(r[1] - r[0] + 1)
			for n := r[0]; n <= r[1]; n++ {
				if !e.has(n) {
					f.Missing++
					note(&f.MissingFirst, eventID(e.acked.Device, e.acked.Epoch, n))
					note(&f.LocksDiffering, e.acked.Device)
				}
			}
		}
	}
	slices.Sort(f.MissingFirst)
	return f
}
