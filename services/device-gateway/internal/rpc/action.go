package rpc

import (
	"fmt"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/device"
)

// Limits of actions, as lockwire.proto states them.
const (
	maxHoldOpen      = 24 * time.Hour
	maxFirmware      = 64 << 20 // bytes
	maxFirmwarePiece = 32 << 10 // bytes
	maxSettings      = 32
	maxSettingName   = 64
	maxSettingValue  = 256
)

// checkSent holds what a caller from outside sends to the rules: one action that is not Unlock, and nothing that the gateway fills.
func checkSent(c *lockwirev1.Command, now time.Time) error {
	_, unlocks := c.GetAction().(*lockwirev1.Command_Unlock)
	switch {
	case unlocks:
		return invalid("command.unlock is not sent to a device: call Unlock, which names the door")
	case c.GetCommandId() != "" || c.GetNotAfterMs() != 0 || c.GetServerTimeMs() != 0 || c.GetTraceparent() != "":
		return invalid("command.command_id, not_after_ms, server_time_ms and traceparent are filled by the gateway: leave them out (not_after is a field of the request)")
	}
	return checkAction(c, now)
}

// checkAction holds an action to the limits of its fields.
func checkAction(c *lockwirev1.Command, now time.Time) error {
	switch a := c.GetAction().(type) {
	case nil:
		return invalid("command has no action: give one of lock, hold_open, lockdown, set_time, reboot, configure, firmware, renew_certificate")
	case *lockwirev1.Command_Unlock:
		return between("command.unlock.unlock_ms", a.Unlock.GetUnlockMs(), 500, 60_000)
	case *lockwirev1.Command_HoldOpen:
		until := time.UnixMilli(int64(min(a.HoldOpen.GetUntilMs(), 1<<53)))
		if !until.After(now) || until.After(now.Add(maxHoldOpen)) {
			return invalid("command.hold_open.until_ms: a moment in the next 24 hours, in milliseconds since 1970 UTC (now is %d)", now.UnixMilli())
		}
	case *lockwirev1.Command_Configure:
		return checkConfiguration(a.Configure)
	case *lockwirev1.Command_Firmware:
		return checkFirmware(a.Firmware)
	}
	return nil
}

func checkConfiguration(c *lockwirev1.Configuration) error {
	const name = "command.configure."
	if c.GetHeldOpenAfterMs() == 0 && c.GetUnlockMs() == 0 && c.GetVolume() == 0 && len(c.GetSettings()) == 0 {
		return invalid("command.configure changes nothing: set held_open_after_ms, unlock_ms, volume or settings")
	}
	if v := c.GetHeldOpenAfterMs(); v != 0 {
		if err := between(name+"held_open_after_ms", v, 1_000, 86_400_000); err != nil {
			return err
		}
	}
	if v := c.GetUnlockMs(); v != 0 {
		if err := between(name+"unlock_ms", v, 500, 60_000); err != nil {
			return err
		}
	}
	if c.GetVolume() > 100 {
		return invalid(name + "volume: 1 to 100, or left out")
	}
	if len(c.GetSettings()) > maxSettings {
		return invalid(name+"settings: at most %d", maxSettings)
	}
	for key, value := range c.GetSettings() {
		if key == "" || len(key) > maxSettingName || len(value) > maxSettingValue {
			return invalid(name+"settings: names of 1 to %d bytes and values of at most %d", maxSettingName, maxSettingValue)
		}
	}
	return nil
}

func checkFirmware(f *lockwirev1.FirmwareChunk) error {
	const name = "command.firmware."
	switch end := uint64(f.GetOffset()) + uint64(len(f.GetData())); {
	case len(f.GetSha256()) != 32:
		return invalid(name+"sha256: the image's hash, 32 bytes (base64 in JSON), not %d", len(f.GetSha256()))
	case f.GetVersion() == "" || len(f.GetVersion()) > 64:
		return invalid(name + "version: 1 to 64 bytes")
	case f.GetSize() == 0 || f.GetSize() > maxFirmware:
		return invalid(name+"size: 1 to %d bytes", maxFirmware)
	case len(f.GetData()) > maxFirmwarePiece:
		return invalid(name+"data: at most %d bytes in a piece, not %d", maxFirmwarePiece, len(f.GetData()))
	case end > uint64(f.GetSize()):
		return invalid(name+"offset: the piece ends at %d, behind the image's %d bytes", end, f.GetSize())
	}
	return nil
}

func between(field string, is, least, most uint32) error {
	if is < least || is > most {
		return invalid("%s: %d is outside %d to %d", field, is, least, most)
	}
	return nil
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", device.ErrInvalid, fmt.Sprintf(format, args...))
}
