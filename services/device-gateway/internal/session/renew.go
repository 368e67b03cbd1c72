package session

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/device"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/enroll"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/renewal"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/wire"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// capabilityCertificate is what both sides name that know CertificateRequest and Certificate.
const capabilityCertificate = "certificate"

const (
	// renewTimeout bounds the database's part of a renewal.
	renewTimeout = 10 * time.Second
	// renewPause is the least time between two certificate requests of a session that reach the database.
	renewPause = 5 * time.Second
	// renewSpread spreads the retries of locks that found the gateway busy, or the database down.
	renewSpread = 30 * time.Second
)

// Renewals gives devices certificates with new keys. renewal.Desk is one.
type Renewals interface {
	Renew(ctx context.Context, r enroll.Renewal) (renewal.Renewed, error)
	// Due says whether a device should ask for one now.
	Due(id enroll.Identity) bool
	// Used is told that a device's next key opened a session. It must not block.
	Used(org, id region.ID, keyHash []byte)
}

// offerRenewal says in Welcome that certificates are renewed here, and whether this lock's should be now.
func (s *session) offerRenewal(w *lockwirev1.Welcome) {
	if r := s.hub.cfg.Renewals; r != nil {
		w.Capabilities = append(w.Capabilities, capabilityCertificate)
		w.RenewCertificate = r.Due(s.identity)
	}
}

// noteKey tells that the session was opened with the key that is to take the other's place.
func (s *session) noteKey() {
	if r := s.hub.cfg.Renewals; r != nil && bytes.Equal(s.device.NextKeyHash, s.identity.KeyHash) {
		r.Used(s.identity.Org, s.identity.Device, s.identity.KeyHash)
	}
}

// certificateRequest has a new key signed, beside all else: the database may be slow.
func (s *session) certificateRequest(ctx context.Context, m *lockwirev1.CertificateRequest) error {
	if s.hub.cfg.Renewals == nil {
		return wire.Unexpected("this gateway does not name the capability %s", capabilityCertificate)
	}
	if err := s.request(m.GetRequestId()); err != nil {
		return err
	}
	if !s.renewing.CompareAndSwap(false, true) {
		return &wire.ProtocolError{Code: lockwirev1.ErrorCode_ERROR_CODE_OVER_LIMIT, RequestID: m.GetRequestId(), Text: "a certificate request is under way"}
	}
	if left := time.Until(s.renewNext); left > 0 {
		s.renewing.Store(false)
		return s.send(later(m.GetRequestId(), left, "the session asked for a certificate less than 5 s ago").Message())
	}
	request, err := enroll.ParseRequest(m.GetCertificateRequest())
	if err != nil {
		s.renewing.Store(false)
		return s.send(badRequest(m.GetRequestId(), err).Message())
	}
	s.renewNext = time.Now().Add(renewPause)
	go func() {
		defer s.renewing.Store(false)
		s.renew(ctx, m.GetRequestId(), request)
	}()
	return nil
}

// renew answers a checked request.
func (s *session) renew(ctx context.Context, id uint64, request enroll.Request) {
	ctx, cancel := context.WithTimeout(ctx, renewTimeout)
	defer cancel()
	renewed, err := s.hub.cfg.Renewals.Renew(ctx, enroll.Renewal{
		Device: s.identity.Device, Org: s.identity.Org, KeyHash: s.identity.KeyHash, Request: request,
	})
	switch {
	case err == nil:
		s.hub.cfg.Logger.InfoContext(ctx, "signed a lock's new key", "device", s.deviceID)
		s.send(&lockwirev1.Certificate{RequestId: id, CertificateChain: renewed.Chain, Roots: renewed.Roots})
	case errors.Is(err, device.ErrKeyEnded), errors.Is(err, device.ErrNotFound):
		s.shut(refused("the device was revoked or has another key"))
	case errors.Is(err, enroll.ErrBadRequest):
		s.send(badRequest(id, err).Message())
	default:
		if !errors.Is(err, renewal.ErrBusy) {
			s.hub.cfg.Logger.WarnContext(ctx, "a lock's certificate cannot be renewed now", "device", s.deviceID, "error", err)
		}
		s.send(later(id, renewPause+rand.N(renewSpread), "no certificate can be signed now").Message())
	}
}

func later(id uint64, wait time.Duration, text string) *wire.ProtocolError {
	return &wire.ProtocolError{
		Code: lockwirev1.ErrorCode_ERROR_CODE_UNAVAILABLE, RequestID: id, Text: text, RetryAfterMS: uint32(wait.Milliseconds()) + 1,
	}
}

func badRequest(id uint64, err error) *wire.ProtocolError {
	return &wire.ProtocolError{Code: lockwirev1.ErrorCode_ERROR_CODE_BAD_CERTIFICATE_REQUEST, RequestID: id, Text: err.Error()}
}
