package session

import (
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"google.golang.org/protobuf/proto"
)

// report is the last that a lock told about its door.
type report struct {
	sequence uint64
	door     *lockwirev1.DoorState
	at       time.Time
}

// Report is what a connected lock last told.
type Report struct {
	ConnectedSince  time.Time
	Firmware, Model string
	Capabilities    []string
	BootEpoch       uint64
	// Door is nil when the lock has not told it in this session; DoorAt is when it did.
	Door   *lockwirev1.DoorState
	DoorAt time.Time
	// CertificateNotAfter is when its certificate ends.
	CertificateNotAfter time.Time
}

// Report returns what a lock last told; false when it has no open session here.
func (h *Hub) Report(device string) (Report, bool) {
	s := h.find(device)
	if s == nil {
		return Report{}, false
	}
	r := Report{
		ConnectedSince: s.since, Firmware: s.firmware, Model: s.model, Capabilities: s.capabilities,
		BootEpoch: s.bootEpoch, CertificateNotAfter: s.identity.NotAfter,
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.report != nil {
		r.Door, r.DoorAt = proto.CloneOf(s.report.door), s.report.at
	}
	return r, true
}

// noteDoor keeps the newest state of the door in this boot epoch; older ones come when a ring is sent again.
func (s *session) noteDoor(m *lockwirev1.EventBatch, now time.Time) {
	if m.GetBootEpoch() != s.bootEpoch {
		return
	}
	for i, e := range m.GetEvents() {
		if e.GetKind() != lockwirev1.EventKind_EVENT_KIND_DOOR_STATE || e.GetDoor() == nil {
			continue
		}
		sequence := m.GetFirstSequence() + uint64(i)
		s.mu.Lock()
		if s.report == nil || s.report.sequence <= sequence {
			s.report = &report{sequence: sequence, door: e.GetDoor(), at: now}
		}
		s.mu.Unlock()
	}
}
