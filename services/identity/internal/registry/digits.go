package registry

import (
	"fmt"

	"github.com/cardea-mesh/cardea/services/policy/credential"
)

// Digits are what a person types at a door. They rest only sealed and as keyed digests, and print as nothing.
type Digits string

// String hides the digits.
func (Digits) String() string { return "REDACTED" }

// GoString hides the digits from %#v.
func (Digits) GoString() string { return "REDACTED" }

// How many digits are taken and drawn. An entry code opens alone, and any code of the organization opens: it needs more.
const (
	minPIN, drawnPIN             = 4, 6
	minEntryCode, drawnEntryCode = 6, 8
	maxDigits                    = 12
)

// check says whether given digits will do; else ErrDigits, which does not repeat them.
func (d Digits) check(kind string) error {
	least, what := minPIN, "a PIN"
	if kind == credential.KindEntryCode {
		least, what = minEntryCode, "an entry code"
	}
	if len(d) < least || len(d) > maxDigits {
		return fmt.Errorf("%w: %s has %d to %d of them; leave them out to have some drawn", ErrDigits, what, least, maxDigits)
	}
	for _, c := range []byte(d) {
		if c < '0' || c > '9' {
			return fmt.Errorf("%w: %s has digits only", ErrDigits, what)
		}
	}
	if d.Weak() {
		return fmt.Errorf("%w: all the same, or counting up or down, is guessed first; leave them out to have some drawn", ErrDigits)
	}
	return nil
}

// Weak says whether they would be guessed first: each is as far from the one before as all others are, and that is none, one
// up or one down (9 is beside 0).
func (d Digits) Weak() bool {
	if len(d) < 2 {
		return true
	}
	step := (d[1] - d[0] + 10) % 10
	for i := 2; i < len(d); i++ {
		if (d[i]-d[i-1]+10)%10 != step {
			return false
		}
	}
	return step == 0 || step == 1 || step == 9
}

// DrawnLength is how many digits are drawn for a PIN or entry code.
func DrawnLength(kind string) int {
	if kind == credential.KindEntryCode {
		return drawnEntryCode
	}
	return drawnPIN
}
