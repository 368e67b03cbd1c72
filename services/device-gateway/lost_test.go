package gateway_test

import (
	"testing"
	"time"

	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	gateway "github.com/cardea-mesh/cardea/services/device-gateway"
	"github.com/cardea-mesh/cardea/services/device-gateway/locksim"
	"github.com/cardea-mesh/cardea/services/platform/bus"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"google.golang.org/protobuf/proto"
)

func TestALostBucketGetsItsDevicesBackAndDoorsGoOn(t *testing.T) {
	p := newPlace(t)
	dir := t.TempDir()
	g := p.start(dir)
	l := g.lock()
	key := outbox.SiteKey(p.org, p.site, "device", region.ID(l.DeviceID()))
	before := p.await(key, 1)
	p.broker.Lose(t, bus.AccessBucket(home, 0))
	p.is(l, locksim.Presented{}, 0)
	after := p.await(key, before.GetVersion())
	if !proto.Equal(after, before) {
		t.Fatalf("%v came back as %v", before, after)
	}
	p.await(outbox.HeadKey(p.org, gateway.Service, home), before.GetVersion())
	p.is(l, locksim.Presented{}, 0)
	// After a restart, too: permissions has not filled its own part yet, so nothing is dropped.
	g.stop()
	again := p.start(dir)
	p.is(again.lock(), locksim.Presented{}, 0)
}

// await waits until the bucket has a key at a version.
func (p *place) await(key string, version int64) *typev1.StateRecord {
	p.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		v, err := p.bus.GetValue(p.soon(), home, bus.AccessBucket(home, 0), key)
		record := new(typev1.StateRecord)
		if err == nil && v.Revision > 0 && proto.Unmarshal(v.Body, record) == nil && record.GetVersion() >= version {
			record.Traceparent = "" // the commit's, when it was first sent
			return record
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("%s is not in the bucket: %v", key, err)
		}
	}
}
