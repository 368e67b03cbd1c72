package wire

import (
	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"google.golang.org/protobuf/proto"
)

// Limits of fields, as lockwire.proto states them; bytes unless said otherwise.
const (
	maxName         = 64
	maxSession      = 32
	maxTraceparent  = 55
	maxReceipt      = 1024
	maxHost         = 255
	maxEndpoints    = 16
	maxCapabilities = 64
	maxVersions     = 16
	maxPort         = 65_535
	maxCredit       = 1 << 20
	minHeartbeat    = 1000
	maxHeartbeat    = 300_000
	hashSize        = 32
	maxPartBody     = 65000

	// JoinedToGateway and JoinedToLock are the largest bodies made of parts, in bytes, in each direction.
	JoinedToGateway = 1 << 19
	JoinedToLock    = 5 << 20

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
	// maxHeldVersion leaves the gateway room to count on from what a lock says that it holds.
	maxHeldVersion = 1 << 61
)

// limit is one field's value and its bounds.
type limit struct {
	field    string
	is       int
	min, max int
}

// optional is the limit of a field that may be left out: 0 is within it.
func optional(field string, is, least, most int) limit {
	if is == 0 {
		least = 0
	}
	return limit{field, is, least, most}
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
		return forRequest(m.GetRequestId(), checkDecision(m))
	case *lockwirev1.EventBatch:
		return forRequest(m.GetRequestId(), checkBatch(m))
	case *lockwirev1.Command:
		return checkCommand(m)
	case *lockwirev1.CommandResult:
		return within(
			limit{"command_id", len(m.GetCommandId()), 1, maxName},
			limit{"text", len(m.GetText()), 0, maxText},
			limit{"firmware_offset", int(m.GetFirmwareOffset()), 0, MaxFirmware})
	case *lockwirev1.Error:
		return within(limit{"text", len(m.GetText()), 0, maxText})
	case *lockwirev1.GoAway:
		return checkEndpoints(m.GetEndpoints())
	case *lockwirev1.Part:
		return checkPart(m)
	case *lockwirev1.EnrollRequest:
		return checkEnrollRequest(m)
	case *lockwirev1.EnrollResponse:
		return checkEnrollResponse(m)
	case *lockwirev1.Bundle:
		return checkBundle(m)
	case *lockwirev1.Revocations:
		return checkRevocations(m)
	case *lockwirev1.BundleAck:
		return checkBundleAck(m)
	case *lockwirev1.CertificateRequest:
		return forRequest(m.GetRequestId(), checkCertificateRequest(m))
	case *lockwirev1.Certificate:
		return forRequest(m.GetRequestId(), checkCertificate(m))
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
	if err := checkCapabilities(m.GetCapabilities()); err != nil {
		return err
	}
	if m.GetBootEpoch() == 0 || m.GetBootEpoch() > maxCount {
		return malformed("boot_epoch: counts from 1, at most 2^62")
	}
	if m.GetBundleVersion() > maxHeldVersion {
		return malformed("bundle_version: at most 2^61")
	}
	return within(
		limit{"device_id", len(m.GetDeviceId()), 1, maxName},
		limit{"firmware", len(m.GetFirmware()), 0, maxName},
		limit{"model", len(m.GetModel()), 0, maxName},
		limit{"number of versions", len(m.GetVersions()), 1, maxVersions},
		limit{"resume_session", len(m.GetResumeSession()), 0, maxSession},
		limit{"hold_open_command", len(m.GetHoldOpenCommand()), 0, maxName},
		limit{"lockdown_command", len(m.GetLockdownCommand()), 0, maxName},
		optional("bundle_hash", len(m.GetBundleHash()), hashSize, hashSize))
}

func checkCapabilities(names []string) error {
	for _, name := range names {
		if err := within(limit{"capabilities", len(name), 1, maxName}); err != nil {
			return err
		}
	}
	return within(limit{"number of capabilities", len(names), 0, maxCapabilities})
}

func checkWelcome(m *lockwirev1.Welcome) error {
	if err := checkEndpoints(m.GetEndpoints()); err != nil {
		return err
	}
	if err := checkCapabilities(m.GetCapabilities()); err != nil {
		return err
	}
	if err := checkConfiguration(m.GetConfiguration()); err != nil {
		return err
	}
	return within(
		limit{"session", len(m.GetSession()), 1, maxSession},
		limit{"heartbeat_ms", int(m.GetHeartbeatMs()), minHeartbeat, maxHeartbeat},
		limit{"event_credit", int(m.GetEventCredit()), 1, maxCredit},
		limit{"access_credit", int(m.GetAccessCredit()), 1, maxCredit})
}

func checkEndpoints(endpoints []*lockwirev1.Endpoint) error {
	for _, e := range endpoints {
		if err := within(limit{"host", len(e.GetHost()), 1, maxHost}, limit{"port", int(e.GetPort()), 1, maxPort}); err != nil {
			return err
		}
	}
	return within(limit{"number of endpoints", len(endpoints), 0, maxEndpoints})
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
