package drill

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

// The world that every history begins with: Doors doors with a lock each (door 0 has two), People people with a card each, a
// group that person 1 belongs to, and a zone of all doors. Person 0 is granted the zone, the group too, person 2 door 0.
const (
	Doors  = 3
	Locks  = Doors + 1
	People = 3
	// Group as a subject, and Zone as a target, stand behind the people and the doors.
	Group = People
	Zone  = Doors
	// Regions of the jurisdiction: 0 is the home of everything, 1 its neighbour.
	Regions = 2
)

// Action is what a Step does.
type Action string

// Actions of the administrator. Those that take something away wait for its enforcement, and when it comes every card that is
// concerned is presented at every lock at once.
const (
	Grant        Action = "grant"         // of target B to subject A
	Revoke       Action = "revoke"        // the A-th grant
	Join         Action = "join"          // person A joins the group
	Leave        Action = "leave"         // and leaves it
	Issue        Action = "issue"         // another card to person A
	RevokeCard   Action = "revoke_card"   // the A-th card
	Lockdown     Action = "lockdown"      // of target A, for everybody
	EndLockdown  Action = "end_lockdown"  // the A-th
	WaitEnforced Action = "wait_enforced" // for all that was taken away and is pending
)

// Actions of people, time and fate.
const (
	Swipe            Action = "swipe"             // card B at lock A, N times
	Reboot           Action = "reboot"            // lock A
	Cut              Action = "cut"               // lock A's uplink: it is told so
	Blackhole        Action = "blackhole"         // lock A's uplink: silence
	Heal             Action = "heal"              // lock A's uplink
	KillGateway      Action = "kill_gateway"      // region A's
	FreezeGateway    Action = "freeze_gateway"    // no lock hears of it; its calls and its copy go on
	StartGateway     Action = "start_gateway"     // after a kill or a freeze
	StopBroker       Action = "stop_broker"       // region A's
	StartBroker      Action = "start_broker"      //
	StopPermissions  Action = "stop_permissions"  // region A's
	StartPermissions Action = "start_permissions" //
	Pass             Action = "pass"              // A minutes
)

// Step is one thing that happens. A number that names nothing counts from the start again; nothing happens where there is none.
type Step struct {
	Do Action `json:"do"`
	A  int    `json:"a,omitempty"`
	B  int    `json:"b,omitempty"`
	N  int    `json:"n,omitempty"`
}

// Clock is what a lock has for a clock.
type Clock string

// The clocks of locks.
const (
	Synchronized Clock = ""     // set by its gateway
	FreeRunning  Clock = "free" // of its own, off by a minute or two
	Unset        Clock = "none" // never set
)

// History is what a drill plays.
type History struct {
	Seed uint64 `json:"seed"`
	// Note says what a kept history showed.
	Note string `json:"note,omitempty"`
	// Clocks are those of the locks.
	Clocks [Locks]Clock `json:"clocks"`
	Ticks  [][]Step     `json:"ticks"`
}

// Steps is how many there are.
func (h History) Steps() int {
	n := 0
	for _, tick := range h.Ticks {
		n += len(tick)
	}
	return n
}

// String writes a tick a line.
func (h History) String() string {
	var out strings.Builder
	fmt.Fprintf(&out, "seed %d, clocks %q", h.Seed, h.Clocks)
	for i, tick := range h.Ticks {
		fmt.Fprintf(&out, "\n%3d:", i)
		for _, s := range tick {
			fmt.Fprintf(&out, " %s(%d,%d,%d)", s.Do, s.A, s.B, s.N)
		}
	}
	return out.String()
}

// Load reads a kept history.
func Load(path string) (History, error) {
	var h History
	text, err := os.ReadFile(path)
	if err != nil {
		return h, err
	}
	if err := json.Unmarshal(text, &h); err != nil {
		return h, fmt.Errorf("history %s: %w", path, err)
	}
	return h, nil
}

// Save keeps a history, a tick a line.
func (h History) Save(path string) error {
	var out strings.Builder
	note, err := json.Marshal(h.Note)
	if err != nil {
		return err
	}
	clocks, err := json.Marshal(h.Clocks)
	if err != nil {
		return err
	}
	fmt.Fprintf(&out, "{\"seed\": %d, \"note\": %s, \"clocks\": %s, \"ticks\": [", h.Seed, note, clocks)
	for i, tick := range h.Ticks {
		line, err := json.Marshal(tick)
		if err != nil {
			return err
		}
		if i > 0 {
			out.WriteByte(',')
		}
		fmt.Fprintf(&out, "\n  %s", line)
	}
	out.WriteString("\n]}\n")
	return os.WriteFile(path, []byte(out.String()), 0o644)
}
