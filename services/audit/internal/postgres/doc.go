// Package postgres keeps the ledgers: the only SQL of this service, and its migrations.
//
// Promises:
//   - Append puts each event into its ledger once, however often and by however many instances it is given: an event id that
//     is there already is passed over in the transaction that appends the rest.
//   - Heads, entries and bodies are written in one transaction, so a ledger read at any time verifies.
//   - Reads see one state: entries and the head that comes with them agree.
//   - The role that the service connects as can neither change nor delete an entry or a body.
//
// A Store is safe for concurrent use. Errors are those of package database; nothing here is retried beyond what InTx retries.
package postgres

import (
	"embed"
	"io/fs"

	"github.com/cardea-mesh/cardea/services/platform/database"
)

//go:embed migrations/*.sql
var files embed.FS

// Schema is the service's schema, and the name of its role.
const Schema = "audit"

// Migrations are the service's tables.
func Migrations() fs.FS { return files }

// Store is the ledgers of a jurisdiction.
type Store struct {
	db *database.DB
}

// New makes a store.
func New(db *database.DB) *Store { return &Store{db: db} }
