package locksim

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
)

// ParsePresented reads what a person does at the lock, going in:
//
//	26:FACILITY-NUMBER   a card of 26 bits; also without `26:`
//	34:FACILITY-NUMBER   a card of 34 bits
//	37:FACILITY-NUMBER   a card of 37 bits (H10304)
//	uid:HEX              the chip's serial number, 4 to 10 bytes
//	key:FILE             a phone whose private key is in the file (PEM); it answers the lock's challenge
//	pkoc:FILE            the same as a PKOC card
//	0101...              a card's bits
//	code:DIGITS          an entry code, and no card
//
// Each but the last may have `+PIN` behind it: the digits that are typed besides.
func ParsePresented(text string) (Presented, error) {
	p := Presented{Direction: lockwirev1.Direction_DIRECTION_IN}
	form, rest, named := strings.Cut(text, ":")
	if form == "code" && named {
		p.PIN = rest
		return p, checkDigits(rest)
	}
	what, pin, second := strings.Cut(text, "+")
	if second {
		p.PIN = pin
		if err := checkDigits(pin); err != nil {
			return p, err
		}
	}
	form, rest, named = strings.Cut(what, ":")
	if !named {
		form, rest = "", what
	}
	var err error
	switch form {
	case "key", "pkoc":
		p.Key, err = parseKey(form, rest)
	default:
		p.Card, err = parseCard(form, rest)
	}
	return p, err
}

func parseCard(form, text string) (*lockwirev1.Card, error) {
	switch {
	case form == "uid":
		serial, err := hex.DecodeString(text)
		if err != nil {
			return nil, fmt.Errorf("%q: a uid is written in hex", text)
		}
		return UID(serial)
	case form == "" && !strings.Contains(text, "-"):
		return ParseBits(text)
	case form == "" || form == "26":
		facility, number, err := parseNumber(text, 8, 16)
		return Wiegand26(uint8(facility), uint16(number)), err
	case form == "34":
		facility, number, err := parseNumber(text, 16, 16)
		return Wiegand34(uint16(facility), uint16(number)), err
	case form == "37":
		facility, number, err := parseNumber(text, 16, 19)
		if err != nil {
			return nil, err
		}
		return Wiegand37(uint16(facility), uint32(number))
	default:
		return nil, fmt.Errorf("%q: write 26:, 34: or 37:FACILITY-NUMBER, uid:HEX, key:FILE, pkoc:FILE, code:DIGITS or bits", form+":"+text)
	}
}

// parseNumber reads FACILITY-NUMBER of so many bits each.
func parseNumber(text string, facilityBits, numberBits int) (facility, number uint64, err error) {
	one, other, ok := strings.Cut(text, "-")
	facility, err1 := strconv.ParseUint(one, 10, facilityBits)
	number, err2 := strconv.ParseUint(other, 10, numberBits)
	if !ok || err1 != nil || err2 != nil {
		return 0, 0, fmt.Errorf("%q is not FACILITY-NUMBER with a facility up to %d and a number up to %d", text, 1<<facilityBits-1, 1<<numberBits-1)
	}
	return facility, number, nil
}

func parseKey(form, path string) (Signer, error) {
	private, err := ReadKey(path)
	if err != nil {
		return nil, err
	}
	if form == "pkoc" {
		return PKOCCard(private)
	}
	return Phone(private)
}

func checkDigits(text string) error {
	if text == "" || len(text) > 12 || strings.Trim(text, "0123456789") != "" {
		return fmt.Errorf("%d characters: a PIN or entry code is 1 to 12 digits", len(text))
	}
	return nil
}
