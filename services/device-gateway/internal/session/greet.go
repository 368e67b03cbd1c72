package session

import (
	"context"
	"io"
	"slices"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/access"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/wire"
)

// youngCertificate is how long after its making a certificate's device may still be on its way into the copy.
const youngCertificate = 2 * time.Hour

// greet waits for Hello, checks who it is, and answers Welcome.
func (s *session) greet(ctx context.Context) error {
	s.conn.SetReadDeadline(time.Now().Add(s.hub.cfg.HelloTimeout))
	s.reader.Accept(lockwirev1.FrameType_FRAME_TYPE_HELLO, lockwirev1.FrameType_FRAME_TYPE_ERROR)
	m, err := s.reader.Next()
	if err != nil {
		return err
	}
	hello, ok := m.(*lockwirev1.Hello)
	if !ok { // Error: the lock closes
		return io.EOF
	}
	switch {
	case hello.GetDeviceId() != s.deviceID:
		return &wire.ProtocolError{Code: lockwirev1.ErrorCode_ERROR_CODE_IDENTITY_MISMATCH, Text: "device_id is not the certificate's"}
	case !slices.Contains(hello.GetVersions(), wire.Version):
		return &wire.ProtocolError{Code: lockwirev1.ErrorCode_ERROR_CODE_UNSUPPORTED_VERSION, Text: "no common version; this gateway speaks 1"}
	}
	s.bootEpoch = hello.GetBootEpoch()
	if s.device, err = s.admit(ctx); err != nil {
		return err
	}
	resumed := s.hub.enter(ctx, s, hello)
	// From here on a revocation finds the session; one that came just before is found by looking again.
	if d, known, _ := s.hub.cfg.Copy.Device(s.deviceID); !known || !d.Accepts(s.identity.KeyHash) {
		return refused("the device was revoked")
	}
	s.firmware, s.model, s.capabilities, s.lane = hello.GetFirmware(), hello.GetModel(), hello.GetCapabilities(), s.newLane(hello)
	s.noteClock(ctx, hello.GetLockTimeMs(), hello.GetClockQuality())
	s.kept.told(hello)
	if err := s.sendWelcome(resumed); err != nil {
		return err
	}
	s.noteKey()
	s.hub.keeper.touch(s)
	if !resumed {
		return nil
	}
	return s.goOn(ctx)
}

// admit finds the device in the copy. One that enrolled a moment ago may not have arrived yet, nor a new key: both are waited for.
func (s *session) admit(ctx context.Context) (access.Device, error) {
	c := s.hub.cfg.Copy
	d, known, removed := c.Device(s.deviceID)
	if removed {
		return d, refused("the device was revoked")
	}
	if !known || !d.Accepts(s.identity.KeyHash) && d.Awaits(s.identity.NotBefore) {
		ctx, cancel := context.WithTimeout(ctx, s.hub.cfg.KnownTimeout)
		defer cancel()
		if d, known = c.WaitDevice(ctx, s.deviceID, s.identity.KeyHash); !known {
			if !c.Ready() || s.hub.cfg.Now().Sub(s.identity.NotBefore) < youngCertificate {
				return d, notYet("the device is not known here yet")
			}
			return d, refused("the device is not known")
		}
	}
	switch {
	case d.Org != string(s.identity.Org):
		return d, refused("the device has another certificate")
	case d.Accepts(s.identity.KeyHash):
		return d, nil
	case d.Awaits(s.identity.NotBefore):
		return d, notYet("the certificate is not known here yet")
	default:
		return d, refused("the device has another certificate")
	}
}

// sendWelcome opens the session. Nothing is sent before it: whoever finds the session open waits for the writer.
func (s *session) sendWelcome(resumed bool) error {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	s.since = s.hub.cfg.Now()
	welcome := s.welcome(resumed)
	s.open.Store(true) // from here on the keeper looks at it
	return s.write(welcome)
}

func (s *session) welcome(resumed bool) *lockwirev1.Welcome {
	s.kept.heldOpenAfter = s.hub.cfg.Copy.HeldOpenAfter(s.device.Org, s.device.Door)
	w := &lockwirev1.Welcome{
		Session: s.id, ServerTimeMs: s.nowMS(), HeartbeatMs: uint32(s.hub.cfg.Heartbeat.Milliseconds()),
		DurableUpTo: s.hub.cfg.Journal.Durable(s.deviceID, s.bootEpoch, 1), Endpoints: s.hub.cfg.Endpoints(s.identity.Device),
		Version: wire.Version, EventCredit: eventCredit, AccessCredit: accessCredit,
		Resumed: resumed, Configuration: configuration(s.kept.heldOpenAfter),
	}
	s.offerRenewal(w)
	return w
}
