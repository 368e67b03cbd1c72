// Package postgres keeps devices, claims, gateways and what these have applied. All SQL of the service is here.
//
// Rows are in the region of the device, or where the gateway stands; any instance of the jurisdiction may serve any of its
// regions. A Store is safe for concurrent use; errors are those of the platform's database, or of package device and enroll.
package postgres

import (
	"embed"
	"time"

	"github.com/cardea-mesh/cardea/services/device-gateway/internal/enroll"
	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/idempotency"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// Migrations makes the service's tables.
//
//go:embed migrations/*.sql
var Migrations embed.FS

// Config of a Store; everything is required.
type Config struct {
	DB        *database.DB
	Outbox    *outbox.Outbox
	Keeper    *idempotency.Keeper
	Regions   *region.Map
	Own       region.Region
	Authority *enroll.Authority
	// CertificateTTL is how long a device's certificate holds.
	CertificateTTL time.Duration
	Now            func() time.Time
}

// Store keeps the rows.
type Store struct{ cfg Config }

// New makes a store.
func New(cfg Config) *Store { return &Store{cfg: cfg} }
