package access

import (
	"bytes"
	"slices"
	"strings"
	"time"

	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
)

// Device is an enrolled device.
type Device struct {
	ID, Org, Site, Door string
	// KeyHash is SHA-256 of its certificate's public key. NextKeyHash is that of the key that is to take its place; empty: none.
	KeyHash, NextKeyHash []byte
	// NewestNotBefore is from when the newest certificate that was signed for it holds; zero: not known.
	NewestNotBefore time.Time
}

// Accepts says whether a key, by its hash, is one of the device's.
func (d Device) Accepts(keyHash []byte) bool {
	return len(keyHash) > 0 && (bytes.Equal(d.KeyHash, keyHash) || bytes.Equal(d.NextKeyHash, keyHash))
}

// same says whether nothing that a session stands on changed.
func (d Device) same(other Device) bool {
	return d.Door == other.Door && bytes.Equal(d.KeyHash, other.KeyHash) && bytes.Equal(d.NextKeyHash, other.NextKeyHash)
}

// Awaits says whether a certificate with a key that is not accepted may be one that was signed for the device a moment ago
// and is on its way here: it is newer than all that are known. Any other was replaced.
func (d Device) Awaits(notBefore time.Time) bool {
	return !d.NewestNotBefore.IsZero() && notBefore.After(d.NewestNotBefore)
}

// device is a Device in the copy's index, which spans organizations.
type device struct {
	Device
	index *devices
}

func (c *Copy) deviceOf(k factKey, m *gatewayv1.DeviceState) fact {
	d := Device{
		ID: k.id, Org: k.org, Site: k.site, Door: m.GetDoorId(),
		KeyHash: slices.Clone(m.GetPublicKeySha256()), NextKeyHash: slices.Clone(m.GetNextPublicKeySha256()),
	}
	if ms := m.GetNewestNotBeforeMs(); ms != 0 {
		d.NewestNotBefore = time.UnixMilli(int64(min(ms, 1<<53)))
	}
	return device{d, c.devices}
}

func (d device) add(*organization)    { d.index.add(d.Device) }
func (d device) remove(*organization) { d.index.remove(d.Device) }

// isDevice says whether a key is a device's.
func (k factKey) isDevice() bool { return k.kind == "device" && strings.HasPrefix(k.id, "device_") }

// devices finds a device by its id, and a door's or an organization's devices. The Copy's mu guards it.
type devices struct {
	byID   map[string]Device
	byDoor map[doorKey][]Device
	byOrg  index[string, string] // ids
}

type doorKey struct{ org, door string }

func newDevices() *devices {
	return &devices{byID: map[string]Device{}, byDoor: map[doorKey][]Device{}, byOrg: index[string, string]{}}
}

// at is not to be changed by its caller.
func (d *devices) at(org, door string) []Device { return d.byDoor[doorKey{org, door}] }

func (d *devices) add(one Device) {
	d.byID[one.ID] = one
	addTo(d.byDoor, doorKey{one.Org, one.Door}, one)
	d.byOrg.add(one.Org, one.ID)
}

func (d *devices) remove(one Device) {
	delete(d.byID, one.ID)
	d.byOrg.remove(one.Org, one.ID)
	removeFrom(d.byDoor, doorKey{one.Org, one.Door}, func(other Device) bool { return other.ID == one.ID })
}
