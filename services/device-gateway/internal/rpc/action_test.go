package rpc

import (
	"errors"
	"strings"
	"testing"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/device"
)

func TestActionsOutsideTheirLimitsSayWhichField(t *testing.T) {
	now := time.UnixMilli(1_800_000_000_000)
	hold := func(d time.Duration) *lockwirev1.Command {
		return &lockwirev1.Command{Action: &lockwirev1.Command_HoldOpen{HoldOpen: &lockwirev1.HoldOpen{UntilMs: uint64(now.Add(d).UnixMilli())}}}
	}
	configure := func(c *lockwirev1.Configuration) *lockwirev1.Command {
		return &lockwirev1.Command{Action: &lockwirev1.Command_Configure{Configure: c}}
	}
	firmware := func(change func(*lockwirev1.FirmwareChunk)) *lockwirev1.Command {
		f := &lockwirev1.FirmwareChunk{Sha256: make([]byte, 32), Version: "2.0", Size: 100, Offset: 90, Data: make([]byte, 10)}
		change(f)
		return &lockwirev1.Command{Action: &lockwirev1.Command_Firmware{Firmware: f}}
	}
	for name, c := range map[string]struct {
		command *lockwirev1.Command
		says    string // empty: it is taken
	}{
		"nothing":             {&lockwirev1.Command{}, "no action"},
		"unlock":              {&lockwirev1.Command{Action: &lockwirev1.Command_Unlock{}}, "call Unlock"},
		"an id":               {&lockwirev1.Command{CommandId: "mine", Action: &lockwirev1.Command_Lock{}}, "filled by the gateway"},
		"lock":                {&lockwirev1.Command{Action: &lockwirev1.Command_Lock{}}, ""},
		"held for a day":      {hold(24 * time.Hour), ""},
		"held for longer":     {hold(24*time.Hour + time.Second), "hold_open.until_ms"},
		"held until now":      {hold(0), "hold_open.until_ms"},
		"no configuration":    {configure(nil), "changes nothing"},
		"a volume":            {configure(&lockwirev1.Configuration{Volume: 100}), ""},
		"too loud":            {configure(&lockwirev1.Configuration{Volume: 101}), "volume"},
		"held open too short": {configure(&lockwirev1.Configuration{HeldOpenAfterMs: 999}), "held_open_after_ms"},
		"a nameless setting":  {configure(&lockwirev1.Configuration{Settings: map[string]string{"": "x"}}), "settings"},
		"the last piece":      {firmware(func(*lockwirev1.FirmwareChunk) {}), ""},
		"a piece too far":     {firmware(func(f *lockwirev1.FirmwareChunk) { f.Offset = 91 }), "behind the image's 100 bytes"},
		"an offset too far":   {firmware(func(f *lockwirev1.FirmwareChunk) { f.Offset = 1<<32 - 1 }), "offset"},
		"a short hash":        {firmware(func(f *lockwirev1.FirmwareChunk) { f.Sha256 = f.Sha256[1:] }), "sha256"},
		"no version":          {firmware(func(f *lockwirev1.FirmwareChunk) { f.Version = "" }), "version"},
		"an image too large":  {firmware(func(f *lockwirev1.FirmwareChunk) { f.Size = maxFirmware + 1 }), "size"},
		"a piece too large":   {firmware(func(f *lockwirev1.FirmwareChunk) { f.Size, f.Data = 1<<20, make([]byte, maxFirmwarePiece+1) }), "data"},
	} {
		err := checkSent(c.command, now)
		switch {
		case c.says == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.says != "" && (!errors.Is(err, device.ErrInvalid) || !strings.Contains(err.Error(), c.says)):
			t.Errorf("%s: %v, wanted something about %q", name, err, c.says)
		}
	}
}
