package session

import (
	"net"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/wire"
)

// bundleSendTimeout bounds how long one bundle may be on its way: the room for it is limited.
const bundleSendTimeout = time.Minute

// sendRevocations sends in a goroutine of its own: a lock that reads slowly keeps no worker.
func (v *visit) sendRevocations(m *lockwirev1.Revocations) {
	s := v.session
	go func() {
		if s.send(m) != nil {
			s.conn.Close() // the reader finds out
		}
	}()
}

// sendBundle sends part by part: anything else may go between them.
func (v *visit) sendBundle(m *lockwirev1.Bundle, entries int) {
	s, out, sent := v.session, v.out, make(chan struct{})
	v.lane.sending = sent
	go func() {
		defer close(sent)
		out <- struct{}{}
		defer func() { <-out }()
		v.moment(s.deviceID, BundleSending, entries)
		if err := s.sendPieces(m); err != nil {
			s.hub.cfg.Logger.Warn("a bundle could not be sent", "device", s.deviceID, "error", err)
			s.conn.Close()
		}
	}()
}

func (l *lane) sendingStill() bool {
	if l.sending == nil {
		return false
	}
	select {
	case <-l.sending:
		return false
	default:
		return true
	}
}

func (s *session) sendPieces(m *lockwirev1.Bundle) error {
	pieces, err := s.writer.Begin(m)
	if err != nil {
		return err
	}
	end := time.Now().Add(bundleSendTimeout)
	for done := false; !done; {
		if done, err = s.sendPiece(pieces, end); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) sendPiece(p *wire.Pieces, end time.Time) (done bool, err error) {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	if s.closing {
		return false, net.ErrClosed
	}
	deadline := time.Now().Add(writeTimeout)
	if end.Before(deadline) {
		deadline = end
	}
	s.conn.SetWriteDeadline(deadline)
	return p.Next()
}
