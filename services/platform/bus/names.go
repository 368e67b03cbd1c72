package bus

import (
	"fmt"

	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// EventStream is the name of a region's stream of events.
func EventStream(r region.Name) string { return "EVENTS_" + string(r) }

// AccessBucket is the name of a region's bucket of access state for one shard of organizations.
func AccessBucket(r region.Name, shard int) string { return fmt.Sprintf("ACCESS_%s_%d", r, shard) }

// StateBucket is the name of a region's bucket of shared door state.
func StateBucket(r region.Name) string { return "STATE_" + string(r) }

// EventSubjects matches every event whose home is the region.
func EventSubjects(r region.Name) string { return "cardea." + string(r) + ".>" }

// Subject is where an event is published: `cardea.<region>.<service>.<org>.<kind>`.
func Subject(ev *typev1.Event) string {
	return "cardea." + ev.GetRegion() + "." + ev.GetService() + "." + ev.GetOrgId() + "." + ev.GetKind()
}

// InboxPrefix is below what a service of a region gets its answers.
func InboxPrefix(r region.Name, service string) string { return "_INBOX." + string(r) + "." + service }

// bucketStream is the stream that the broker keeps a bucket in.
func bucketStream(bucket string) string { return "KV_" + bucket }
