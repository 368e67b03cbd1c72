package policy

import (
	"archive/zip"
	"bytes"
	_ "embed" // for the zone data
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// ErrUnknownTimeZone is what every error of ValidateTimeZone wraps.
var ErrUnknownTimeZone = errors.New("unknown time zone")

// zoneData is the IANA time zone database. It is part of the package, and the host's
// is never asked (time.LoadLocation would prefer it, even with time/tzdata imported),
// because permissions, gateways and bundles must agree on when a door opens, whatever
// each host has installed. README.md says how to renew it.
//
//go:embed zoneinfo.zip
var zoneData []byte

// ValidateTimeZone returns the location of an IANA name such as `Europe/Madrid`, from
// the data in this package. Empty, `Local` and names that it does not have are
// refused; the error wraps ErrUnknownTimeZone. Each name is read once per process.
func ValidateTimeZone(name string) (*time.Location, error) {
	load, ok := zones()[name]
	if !ok {
		return nil, fmt.Errorf("%w %q", ErrUnknownTimeZone, name)
	}
	return load()
}

// zones has a loader for every name. It is a memo of constant data, bounded by the
// number of names (about 600), so it does not count as state.
var zones = sync.OnceValue(func() map[string]func() (*time.Location, error) {
	archive, err := zip.NewReader(bytes.NewReader(zoneData), int64(len(zoneData)))
	if err != nil {
		return nil // no time zone is known, no schedule can be made; TestZoneData sees it first
	}
	all := make(map[string]func() (*time.Location, error), len(archive.File))
	for _, file := range archive.File {
		if file.FileInfo().IsDir() || file.Name == "Factory" { // the database's "nobody has set this"
			continue
		}
		all[file.Name] = sync.OnceValues(func() (*time.Location, error) { return load(file) })
	}
	return all
})

func load(file *zip.File) (*time.Location, error) {
	r, err := file.Open()
	if err != nil {
		return nil, fmt.Errorf("%w %q: %w", ErrUnknownTimeZone, file.Name, err)
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("%w %q: %w", ErrUnknownTimeZone, file.Name, err)
	}
	location, err := time.LoadLocationFromTZData(file.Name, data)
	if err != nil {
		return nil, fmt.Errorf("%w %q: %w", ErrUnknownTimeZone, file.Name, err)
	}
	return location, nil
}
