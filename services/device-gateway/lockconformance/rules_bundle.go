package lockconformance

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
)

// bundleRules are the rules of section 10.
func bundleRules() []rule {
	rules := []rule{
		{name: "R-LANE-1", gateway: takesKeysAway, lock: overtaken},
		{name: "R-LANE-2", gateway: takesKeysAway},
		{name: "R-BACK-1", gateway: wholeAfterBase, lock: bundleLife},
	}
	for n := 1; n <= 13; n++ {
		r := rule{name: fmt.Sprintf("R-HOLD-%d", n), lock: bundleLife}
		switch n {
		case 1, 6, 7:
			r.gateway = firstBundle
		case 4:
			r.gateway = knowsWhatIsHeld
		case 5:
			r.gateway, r.lock = firstBundle, unknownBundleField
		case 13:
			r.gateway = knowsWhatIsHeld
		}
		rules = append(rules, r)
	}
	return append(rules, decideRules()...)
}

// contentHash is what a bundle with these entries has.
func contentHash(door []byte, entries [][]byte) []byte {
	var hashes [][]byte
	for _, e := range entries {
		h := sha256.Sum256(e)
		hashes = append(hashes, h[:16])
	}
	slices.SortFunc(hashes, bytes.Compare)
	all := sha256.New()
	head := sha256.Sum256(door)
	all.Write(head[:])
	for _, h := range hashes {
		all.Write(h)
	}
	return all.Sum(nil)
}
