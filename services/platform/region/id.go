package region

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Errors of ids and regions; the RPC layer answers each with InvalidArgument and a reason of its own.
var (
	ErrInvalidID     = errors.New("not an id of the form <kind>_<region code>_<26 characters>")
	ErrWrongKind     = errors.New("id of the wrong kind")
	ErrUnknownRegion = errors.New("unknown region")
)

// Kind is the first part of an id: what the id is of.
type Kind string

// The kinds of the domain. A kind is never renamed: ids are for ever.
const (
	Organization Kind = "org"
	Person       Kind = "person"
	Credential   Kind = "credential"
	DigestKey    Kind = "digestkey"
	APIKey       Kind = "key"
	Site         Kind = "site"
	Door         Kind = "door"
	Zone         Kind = "zone"
	Group        Kind = "group"
	Schedule     Kind = "schedule"
	Grant        Kind = "grant"
	Device       Kind = "device"
	Gateway      Kind = "gateway"
	Event        Kind = "event"
	Command      Kind = "command"
	Calendar     Kind = "calendar"
	Lockdown     Kind = "lockdown"
	Role         Kind = "role"
)

// ID is a well-formed id. Make one with NewID, or with Map.Parse from outside.
type ID string

const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"

const (
	maxID      = 64 // bytes
	suffixSize = 26 // 128 bits in digits of 5 bits, so the first digit is at most 7
	codeSize   = 3
)

// NewID makes a new id; ids of one process sort by the time of their making.
func NewID(kind Kind, home Code) ID {
	u := uuid.Must(uuid.NewV7()) // fails only when the system has no randomness; then nothing safe can be done
	return ID(string(kind) + "_" + string(home) + "_" + encode(u))
}

// Parse checks an id from outside: its form (ErrInvalidID), that its kind is one of kinds (ErrWrongKind; no kinds: any),
// and that its region is one of ours (ErrUnknownRegion).
func (m *Map) Parse(s string, kinds ...Kind) (ID, error) {
	if len(s) > maxID || !wellFormed(s) {
		return "", fmt.Errorf("%w: %s", ErrInvalidID, quote(s))
	}
	id := ID(s)
	if len(kinds) > 0 && !slices.Contains(kinds, id.Kind()) {
		return "", fmt.Errorf("%w: %s is a %s, wanted %s", ErrWrongKind, quote(s), id.Kind(), list(kinds))
	}
	if _, err := m.Home(id); err != nil {
		return "", err
	}
	return id, nil
}

// wellFormed says whether s is `^[a-z]+_[a-z]{3}_[0-7][0-9a-hjkmnp-tv-z]{25}$`. Each call of the mesh parses several ids, and
// a regular expression takes seven times as long (BenchmarkParse).
func wellFormed(s string) bool {
	kind := len(s) - len("_") - codeSize - len("_") - suffixSize
	if kind < 1 || s[kind] != '_' || s[kind+1+codeSize] != '_' {
		return false
	}
	code, suffix := s[kind+1:kind+1+codeSize], s[len(s)-suffixSize:]
	return all(s[:kind], letter) && all(code, letter) && suffix[0] <= '7' && all(suffix, digit)
}

func all(s string, is func(byte) bool) bool {
	for i := range len(s) {
		if !is(s[i]) {
			return false
		}
	}
	return true
}

func letter(c byte) bool { return 'a' <= c && c <= 'z' }

// digit says whether c is of the alphabet.
func digit(c byte) bool {
	return '0' <= c && c <= '9' || letter(c) && c != 'i' && c != 'l' && c != 'o' && c != 'u'
}

// Home returns the region that an id lives in.
func (m *Map) Home(id ID) (Region, error) {
	r, ok := m.byCode[id.Code()]
	if !ok {
		return Region{}, fmt.Errorf("%w code %q in id: this deployment has %s", ErrUnknownRegion, id.Code(), m.names())
	}
	return r, nil
}

// Kind returns the kind part.
func (id ID) Kind() Kind {
	kind, _, _ := strings.Cut(string(id), "_")
	return Kind(kind)
}

// Code returns the region code part; empty when id is not well formed.
func (id ID) Code() Code {
	_, rest, _ := strings.Cut(string(id), "_")
	code, _, _ := strings.Cut(rest, "_")
	return Code(code)
}

// timeSize is how many digits of an id have its time: two zero bits and 48 bits of milliseconds.
const timeSize = 10

// MadeAt is when the id was made, by the clock of who made it, to the millisecond; the zero time when it is not well formed.
func (id ID) MadeAt() time.Time {
	parts := strings.Split(string(id), "_")
	digits := parts[len(parts)-1]
	if len(digits) != suffixSize {
		return time.Time{}
	}
	var ms int64
	for _, c := range []byte(digits[:timeSize]) {
		value := strings.IndexByte(alphabet, c)
		if value < 0 {
			return time.Time{}
		}
		ms = ms<<5 | int64(value)
	}
	return time.UnixMilli(ms)
}

func encode(u uuid.UUID) string {
	// 130 bits for 128: two zero bits lead.
	var out [suffixSize]byte
	var acc uint32
	bits := 2
	n := 0
	for _, b := range u {
		acc = acc<<8 | uint32(b)
		bits += 8
		for bits >= 5 {
			bits -= 5
			out[n] = alphabet[acc>>bits&31]
			n++
		}
	}
	return string(out[:])
}

func list(kinds []Kind) string {
	words := make([]string, len(kinds))
	for i, k := range kinds {
		words[i] = string(k)
	}
	return strings.Join(words, " or ")
}

// quote bounds what of a stranger's input goes into an error text.
func quote(s string) string {
	if len(s) > 64 {
		s = s[:64] + "..."
	}
	return fmt.Sprintf("%q", s)
}
