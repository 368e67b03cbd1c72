package access

// devices finds a device by its id, and a door's devices. The Copy's mu guards it.
type devices struct {
	byID   map[string]Device
	byDoor map[doorKey][]Device
}

type doorKey struct{ org, door string }

func newDevices() *devices {
	return &devices{byID: map[string]Device{}, byDoor: map[doorKey][]Device{}}
}

// at is not to be changed by its caller.
func (d *devices) at(org, door string) []Device { return d.byDoor[doorKey{org, door}] }

func (d *devices) add(one Device) {
	d.byID[one.ID] = one
	addTo(d.byDoor, doorKey{one.Org, one.Door}, one)
}

func (d *devices) remove(one Device) {
	delete(d.byID, one.ID)
	removeFrom(d.byDoor, doorKey{one.Org, one.Door}, func(other Device) bool { return other.ID == one.ID })
}
