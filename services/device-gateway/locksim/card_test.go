package locksim

import (
	"encoding/hex"
	"testing"
)

func TestCards(t *testing.T) {
	if got := hex.EncodeToString(Wiegand26(17, 4711).GetBits()); got != "888933c0" {
		t.Fatal(got)
	}
	card, err := ParseBits(Bits(Wiegand26(17, 4711)))
	if err != nil || hex.EncodeToString(card.GetBits()) != "888933c0" || card.GetBitLength() != 26 {
		t.Fatalf("%v, %v", card, err)
	}
	for _, bad := range []string{"", "01", "0120", "0101010101010101010101010101"} {
		if _, err := ParseBits(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}
