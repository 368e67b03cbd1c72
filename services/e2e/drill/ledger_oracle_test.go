package drill

import (
	"strings"
	"testing"
)

// told is the story with two unlocks, which the ledger has: by the gateway, and alone where it was listed.
func told() *Record {
	r := story()
	first, other := EventID{0, 1, 2}, EventID{2, 1, 7}
	r.Unlocks = []Unlock{
		{Door: 0, Event: first, Began: second(5), Ended: second(5.1)},
		{Door: 0, Lock: 2, Event: other, Alone: true, Began: second(13), Ended: second(13), Clock: second(39)},
	}
	r.Ledger = []Entry{{Event: EventID{0, 1, 1}}, {Event: first, Opened: true}, {Event: other, Opened: true, Alone: true}}
	r.Kept(0, 1, 1, 2)
	r.Kept(2, 1, 7, 7)
	return r
}

func TestTheLedgerIsHeldToWhatWasSeen(t *testing.T) {
	for name, c := range map[string]struct {
		change func(r *Record)
		wrong  string // a part of what is said; empty: nothing
	}{
		"the truth":                   {func(*Record) {}, ""},
		"not durable, not there":      {func(r *Record) { r.Ledger, r.Durable = r.Ledger[:2], r.Durable[:2] }, ""},
		"not durable, but there":      {func(r *Record) { r.Durable = nil }, ""},
		"durable and lost":            {func(r *Record) { r.Ledger = r.Ledger[1:] }, "not in the ledger"},
		"twice":                       {func(r *Record) { r.Ledger = append(r.Ledger, r.Ledger[0]) }, "2 times"},
		"an unlock told as a refusal": {func(r *Record) { r.Ledger[1].Opened = false }, "nothing opened"},
		"a refusal told as an unlock": {func(r *Record) { r.Ledger[0].Opened = true }, "nobody saw"},
		"another door":                {func(r *Record) { r.Ledger[1].Door = 1 }, "what was seen"},
		"another card":                {func(r *Record) { r.Ledger[1].Card = NoCard }, "what was seen"},
		"a lock's decision told as its gateway's, which the rule forbids": {func(r *Record) { r.Ledger[2].Alone = false }, "what was seen"},
		"an unlock after the end was enforced": {func(r *Record) {
			r.Unlocks[0].Began, r.Unlocks[0].Ended = second(13), second(14)
		}, "in the ledger: lock 0 opened door 0"},
	} {
		t.Run(name, func(t *testing.T) {
			r := told()
			c.change(r)
			wrong := CheckLedger(r)
			if c.wrong == "" && len(wrong) > 0 {
				t.Fatalf("%q", wrong)
			}
			if c.wrong != "" && (len(wrong) == 0 || !strings.Contains(wrong[0], c.wrong)) {
				t.Fatalf("want %q, got %q", c.wrong, wrong)
			}
		})
	}
	r := told()
	r.Ledger[2].Alone = false
	if wrong := CheckLedger(r); len(wrong) != 2 || !strings.Contains(wrong[1], "by its gateway") {
		t.Errorf("what the ledger tells is held to the rule, too: %q", wrong)
	}
}
