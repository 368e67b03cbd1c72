package grants

import (
	"context"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/cardea-mesh/cardea/services/platform/region"
)

// Commands are the writes of permissions. Each runs in the transaction that it is given.
type Commands struct {
	Regions *region.Map
}

// Created names what a command made, and its commit.
type Created struct {
	ID    region.ID
	Token Token
}

// commitAt begins the organization's commit in the home of an id. Creates do so before they read: writers of one
// organization then wait for each other instead of running again.
func (c Commands) commitAt(ctx context.Context, tx Tx, id, org region.ID) (region.Name, Commit, error) {
	home, err := c.Regions.Home(id)
	if err != nil {
		return "", nil, err
	}
	commit, err := tx.Commit(ctx, home.Name, org)
	return home.Name, commit, err
}

func (c Commands) newID(kind region.Kind, home region.Name) (region.ID, error) {
	r, err := c.Regions.Lookup(home)
	if err != nil {
		return "", err
	}
	return region.NewID(kind, r.Code), nil
}

// in says whether an id lives in a region.
func (c Commands) in(home region.Name, id region.ID) bool {
	r, err := c.Regions.Home(id)
	return err == nil && r.Name == home
}

// allIn fails with ErrOtherHome about the first of ids that does not live in a region.
func (c Commands) allIn(home region.Name, ids ...region.ID) error {
	for _, id := range ids {
		if !c.in(home, id) {
			return fmt.Errorf("%s is not in %s: %w", id, home, ErrOtherHome)
		}
	}
	return nil
}

// pageOfAll is how many things are read at a time where all are wanted.
const pageOfAll = 1000

// all reads a list to its end.
func all[T any](page func(after string, limit int) ([]T, error), id func(T) region.ID) ([]T, error) {
	var found []T
	for after := ""; ; {
		more, err := page(after, pageOfAll)
		found = append(found, more...)
		if err != nil || len(more) < pageOfAll {
			return found, err
		}
		after = string(id(more[len(more)-1]))
	}
}

// checkName refuses names that nobody can read on a screen. Lengths are checked at the door of the service.
func checkName(name string) error {
	switch {
	case !utf8.ValidString(name):
		return fmt.Errorf("%w: name: not UTF-8", ErrInvalid)
	case strings.TrimSpace(name) != name || name == "":
		return fmt.Errorf("%w: name: empty, or begins or ends with a space", ErrInvalid)
	case strings.ContainsFunc(name, unicode.IsControl):
		return fmt.Errorf("%w: name: has a control character", ErrInvalid)
	}
	return nil
}
