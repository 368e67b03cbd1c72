package region_test

import (
	"errors"
	"regexp"
	"testing"

	"github.com/cardea-mesh/cardea/services/platform/region"
	"pgregory.net/rapid"
)

var idForm = regexp.MustCompile(`^([a-z]+)_([a-z]{3})_([0-7][0-9a-hjkmnp-tv-z]{25})$`)

// Parse reads the form by hand; here a regular expression says what it is.
func TestTheFormOfAnIDIsItsRegularExpression(t *testing.T) {
	m := threeRegions(t)
	almost := rapid.StringMatching(`[a-z]{0,9}[_a-z0-9]?[a-z]{0,4}[_A-Z]?[0-9a-z]{24,27}`)
	changed := rapid.Custom(func(t *rapid.T) string {
		id := []byte(region.NewID(rapid.SampledFrom(kinds).Draw(t, "kind"), "euc"))
		id[rapid.IntRange(0, len(id)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
		return string(id)
	})
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(almost, changed, rapid.String()).Draw(t, "text")
		_, err := m.Parse(text)
		want := len(text) <= 64 && idForm.MatchString(text)
		if got := !errors.Is(err, region.ErrInvalidID); got != want {
			t.Fatalf("%q: well formed is %v, want %v", text, got, want)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	m, id := threeRegions(b), string(region.NewID(region.Person, "euc"))
	for b.Loop() {
		if _, err := m.Parse(id, region.Person); err != nil {
			b.Fatal(err)
		}
	}
}
