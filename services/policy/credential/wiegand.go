package credential

import (
	"fmt"
	"math/bits"
)

// wiegand is how a format of that name lays out a facility and a number between two parity bits. The first makes the first
// half even, the last makes the last half odd; a half is the parity bit and `half` data bits, counted from its end.
type wiegand struct{ facility, number, half int }

// In 37 bits the halves overlap: both have the 18th data bit.
var wiegands = map[string]wiegand{
	FormatWiegand26: {facility: 8, number: 16, half: 12}, // H10301
	FormatWiegand34: {facility: 16, number: 16, half: 16},
	FormatWiegand37: {facility: 16, number: 19, half: 18}, // H10304
}

// Wiegand is the card of a facility and a number in one of the three Wiegand formats, parity included, as a reader reads it:
// packed from the highest bit of the first byte. Its error wraps ErrMalformed: an unknown format, or a value that does not fit.
func Wiegand(format string, facility, number uint32) (bitLength uint32, packed []byte, err error) {
	f, ok := wiegands[format]
	if !ok {
		return 0, nil, fmt.Errorf("%w: no Wiegand format", ErrMalformed)
	}
	if facility>>f.facility != 0 || number>>f.number != 0 {
		return 0, nil, fmt.Errorf("%w: %s takes facilities up to %d and numbers up to %d",
			ErrMalformed, format, 1<<f.facility-1, 1<<f.number-1)
	}
	length := f.facility + f.number
	data := uint64(facility)<<f.number | uint64(number)
	even := uint64(bits.OnesCount64(data>>(length-f.half)) & 1)
	odd := uint64(bits.OnesCount64(data&(1<<f.half-1))&1) ^ 1
	length += 2
	word := (even<<(length-1) | data<<1 | odd) << (64 - length)
	packed = make([]byte, (length+7)/8)
	for i := range packed {
		packed[i] = byte(word >> (56 - 8*i))
	}
	return uint32(length), packed, nil
}
