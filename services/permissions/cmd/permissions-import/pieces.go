package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// maxBytes bounds a piece; the service takes 900,000.
const maxBytes = 800_000

// pieces cuts a CSV file into pieces of whole records: a line break between quotes does not end one.
type pieces struct {
	in     *bufio.Reader
	header []byte
	lines  int   // of a piece, at most, but for a record that is longer
	line   int64 // the number of the next line of the file
	skip   int64 // lines before this one were sent before
	err    error
}

func newPieces(in io.Reader, lines int, from int64) *pieces {
	p := &pieces{in: bufio.NewReader(in), lines: lines, line: 1, skip: from}
	p.header, p.err = p.record()
	if errors.Is(p.err, io.EOF) {
		p.err = errors.New("the file is empty; its first line names the columns")
	}
	if p.err == nil && p.line != 2 {
		p.err = errors.New("the first line, which names the columns, has a line break between quotes")
	}
	return p
}

// record reads one record, with its end. Quotes inside a quoted field are doubled, so counting them is enough.
func (p *pieces) record() ([]byte, error) {
	var record []byte
	for quotes := 0; ; {
		line, err := p.in.ReadBytes('\n')
		record = append(record, line...)
		if len(line) > 0 {
			p.line++
		}
		quotes += bytes.Count(line, []byte{'"'})
		switch {
		case err != nil && len(record) > 0 && errors.Is(err, io.EOF):
			return append(record, '\n'), nil
		case err != nil:
			return nil, err
		case quotes%2 == 0:
			return record, nil
		case len(record) > maxBytes/2:
			return nil, fmt.Errorf("line %d: a quote is not closed", p.line-int64(bytes.Count(record, []byte{'\n'})))
		}
	}
}

// next returns a piece with the header, and the number of its first line; io.EOF after the last.
func (p *pieces) next() (piece []byte, first int64, err error) {
	if p.err != nil {
		return nil, 0, p.err
	}
	for p.line < p.skip {
		if _, err := p.record(); errors.Is(err, io.EOF) {
			return nil, 0, fmt.Errorf("the import goes on with line %d, and the file has %d lines: take the file that it began with, or choose another name", p.skip, p.line-1)
		} else if err != nil {
			return nil, 0, err
		}
	}
	first, piece = p.line, bytes.Clone(p.header)
	for n := 0; n < p.lines && len(piece) < maxBytes/2; n++ {
		record, err := p.record()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, 0, err
		}
		piece = append(piece, record...)
	}
	if p.line == first && first == 2 {
		return nil, 0, errors.New("the file has nothing after its first line, which names the columns")
	}
	if p.line == first {
		return nil, 0, io.EOF
	}
	return piece, first, nil
}
