package main

import (
	"fmt"
	"strconv"
	"strings"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/locksim"
)

// words are what happens at the door besides cards, by the line that says so.
var words = map[string]func(*locksim.Sensors){
	"open":          func(s *locksim.Sensors) { s.Contact = lockwirev1.Contact_CONTACT_OPEN },
	"close":         func(s *locksim.Sensors) { s.Contact = lockwirev1.Contact_CONTACT_CLOSED },
	"rex":           func(s *locksim.Sensors) { s.RequestToExit = true },
	"rex off":       func(s *locksim.Sensors) { s.RequestToExit = false },
	"tamper on":     func(s *locksim.Sensors) { s.Tamper = true },
	"tamper off":    func(s *locksim.Sensors) { s.Tamper = false },
	"power mains":   func(s *locksim.Sensors) { s.Power = lockwirev1.Power_POWER_MAINS },
	"power battery": func(s *locksim.Sensors) { s.Power = lockwirev1.Power_POWER_BATTERY },
}

// heed does what a line says about the door or the lock itself; false: the line is none of that.
func heed(lock *locksim.Lock, line string) bool {
	line = strings.Join(strings.Fields(strings.ToLower(line)), " ")
	change := words[line]
	if percent, ok := strings.CutPrefix(line, "battery "); ok {
		if n, err := strconv.ParseUint(percent, 10, 32); err == nil && n >= 1 && n <= 100 {
			change = func(s *locksim.Sensors) { s.Battery = uint32(n) }
		}
	}
	switch {
	case line == "reboot":
		lock.Reboot()
		fmt.Println("booted", lock.DeviceID(), "boot epoch", lock.BootEpoch())
	case line == "door":
		fmt.Println(describe(lock.Door()))
	case change != nil:
		lock.SetDoor(change)
		fmt.Println(describe(lock.Door()))
	default:
		return false
	}
	return true
}

// describe is the door in one line.
func describe(d *lockwirev1.DoorState) string {
	short := func(name, prefix string) string { return strings.ToLower(strings.TrimPrefix(name, prefix)) }
	text := fmt.Sprintf("door: contact %s, bolt %s, power %s", short(d.GetContact().String(), "CONTACT_"),
		short(d.GetBolt().String(), "BOLT_"), short(d.GetPower().String(), "POWER_"))
	if d.GetBatteryPercent() != 0 {
		text += fmt.Sprintf(" %d%%", d.GetBatteryPercent())
	}
	for _, flag := range []struct {
		is   bool
		says string
	}{{d.GetRequestToExit(), "request to exit"}, {d.GetHeldUnlocked(), "held unlocked"}, {d.GetLockdown(), "lockdown"}} {
		if flag.is {
			text += ", " + flag.says
		}
	}
	for _, a := range d.GetAlarms() {
		text += ", ALARM " + short(a.String(), "DOOR_ALARM_")
	}
	return text
}
