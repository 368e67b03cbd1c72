package postgres

import (
	"context"
	"errors"
	"fmt"

	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/device"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/enroll"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
)

// claim is what a secret opens.
type claim struct {
	device, org, door, site region.ID
}

// Enroll uses a claim up and returns the device's certificate (DER). Errors: enroll.ErrClaimRefused; after any other the
// claim is as it was, unless the commit's outcome is unknown.
func (s *Store) Enroll(ctx context.Context, secret enroll.Secret, request enroll.Request) (id region.ID, certificate []byte, err error) {
	home, err := s.cfg.Regions.Home(region.ID("device_" + string(secret.Home()) + "_"))
	if err != nil || home.Jurisdiction != s.cfg.Own.Jurisdiction {
		return "", nil, enroll.ErrClaimRefused
	}
	err = s.cfg.DB.InTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		found, err := s.claim(ctx, tx, home.Name, secret)
		if err != nil {
			return err
		}
		signed, err := s.cfg.Authority.Sign(request, found.device, found.org, s.cfg.CertificateTTL)
		if err != nil {
			return err
		}
		id, certificate = found.device, signed.DER
		return s.enrolled(ctx, tx, home.Name, secret, found, request.KeyHash(), signed)
	})
	if err != nil {
		return "", nil, err
	}
	return id, certificate, nil
}

// claim reads and locks the secret's row, and refuses it unless it is new, in time, and its device still waits.
func (s *Store) claim(ctx context.Context, tx pgx.Tx, home region.Name, secret enroll.Secret) (claim, error) {
	var c claim
	var status device.Status
	var usable bool
	err := tx.QueryRow(ctx, `SELECT d.id, d.org, d.door_id, d.site_id, d.status, c.used_at IS NULL AND c.expires_at > $3
		FROM claims c JOIN devices d ON d.region = c.region AND d.id = c.device_id
		WHERE c.region = $1 AND c.secret_sha256 = $2 FOR UPDATE`, string(home), secret.Hash(), s.cfg.Now()).
		Scan(&c.device, &c.org, &c.door, &c.site, &status, &usable)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return c, enroll.ErrClaimRefused
	case err != nil:
		return c, fmt.Errorf("read claim: %w", err)
	case !usable || status != device.Claimable:
		return c, enroll.ErrClaimRefused
	}
	return c, nil
}

func (s *Store) enrolled(ctx context.Context, tx pgx.Tx, home region.Name, secret enroll.Secret, found claim, keyHash []byte, signed enroll.Signed) error {
	c, err := s.cfg.Outbox.Begin(outbox.WithActor(ctx, string(found.device)), tx, home, found.org)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE claims SET used_at = $3 WHERE region = $1 AND secret_sha256 = $2`, string(home), secret.Hash(), c.RecordedAt)
	if err != nil {
		return fmt.Errorf("use claim: %w", err)
	}
	_, err = tx.Exec(ctx, `UPDATE devices SET status = 'enrolled', enrolled_at = $3, public_key_sha256 = $4, certificate_not_after = $5, newest_not_before = $6
		WHERE region = $1 AND id = $2`,
		string(home), string(found.device), c.RecordedAt, keyHash, signed.NotAfter, signed.NotBefore)
	if err != nil {
		return fmt.Errorf("enrol device: %w", err)
	}
	c.Event(outbox.Event{Stream: found.device, Kind: "device_enrolled", Payload: &gatewayv1.DeviceEnrolled{
		DeviceId: string(found.device), PublicKeySha256: keyHash,
	}})
	k := keys{device: found.device, org: found.org, door: found.door, site: found.site, current: keyHash, newest: &signed.NotBefore}
	return k.publish(ctx, c)
}
