package wire

import (
	"slices"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"google.golang.org/protobuf/proto"
)

// Limits of fields, as lockwire.proto states them; bytes unless said otherwise.
const (
	maxName         = 64
	maxSession      = 32
	maxTraceparent  = 55
	maxPIN          = 12
	maxReceipt      = 1024
	maxCertificate  = 4096
	maxClaimSecret  = 128
	maxHost         = 255
	maxEndpoints    = 16
	maxCertificates = 4
	maxPartBody     = 65000

	// MaxBatch is how many events one EventBatch may have.
	MaxBatch = 256
	// MaxParts is how many parts one message may have.
	MaxParts = 256
	// MaxValidFor is the longest life of a decision, in milliseconds.
	MaxValidFor = 2000
	// MinUnlock and MaxUnlock bound a timed unlock, in milliseconds.
	MinUnlock = 500
	MaxUnlock = 60_000

	// maxCount bounds sequences and boot epochs, so that sums of them fit.
	maxCount = 1 << 62

	minCardBits = 8
	maxCardBits = 1024
)

// limit is one field's value and its bounds.
type limit struct {
	field    string
	is       int
	min, max int
}

func within(limits ...limit) error {
	for _, l := range limits {
		if l.is < l.min || l.is > l.max {
			return malformed("%s: %d is outside %d..%d", l.field, l.is, l.min, l.max)
		}
	}
	return nil
}

// Check holds a message against the limits of its fields; its error is a *ProtocolError MALFORMED that names the field.
func Check(m proto.Message) error {
	switch m := m.(type) {
	case *lockwirev1.Hello:
		return checkHello(m)
	case *lockwirev1.Welcome:
		return checkWelcome(m)
	case *lockwirev1.AccessRequest:
		return forRequest(m.GetRequestId(), checkAccessRequest(m))
	case *lockwirev1.AccessDecision:
		least := 0
		if m.GetOutcome() == lockwirev1.Outcome_OUTCOME_GRANTED {
			least = MinUnlock
		}
		return within(
			limit{"unlock_ms", int(m.GetUnlockMs()), least, MaxUnlock},
			limit{"valid_for_ms", int(m.GetValidForMs()), 0, MaxValidFor},
			limit{"receipt", len(m.GetReceipt()), 0, maxReceipt})
	case *lockwirev1.EventBatch:
		return forRequest(m.GetRequestId(), checkBatch(m))
	case *lockwirev1.Command:
		return checkCommand(m)
	case *lockwirev1.CommandResult:
		return within(
			limit{"command_id", len(m.GetCommandId()), 1, maxName},
			limit{"text", len(m.GetText()), 0, maxText})
	case *lockwirev1.Error:
		return within(limit{"text", len(m.GetText()), 0, maxText})
	case *lockwirev1.GoAway:
		return checkEndpoints(m.GetEndpoints())
	case *lockwirev1.Part:
		return checkPart(m)
	case *lockwirev1.EnrollRequest:
		return within(
			limit{"claim_secret", len(m.GetClaimSecret()), 1, maxClaimSecret},
			limit{"certificate_request", len(m.GetCertificateRequest()), 1, maxCertificate})
	case *lockwirev1.EnrollResponse:
		return checkEnrollResponse(m)
	default:
		return nil
	}
}

// forRequest names the request in the error.
func forRequest(id uint64, err error) error {
	if e, ok := err.(*ProtocolError); ok {
		e.RequestID = id
	}
	return err
}

func checkHello(m *lockwirev1.Hello) error {
	for _, c := range m.GetCapabilities() {
		if err := within(limit{"capabilities", len(c), 1, maxName}); err != nil {
			return err
		}
	}
	if m.GetBootEpoch() == 0 || m.GetBootEpoch() > maxCount {
		return malformed("boot_epoch: counts from 1, at most 2^62")
	}
	return within(
		limit{"device_id", len(m.GetDeviceId()), 1, maxName},
		limit{"firmware", len(m.GetFirmware()), 0, maxName},
		limit{"model", len(m.GetModel()), 0, maxName},
		limit{"number of capabilities", len(m.GetCapabilities()), 0, 64},
		limit{"number of versions", len(m.GetVersions()), 1, 16},
		limit{"resume_session", len(m.GetResumeSession()), 0, maxSession},
		limit{"hold_open_command", len(m.GetHoldOpenCommand()), 0, maxName},
		limit{"lockdown_command", len(m.GetLockdownCommand()), 0, maxName})
}

func checkWelcome(m *lockwirev1.Welcome) error {
	if err := checkEndpoints(m.GetEndpoints()); err != nil {
		return err
	}
	return within(
		limit{"session", len(m.GetSession()), 1, maxSession},
		limit{"heartbeat_ms", int(m.GetHeartbeatMs()), 1000, 300_000},
		limit{"event_credit", int(m.GetEventCredit()), 1, 1 << 20},
		limit{"access_credit", int(m.GetAccessCredit()), 1, 1 << 20})
}

func checkEndpoints(endpoints []*lockwirev1.Endpoint) error {
	for _, e := range endpoints {
		if err := within(limit{"host", len(e.GetHost()), 1, maxHost}, limit{"port", int(e.GetPort()), 1, 65535}); err != nil {
			return err
		}
	}
	return within(limit{"number of endpoints", len(endpoints), 0, maxEndpoints})
}

func checkAccessRequest(m *lockwirev1.AccessRequest) error {
	if m.GetRequestId() == 0 || m.GetEventSequence() == 0 || m.GetEventSequence() > maxCount {
		return malformed("request_id and event_sequence count from 1; event_sequence at most 2^62")
	}
	if m.GetCard() == nil {
		return malformed("card: missing")
	}
	if m.GetCard().GetFormat() == lockwirev1.CardFormat_CARD_FORMAT_UNSPECIFIED {
		return malformed("card.format: not stated")
	}
	for _, digit := range m.GetPin() {
		if digit < '0' || digit > '9' {
			return malformed("pin: digits only")
		}
	}
	bits := int(m.GetCard().GetBitLength())
	if err := within(
		limit{"card.bit_length", bits, minCardBits, maxCardBits},
		limit{"traceparent", len(m.GetTraceparent()), 0, maxTraceparent},
		limit{"pin", len(m.GetPin()), 0, maxPIN}); err != nil {
		return err
	}
	if len(m.GetCard().GetBits()) != (bits+7)/8 {
		return malformed("card.bits: %d bytes do not hold %d bits", len(m.GetCard().GetBits()), bits)
	}
	if unused := (8 - bits%8) % 8; m.GetCard().GetBits()[len(m.GetCard().GetBits())-1]&(1<<unused-1) != 0 {
		return malformed("card.bits: unused bits of the last byte are not zero")
	}
	return nil
}

func checkBatch(m *lockwirev1.EventBatch) error {
	if m.GetRequestId() == 0 || m.GetBootEpoch() == 0 || m.GetFirstSequence() == 0 {
		return malformed("request_id, boot_epoch and first_sequence count from 1")
	}
	if m.GetFirstSequence() > maxCount || m.GetBootEpoch() > maxCount {
		return malformed("first_sequence or boot_epoch: above 2^62")
	}
	if err := within(limit{"number of events", len(m.GetEvents()), 1, MaxBatch}); err != nil {
		return err
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
		if err := within(
			limit{"receipt", len(e.GetReceipt()), 0, maxReceipt},
			limit{"command_id", len(e.GetCommandId()), 0, maxName},
			limit{"traceparent", len(e.GetTraceparent()), 0, maxTraceparent}); err != nil {
			return err
		}
	}
	return nil
}

func checkCommand(m *lockwirev1.Command) error {
	if unlock := m.GetUnlock(); unlock != nil {
		if err := within(limit{"unlock_ms", int(unlock.GetUnlockMs()), MinUnlock, MaxUnlock}); err != nil {
			return err
		}
	}
	return within(
		limit{"command_id", len(m.GetCommandId()), 1, maxName},
		limit{"traceparent", len(m.GetTraceparent()), 0, maxTraceparent})
}

func checkPart(m *lockwirev1.Part) error {
	if m.GetMessageId() == 0 {
		return malformed("message_id: counts from 1")
	}
	return within(
		limit{"type", int(m.GetType()), 1, 255},
		limit{"parts", int(m.GetParts()), 1, MaxParts},
		limit{"part", int(m.GetPart()), 0, int(m.GetParts()) - 1},
		limit{"body", len(m.GetBody()), 1, maxPartBody},
		limit{"sha256", len(m.GetSha256()), 32, 32})
}

func checkEnrollResponse(m *lockwirev1.EnrollResponse) error {
	for _, c := range slices.Concat(m.GetCertificateChain(), m.GetRoots()) {
		if err := within(limit{"certificate", len(c), 1, maxCertificate}); err != nil {
			return err
		}
	}
	if err := checkEndpoints(m.GetEndpoints()); err != nil {
		return err
	}
	return within(
		limit{"device_id", len(m.GetDeviceId()), 1, maxName},
		limit{"number of certificates", len(m.GetCertificateChain()), 1, maxCertificates},
		limit{"number of roots", len(m.GetRoots()), 1, maxCertificates})
}
