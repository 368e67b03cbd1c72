package lockconformance

import (
	"os"
	"regexp"
	"slices"
	"testing"
)

// TestPageAndCatalogueAgree: a rule of the page without a check or a reason fails, and so does a check without a rule.
func TestPageAndCatalogueAgree(t *testing.T) {
	page, err := os.ReadFile("../PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	var rules []string
	for _, found := range regexp.MustCompile(`\*\*\[(R-[A-Z]+-[0-9]+)\]`).FindAllSubmatch(page, -1) {
		if slices.Contains(rules, string(found[1])) {
			t.Errorf("%s is twice on the page", found[1])
		}
		rules = append(rules, string(found[1]))
	}
	if len(rules) < 100 {
		t.Fatalf("the page has %d rules", len(rules))
	}
	var checked []string
	for _, r := range catalogue() {
		if slices.Contains(checked, r.name) {
			t.Errorf("%s is twice in the catalogue", r.name)
		}
		checked = append(checked, r.name)
		if !slices.Contains(rules, r.name) {
			t.Errorf("%s is checked and is no rule of the page", r.name)
		}
		if r.gateway == nil && r.lock == nil && r.gatewayNote == "" && r.lockNote == "" {
			t.Errorf("%s has neither a check nor a reason", r.name)
		}
		if r.gateway != nil && r.gatewayNote != "" || r.lock != nil && r.lockNote != "" {
			t.Errorf("%s has a check and a reason for having none", r.name)
		}
	}
	for _, name := range rules {
		if !slices.Contains(checked, name) {
			t.Errorf("%s is on the page and nobody looks at it", name)
		}
	}
}
