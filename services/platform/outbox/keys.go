package outbox

import (
	"fmt"
	"regexp"

	"github.com/cardea-mesh/cardea/services/platform/region"
)

// keyForm: words between dots, as a NATS key wants it.
var keyForm = regexp.MustCompile(`^[a-z0-9_-]+(\.[a-z0-9_-]+){2,7}$`)

// OrgKey is the key of a fact that holds for the whole organization: a membership, a credential.
func OrgKey(org region.ID, kind string, id region.ID) string {
	return fmt.Sprintf("%s.org.%s.%s", org, kind, id)
}

// SiteKey is the key of a fact about one site: a door, device, schedule, grant, lockdown.
func SiteKey(org, site region.ID, kind string, id region.ID) string {
	return fmt.Sprintf("%s.site.%s.%s.%s", org, site, kind, id)
}

// HeadKey is the key of an organization's version in one service and home region.
func HeadKey(org region.ID, service string, home region.Name) string {
	return fmt.Sprintf("%s.head.%s.%s", org, service, home)
}

// Subject is where an event is published.
func Subject(home region.Name, service string, org region.ID, kind string) string {
	return fmt.Sprintf("cardea.%s.%s.%s.%s", home, service, org, kind)
}

// Bucket is the access-state bucket of a region and shard.
func Bucket(target region.Name, shard int) string { return fmt.Sprintf("ACCESS_%s_%d", target, shard) }
