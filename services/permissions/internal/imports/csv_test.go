package imports

import (
	"errors"
	"strings"
	"testing"

	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
)

func TestLinesKeepTheirNumbersInTheFile(t *testing.T) {
	t.Parallel()
	// A byte order mark, columns in another order and case, an empty line, a quoted line break.
	piece := "\xef\xbb\xbfName, site_id\r\nFront,s1\r\n\r\n\"Back\ndoor\",s2\r\nSide,s3"
	lines, err := Lines(Doors, []byte(piece), 502)
	if err != nil {
		t.Fatal(err)
	}
	want := []struct {
		number     int64
		name, site string
	}{{502, "Front", "s1"}, {504, "Back\ndoor", "s2"}, {506, "Side", "s3"}}
	if len(lines) != len(want) {
		t.Fatalf("%d lines: %+v", len(lines), lines)
	}
	for i, w := range want {
		if l := lines[i]; l.Number != w.number || l.Fields["name"] != w.name || l.Fields["site_id"] != w.site || l.Err != nil {
			t.Errorf("line %d: %+v, want %+v", i, l, w)
		}
	}
	if n := physicalLines([]byte(piece)); n != 6 {
		t.Errorf("%d physical lines", n)
	}
}

func TestAPieceThatCannotBeMeantIsRefusedWhole(t *testing.T) {
	t.Parallel()
	for piece, says := range map[string]string{
		"":                                   "no header line",
		"name\n":                             `column "site_id" is missing`,
		"name,site_id,colour\n":              `no column is called "colour"; there are site_id,name,unlock_seconds`,
		"name,site_id,name\n":                `column "name" is there twice`,
		"name,site_id\n\xff,x\n":             "not UTF-8",
		"name,site_id\na,b\n\"open,c\nd,e\n": "line 12",
		"name,site_id\n" + strings.Repeat("a,b\n", MaxLines+1): "more than 1000 lines",
	} {
		_, err := Lines(Doors, []byte(piece), 10)
		if !errors.Is(err, grants.ErrInvalid) || !strings.Contains(err.Error(), says) {
			t.Errorf("%.40q: %v, want %q", piece, err, says)
		}
	}
}

func TestALineWithAWrongNumberOfFieldsIsItsOwnFault(t *testing.T) {
	t.Parallel()
	lines, err := Lines(Memberships, []byte("group_id,member_id\na,b\nc\nd,e\n"), 2)
	if err != nil || len(lines) != 3 {
		t.Fatal(lines, err)
	}
	if lines[0].Err != nil || lines[2].Err != nil || !errors.Is(lines[1].Err, grants.ErrInvalid) || lines[1].Number != 3 {
		t.Errorf("%+v", lines)
	}
}
