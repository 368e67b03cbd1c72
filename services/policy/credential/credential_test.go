package credential_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/cardea-mesh/cardea/services/policy/credential"
)

// The vectors were computed by another implementation (Python's hmac), from the package comment alone.
const generator = "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296" +
	"4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"

func countingKey() (key [32]byte) {
	for i := range key {
		key[i] = byte(i)
	}
	return key
}

func onesKey() (key [32]byte) {
	copy(key[:], bytes.Repeat([]byte{0xff}, 32))
	return key
}

func TestDigestVectors(t *testing.T) {
	t.Parallel()
	for _, v := range []struct {
		key          [32]byte
		kind, format string
		bitLength    uint32
		bits, want   string
	}{
		{countingKey(), "card", "wiegand26", 26, "9b3f2a40", "c9b154a7a90055b9d8337cf7acce040f210fbd4e68184ab1d4fe0bc8159af362"},
		{onesKey(), "card", "wiegand26", 26, "9b3f2a40", "9887e55c3f1c64d8c91c126cf24c2d9e3520e812c5f70930d4ad3cab634bd5b4"},
		{countingKey(), "mobile", "wiegand26", 26, "9b3f2a40", "6b15d2980b226e0ad1ea35b292e7eff006d574cd7c3b66df396d6fa9dcbcfce2"},
		{countingKey(), "card", "wiegand34", 34, "8000000140", "bbf07bdf91b116d010fc61a717700b8a43f790ba312fcb3298689d8bbe766f2d"},
		{countingKey(), "card", "wiegand37", 37, "ffffffff08", "f3492dfbf835353c10695bad5dc3b0fe020579f7e3a220cd454c7f7f6619db96"},
		{countingKey(), "card", "uid", 32, "04a1b2c3", "3e623e149efaded363eee14f214100620fc43cee8e23e4d1f1202ead0e35860c"},
		{countingKey(), "card", "uid", 56, "04a1b2c3d4e5f6", "620ec8495b88872c3de994de24c752ce4de73080b7a6e9732638092d549bfdde"},
		{countingKey(), "card", "pkoc", 520, generator, "3951eb1f665b10674c59139071a7cf6607d4d2f6ce210f295ccb8387e93ce13f"},
	} {
		bits := unhex(t, v.bits)
		if err := credential.Check(v.format, v.bitLength, bits); err != nil {
			t.Errorf("%s %s: %v", v.format, v.bits, err)
		}
		got := credential.Digest(v.key, v.kind, v.format, v.bitLength, bits)
		if hex.EncodeToString(got[:]) != v.want {
			t.Errorf("%s %s %s: digest %x, want %s", v.kind, v.format, v.bits, got, v.want)
		}
	}
}

func TestAByteThatMovesBetweenFieldsIsAnotherDigest(t *testing.T) {
	t.Parallel()
	key := countingKey()
	seen := map[[32]byte]string{}
	for _, c := range []struct {
		kind, format string
		bitLength    uint32
		bits         string
	}{
		{"card", "uid", 32, "04a1b2c3"},
		{"cardu", "id", 32, "04a1b2c3"},
		{"car", "duid", 32, "04a1b2c3"},
		{"", "carduid", 32, "04a1b2c3"},
		{"card", "uid", 24, "04a1b2c3"},
		{"card", "uid", 32, "0004a1b2c3"},
		{"card", "uid", 32, "04a1b2c300"},
		{"card", "uid", 32, "04a1b2"},
	} {
		d := credential.Digest(key, c.kind, c.format, c.bitLength, unhex(t, c.bits))
		name := c.kind + "|" + c.format + "|" + c.bits
		if other, twice := seen[d]; twice {
			t.Errorf("%s and %s have the same digest", name, other)
		}
		seen[d] = name
	}
}

func TestMalformedNumbersAreRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		format    string
		bitLength uint32
		bits      string
	}{
		"no format":                   {"", 32, "04a1b2c3"},
		"unknown format":              {"magstripe", 32, "04a1b2c3"},
		"wiegand26 of 27 bits":        {"wiegand26", 27, "9b3f2a40"},
		"wiegand34 of 26 bits":        {"wiegand34", 26, "9b3f2a40"},
		"wiegand37 of 0 bits":         {"wiegand37", 0, ""},
		"a byte too few":              {"wiegand26", 26, "9b3f2a"},
		"a byte too many":             {"wiegand26", 26, "9b3f2a4000"},
		"no bits at all":              {"wiegand26", 26, ""},
		"highest unused bit set":      {"wiegand26", 26, "9b3f2a60"},
		"lowest unused bit set":       {"wiegand26", 26, "9b3f2a41"},
		"unused bit of 37":            {"wiegand37", 37, "ffffffff0c"},
		"uid of 24 bits":              {"uid", 24, "04a1b2"},
		"uid of 88 bits":              {"uid", 88, "04a1b2c3d4e5f607080900"},
		"uid of 33 bits":              {"uid", 33, "04a1b2c380"},
		"uid of 2^32-1 bits":          {"uid", 1<<32 - 1, "04a1b2c3"},
		"pkoc of 512 bits":            {"pkoc", 512, generator[2:]},
		"pkoc compressed":             {"pkoc", 520, "02" + generator[2:]},
		"pkoc off the curve":          {"pkoc", 520, generator[:128] + "f4"},
		"pkoc all zero":               {"pkoc", 520, strings.Repeat("00", 65)},
		"pkoc beyond the field prime": {"pkoc", 520, "04" + strings.Repeat("ff", 64)},
	} {
		err := credential.Check(c.format, c.bitLength, unhex(t, c.bits))
		if !errors.Is(err, credential.ErrMalformed) {
			t.Errorf("%s: got %v, want ErrMalformed", name, err)
			continue
		}
		if c.bits != "" && strings.Contains(err.Error(), c.bits[:min(8, len(c.bits))]) {
			t.Errorf("%s: the error repeats the card's number", name)
		}
	}
}

func TestEveryLengthOfAUID(t *testing.T) {
	t.Parallel()
	for n := 4; n <= 10; n++ {
		if err := credential.Check(credential.FormatUID, uint32(8*n), make([]byte, n)); err != nil {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func FuzzCheckNeverPanics(f *testing.F) {
	f.Add("wiegand26", uint32(26), []byte{0x9b, 0x3f, 0x2a, 0x40})
	f.Add("pkoc", uint32(520), []byte{4})
	f.Add("uid", uint32(32), []byte(nil))
	f.Fuzz(func(t *testing.T, format string, bitLength uint32, bits []byte) {
		if err := credential.Check(format, bitLength, bits); err != nil && !errors.Is(err, credential.ErrMalformed) {
			t.Fatal(err)
		}
	})
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
