package lockendpoint

import (
	"strings"
	"testing"

	"github.com/cardea-mesh/cardea/services/platform/region"
)

func TestADeviceIsToldItsHomeFirst(t *testing.T) {
	regions, err := region.NewMap(map[region.Name]region.Spec{
		"eu-central": {Code: "euc", Jurisdiction: "eu"}, "eu-north": {Code: "eun", Jurisdiction: "eu"},
		"eu-west": {Code: "euw", Jurisdiction: "eu"}, "us-east": {Code: "use", Jurisdiction: "us"},
	})
	if err != nil {
		t.Fatal(err)
	}
	own, err := regions.Lookup("eu-west")
	if err != nil {
		t.Fatal(err)
	}
	list, err := New(map[region.Name]string{"eu-central": "central:1", "eu-north": "north:1", "eu-west": "west:1", "us-east": "east:1"}, own, regions)
	if err != nil {
		t.Fatal(err)
	}
	for code, want := range map[string]string{"euc": "central west north", "euw": "west central north", "eun": "north west central"} {
		var hosts []string
		for _, e := range list.For(region.NewID(region.Device, region.Code(code))) {
			hosts = append(hosts, e.GetHost())
		}
		if got := strings.Join(hosts, " "); got != want {
			t.Errorf("a device of %s is told %s, wanted %s", code, got, want)
		}
	}
	for _, bad := range []string{"", "host", "host:0", "host:70000", ":7443"} {
		if _, err := New(map[region.Name]string{"eu-west": bad}, own, regions); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}
