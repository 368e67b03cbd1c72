package access

import (
	"slices"
	"strings"

	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
)

// Device is an enrolled device.
type Device struct {
	ID, Org, Site, Door string
	// KeyHash is SHA-256 of its certificate's public key.
	KeyHash []byte
}

// device is a Device in the copy's index, which spans organizations.
type device struct {
	Device
	index *devices
}

func (c *Copy) deviceOf(k factKey, m *gatewayv1.DeviceState) fact {
	return device{Device{ID: k.id, Org: k.org, Site: k.site, Door: m.GetDoorId(), KeyHash: slices.Clone(m.GetPublicKeySha256())}, c.devices}
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
