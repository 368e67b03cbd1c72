package gateway_test

import (
	"encoding/json"
	"testing"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/locksim"
)

// object is a JSON object of which only some members matter.
type object map[string]json.RawMessage

func (p *place) read(text []byte, member string) (o object, bytes []byte) {
	p.t.Helper()
	p.must(json.Unmarshal(text, &o))
	p.must(json.Unmarshal(o[member], &bytes))
	return o, bytes
}

// flash is what a lock's store has, and the bundle in it.
func (p *place) flash(store locksim.Store) (flash, bundle object) {
	p.t.Helper()
	text, err := store.Load()
	p.must(err)
	flash, saved := p.read(text, "bundle")
	p.must(json.Unmarshal(saved, &bundle))
	return flash, bundle
}

// A lock says in Hello which version it holds and the hash of what it has of it. One that has lost a revocation from its flash, but not the
// version, is given the whole again: the version alone says nothing.
func TestALockThatHoldsSomethingElseIsGivenTheWhole(t *testing.T) {
	p := newPlace(t)
	p.offline(permissionsv1.OfflineAfter_OFFLINE_AFTER_STAY_SECURE)
	g := p.start("")
	store, wire := g.enroll(), new(uplink)
	l := p.boot(store, func(c *locksim.Config) { c.Dial = wire.dial })
	p.eventually("the lock holds a bundle", func() bool { return l.BundleVersion() > 0 })
	_, before := p.flash(store)
	if got := g.after(p.revoke()); len(got) > 0 {
		t.Fatalf("a connected lock is exposed: %v", got)
	}
	wire.set(true)
	p.must(l.WaitClosed(p.soon()))
	flash, bundle := p.flash(store)
	bundle["entries"], bundle["bare"], bundle["tombstones"] = before["entries"], before["bare"], before["tombstones"]
	bundle["hash"], bundle["bundle"], bundle["door"] = before["hash"], before["bundle"], before["door"]
	saved, err := json.Marshal(bundle)
	p.must(err)
	flash["bundle"], err = json.Marshal(saved)
	p.must(err)
	text, err := json.Marshal(flash)
	p.must(err)
	broken := new(locksim.Memory)
	p.must(broken.Save(text))
	again := new(uplink)
	again.set(true)
	l = p.boot(broken, func(c *locksim.Config) { c.Dial = again.dial })
	version := l.BundleVersion()
	if got := l.Present(p.soon(), badge); !got.Granted || version == 0 {
		t.Fatalf("the flash is not as it was meant: version %d, %+v", version, got)
	}
	again.set(false)
	p.eventually("the lock is given the whole", func() bool { return l.BundleVersion() > version })
	if got := p.alone(l, again); got.Granted || !got.Offline {
		t.Fatalf("alone: %+v", got)
	}
}
