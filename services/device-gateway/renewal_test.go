package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/locksim"
	"github.com/jackc/pgx/v5"
)

// flash is a lock's store that can lose its power at a moment of a renewal: what would be saved then is lost, or is the last that is saved.
type flash struct {
	locksim.Memory
	mu     sync.Mutex
	when   func(saved) bool
	keep   bool          // the value that met `when` was still saved
	off    bool          // guarded by mu: the power is off
	wentUp chan struct{} // closed when it went off
}

// saved is what a test looks at in a lock's flash.
type saved struct {
	Key   []byte   `json:"key"`
	Roots [][]byte `json:"roots"`
	Next  *struct {
		Key   []byte   `json:"key"`
		Chain [][]byte `json:"chain"`
	} `json:"next"`
}

func (s saved) asked() bool    { return s.Next != nil && len(s.Next.Chain) == 0 }
func (s saved) answered() bool { return s.Next != nil && len(s.Next.Chain) > 0 }

func (f *flash) Save(b []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.off {
		return nil
	}
	var value saved
	if err := json.Unmarshal(b, &value); err != nil {
		return err
	}
	if f.when == nil || !f.when(value) {
		return f.Memory.Save(b)
	}
	f.off = true
	close(f.wentUp)
	if f.keep {
		return f.Memory.Save(b)
	}
	return nil
}

// arm makes the power go off at a moment.
func (f *flash) arm(when func(saved) bool, keep bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.when, f.keep, f.off, f.wentUp = when, keep, false, make(chan struct{})
}

func (f *flash) on() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.when, f.off = nil, false
}

func (p *place) content(f *flash) (value saved) {
	p.t.Helper()
	b, err := f.Load()
	p.must(err)
	p.must(json.Unmarshal(b, &value))
	return value
}

// powered is a lock that runs until its power goes.
func (p *place) powered(store locksim.Store, address string) (l *locksim.Lock, cut func()) {
	p.t.Helper()
	l, err := locksim.Open(locksim.Config{
		Store: store, Endpoints: []string{address}, BackoffMin: 10 * time.Millisecond, BackoffMax: 100 * time.Millisecond,
		SwitchWait: 50 * time.Millisecond,
	})
	p.must(err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); l.Run(ctx) }()
	cut = sync.OnceFunc(func() { cancel(); <-done })
	p.t.Cleanup(cut)
	return l, cut
}

// newFlash is an enrolled lock's flash.
func (r *running) newFlash() *flash {
	r.place.t.Helper()
	f := new(flash)
	_, err := locksim.Enroll(r.place.soon(), f, r.locks, r.device().GetClaimCode())
	r.place.must(err)
	return f
}

// keysInDatabase are the hashes that the device's row has.
func (p *place) keysInDatabase(device string) (current, next []byte) {
	p.t.Helper()
	p.must(p.db.Read(p.soon(), func(ctx context.Context, tx pgx.Tx) error {
		return tx.QueryRow(ctx, `SELECT public_key_sha256, next_public_key_sha256 FROM devices WHERE region = 'eu-central' AND id = $1`, device).
			Scan(&current, &next)
	}))
	return current, next
}

// expectRenewed waits until only the new key is left, and shows that the door opens.
func (p *place) expectRenewed(l *locksim.Lock, f *flash, before saved) {
	p.t.Helper()
	p.must(l.WaitRenewed(p.soon(), 1))
	if got := l.Present(p.soon(), badge); !got.Granted {
		p.t.Fatalf("with the new key: %+v, %v", got, l.LastError())
	}
	p.eventually("the old key ended", func() bool {
		_, next := p.keysInDatabase(l.DeviceID())
		return next == nil
	})
	after := p.content(f)
	if after.Next != nil || string(after.Key) == string(before.Key) {
		p.t.Fatal("the lock does not keep just its new key")
	}
}

func TestALockRenewsItsCertificate(t *testing.T) {
	p := newPlace(t)
	r := p.start("")
	seen := p.events()
	f := r.newFlash()
	before := p.content(f)
	oldFlash, err := f.Load()
	p.must(err)
	l, _ := p.powered(f, r.locks)
	p.must(l.WaitOpen(p.soon()))
	p.must(l.Renew())
	p.expectRenewed(l, f, before)
	p.eventually("both events", func() bool { return seen.ofKind("device_renewed") == 2 })

	// A thief with the old key and the same certificate gets nowhere.
	thief := new(locksim.Memory)
	p.must(thief.Save(oldFlash))
	stolen := p.boot(thief, func(c *locksim.Config) { c.Endpoints = []string{r.locks} })
	p.eventually("the old key is refused", func() bool {
		var said *locksim.ProtocolError
		return errors.As(stolen.LastError(), &said) && said.Code == lockwirev1.ErrorCode_ERROR_CODE_DEVICE_REFUSED
	})
	p.must(l.WaitOpen(p.soon()))
	if got := l.Present(p.soon(), badge); !got.Granted {
		t.Fatalf("after a thief tried: %+v", got)
	}
}

// The connection is cut after the gateway signed the key and before its answer came.
func TestARenewalSurvivesALostAnswer(t *testing.T) {
	p := newPlace(t)
	r := p.start("")
	f := r.newFlash()
	before := p.content(f)
	between := newCable(t, r.locks)
	l, cut := p.powered(f, between.address)
	p.must(l.WaitOpen(p.soon()))
	between.mute()
	p.must(l.Renew())
	var signed []byte
	p.eventually("the key is signed", func() bool {
		_, signed = p.keysInDatabase(l.DeviceID())
		return signed != nil
	})
	cut()
	between.mend()
	if value := p.content(f); !value.asked() {
		t.Fatalf("flash has %+v", value)
	}
	again, _ := p.powered(f, between.address)
	p.expectRenewed(again, f, before)
	if current, _ := p.keysInDatabase(l.DeviceID()); string(current) != string(signed) {
		t.Fatal("the repeated request had another key")
	}
}

// The power goes when the answer came, before it was in flash.
func TestARenewalSurvivesACutBeforeTheAnswerIsSaved(t *testing.T) {
	renewalSurvivesACut(t, saved.answered, false, saved.asked)
}

// The power goes when the answer was in flash, before the new key was used.
func TestARenewalSurvivesACutBeforeTheFirstHello(t *testing.T) {
	renewalSurvivesACut(t, saved.answered, true, saved.answered)
}

func renewalSurvivesACut(t *testing.T, when func(saved) bool, keep bool, left func(saved) bool) {
	p := newPlace(t)
	r := p.start("")
	f := r.newFlash()
	before := p.content(f)
	l, cut := p.powered(f, r.locks)
	p.must(l.WaitOpen(p.soon()))
	f.arm(when, keep)
	p.must(l.Renew())
	<-f.wentUp
	cut()
	f.on()
	if value := p.content(f); !left(value) || string(value.Key) != string(before.Key) {
		t.Fatalf("flash has %+v", value)
	}
	again, _ := p.powered(f, r.locks)
	p.expectRenewed(again, f, before)
}

// The gateway ends when the new key opened a session and the database did not hear of it yet.
func TestARenewalSurvivesAGatewayThatEndsBeforeThePromotion(t *testing.T) {
	p := newPlace(t)
	dir := t.TempDir()
	r := p.start(dir)
	f := r.newFlash()
	before := p.content(f)
	between := newCable(t, r.locks)
	l, cut := p.powered(f, between.address)
	p.must(l.WaitOpen(p.soon()))
	f.arm(saved.answered, true)
	p.must(l.Renew())
	<-f.wentUp
	cut()
	f.on()
	release := p.holdOrganization()
	l, _ = p.powered(f, between.address)
	p.must(l.WaitRenewed(p.soon(), 1))
	r.stop()
	release()
	if _, next := p.keysInDatabase(l.DeviceID()); next == nil {
		t.Fatal("the database heard of it")
	}
	second := p.start(dir)
	between.point(second.locks)
	p.expectRenewed(l, f, before)
}

// holdOrganization keeps everybody from committing anything of the organization.
func (p *place) holdOrganization() (release func()) {
	p.t.Helper()
	held, let, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		err := p.db.InTx(context.Background(), func(ctx context.Context, tx pgx.Tx) error {
			var version int64
			err := tx.QueryRow(ctx, `SELECT version FROM org_heads WHERE region = 'eu-central' AND org = $1 FOR UPDATE`, string(p.org)).Scan(&version)
			close(held)
			<-let
			return err
		})
		if err != nil {
			p.t.Errorf("hold the organization: %v", err)
		}
	}()
	<-held
	release = sync.OnceFunc(func() { close(let); <-done })
	p.t.Cleanup(release)
	return release
}
