package wire

import (
	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
)

const vectorCommand = "command_euc_01jd3q9a7hfw0b9m3cz1n2k4xw"

func order(do func(*lockwirev1.Command)) *lockwirev1.Command {
	m := &lockwirev1.Command{CommandId: vectorCommand, NotAfterMs: vectorNow + 20_000, ServerTimeMs: vectorNow + 10_000}
	do(m)
	return m
}

func commandVectors() []vector {
	type command = lockwirev1.Command
	image := []byte("firmware")
	piece := func(offset uint32, data []byte) func(*command) {
		return func(m *command) {
			m.Action = &lockwirev1.Command_Firmware{Firmware: &lockwirev1.FirmwareChunk{
				Sha256: hashOf(image), Version: "2.1.0", Size: uint32(len(image)), Offset: offset, Data: data,
			}}
		}
	}
	result := func(outcome lockwirev1.CommandOutcome, text string, offset uint32) *lockwirev1.CommandResult {
		return &lockwirev1.CommandResult{CommandId: vectorCommand, Outcome: outcome, Text: text, FirmwareOffset: offset}
	}
	return []vector{
		{"command-unlock", "Command: unlock", true, order(func(m *command) {
			m.Action = &lockwirev1.Command_Unlock{Unlock: &lockwirev1.Unlock{UnlockMs: 5000}}
		})},
		{"command-lock", "Command: lock", false, order(func(m *command) {
			m.Action, m.Traceparent = &lockwirev1.Command_Lock{Lock: &lockwirev1.Lock{}}, traceparent
		})},
		{"command-hold-open", "Command: hold open for an hour", true, order(func(m *command) {
			m.Action = &lockwirev1.Command_HoldOpen{HoldOpen: &lockwirev1.HoldOpen{UntilMs: vectorNow + 3_610_000}}
		})},
		{"command-lockdown", "Command: a lockdown begins", false, order(func(m *command) {
			m.Action = &lockwirev1.Command_Lockdown{Lockdown: &lockwirev1.Lockdown{Active: true}}
		})},
		{"command-lockdown-lifted", "Command: a lockdown is lifted", false, order(func(m *command) {
			m.Action = &lockwirev1.Command_Lockdown{Lockdown: &lockwirev1.Lockdown{}}
		})},
		{"command-set-time", "Command: set the clock", false, order(func(m *command) { m.Action = &lockwirev1.Command_SetTime{SetTime: &lockwirev1.SetTime{}} })},
		{"command-reboot", "Command: boot anew", false, order(func(m *command) { m.Action = &lockwirev1.Command_Reboot{Reboot: &lockwirev1.Reboot{}} })},
		{"command-configure", "Command: configure", false, order(func(m *command) { m.Action = &lockwirev1.Command_Configure{Configure: configuration()} })},
		{"command-firmware-ask", "Command: what does the lock need of an image", false, order(piece(0, nil))},
		{"command-firmware", "Command: the last five bytes of an image", true, order(piece(3, image[3:]))},
		{"command-renew-certificate", "Command: renew the certificate", false, order(func(m *command) {
			m.Action = &lockwirev1.Command_RenewCertificate{RenewCertificate: &lockwirev1.RenewCertificate{}}
		})},
		{"command-unknown", "Command: no action that version 1 knows; UNSUPPORTED", false, order(func(*command) {})},
		{"result-done", "CommandResult", true, result(lockwirev1.CommandOutcome_COMMAND_OUTCOME_DONE, "", 0)},
		{"result-firmware", "CommandResult: the image is whole", false, result(lockwirev1.CommandOutcome_COMMAND_OUTCOME_DONE, "", uint32(len(image)))},
		{"result-failed", "CommandResult: could not", false, result(lockwirev1.CommandOutcome_COMMAND_OUTCOME_FAILED, "the bolt is jammed", 0)},
		{"result-expired", "CommandResult: too late", false, result(lockwirev1.CommandOutcome_COMMAND_OUTCOME_EXPIRED, "", 0)},
		{"result-unsupported", "CommandResult: not known", false, result(lockwirev1.CommandOutcome_COMMAND_OUTCOME_UNSUPPORTED, "", 0)},
	}
}
