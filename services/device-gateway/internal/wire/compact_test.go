package wire

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"testing"
)

// compact are bytes in large.json: pieces, each of them hexadecimal or something that repeats.
type compact []piece

// piece is one of them; its bytes are Hex alone where Repeat is 0.
type piece struct {
	// Repeat is how often Hex comes, each time with a counter of four bytes behind it, big-endian, from CountFrom on; no counter where that is nil.
	Repeat    int      `json:"repeat"`
	Hex       hexBytes `json:"hex"`
	CountFrom *uint32  `json:"count_from,omitempty"`
}

// MarshalJSON writes plain bytes as a string.
func (p piece) MarshalJSON() ([]byte, error) {
	if p.Repeat == 0 {
		return json.Marshal(p.Hex)
	}
	type plain piece
	return json.Marshal(plain(p))
}

// UnmarshalJSON takes both forms.
func (p *piece) UnmarshalJSON(text []byte) error {
	if text[0] == '"' {
		return json.Unmarshal(text, &p.Hex)
	}
	type plain piece
	if err := json.Unmarshal(text, (*plain)(p)); err != nil {
		return err
	}
	if p.Repeat <= 0 {
		return errors.New("a piece that repeats nothing")
	}
	return nil
}

// expand are the bytes.
func (c compact) expand() (b []byte) {
	for _, p := range c {
		for i := range max(p.Repeat, 1) {
			b = append(b, p.Hex...)
			if p.CountFrom != nil {
				b = binary.BigEndian.AppendUint32(b, *p.CountFrom+uint32(i))
			}
		}
	}
	return b
}

// fewest is how often something comes before it is written as a repetition.
const fewest = 8

// compacted writes runs of units, each the prefix and a counter, as repetitions; the rest as it is.
func compacted(b, prefix []byte) compact {
	var out compact
	const counter = 4
	size, from := len(prefix)+counter, 0
	at := func(q int) (uint32, bool) {
		if q+size > len(b) || !bytes.HasPrefix(b[q:], prefix) {
			return 0, false
		}
		return binary.BigEndian.Uint32(b[q+len(prefix):]), true
	}
	for q := 0; q < len(b); q++ {
		first, ok := at(q)
		if !ok {
			continue
		}
		n := 1
		for next, ok := at(q + n*size); ok && next == first+uint32(n); next, ok = at(q + n*size) {
			n++
		}
		if n < fewest {
			continue
		}
		out = append(out, piece{Hex: b[from:q]}, piece{Repeat: n, Hex: prefix, CountFrom: &first})
		from = q + n*size
		q = from - 1
	}
	return out.and(b[from:])
}

// and adds bytes as they are, if there are any.
func (c compact) and(b []byte) compact {
	if len(b) == 0 {
		return c
	}
	return append(c, piece{Hex: b})
}

func TestCompactBytesAreTheSame(t *testing.T) {
	first := uint32(250)
	c := compact{{Hex: unhex("00ff")}, {Repeat: 10, Hex: unhex("0a"), CountFrom: &first}, {Repeat: 2, Hex: unhex("abcd")}}
	want := "00ff"
	for i := range 10 {
		want += "0a" + hex.EncodeToString(binary.BigEndian.AppendUint32(nil, uint32(250+i)))
	}
	want += "abcdabcd"
	if got := hex.EncodeToString(c.expand()); got != want {
		t.Fatalf("%s, want %s", got, want)
	}
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != `["00ff",{"repeat":10,"hex":"0a","count_from":250},{"repeat":2,"hex":"abcd"}]` {
		t.Fatal(string(text))
	}
	var back compact
	if err := json.Unmarshal(text, &back); err != nil || !bytes.Equal(back.expand(), c.expand()) {
		t.Fatalf("%v, %v", back, err)
	}
	if again := compacted(c.expand(), unhex("0a")); len(again) != 3 || again[1].Repeat != 10 || !bytes.Equal(again.expand(), c.expand()) {
		t.Fatalf("%v", again)
	}
	if err := json.Unmarshal([]byte(`[{"repeat":0,"hex":"00"}]`), &back); err == nil {
		t.Fatal("nothing is repeated")
	}
}
