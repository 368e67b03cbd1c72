package ledger_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/audit/internal/ledger"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"
)

var (
	id   = ledger.ID{Org: "org_euc_01jd3q8v5dfw0b9m3cz1n2k4xw", Region: "eu-central"}
	noon = time.Date(2026, 11, 21, 12, 0, 0, 123_456_789, time.UTC)
)

func body(t require, l ledger.ID, eventID string) []byte {
	b, err := proto.Marshal(&typev1.Event{Id: eventID, OrgId: string(l.Org), Region: string(l.Region), Kind: "access"})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

type require interface{ Fatal(...any) }

// chain makes a ledger of n entries.
func chain(t require, n int) []ledger.Entry {
	var head ledger.Head
	var all []ledger.Entry
	for i := range n {
		eventID := fmt.Sprintf("event-%d", i)
		e := id.Next(head, eventID, body(t, id, eventID), noon.Add(time.Duration(i)*time.Second))
		head = e.Head()
		all = append(all, e)
	}
	return all
}

func verify(entries []ledger.Entry, claimed ledger.Head, noted ...ledger.Head) error {
	v := ledger.NewVerifier(id, noted...)
	for _, e := range entries {
		if err := v.Add(e); err != nil {
			return err
		}
	}
	return v.End(claimed)
}

// The format is for ever: this test has the bytes of one entry written out by hand, as a stranger would.
func TestTheFormatIsAsDocumented(t *testing.T) {
	e := id.Next(ledger.Head{Size: 258, Hash: ledger.Hash{1, 2}}, "event_euc_1", []byte("body"), noon)
	bodyHash := sha256.Sum256([]byte("body"))
	byHand := "cardea/ledger/entry/v1\x00" +
		"\x00\x00\x00\x22" + "org_euc_01jd3q8v5dfw0b9m3cz1n2k4xw" +
		"\x00\x00\x00\x0a" + "eu-central" +
		"\x00\x00\x00\x00\x00\x00\x01\x02" +
		"\x00\x00\x00\x0b" + "event_euc_1" +
		string(bodyHash[:]) +
		"\x01\x02" + strings.Repeat("\x00", 30) +
		"\x00\x06\x60\xc8\x19\xa3\x52\x40" // 1795262400123456 microseconds
	want := sha256.Sum256([]byte(byHand))
	if e.Hash != want {
		t.Fatalf("hash %s, by hand %s (appended at %x)", e.Hash, hex.EncodeToString(want[:]), e.AppendedAt.UnixMicro())
	}
}

func TestAWholeChainVerifies(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 20).Draw(t, "entries")
		entries := chain(t, n)
		var head ledger.Head
		if n > 0 {
			head = entries[n-1].Head()
		}
		for i := range entries {
			if rapid.Bool().Draw(t, "body removed") {
				entries[i].Body = nil
			}
		}
		if err := verify(entries, head, head); err != nil {
			t.Fatal(err)
		}
	})
}

// Whoever changes one thing is found, at the place where it was.
func TestEachChangeIsFoundAtItsPosition(t *testing.T) {
	type change struct {
		name string
		do   func(e *ledger.Entry)
	}
	flip := func(h *ledger.Hash) { h[7] ^= 1 }
	changes := []change{
		{"position", func(e *ledger.Entry) { e.Position++ }},
		{"event id", func(e *ledger.Entry) { e.EventID = "another" }},
		{"body digest", func(e *ledger.Entry) { flip(&e.BodySHA256) }},
		{"previous hash", func(e *ledger.Entry) { flip(&e.Previous) }},
		{"hash", func(e *ledger.Entry) { flip(&e.Hash) }},
		{"time by a microsecond", func(e *ledger.Entry) { e.AppendedAt = e.AppendedAt.Add(time.Microsecond) }},
		{"time by a nanosecond", func(e *ledger.Entry) { e.AppendedAt = e.AppendedAt.Add(time.Nanosecond) }},
		{"body", func(e *ledger.Entry) { e.Body = append([]byte{}, e.Body...); e.Body[3] ^= 1 }},
		{"body emptied but not removed", func(e *ledger.Entry) { e.Body = []byte{} }},
	}
	for _, c := range changes {
		t.Run(c.name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				entries := chain(t, rapid.IntRange(1, 12).Draw(t, "entries"))
				head := entries[len(entries)-1].Head()
				at := rapid.IntRange(0, len(entries)-1).Draw(t, "at")
				c.do(&entries[at])
				var d *ledger.Difference
				if err := verify(entries, head); !errors.As(err, &d) || d.Position != int64(at) {
					t.Fatalf("changed at %d, found: %v", at, err)
				}
			})
		})
	}
}

func TestForgeriesWithARecomputedChainAreFound(t *testing.T) {
	whole := chain(t, 5)
	head := whole[4].Head()
	rewritten := func() []ledger.Entry {
		var last ledger.Head
		var all []ledger.Entry
		for i, e := range whole {
			if i == 2 {
				e.EventID = "event-x"
			}
			n := id.Next(last, e.EventID, body(t, id, e.EventID), e.AppendedAt)
			last = n.Head()
			all = append(all, n)
		}
		return all
	}()
	twice := func() []ledger.Entry {
		again := id.Next(head, "event-1", body(t, id, "event-1"), noon)
		return append(append([]ledger.Entry{}, whole...), again)
	}()
	foreign := func(other ledger.ID) []ledger.Entry {
		return append(append([]ledger.Entry{}, whole...), id.Next(head, "event-5", body(t, other, "event-5"), noon))
	}
	swapped := append([]ledger.Entry{}, whole...)
	swapped[1], swapped[2] = swapped[2], swapped[1]

	for _, c := range []struct {
		name    string
		entries []ledger.Entry
		claimed ledger.Head
		noted   []ledger.Head
		at      int64
		says    string
	}{
		{"rewritten, against a head noted in the middle", rewritten, rewritten[4].Head(), []ledger.Head{whole[2].Head()}, 2, "rewritten"},
		{"rewritten, against the last head", rewritten, rewritten[4].Head(), []ledger.Head{head}, 4, "rewritten"},
		{"cut, with its own head", whole[:3], whole[2].Head(), []ledger.Head{head}, 3, "was cut"},
		{"cut, with the old head", whole[:3], head, nil, 3, "entries end here"},
		{"longer than its head", whole, whole[3].Head(), nil, 5, "entries end here"},
		{"the first taken out", whole[1:], head, nil, 0, "position is 1"},
		{"one taken out", append(append([]ledger.Entry{}, whole[:2]...), whole[3:]...), head, nil, 2, "position is 3"},
		{"two swapped", swapped, head, nil, 1, "position is 2"},
		{"an event twice", twice, twice[5].Head(), nil, 5, "already at position 1"},
		{"a body of another organization", foreign(ledger.ID{Org: "org_euc_x", Region: id.Region}), head, nil, 5, "organization"},
		{"a body of another region", foreign(ledger.ID{Org: id.Org, Region: "us-east"}), head, nil, 5, "region"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := verify(c.entries, c.claimed, c.noted...)
			var d *ledger.Difference
			if !errors.As(err, &d) || d.Position != c.at || !strings.Contains(d.What, c.says) {
				t.Fatalf("want position %d and %q, got %v", c.at, c.says, err)
			}
		})
	}
}

// The same entry in the ledger of another organization or region has another hash, and lengths keep fields apart.
func TestTheHashBindsTheLedgerAndKeepsFieldsApart(t *testing.T) {
	e := chain(t, 1)[0]
	seen := map[ledger.Hash]string{}
	for _, l := range []ledger.ID{
		id, {Org: id.Org, Region: "eu-west"}, {Org: id.Org + "e", Region: "u-central"}, {Org: id.Org[1:], Region: id.Region},
	} {
		h := l.HashOf(e)
		if other, taken := seen[h]; taken {
			t.Fatalf("%v and %s have the same hash", l, other)
		}
		seen[h] = fmt.Sprint(l)
	}
}

func TestParseHash(t *testing.T) {
	h := chain(t, 1)[0].Hash
	if got, err := ledger.ParseHash(h.String()); err != nil || got != h {
		t.Fatalf("%v, %v", got, err)
	}
	for _, bad := range []string{"", "zz", h.String()[2:], h.String() + "00"} {
		if _, err := ledger.ParseHash(bad); err == nil {
			t.Errorf("ParseHash(%q) took it", bad)
		}
	}
}
