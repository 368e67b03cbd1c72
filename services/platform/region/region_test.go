package region_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/cardea-mesh/cardea/services/platform/region"
	"pgregory.net/rapid"
)

func threeRegions(t interface{ Fatal(...any) }) *region.Map {
	m, err := region.NewMap(map[region.Name]region.Spec{
		"eu-central": {Code: "euc", Jurisdiction: "eu"},
		"eu-west":    {Code: "euw", Jurisdiction: "eu"},
		"us-east":    {Code: "use", Jurisdiction: "us"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

var kinds = []region.Kind{
	region.Organization, region.Person, region.Credential, region.Site, region.Door, region.Zone, region.Group,
	region.Schedule, region.Grant, region.Device, region.Gateway, region.Event, region.APIKey, region.DigestKey, region.Command,
}

func TestEveryNewIDParsesToItsKindAndHome(t *testing.T) {
	m := threeRegions(t)
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom(kinds).Draw(t, "kind")
		home := rapid.SampledFrom(m.All()).Draw(t, "home")
		id := region.NewID(kind, home.Code)
		got, err := m.Parse(string(id), kind)
		if err != nil || got != id || got.Kind() != kind {
			t.Fatalf("Parse(%q) = %q, %v", id, got, err)
		}
		if r, err := m.Home(id); err != nil || r != home {
			t.Fatalf("Home(%q) = %v, %v; want %v", id, r, err, home)
		}
	})
}

func TestNewIDsAreUniqueAndSorted(t *testing.T) {
	last := region.ID("")
	for range 10_000 {
		id := region.NewID(region.Door, "euc")
		if id <= last {
			t.Fatalf("%q after %q: ids of one process must rise", id, last)
		}
		last = id
	}
}

func TestAnyChangedCharacterIsEitherAnotherIDOrRefused(t *testing.T) {
	m := threeRegions(t)
	rapid.Check(t, func(t *rapid.T) {
		id := []byte(region.NewID(region.Person, "euc"))
		at := rapid.IntRange(0, len(id)-1).Draw(t, "at")
		id[at] = rapid.Byte().Draw(t, "byte")
		got, err := m.Parse(string(id), region.Person)
		if err == nil && string(got) != string(id) {
			t.Fatalf("Parse(%q) gave another id %q", id, got)
		}
		if err == nil && got.Code() != "euc" && got.Code() != "euw" {
			t.Fatalf("Parse(%q) accepted a region that is not there", id)
		}
	})
}

func TestGarbageIsRefusedWithItsOwnError(t *testing.T) {
	m := threeRegions(t)
	good := string(region.NewID(region.Person, "euc"))
	for _, c := range []struct {
		name, in string
		want     error
	}{
		{"empty", "", region.ErrInvalidID},
		{"words", "hello", region.ErrInvalidID},
		{"upper case", strings.ToUpper(good), region.ErrInvalidID},
		{"too short", good[:len(good)-1], region.ErrInvalidID},
		{"too long", good + "0", region.ErrInvalidID},
		{"more than 128 bits", "person_euc_8" + strings.Repeat("0", 25), region.ErrInvalidID},
		{"letter outside the alphabet", good[:len(good)-1] + "u", region.ErrInvalidID},
		{"wildcard for a subject", "person_euc_*", region.ErrInvalidID},
		{"huge", strings.Repeat("x", 1<<20), region.ErrInvalidID},
		{"another kind", string(region.NewID(region.Door, "euc")), region.ErrWrongKind},
		{"a region that is not there", string(region.NewID(region.Person, "apx")), region.ErrUnknownRegion},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := m.Parse(c.in, region.Person)
			if !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			if len(err.Error()) > 300 {
				t.Fatalf("the error repeats too much of the input: %d bytes", len(err.Error()))
			}
		})
	}
}

func TestBordersFollowTheJurisdictions(t *testing.T) {
	m := threeRegions(t)
	for _, c := range []struct {
		a, b region.Name
		want bool
	}{
		{"eu-central", "eu-west", true},
		{"eu-central", "eu-central", true},
		{"eu-central", "us-east", false},
		{"eu-central", "nowhere", false},
		{"nowhere", "nowhere", false},
	} {
		if got := m.Together(c.a, c.b); got != c.want {
			t.Errorf("Together(%s, %s) = %v", c.a, c.b, got)
		}
	}
	if eu := m.In("eu"); len(eu) != 2 || eu[0].Name != "eu-central" || eu[1].Name != "eu-west" {
		t.Errorf("In(eu) = %v", eu)
	}
}

func TestBadConfigurationIsRefused(t *testing.T) {
	for name, specs := range map[string]map[region.Name]region.Spec{
		"none":            {},
		"bad name":        {"EU": {Code: "euc", Jurisdiction: "eu"}},
		"bad code":        {"eu-central": {Code: "eu", Jurisdiction: "eu"}},
		"no jurisdiction": {"eu-central": {Code: "euc"}},
		"code twice":      {"eu-central": {Code: "euc", Jurisdiction: "eu"}, "eu-west": {Code: "euc", Jurisdiction: "eu"}},
	} {
		if _, err := region.NewMap(specs); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestAnIDTellsWhenItWasMade(t *testing.T) {
	t.Parallel()
	before := time.Now().Truncate(time.Millisecond)
	id := region.NewID(region.Device, "euc")
	if at := id.MadeAt(); at.Before(before) || at.After(time.Now()) {
		t.Fatalf("made at %v, not after %v", at, before)
	}
	for _, bad := range []region.ID{"", "device_euc_", "device_euc_" + region.ID(strings.Repeat("u", 26))} {
		if !bad.MadeAt().IsZero() {
			t.Errorf("%q was made at %v", bad, bad.MadeAt())
		}
	}
}
