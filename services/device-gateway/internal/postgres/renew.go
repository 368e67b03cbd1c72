package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/device"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/enroll"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
)

// keys are what a device proves itself with.
type keys struct {
	device, org, door, site region.ID
	status                  device.Status
	current, next           []byte
	newest                  *time.Time
}

// Renew signs the request's key as the device's next one and returns its certificate (DER). The current key stays; another
// next one is replaced. Asked again with the same key it signs again and changes nothing else, so that a lost answer can be
// asked for again. A session with the next key ends the current one first.
//
// Errors: device.ErrNotFound; device.ErrKeyEnded: the session's key is not the device's any more; enroll.ErrBadRequest: the
// key is in use.
func (s *Store) Renew(ctx context.Context, r enroll.Renewal) (certificate []byte, err error) {
	home, err := s.cfg.Regions.Home(r.Device)
	if err != nil {
		return nil, err
	}
	err = s.cfg.DB.InTx(outbox.WithActor(ctx, string(r.Device)), func(ctx context.Context, tx pgx.Tx) error {
		k, err := findKeys(ctx, tx, home.Name, r.Org, r.Device)
		if err != nil {
			return err
		}
		if err := k.allow(r); err != nil {
			return err
		}
		signed, err := s.cfg.Authority.Sign(r.Request, r.Device, r.Org, s.cfg.CertificateTTL)
		if err != nil {
			return err
		}
		certificate = signed.DER
		if bytes.Equal(k.next, r.Request.KeyHash()) {
			_, err := tx.Exec(ctx, `UPDATE devices SET next_certificate_not_after = $3 WHERE region = $1 AND id = $2`,
				string(home.Name), string(r.Device), signed.NotAfter)
			return wrap("sign the next key again", err)
		}
		return s.setNext(ctx, tx, home.Name, k, r, signed)
	})
	if err != nil {
		return nil, err
	}
	return certificate, nil
}

// allow says whether a session may ask for a certificate with the request's key.
func (k keys) allow(r enroll.Renewal) error {
	switch {
	case k.status != device.Enrolled || !bytes.Equal(r.KeyHash, k.current) && !bytes.Equal(r.KeyHash, k.next):
		return fmt.Errorf("%w: %s", device.ErrKeyEnded, k.device)
	case bytes.Equal(r.Request.KeyHash(), r.KeyHash) || bytes.Equal(r.Request.KeyHash(), k.current):
		return fmt.Errorf("%w: the key is in use; a renewal needs a new one", enroll.ErrBadRequest)
	default:
		return nil
	}
}

func (s *Store) setNext(ctx context.Context, tx pgx.Tx, home region.Name, k keys, r enroll.Renewal, signed enroll.Signed) error {
	c, err := s.cfg.Outbox.Begin(ctx, tx, home, r.Org)
	if err != nil {
		return err
	}
	if bytes.Equal(r.KeyHash, k.next) {
		if err := s.endCurrent(ctx, tx, c, home, &k); err != nil {
			return err
		}
	}
	k.next, k.newest = r.Request.KeyHash(), &signed.NotBefore
	_, err = tx.Exec(ctx, `UPDATE devices SET next_public_key_sha256 = $3, next_certificate_not_after = $4, newest_not_before = $5
		WHERE region = $1 AND id = $2`, string(home), string(k.device), k.next, signed.NotAfter, signed.NotBefore)
	if err != nil {
		return fmt.Errorf("keep the next key: %w", err)
	}
	c.Event(outbox.Event{Stream: k.device, Kind: "device_renewed", Payload: &gatewayv1.DeviceRenewed{
		DeviceId: string(k.device), PublicKeySha256: k.next,
	}})
	return k.publish(ctx, c)
}

// Promote makes the next key, which was used, the device's only one. Done before: it changes nothing. Errors:
// device.ErrNotFound; device.ErrKeyEnded: the key is not the device's next one.
func (s *Store) Promote(ctx context.Context, org, id region.ID, keyHash []byte) error {
	home, err := s.cfg.Regions.Home(id)
	if err != nil {
		return err
	}
	return s.cfg.DB.InTx(outbox.WithActor(ctx, string(id)), func(ctx context.Context, tx pgx.Tx) error {
		k, err := findKeys(ctx, tx, home.Name, org, id)
		switch {
		case err != nil:
			return err
		case k.status == device.Enrolled && bytes.Equal(keyHash, k.current):
			return nil
		case k.status != device.Enrolled || !bytes.Equal(keyHash, k.next):
			return fmt.Errorf("%w: %s", device.ErrKeyEnded, id)
		}
		c, err := s.cfg.Outbox.Begin(ctx, tx, home.Name, org)
		if err != nil {
			return err
		}
		if err := s.endCurrent(ctx, tx, c, home.Name, &k); err != nil {
			return err
		}
		return k.publish(ctx, c)
	})
}

// endCurrent puts the next key in the current one's place.
func (s *Store) endCurrent(ctx context.Context, tx pgx.Tx, c *outbox.Commit, home region.Name, k *keys) error {
	_, err := tx.Exec(ctx, `UPDATE devices SET public_key_sha256 = next_public_key_sha256, certificate_not_after = next_certificate_not_after,
		next_public_key_sha256 = NULL, next_certificate_not_after = NULL WHERE region = $1 AND id = $2`, string(home), string(k.device))
	if err != nil {
		return fmt.Errorf("end the current key: %w", err)
	}
	k.current, k.next = k.next, nil
	c.Event(outbox.Event{Stream: k.device, Kind: "device_renewed", Payload: &gatewayv1.DeviceRenewed{
		DeviceId: string(k.device), PublicKeySha256: k.current, OldKeyEnded: true,
	}})
	return nil
}

// publish tells the gateways which keys there are now, and ends the commit.
func (k keys) publish(ctx context.Context, c *outbox.Commit) error {
	c.Put(outbox.SiteKey(k.org, k.site, "device", k.device), k.state())
	_, err := c.Flush(ctx)
	return err
}

// state is what gateways know of a device.
func (k keys) state() *gatewayv1.DeviceState {
	m := &gatewayv1.DeviceState{DoorId: string(k.door), PublicKeySha256: k.current, NextPublicKeySha256: k.next}
	if k.newest != nil {
		m.NewestNotBeforeMs = uint64(k.newest.UnixMilli())
	}
	return m
}

// findKeys reads a device's keys. No row lock: writers of one organization wait at its head.
func findKeys(ctx context.Context, tx pgx.Tx, home region.Name, org, id region.ID) (keys, error) {
	var k keys
	err := tx.QueryRow(ctx, `SELECT id, org, door_id, site_id, status, public_key_sha256, next_public_key_sha256, newest_not_before
		FROM devices WHERE region = $1 AND id = $2 AND org = $3`, string(home), string(id), string(org)).
		Scan(&k.device, &k.org, &k.door, &k.site, &k.status, &k.current, &k.next, &k.newest)
	if errors.Is(err, pgx.ErrNoRows) {
		return k, fmt.Errorf("%w: %s", device.ErrNotFound, id)
	}
	return k, wrap("read device", err)
}
