package discovery_test

import (
	"testing"

	"github.com/cardea-mesh/cardea/services/platform/discovery"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

type peers = map[string]map[region.Name][]string

func TestStaticAnswersWhatWasConfigured(t *testing.T) {
	s, err := discovery.NewStatic(peers{"identity": {"eu-west": {"https://127.0.0.1:1/", "https://127.0.0.1:2"}}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Instances(t.Context(), "identity", "eu-west")
	if err != nil || len(got) != 2 || got[0].URL != "https://127.0.0.1:1" {
		t.Fatalf("%v, %v", got, err)
	}
	if got, err := s.Instances(t.Context(), "audit", "eu-west"); err != nil || len(got) != 0 {
		t.Fatalf("%v, %v", got, err)
	}
}

func TestStaticRefusesWhatIsNotHTTPS(t *testing.T) {
	for _, bad := range []string{"http://127.0.0.1:1", "127.0.0.1:1", "https://", "https://h/path", "://"} {
		if _, err := discovery.NewStatic(peers{"identity": {"eu-west": {bad}}}); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}
