package brokerconf

import (
	"maps"
	"slices"

	"github.com/cardea-mesh/cardea/services/platform/bus"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// rights are the subjects that one user may publish to and subscribe to. What is not listed is refused.
type rights struct{ publish, subscribe []string }

// role is what a service does with the bus.
type role struct {
	// publishes events under `cardea.<region>.<service>.>` of every region of its jurisdiction (a relay, and a gateway at a
	// door of the neighbour region, publish for other homes than their own).
	publishes bool
	// facts are the key patterns of the access state that it owns, in the bucket of every region of its jurisdiction.
	facts []string
	// watches the own region's access state.
	watches bool
	// doors: reads and writes shared door state in every region of its jurisdiction, and watches the own region's.
	doors bool
}

// roles of the four services. One service owns each key pattern.
var roles = map[string]role{
	"identity": {publishes: true, facts: []string{
		"*.org.credential.>", "*.org.digest_key.>", "*.head.identity.>",
	}},
	"permissions": {publishes: true, facts: []string{
		"*.org.membership.>", "*.site.*.door.>", "*.site.*.zone.>", "*.site.*.schedule.>", "*.site.*.grant.>", "*.site.*.lockdown.>",
		"*.head.permissions.>",
	}},
	"device-gateway": {publishes: true, watches: true, doors: true, facts: []string{
		"*.site.*.device.>", "*.head.device-gateway.>",
	}},
	"audit": {},
}

// Services lists the services that have rights at a broker.
func Services() []string { return slices.Sorted(maps.Keys(roles)) }

// rights of a service at its region's broker. All may make their region's event stream, whoever comes first, and consume it;
// only its publishers may change its settings. Each has an inbox of its own.
func (b Broker) rights(service string) rights {
	own, role := b.Region.Name, roles[service]
	may := rights{subscribe: []string{bus.InboxPrefix(own, service) + ".>"}}
	may.publish = append(may.publish, create(bus.EventStream(own))...)
	may.publish = append(may.publish, consume(bus.EventStream(own))...)
	if role.publishes {
		may.publish = append(may.publish, local.api+"STREAM.UPDATE."+bus.EventStream(own))
		may.publish = append(may.publish, create("KV_"+bus.AccessBucket(own, 0))...)
		may.publish = append(may.publish, create("KV_"+bus.StateBucket(own))...)
	}
	if role.watches {
		may.publish = append(may.publish, consume("KV_"+bus.AccessBucket(own, 0))...)
	}
	if role.doors {
		may.publish = append(may.publish, consume("KV_"+bus.StateBucket(own))...)
	}
	for _, other := range b.Regions.In(b.Region.Jurisdiction) {
		home := other.Name
		if role.publishes {
			may.publish = append(may.publish, "cardea."+string(home)+"."+service+".>")
		}
		through := remote(home)
		if home == own {
			through = local
		}
		may.publish = append(may.publish, through.write(bus.AccessBucket(home, 0), role.facts...)...)
		if role.doors {
			may.publish = append(may.publish, through.write(bus.StateBucket(home), ">")...)
		}
	}
	slices.Sort(may.publish)
	may.publish = slices.Compact(may.publish)
	return may
}

// rights of a region's broker at the router. What it may send is narrow; what it may be sent is what the others may send.
func (r Router) rights(own region.Name) rights {
	may := rights{subscribe: []string{
		bus.EventSubjects(own), remote(own).api + ">", "_INBOX." + string(own) + ".>",
	}}
	for _, other := range r.Regions.In(r.Jurisdiction) {
		home := other.Name
		if home == own {
			continue
		}
		may.publish = append(may.publish, bus.EventSubjects(home), "_INBOX."+string(home)+".>")
		may.publish = append(may.publish, remote(home).write(bus.AccessBucket(home, 0), ">")...)
		may.publish = append(may.publish, remote(home).write(bus.StateBucket(home), ">")...)
	}
	return may
}

// reach is how the JetStream of a region is addressed where a right is checked.
type reach struct {
	api string // prefix of JetStream's calls
	kv  string // prefix of writes to buckets
}

// local: a broker turns the calls for its own domain to their plain form before it checks rights.
var local = reach{api: "$JS.API.", kv: "$KV."}

// remote is the form in which calls for another region's domain pass.
func remote(r region.Name) reach {
	api := "$JS." + string(r) + ".API."
	return reach{api: api, kv: api + "$KV."}
}

// create is what EnsureStreams and EnsureBuckets call.
func create(stream string) []string {
	return []string{local.api + "INFO", local.api + "STREAM.CREATE." + stream, local.api + "STREAM.INFO." + stream}
}

// consume is what a pull consumer of a stream calls.
func consume(stream string) []string {
	return []string{
		local.api + "STREAM.INFO." + stream,
		local.api + "CONSUMER.CREATE." + stream + ".>",
		local.api + "CONSUMER.INFO." + stream + ".*",
		local.api + "CONSUMER.MSG.NEXT." + stream + ".*",
		"$JS.ACK." + stream + ".>",
	}
}

// write is what compare-and-set on a bucket's keys calls: it reads any key and writes those of the patterns.
func (r reach) write(bucket string, patterns ...string) []string {
	if len(patterns) == 0 {
		return nil
	}
	all := []string{r.api + "STREAM.INFO.KV_" + bucket, r.api + "DIRECT.GET.KV_" + bucket + ".>"}
	for _, p := range patterns {
		all = append(all, r.kv+bucket+"."+p)
	}
	return all
}
