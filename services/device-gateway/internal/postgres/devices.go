package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/device"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/enroll"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/lockevent"
	"github.com/cardea-mesh/cardea/services/platform/idempotency"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// NewDevice is a device to make.
type NewDevice struct {
	Org, Door, Site region.ID
	ClaimTTL        time.Duration
	// Key makes the create repeatable; Request is what was asked.
	Key     idempotency.Key
	Request proto.Message
}

// Create makes a device and its claim code, once for each idempotency key.
func (s *Store) Create(ctx context.Context, n NewDevice) (*gatewayv1.CreateDeviceResponse, error) {
	home, err := s.cfg.Regions.Home(n.Door)
	if err != nil {
		return nil, err
	}
	out := new(gatewayv1.CreateDeviceResponse)
	err = s.cfg.DB.InTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		out.Reset()
		_, err := s.cfg.Keeper.Do(ctx, tx, n.Key, n.Request, out, func() (string, error) {
			return s.create(ctx, tx, home, n, out)
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (s *Store) create(ctx context.Context, tx pgx.Tx, home region.Region, n NewDevice, out *gatewayv1.CreateDeviceResponse) (string, error) {
	c, err := s.cfg.Outbox.Begin(ctx, tx, home.Name, n.Org)
	if err != nil {
		return "", err
	}
	id, secret := region.NewID(region.Device, home.Code), enroll.NewSecret(home.Code)
	expires := s.cfg.Now().Add(n.ClaimTTL) // Enroll asks the same clock; the database's may be another
	_, err = tx.Exec(ctx, `INSERT INTO devices (region, id, org, door_id, site_id, status, created_at)
		VALUES ($1, $2, $3, $4, $5, 'claimable', $6)`,
		string(home.Name), string(id), string(n.Org), string(n.Door), string(n.Site), c.RecordedAt)
	if err != nil {
		return "", fmt.Errorf("insert device: %w", err)
	}
	_, err = tx.Exec(ctx, `INSERT INTO claims (region, secret_sha256, device_id, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)`,
		string(home.Name), secret.Hash(), string(id), c.RecordedAt, expires)
	if err != nil {
		return "", fmt.Errorf("insert claim: %w", err)
	}
	c.Event(outbox.Event{Stream: id, Kind: "device_created", Payload: &gatewayv1.DeviceCreated{DeviceId: string(id), DoorId: string(n.Door)}})
	token, err := c.Flush(ctx)
	if err != nil {
		return "", err
	}
	out.DeviceId, out.ClaimCode = string(id), secret.Code(s.cfg.Authority.Fingerprint())
	out.ClaimExpiresAt, out.Token = timestamppb.New(expires), token
	return string(id), nil
}

// Get returns a device of an organization; device.ErrNotFound.
func (s *Store) Get(ctx context.Context, org, id region.ID) (device.Device, error) {
	home, err := s.cfg.Regions.Home(id)
	if err != nil {
		return device.Device{}, err
	}
	var d device.Device
	err = s.cfg.DB.Read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		d, err = find(ctx, tx, home.Name, org, id)
		return err
	})
	return d, err
}

const selectDevice = `SELECT id, org, door_id, site_id, status, enrolled_at FROM devices WHERE region = $1 AND id = $2 AND org = $3`

// find reads a device. No row lock: writers of one organization wait at its head.
func find(ctx context.Context, tx pgx.Tx, home region.Name, org, id region.ID) (device.Device, error) {
	var d device.Device
	var enrolled *time.Time
	err := tx.QueryRow(ctx, selectDevice, string(home), string(id), string(org)).
		Scan(&d.ID, &d.Org, &d.Door, &d.Site, &d.Status, &enrolled)
	if errors.Is(err, pgx.ErrNoRows) {
		return d, fmt.Errorf("%w: %s", device.ErrNotFound, id)
	}
	if err != nil {
		return d, fmt.Errorf("read device: %w", err)
	}
	if enrolled != nil {
		d.EnrolledAt = *enrolled
	}
	return d, nil
}

// Revoke ends a device. Doing it again changes nothing and names a commit that has it.
func (s *Store) Revoke(ctx context.Context, org, id region.ID) (*typev1.ConsistencyToken, error) {
	home, err := s.cfg.Regions.Home(id)
	if err != nil {
		return nil, err
	}
	var token *typev1.ConsistencyToken
	err = s.cfg.DB.InTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if token, err = s.revokedBefore(ctx, tx, home.Name, org, id); token != nil || err != nil {
			return err
		}
		c, err := s.cfg.Outbox.Begin(ctx, tx, home.Name, org)
		if err != nil {
			return err
		}
		d, err := find(ctx, tx, home.Name, org, id)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE devices SET status = 'revoked', revoked_at = $3 WHERE region = $1 AND id = $2`,
			string(home.Name), string(id), c.RecordedAt)
		if err != nil {
			return fmt.Errorf("revoke device: %w", err)
		}
		c.Event(outbox.Event{Stream: id, Kind: "device_revoked", Payload: &gatewayv1.DeviceRevoked{DeviceId: string(id)}})
		c.Remove(outbox.SiteKey(org, d.Site, "device", id))
		token, err = c.Flush(ctx)
		return err
	})
	return token, err
}

// revokedBefore returns the head's token when the device was revoked before; nil when it was not.
func (s *Store) revokedBefore(ctx context.Context, tx pgx.Tx, home region.Name, org, id region.ID) (*typev1.ConsistencyToken, error) {
	d, err := find(ctx, tx, home, org, id)
	if err != nil || d.Status != device.Revoked {
		return nil, err
	}
	version, err := s.cfg.Outbox.Head(ctx, tx, home, org)
	return &typev1.ConsistencyToken{Service: lockevent.Service, Region: string(home), OrgId: string(org), Version: version}, err
}
