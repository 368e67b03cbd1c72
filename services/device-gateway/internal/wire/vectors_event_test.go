package wire

import (
	"bytes"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
)

func batch(id, epoch, first uint64, events ...*lockwirev1.Event) *lockwirev1.EventBatch {
	return &lockwirev1.EventBatch{RequestId: id, BootEpoch: epoch, FirstSequence: first, Events: events}
}

func eventVectors() []vector {
	type event = lockwirev1.Event
	const granted, denied = lockwirev1.Outcome_OUTCOME_GRANTED, lockwirev1.Outcome_OUTCOME_DENIED
	const access, door = lockwirev1.EventKind_EVENT_KIND_ACCESS, lockwirev1.EventKind_EVENT_KIND_DOOR_STATE
	return []vector{
		{"events-boot-and-swipe", "EventBatch: the boot and the swipe", true, batch(2, 3, 1,
			&event{Kind: lockwirev1.EventKind_EVENT_KIND_BOOT, LockTimeMs: vectorNow - 1000, UptimeMs: 20, ClockQuality: freeRunning},
			&event{Kind: access, LockTimeMs: vectorNow + 5000, UptimeMs: 6020, ClockQuality: synchronized, Outcome: granted, Reason: 1, Receipt: []byte{1, 2, 3}},
		)},
		{"events-offline", "EventBatch: a swipe that the bundle granted, one that it did not know", false, batch(3, 3, 3,
			&event{
				Kind: access, LockTimeMs: vectorNow + 7000, UptimeMs: 8020, ClockQuality: synchronized, Outcome: granted, Reason: 1, Offline: true,
				CredentialId: "credential_euc_01jd3q8v5dfw0b9m3cz1n2k4xw", PersonId: "person_euc_01jd3q8v5dfw0b9m3cz1n2k4xw", BundleVersion: 17,
				Traceparent: traceparent,
			},
			&event{Kind: access, LockTimeMs: vectorNow + 9000, UptimeMs: 10_020, ClockQuality: synchronized, Outcome: denied, Reason: 6, Offline: true, BundleVersion: 17},
		)},
		{"events-no-answer", "EventBatch: a swipe that nobody decided; the clock is not set", false, batch(4, 3, 5,
			&event{Kind: access, UptimeMs: 11_000, ClockQuality: unset, Outcome: denied},
		)},
		{"events-command", "EventBatch: the command's event", true, batch(5, 3, 6, &event{
			Kind: lockwirev1.EventKind_EVENT_KIND_COMMAND, LockTimeMs: vectorNow + 10_050, UptimeMs: 11_070, ClockQuality: synchronized,
			CommandId: vectorCommand, CommandOutcome: lockwirev1.CommandOutcome_COMMAND_OUTCOME_DONE,
		})},
		{"events-door", "EventBatch: the door is opened, and held open", true, batch(6, 3, 7,
			&event{Kind: door, LockTimeMs: vectorNow + 11_000, UptimeMs: 12_020, ClockQuality: synchronized, Door: &lockwirev1.DoorState{
				Contact: lockwirev1.Contact_CONTACT_OPEN, Bolt: lockwirev1.Bolt_BOLT_UNLOCKED, Power: lockwirev1.Power_POWER_BATTERY, BatteryPercent: 83,
			}},
			&event{Kind: door, LockTimeMs: vectorNow + 41_000, UptimeMs: 42_020, ClockQuality: synchronized, Door: &lockwirev1.DoorState{
				Contact: lockwirev1.Contact_CONTACT_OPEN, Bolt: lockwirev1.Bolt_BOLT_LOCKED, Power: lockwirev1.Power_POWER_BATTERY, BatteryPercent: 83,
				Alarms: []lockwirev1.DoorAlarm{lockwirev1.DoorAlarm_DOOR_ALARM_HELD_OPEN},
			}},
		)},
		{"events-door-closed", "EventBatch: the door's state after a boot", false, batch(7, 3, 9, &event{
			Kind: door, UptimeMs: 30, ClockQuality: unset, Door: &lockwirev1.DoorState{
				Contact: lockwirev1.Contact_CONTACT_CLOSED, Bolt: lockwirev1.Bolt_BOLT_LOCKED, Power: lockwirev1.Power_POWER_MAINS,
			},
		})},
		{"events-door-all", "EventBatch: every sensor and alarm at once", false, batch(7, 3, 9, &event{
			Kind: door, LockTimeMs: vectorNow + 42_000, UptimeMs: 43_020, ClockQuality: synchronized, Door: &lockwirev1.DoorState{
				Contact: lockwirev1.Contact_CONTACT_OPEN, Bolt: lockwirev1.Bolt_BOLT_JAMMED, RequestToExit: true, Tamper: true,
				Power: lockwirev1.Power_POWER_MAINS, HeldUnlocked: true, Lockdown: true, Alarms: []lockwirev1.DoorAlarm{
					lockwirev1.DoorAlarm_DOOR_ALARM_FORCED_OPEN, lockwirev1.DoorAlarm_DOOR_ALARM_HELD_OPEN, lockwirev1.DoorAlarm_DOOR_ALARM_TAMPER,
				},
			},
		})},
		{"events-gap", "EventBatch: an overflowed ring; 2 to 40 are gone", true, batch(8, 2, 40, &event{
			Kind: lockwirev1.EventKind_EVENT_KIND_GAP, LockTimeMs: vectorNow - 90_000, UptimeMs: 600_000, ClockQuality: synchronized, Lost: 39,
		})},
		{"events-unknown-kind", "EventBatch: a kind of a later version; recorded as it came", false, batch(9, 3, 10, &event{Kind: 42, UptimeMs: 44_000})},
		{"events-most", "EventBatch: 256 events", false, batch(10, 3, 11, most()...)},
		{"ack-received", "EventAck: both are on the gateway's disk", true, &lockwirev1.EventAck{RequestId: 2, BootEpoch: 3, ReceivedUpTo: 2, FromSequence: 1}},
		{"ack-durable", "EventAck: both are durable", true, &lockwirev1.EventAck{BootEpoch: 3, ReceivedUpTo: 2, DurableUpTo: 2, FromSequence: 1}},
	}
}

// most is a batch's worth of swipes.
func most() []*lockwirev1.Event {
	events := make([]*lockwirev1.Event, MaxBatch)
	for i := range events {
		events[i] = &lockwirev1.Event{
			Kind: lockwirev1.EventKind_EVENT_KIND_ACCESS, UptimeMs: uint64(50_000 + i), Outcome: lockwirev1.Outcome_OUTCOME_DENIED,
			Receipt: bytes.Repeat([]byte{byte(i)}, 2),
		}
	}
	return events
}
