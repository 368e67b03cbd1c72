package drill

import "fmt"

// NoCard stands for a card that was never issued.
const NoCard = -1

// Entry is what a ledger says of a lock's event.
type Entry struct {
	Event EventID
	// Opened: a door opened for a card; then Door and Card are which, and Alone says that no gateway decided.
	Opened     bool
	Door, Card int
	Alone      bool
}

// CheckLedger holds the ledger to what was seen, and to the rule: what a lock was told to be durable is in it, nothing is in it twice, it
// has the unlocks that were seen and no other, and none of them, as it tells them, is against the rule. It returns what is wrong.
func CheckLedger(r *Record) (wrong []string) {
	entries := map[EventID][]Entry{}
	for _, e := range r.Ledger {
		entries[e.Event] = append(entries[e.Event], e)
	}
	for id, all := range entries {
		if len(all) > 1 {
			wrong = append(wrong, fmt.Sprintf("event %+v is in the ledger %d times", id, len(all)))
		}
	}
	for _, id := range r.Durable {
		if len(entries[id]) == 0 {
			wrong = append(wrong, fmt.Sprintf("event %+v is not in the ledger, and its lock was told that it is durable", id))
		}
	}
	seen := map[EventID]Unlock{}
	for _, u := range r.Unlocks {
		seen[u.Event] = u
		if all := entries[u.Event]; len(all) > 0 && !all[0].Opened {
			wrong = append(wrong, fmt.Sprintf("event %+v is an unlock, and the ledger says that nothing opened", u.Event))
		}
	}
	return append(wrong, untrue(r, seen)...)
}

// untrue are the unlocks of the ledger that were not seen, or not so, or that are against the rule as the ledger tells them.
func untrue(r *Record, seen map[EventID]Unlock) (wrong []string) {
	var told []Unlock
	for _, e := range r.Ledger {
		if !e.Opened {
			continue
		}
		u, ok := seen[e.Event]
		if !ok {
			wrong = append(wrong, fmt.Sprintf("the ledger has an unlock that nobody saw: %+v", e))
			continue
		}
		if e.Door != u.Door || e.Card != u.Card || e.Alone != u.Alone {
			wrong = append(wrong, fmt.Sprintf("the ledger has the unlock %+v, and what was seen is %+v", e, u))
		}
		if e.Card != NoCard {
			u.Door, u.Card, u.Alone = e.Door, e.Card, e.Alone
			told = append(told, u)
		}
	}
	for _, v := range violations(r, told) {
		wrong = append(wrong, "in the ledger: "+v.String())
	}
	return wrong
}
