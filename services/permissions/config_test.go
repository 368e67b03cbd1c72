package permissions_test

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/cardea-mesh/cardea/services/permissions"
	"github.com/cardea-mesh/cardea/services/platform/config"
)

// The configuration in the README is a whole one, and prints without its passwords.
func TestTheConfigurationInTheReadmeLoads(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := bytes.Cut(readme, []byte("```yaml\n"))
	text, _, ended := bytes.Cut(rest, []byte("```"))
	if !found || !ended {
		t.Fatal("README.md has no yaml block")
	}
	cfg, err := config.Parse[permissions.Config](text)
	if err != nil {
		t.Fatal(err)
	}
	var printed strings.Builder
	if err := config.Print(&printed, cfg); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(printed.String(), "app-password") || !strings.Contains(printed.String(), "eu-central") {
		t.Fatalf("printed:\n%s", printed.String())
	}
	without := bytes.ReplaceAll(text, []byte("purpose: answer"), []byte("purpose: state"))
	if _, err := config.Parse[permissions.Config](without); err == nil || !strings.Contains(err.Error(), "answer") {
		t.Fatalf("without an answer key: %v", err)
	}
}
