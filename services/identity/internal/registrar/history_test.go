package registrar_test

import (
	"context"
	"encoding/binary"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cardea-mesh/cardea/services/identity/internal/registry"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"

	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
)

// TestFollowersAndGatewaysEndUpWithTheTruth lets several writers issue, revoke, follow and unfollow at once, and then looks
// at what was sent: whatever the interleaving, a follower that takes all messages in order knows exactly the active cards
// while it follows and none otherwise, and the last fact of each card is what the tables say. (Under READ COMMITTED it
// fails: a card that is issued while somebody begins to follow is then sent by neither.)
func TestFollowersAndGatewaysEndUpWithTheTruth(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	eu := newJurisdiction(t, "eu")
	acme := eu.organization(central, "acme").Organization
	person := eu.person(acme.ID, central)
	h := &history{jurisdiction: eu, org: acme.ID, person: person}
	var writers sync.WaitGroup
	for n := range 4 {
		random := rand.New(rand.NewPCG(seed, uint64(n)))
		writers.Go(func() {
			for range 15 {
				h.step(t, random)
			}
		})
	}
	writers.Wait()

	active := eu.activeCards(person)
	wanted := active
	if eu.followed(person) {
		t.Logf("%d cards are followed", len(active))
	} else {
		wanted = map[string]bool{}
	}
	if known := eu.knownByFollower(); !maps.Equal(known, wanted) {
		t.Errorf("the follower knows %v, want %v", known, wanted)
	}
	for _, id := range h.issued {
		f, found := eu.fact(west, outbox.OrgKey(acme.ID, "credential", id))
		if !found || f.Removed == active[string(id)] {
			t.Errorf("%s: active %v, fact %+v", id, active[string(id)], f)
		}
	}
}

// history is what the writers share.
type history struct {
	*jurisdiction
	org, person region.ID
	version     atomic.Int64 // of the source that says who follows
	number      atomic.Uint32

	mu     sync.Mutex // guards issued
	issued []region.ID
}

func (h *history) step(t *testing.T, random *rand.Rand) {
	var err error
	switch random.IntN(4) {
	case 0, 1:
		bits := binary.BigEndian.AppendUint32([]byte{0x04}, h.number.Add(1))
		var c registry.Credential
		if c, err = h.issue(h.org, h.person, registry.CardNumber{Format: "uid", BitLength: 40, Bits: bits}); err == nil {
			h.mu.Lock()
			h.issued = append(h.issued, c.ID)
			h.mu.Unlock()
		}
	case 2:
		h.mu.Lock()
		issued := slices.Clone(h.issued)
		h.mu.Unlock()
		if len(issued) > 0 {
			err = h.try(func(ctx context.Context, tx pgx.Tx) error {
				_, err := h.RevokeCredential(ctx, tx, h.org, issued[random.IntN(len(issued))])
				return err
			})
		}
	case 3:
		err = h.follow(h.org, h.person, central, h.version.Add(1), random.IntN(3) > 0)
	}
	if err != nil {
		t.Errorf("a step failed: %v", err)
	}
}

// knownByFollower takes the messages for us-east in order, as ReceiveCredential does.
func (j *jurisdiction) knownByFollower() map[string]bool {
	known, newest := map[string]bool{}, map[string]int64{}
	_, messages := j.sent()
	for _, m := range messages {
		if m.GetSource().GetVersion() <= newest[m.GetCredentialId()] {
			continue
		}
		newest[m.GetCredentialId()] = m.GetSource().GetVersion()
		if m.GetStatus() == identityv1.CredentialStatus_CREDENTIAL_STATUS_ACTIVE && !m.GetWithdrawn() {
			known[m.GetCredentialId()] = true
		} else {
			delete(known, m.GetCredentialId())
		}
	}
	return known
}

func (j *jurisdiction) activeCards(person region.ID) map[string]bool {
	j.t.Helper()
	rows, _ := j.database.DB.Pool().Query(j.t.Context(), `SELECT id FROM credentials WHERE person_id = $1 AND status = 'active'`, person)
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		j.t.Fatal(err)
	}
	active := map[string]bool{}
	for _, id := range ids {
		active[id] = true
	}
	return active
}

func (j *jurisdiction) followed(person region.ID) (yes bool) {
	j.t.Helper()
	err := j.database.DB.Pool().QueryRow(j.t.Context(), `SELECT following FROM followers WHERE subject_id = $1`, person).Scan(&yes)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		j.t.Fatal(err)
	}
	return yes
}
