package access

import "strings"

// factKey is a bucket key taken apart: `<org>.org.<kind>.<id>`, `<org>.site.<site>.<kind>.<id>` or `<org>.head.<service>.<region>`.
type factKey struct {
	text string
	org  string
	site string
	// kind is `head` for an organization's version; then id is `<service>.<region>`.
	kind string
	id   string
}

const kindHead = "head"

// parseKey returns false for a key of no known form: it may be of a later version and is passed over.
func parseKey(text string) (factKey, bool) {
	parts := strings.Split(text, ".")
	k := factKey{text: text, org: parts[0]}
	switch {
	case len(parts) == 4 && parts[1] == "org":
		k.kind, k.id = parts[2], parts[3]
	case len(parts) == 5 && parts[1] == "site":
		k.site, k.kind, k.id = parts[2], parts[3], parts[4]
	case len(parts) == 4 && parts[1] == kindHead:
		k.kind, k.id = kindHead, parts[2]+"."+parts[3]
	default:
		return factKey{}, false
	}
	return k, true
}
