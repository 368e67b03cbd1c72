package region

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Name is a region's name, as people and configuration say it: `eu-central`.
type Name string

// Code is a region's short name inside ids: three lower-case letters. A code is never reused for another region.
type Code string

// Jurisdiction is the name of a set of regions inside which rows may move: `eu`.
type Jurisdiction string

// Region is a place where Cardea runs.
type Region struct {
	Name         Name
	Code         Code
	Jurisdiction Jurisdiction
}

// Spec is a region's entry in configuration.
type Spec struct {
	Code         Code         `yaml:"code"`
	Jurisdiction Jurisdiction `yaml:"jurisdiction"`
}

// Map is the set of all regions of a deployment. It never changes.
type Map struct {
	byName map[Name]Region
	byCode map[Code]Region
}

var (
	nameForm = regexp.MustCompile(`^[a-z][a-z0-9-]{1,30}[a-z0-9]$`)
	codeForm = regexp.MustCompile(`^[a-z]{3}$`)
)

// NewMap checks the specs: names, codes and jurisdictions well formed, no code twice, at least one region.
func NewMap(specs map[Name]Spec) (*Map, error) {
	if len(specs) == 0 {
		return nil, fmt.Errorf("regions: at least one region must be configured")
	}
	m := &Map{byName: map[Name]Region{}, byCode: map[Code]Region{}}
	for _, name := range slices.Sorted(maps.Keys(specs)) {
		spec := specs[name]
		switch {
		case !nameForm.MatchString(string(name)):
			return nil, fmt.Errorf("regions: %q is not a region name: use 3 to 32 lower-case letters, digits and hyphens", name)
		case !codeForm.MatchString(string(spec.Code)):
			return nil, fmt.Errorf("regions: %s: code %q must be three lower-case letters", name, spec.Code)
		case !nameForm.MatchString(string(spec.Jurisdiction) + "-x"):
			return nil, fmt.Errorf("regions: %s: jurisdiction %q must be lower-case letters, digits and hyphens", name, spec.Jurisdiction)
		}
		if other, taken := m.byCode[spec.Code]; taken {
			return nil, fmt.Errorf("regions: %s and %s have the same code %q", other.Name, name, spec.Code)
		}
		r := Region{Name: name, Code: spec.Code, Jurisdiction: spec.Jurisdiction}
		m.byName[name], m.byCode[spec.Code] = r, r
	}
	return m, nil
}

// Get returns the region of a name.
func (m *Map) Get(name Name) (Region, bool) {
	r, ok := m.byName[name]
	return r, ok
}

// Lookup is Get with an error (ErrUnknownRegion) that lists what there is.
func (m *Map) Lookup(name Name) (Region, error) {
	if r, ok := m.byName[name]; ok {
		return r, nil
	}
	return Region{}, fmt.Errorf("%w %q: this deployment has %s", ErrUnknownRegion, name, m.names())
}

// All returns every region, by name.
func (m *Map) All() []Region {
	all := slices.Collect(maps.Values(m.byName))
	slices.SortFunc(all, func(a, b Region) int { return strings.Compare(string(a.Name), string(b.Name)) })
	return all
}

// In returns the regions of a jurisdiction, by name.
func (m *Map) In(j Jurisdiction) []Region {
	return slices.DeleteFunc(m.All(), func(r Region) bool { return r.Jurisdiction != j })
}

// Together says whether two regions are of one jurisdiction. An unknown region is together with none.
func (m *Map) Together(a, b Name) bool {
	ra, oka := m.byName[a]
	rb, okb := m.byName[b]
	return oka && okb && ra.Jurisdiction == rb.Jurisdiction
}

func (m *Map) names() string {
	var names []string
	for _, r := range m.All() {
		names = append(names, string(r.Name))
	}
	return strings.Join(names, ", ")
}
