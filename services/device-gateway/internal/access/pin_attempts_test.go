package access

import (
	"strconv"
	"testing"
	"time"
)

func TestWrongDigitsAreLimited(t *testing.T) {
	t.Parallel()
	right, wrong := func() bool { return true }, func() bool { return false }
	unread := func() bool { t.Error("digits are looked at after too many wrong ones"); return true }
	for name, of := range map[string]attempt{"a person's PINs": {person: "p", door: "d"}, "a door's entry codes": {door: "d"}} {
		a, at := newAttempts(), time.Unix(1_000_000, 0)
		for n := range of.most() {
			if a.try(of, at.Add(time.Duration(n)*time.Second), wrong) {
				t.Errorf("%s: a wrong one is right", name)
			}
		}
		if a.try(of, at.Add(wrongWindow-time.Nanosecond), unread) {
			t.Errorf("%s: right in the window", name)
		}
		if other := (attempt{person: of.person, door: "e"}); !a.try(other, at, right) {
			t.Errorf("%s: another door is closed, too", name)
		}
		if !a.try(of, at.Add(wrongWindow), right) {
			t.Errorf("%s: still wrong when the window is over", name)
		}
	}
}

// Else somebody with a code of their own could try all others of a door between two of their own.
func TestARightEntryCodeForgivesNoWrongOnes(t *testing.T) {
	t.Parallel()
	right, wrong := func() bool { return true }, func() bool { return false }
	a, at := newAttempts(), time.Unix(1_000_000, 0)
	code, pin := attempt{door: "d"}, attempt{person: "p", door: "d"}
	for range maxWrongCodes {
		if !a.try(code, at, right) {
			t.Fatal("a right one is wrong too early")
		}
		a.try(code, at, wrong)
		a.try(pin, at, wrong)
		if !a.try(pin, at, right) {
			t.Fatal("a person's right PIN forgets their wrong ones")
		}
	}
	if a.try(code, at, right) {
		t.Error("the right codes in between made room for more wrong ones")
	}
}

func TestAttemptsThatAreOverAreForgotten(t *testing.T) {
	t.Parallel()
	a, at := newAttempts(), time.Unix(1_000_000, 0)
	for n := range pruneAbove {
		a.try(attempt{person: string(rune(n)), door: "d"}, at, func() bool { return false })
	}
	a.try(attempt{door: "d"}, at.Add(wrongWindow), func() bool { return false })
	if len(a.wrong) != 1 {
		t.Errorf("%d are remembered", len(a.wrong))
	}
}

// Wrong digits of very many people at once are looked through now and then, not at each.
func TestManyWrongDigitsArePrunedNowAndThen(t *testing.T) {
	t.Parallel()
	wrong := func() bool { return false }
	a, at := newAttempts(), time.Unix(1_000_000, 0)
	fill := func(door string, at time.Time) {
		for n := range pruneAbove + 1 {
			a.try(attempt{person: strconv.Itoa(n), door: door}, at, wrong)
		}
	}
	fill("d", at)
	last := a.pruned
	a.try(attempt{person: "p", door: "d"}, at.Add(pruneEvery-1), wrong)
	if !a.pruned.Equal(last) {
		t.Error("looked through again at once")
	}
	fill("e", at.Add(wrongWindow))
	if n := len(a.wrong); n > pruneAbove+2 {
		t.Errorf("%d are remembered", n)
	}
}
