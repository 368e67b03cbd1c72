package system

import (
	"encoding/binary"
	"math/rand/v2"
	"time"
)

// uuid is a UUIDv7 of a moment in the past, so that ids are in the order in which they would have been made. Unlike those of
// package region it follows a seed and costs no allocation.
type uuid [16]byte

func newUUID(at time.Time, random *rand.Rand) (u uuid) {
	binary.BigEndian.PutUint64(u[:], uint64(at.UnixMilli())<<16|7<<12|random.Uint64()&0xfff)
	binary.BigEndian.PutUint64(u[8:], 2<<62|random.Uint64()>>2)
	return u
}

// append writes it as an id's last part: 26 digits of base 32 (package region).
func (u uuid) append(b []byte) []byte {
	const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
	high, low := binary.BigEndian.Uint64(u[:]), binary.BigEndian.Uint64(u[8:])
	for shift := 125; shift >= 64; shift -= 5 {
		b = append(b, alphabet[high>>(shift-64)&31])
	}
	for shift := 60; shift >= 0; shift -= 5 {
		b = append(b, alphabet[(low>>shift|high<<(64-shift))&31])
	}
	return b
}

// id is all of it.
func (u uuid) id(prefix string) string {
	return string(u.append(append(make([]byte, 0, 48), prefix...)))
}
