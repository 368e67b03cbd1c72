package imports

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// Piece is a part of a file.
type Piece struct {
	Org   region.ID
	Home  region.Name // of everything in the file
	Name  string      // the import's, chosen by the caller
	Kind  Kind
	CSV   []byte
	First int64 // the number of its first line after the header
	Dry   bool
}

// Outcome is what became of a piece.
type Outcome struct {
	Made     []Made
	Refused  []Refused
	NextLine int64        // with which the next piece begins
	Token    grants.Token // of the commit; zero when nothing was written
}

// Made is what a line made; ID is empty for a membership.
type Made struct {
	Line int64
	ID   region.ID
}

// Refused is what is wrong with a line. Column is empty when it is the line as a whole.
type Refused struct {
	Line   int64
	Column string
	Err    error
}

// ErrRehearsed ends the transaction of a dry run: what it did is not kept.
var ErrRehearsed = errors.New("a dry run")

// Importer applies pieces.
type Importer struct{ Commands grants.Commands }

// Apply makes what a piece's lines say and moves the import on. answer turns the outcome into what the caller is told, which
// rests with the import: a piece that was applied before is answered with it (replayed) and changes nothing. A piece out of
// order is ErrForbidden, and says which line comes next. A dry run fails with ErrRehearsed, after answer was called.
func (im Importer) Apply(ctx context.Context, tx grants.Tx, p Piece, lines []Line, answer func(Outcome) ([]byte, error)) (replayed []byte, err error) {
	progress, begun, err := tx.Import(ctx, p.Home, p.Org, p.Name)
	if err != nil {
		return nil, err
	}
	hash := sha256.Sum256(p.CSV)
	if begun && !p.Dry {
		if p.First == progress.LastFirstLine && bytes.Equal(hash[:], progress.LastHash) {
			return progress.LastAnswer, nil
		}
		if err := takes(progress, p); err != nil {
			return nil, err
		}
	} else if p.First != 2 && !p.Dry {
		return nil, fmt.Errorf("%w: the import %q begins with line 2, not %d", grants.ErrForbidden, p.Name, p.First)
	}
	out, err := im.lines(ctx, tx, p, lines)
	if err != nil {
		return nil, err
	}
	commit, err := tx.Commit(ctx, p.Home, p.Org)
	if err != nil {
		return nil, err
	}
	if !p.Dry {
		out.Token = commit.Token()
	}
	told, err := answer(out)
	if err != nil {
		return nil, err
	}
	if p.Dry {
		return nil, ErrRehearsed
	}
	return nil, tx.SetImport(ctx, commit, p.Name, grants.ImportProgress{
		Kind: int32(p.Kind), NextLine: out.NextLine,
		Accepted: progress.Accepted + int64(len(out.Made)), Rejected: progress.Rejected + int64(len(out.Refused)),
		LastFirstLine: p.First, LastHash: hash[:], LastAnswer: told,
	})
}

// takes says whether a piece is the import's next one.
func takes(progress grants.ImportProgress, p Piece) error {
	switch {
	case Kind(progress.Kind) != p.Kind:
		return fmt.Errorf("%w: the import %q is of another kind; choose another name", grants.ErrForbidden, p.Name)
	case p.First != progress.NextLine:
		return fmt.Errorf("%w: the import %q goes on with line %d, not %d", grants.ErrForbidden, p.Name, progress.NextLine, p.First)
	}
	return nil
}

func (im Importer) lines(ctx context.Context, tx grants.Tx, p Piece, lines []Line) (Outcome, error) {
	out := Outcome{NextLine: p.First + physicalLines(p.CSV) - 1} // the header is one
	for _, l := range lines {
		m := maker{commands: im.Commands, org: p.Org, home: p.Home, fields: l.Fields}
		id, err := region.ID(""), l.Err
		if err == nil {
			id, err = kinds[p.Kind].make(&m, ctx, tx)
		}
		switch {
		case err == nil:
			out.Made = append(out.Made, Made{l.Number, id})
		case ofTheLine(err):
			out.Refused = append(out.Refused, Refused{l.Number, m.column, err})
		default:
			return out, err
		}
	}
	return out, nil
}

// physicalLines counts the lines of a text; the last one may lack its end.
func physicalLines(text []byte) int64 {
	n := int64(bytes.Count(text, []byte("\n")))
	if !bytes.HasSuffix(text, []byte("\n")) {
		n++
	}
	return n
}

// ofTheLine says whether an error is the line's fault. Commands find such faults before they write, so what they leave
// behind is nothing.
func ofTheLine(err error) bool {
	for _, known := range []error{
		grants.ErrNotFound, grants.ErrInvalid, grants.ErrOtherHome, grants.ErrCycle, grants.ErrTooDeep, grants.ErrClockNonsense,
		grants.ErrConflict, grants.ErrForbidden, region.ErrInvalidID, region.ErrWrongKind, region.ErrUnknownRegion,
	} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}
