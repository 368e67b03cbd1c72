package wire

import (
	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
)

const maxAlarms = 8

func checkBatch(m *lockwirev1.EventBatch) error {
	if m.GetRequestId() == 0 || m.GetBootEpoch() == 0 || m.GetFirstSequence() == 0 {
		return malformed("request_id, boot_epoch and first_sequence count from 1")
	}
	if err := within(limit{"number of events", len(m.GetEvents()), 1, MaxBatch}); err != nil {
		return err
	}
	if m.GetFirstSequence() > maxCount-uint64(len(m.GetEvents())-1) || m.GetBootEpoch() > maxCount {
		return malformed("boot_epoch or a sequence: above 2^62")
	}
	for i, e := range m.GetEvents() {
		if e.GetKind() == lockwirev1.EventKind_EVENT_KIND_GAP {
			if i > 0 {
				return malformed("events[%d]: a GAP must be the first event of its batch", i)
			}
			if e.GetLost() == 0 || e.GetLost() > m.GetFirstSequence() {
				return malformed("lost: %d is outside 1..%d, the GAP's sequence", e.GetLost(), m.GetFirstSequence())
			}
		}
		if err := checkEvent(e); err != nil {
			return err
		}
	}
	return nil
}

// checkEvent looks at sizes only: which fields belong to which kind is the reader's of the ledger to judge, and a lock
// whose event is refused could never send the ones behind it.
func checkEvent(e *lockwirev1.Event) error {
	return within(
		limit{"receipt", len(e.GetReceipt()), 0, maxReceipt},
		limit{"command_id", len(e.GetCommandId()), 0, maxName},
		limit{"traceparent", len(e.GetTraceparent()), 0, maxTraceparent},
		limit{"credential_id", len(e.GetCredentialId()), 0, maxName},
		limit{"person_id", len(e.GetPersonId()), 0, maxName},
		limit{"door.battery_percent", int(e.GetDoor().GetBatteryPercent()), 0, 100},
		limit{"number of door.alarms", len(e.GetDoor().GetAlarms()), 0, maxAlarms})
}
