package wire

import (
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
)

const (
	// MaxFirmware is the largest image, in bytes.
	MaxFirmware = 64 << 20
	// MaxFirmwareChunk is the largest piece of one, in bytes.
	MaxFirmwareChunk = 32 << 10
	// MaxHoldOpen is how far after Command.server_time_ms a HoldOpen may end.
	MaxHoldOpen = 24 * time.Hour

	minHeldOpen = 1000
	maxHeldOpen = 86_400_000
	maxSettings = 32
	maxSetting  = 256
	maxVolume   = 100
)

// checkCommand allows a command without an action: one that this end does not know looks the same, and is answered
// UNSUPPORTED.
func checkCommand(m *lockwirev1.Command) error {
	if err := within(
		limit{"command_id", len(m.GetCommandId()), 1, maxName},
		limit{"traceparent", len(m.GetTraceparent()), 0, maxTraceparent}); err != nil {
		return err
	}
	switch action := m.GetAction().(type) {
	case *lockwirev1.Command_Unlock:
		return within(limit{"unlock_ms", int(action.Unlock.GetUnlockMs()), MinUnlock, MaxUnlock})
	case *lockwirev1.Command_HoldOpen:
		return checkHoldOpen(m.GetServerTimeMs(), action.HoldOpen.GetUntilMs())
	case *lockwirev1.Command_Configure:
		return checkConfiguration(action.Configure)
	case *lockwirev1.Command_Firmware:
		return checkFirmware(action.Firmware)
	default:
		return nil
	}
}

// checkHoldOpen allows an end that is over already: the lock then locks.
func checkHoldOpen(serverTime, until uint64) error {
	if until == 0 {
		return malformed("until_ms: missing")
	}
	if until > serverTime && until-serverTime > uint64(MaxHoldOpen/time.Millisecond) {
		return malformed("until_ms: %d is more than 24 hours after server_time_ms %d", until, serverTime)
	}
	return nil
}

func checkConfiguration(c *lockwirev1.Configuration) error {
	for name, value := range c.GetSettings() {
		if err := within(
			limit{"settings: a name", len(name), 1, maxName},
			limit{"settings: a value", len(value), 0, maxSetting}); err != nil {
			return err
		}
	}
	return within(
		optional("held_open_after_ms", int(c.GetHeldOpenAfterMs()), minHeldOpen, maxHeldOpen),
		optional("unlock_ms", int(c.GetUnlockMs()), MinUnlock, MaxUnlock),
		limit{"volume", int(c.GetVolume()), 0, maxVolume},
		limit{"number of settings", len(c.GetSettings()), 0, maxSettings})
}

func checkFirmware(f *lockwirev1.FirmwareChunk) error {
	size := int(f.GetSize())
	if err := within(
		limit{"firmware.sha256", len(f.GetSha256()), hashSize, hashSize},
		limit{"firmware.version", len(f.GetVersion()), 1, maxName},
		limit{"firmware.size", size, 1, MaxFirmware},
		limit{"firmware.data", len(f.GetData()), 0, MaxFirmwareChunk}); err != nil {
		return err
	}
	return within(limit{"firmware.offset + data", int(f.GetOffset()) + len(f.GetData()), 0, size})
}
