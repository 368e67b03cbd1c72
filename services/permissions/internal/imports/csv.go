package imports

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// MaxLines bounds a piece, the header not counted: one transaction should stay short.
const MaxLines = 1000

// Line is one record of the file.
type Line struct {
	Number int64             // in the file, the header is 1
	Fields map[string]string // by column, without spaces around them
	Err    error             // it cannot be read; Fields is nil
}

// Lines reads a piece: the header, then records of which the first is line `first` of the file. A record over several
// physical lines (a quoted line break) counts as many. It fails when the piece as a whole cannot be meant; a single bad
// record is in its Line.
func Lines(kind Kind, piece []byte, first int64) ([]Line, error) {
	if !utf8.Valid(piece) {
		return nil, fmt.Errorf("%w: csv: not UTF-8; save the file as UTF-8", grants.ErrInvalid)
	}
	reader := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(piece, []byte("\xef\xbb\xbf")))) // a spreadsheet's byte order mark
	reader.FieldsPerRecord = -1
	header, err := reader.Read()
	if err != nil {
		return nil, fmt.Errorf("%w: csv: no header line: %w", grants.ErrInvalid, err)
	}
	columns, err := kind.columns(header)
	if err != nil {
		return nil, err
	}
	var lines []Line
	for {
		record, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return lines, nil
		}
		if len(lines) == MaxLines {
			return nil, fmt.Errorf("%w: csv: more than %d lines; send smaller pieces", grants.ErrInvalid, MaxLines)
		}
		var broken *csv.ParseError
		if errors.As(err, &broken) {
			// After a broken quote nobody knows where the next record begins.
			return nil, fmt.Errorf("%w: csv: line %d: %w", grants.ErrInvalid, first+int64(broken.Line)-2, broken.Err)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: csv: %w", grants.ErrInvalid, err)
		}
		row, _ := reader.FieldPos(0)
		lines = append(lines, line(columns, record, first+int64(row)-2))
	}
}

func line(columns, record []string, number int64) Line {
	if len(record) != len(columns) {
		return Line{Number: number, Err: fmt.Errorf("%w: %d fields, the header has %d", grants.ErrInvalid, len(record), len(columns))}
	}
	l := Line{Number: number, Fields: make(map[string]string, len(columns))}
	for i, column := range columns {
		l.Fields[column] = strings.TrimSpace(record[i])
	}
	return l
}

// columns checks a header: each column that the kind needs, none that it does not know, none twice, in any order.
func (k Kind) columns(header []string) ([]string, error) {
	known := append(slices.Clone(kinds[k].needs), kinds[k].may...)
	columns := make([]string, len(header))
	for i, name := range header {
		name = strings.ToLower(strings.TrimSpace(name))
		switch {
		case !slices.Contains(known, name):
			return nil, fmt.Errorf("%w: csv: no column is called %q; there are %s", grants.ErrInvalid, name, strings.Join(known, ","))
		case slices.Contains(columns, name):
			return nil, fmt.Errorf("%w: csv: column %q is there twice", grants.ErrInvalid, name)
		}
		columns[i] = name
	}
	for _, name := range kinds[k].needs {
		if !slices.Contains(columns, name) {
			return nil, fmt.Errorf("%w: csv: column %q is missing", grants.ErrInvalid, name)
		}
	}
	return columns, nil
}

// Reads returns what the commands of the lines are going to look up: things by their ids, each once, and who is in which
// group. What is no id is left to its line.
func Reads(regions *region.Map, lines []Line) (things []region.ID, members []grants.Membership) {
	seen := map[string]bool{}
	for _, l := range lines {
		for column, text := range l.Fields {
			if seen[text] || !strings.HasSuffix(column, "_id") {
				continue
			}
			seen[text] = true
			if id, err := regions.Parse(text); err == nil {
				things = append(things, id)
			}
		}
		group, badGroup := regions.Parse(l.Fields["group_id"], region.Group)
		member, badMember := regions.Parse(l.Fields["member_id"], region.Person, region.Group)
		if badGroup == nil && badMember == nil {
			members = append(members, grants.Membership{Group: group, Member: member})
		}
	}
	return things, members
}
