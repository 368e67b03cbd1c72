package credential_test

import (
	"encoding/hex"
	"errors"
	"testing"

	"github.com/cardea-mesh/cardea/services/policy/credential"
)

// The vectors were computed by another implementation (Python, bit by bit), from the layouts alone.
func TestWiegandVectors(t *testing.T) {
	t.Parallel()
	for _, v := range []struct {
		format           string
		facility, number uint32
		bitLength        uint32
		want             string
	}{
		{"wiegand26", 17, 4711, 26, "888933c0"},
		{"wiegand26", 0, 0, 26, "00000040"},
		{"wiegand26", 255, 65535, 26, "7fffffc0"},
		{"wiegand26", 1, 32768, 26, "00c00040"},
		{"wiegand34", 17, 4711, 34, "0008893380"},
		{"wiegand34", 0, 0, 34, "0000000040"},
		{"wiegand34", 65535, 65535, 34, "7fffffffc0"},
		{"wiegand34", 4096, 9, 34, "88000004c0"},
		{"wiegand37", 17, 4711, 37, "0008812670"},
		{"wiegand37", 0, 0, 37, "0000000008"},
		{"wiegand37", 65535, 524287, 37, "7ffffffff8"},
		{"wiegand37", 3, 131072, 37, "8001a00000"},
		{"wiegand37", 2, 262144, 37, "0001400008"},
	} {
		length, bits, err := credential.Wiegand(v.format, v.facility, v.number)
		if err != nil || length != v.bitLength || hex.EncodeToString(bits) != v.want {
			t.Errorf("%s %d-%d: %d bits %x, %v, want %s", v.format, v.facility, v.number, length, bits, err, v.want)
		}
		if err := credential.Check(v.format, length, bits); err != nil {
			t.Errorf("%s %d-%d: %v", v.format, v.facility, v.number, err)
		}
	}
}

func TestWiegandRefusesWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	for _, v := range []struct {
		format           string
		facility, number uint32
	}{
		{"wiegand26", 256, 0}, {"wiegand26", 0, 65536}, {"wiegand34", 65536, 0}, {"wiegand34", 0, 65536},
		{"wiegand37", 65536, 0}, {"wiegand37", 0, 524288}, {"uid", 1, 1}, {"", 1, 1},
	} {
		if _, _, err := credential.Wiegand(v.format, v.facility, v.number); !errors.Is(err, credential.ErrMalformed) {
			t.Errorf("%s %d-%d: %v", v.format, v.facility, v.number, err)
		}
	}
}
