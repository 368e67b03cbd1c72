package locksim

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/wire"
	"google.golang.org/protobuf/proto"
)

const (
	// connectTimeout is for TCP, dialTimeout for that and TLS.
	connectTimeout = 3 * time.Second
	dialTimeout    = 10 * time.Second
	welcomeTimeout = 15 * time.Second
	writeTimeout   = 10 * time.Second
)

// link is one open session. It has no goroutine while it is idle but the one that reads: what waits is a timer, and events
// are sent by a goroutine that ends when there is nothing left to send. Fields marked mu are guarded by the lock's mu.
type link struct {
	lock      *Lock
	conn      *tls.Conn
	reader    *wire.Reader
	welcome   *lockwirev1.Welcome
	heartbeat time.Duration

	// wmu guards the writer.
	wmu    sync.Mutex
	writer *wire.Writer
	wrote  atomic.Int64 // when, in nanoseconds since 1970

	heard atomic.Uint64 // frames that came

	requestID uint64                                     // mu
	answers   map[uint64]chan *lockwirev1.AccessDecision // mu; nil answer: the gateway cannot
	batches   map[uint64]*lockwirev1.EventBatch          // mu; not yet answered
	sent      map[uint64]uint64                          // mu; per boot epoch, highest sequence sent
	received  map[uint64]uint64                          // mu; per boot epoch, as acknowledged
	notBefore time.Time                                  // mu; no batch before
	later     *time.Timer                                // mu; kicks at notBefore
	sending   bool                                       // mu; a goroutine sends events
	over      error                                      // mu; why the session ended, nil while it is open
	timers    []*time.Timer                              // mu; stopped when the session ends
	renewing  uint64                                     // mu; the certificate request under way; 0: none
	suspected bool                                       // mu; a Ping asks whether anybody is there
	switching bool                                       // mu; the session ends when no decision is waited for
	leaving   *goneAway                                  // mu; the gateway asked to leave
}

// session dials one endpoint and stays until the connection ends. Errors: *goneAway when the gateway asked to leave, errHome.
func (l *Lock) session(ctx context.Context, endpoint string) error {
	k, err := l.connect(ctx, endpoint)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { k.end(ctx.Err()) })
	defer stop()
	k.beat()
	k.homesick(endpoint)
	k.renewSoon()
	return k.end(k.read())
}

// end closes the connection, with close_notify, and returns why the session ended: the first reason that was given.
func (k *link) end(err error) error {
	k.lock.mu.Lock()
	defer k.lock.mu.Unlock()
	if k.finish(err) {
		return k.over
	}
	k.lock.mu.Unlock()
	k.conn.Close()
	k.lock.mu.Lock()
	return err
}

// finish notes why the session ended and stops its timers; over: it had ended before. mu is held.
func (k *link) finish(err error) (over bool) {
	if k.over != nil {
		return true
	}
	k.over = err
	for _, t := range k.timers {
		t.Stop()
	}
	k.timers = nil
	return false
}

// every calls do in its own goroutine after each wait, until the session ends.
func (k *link) every(wait func() time.Duration, do func()) {
	k.lock.mu.Lock()
	defer k.lock.mu.Unlock()
	var timer *time.Timer
	ready := make(chan struct{}) // timer is set
	timer = time.AfterFunc(wait(), func() {
		<-ready
		do()
		k.lock.mu.Lock()
		defer k.lock.mu.Unlock()
		if k.over == nil {
			timer.Reset(wait())
		}
	})
	close(ready)
	k.timers = append(k.timers, timer)
}

func (l *Lock) connect(ctx context.Context, endpoint string) (*link, error) {
	dial, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	began := time.Now()
	connect, connected := context.WithTimeout(dial, connectTimeout)
	raw, err := l.cfg.Dial(connect, "tcp", endpoint)
	connected()
	if err != nil {
		return nil, err
	}
	cert, roots, tickets, next := l.credentials()
	config := &tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: []string{wire.ALPNSession}, ServerName: serverName,
		RootCAs: roots, Certificates: []tls.Certificate{cert}, SessionTicketsDisabled: true,
	}
	if !next && !l.cfg.NoResume { // with a new key its certificate must be shown
		config.SessionTicketsDisabled, config.ClientSessionCache = false, tickets
	}
	conn := tls.Client(raw, config)
	k, err := l.greet(ctx, dial, conn, began, next)
	if err != nil {
		conn.Close()
		if next && ctx.Err() == nil {
			err = l.nextFailed(err)
		}
		return nil, err
	}
	return k, nil
}

func (l *Lock) greet(ctx, dial context.Context, conn *tls.Conn, began time.Time, next bool) (*link, error) {
	if err := conn.HandshakeContext(dial); err != nil {
		return nil, err
	}
	k := &link{
		lock: l, conn: conn, writer: wire.NewWriter(conn), reader: wire.NewReader(conn, wire.Limits{Joined: joinedLimit}),
		answers: map[uint64]chan *lockwirev1.AccessDecision{}, batches: map[uint64]*lockwirev1.EventBatch{},
		sent: map[uint64]uint64{}, received: map[uint64]uint64{},
	}
	stop := context.AfterFunc(ctx, func() { conn.NetConn().Close() })
	defer stop()
	if err := k.write(l.hello()); err != nil {
		return nil, k.broken(err)
	}
	conn.SetReadDeadline(time.Now().Add(welcomeTimeout))
	m, err := k.reader.Next()
	if err != nil {
		return nil, err
	}
	switch m := m.(type) {
	case *lockwirev1.Welcome:
		if err := l.open(k, m, time.Since(began), next); err != nil {
			return nil, err
		}
		return k, nil
	case *lockwirev1.Error:
		return nil, wireError(m)
	default:
		return nil, fmt.Errorf("the gateway answered Hello with %T", m)
	}
}

func (l *Lock) hello() *lockwirev1.Hello {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := &lockwirev1.Hello{
		DeviceId: l.flash.DeviceID, Firmware: l.running, Model: l.cfg.Model, Capabilities: slices.Clone(capabilities),
		BootEpoch: l.flash.BootEpoch, JournalHead: l.ring().Next - 1, Versions: []uint32{wire.Version},
		ResumeSession: l.wanted(), HoldOpenCommand: l.door.holdCommand, LockdownCommand: l.flash.Lockdown,
	}
	h.LockTimeMs, h.ClockQuality = l.clock()
	l.sayBundle(h)
	return h
}

// open makes the session usable.
func (l *Lock) open(k *link, w *lockwirev1.Welcome, took time.Duration, next bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := k.goOn(w); err != nil {
		return err
	}
	k.welcome, k.heartbeat = w, time.Duration(w.GetHeartbeatMs())*time.Millisecond
	if list := endpoints(w.GetEndpoints()); len(list) > 0 {
		l.flash.Endpoints = list
	}
	l.setClock(w.GetServerTimeMs())
	if next {
		l.nextWorked()
	}
	l.link, l.lastErr = k, nil
	l.cfg.Observer.SessionOpened(took)
	l.free(l.flash.BootEpoch, 1, w.GetDurableUpTo())
	l.configure(w.GetConfiguration())
	l.doorChanged() // it does not stand open by the bundle any more
	l.cfg.Logger.Info("lock: session open", "device", l.flash.DeviceID, "gateway", k.conn.RemoteAddr().String())
	return nil
}

// setClock is called with mu held.
func (l *Lock) setClock(serverMS uint64) {
	if l.cfg.KeepClock || serverMS == 0 {
		return
	}
	difference := time.UnixMilli(int64(serverMS)).Sub(l.now())
	if difference.Abs() > time.Second || l.quality == lockwirev1.ClockQuality_CLOCK_QUALITY_UNSET {
		l.offset += difference
	}
	l.quality = lockwirev1.ClockQuality_CLOCK_QUALITY_SYNCHRONIZED
}

func (k *link) write(m proto.Message) error {
	k.wmu.Lock()
	defer k.wmu.Unlock()
	return k.send(m)
}

// writeNext sends what next returns, if anything. next is called with both wmu and the lock's mu held (taken in this
// order), so that request ids rise on the wire.
func (k *link) writeNext(next func() proto.Message) (sent bool, err error) {
	k.wmu.Lock()
	defer k.wmu.Unlock()
	k.lock.mu.Lock()
	m := next()
	k.lock.mu.Unlock()
	if m == nil {
		return false, nil
	}
	return true, k.send(m)
}

// send is called with wmu held.
func (k *link) send(m proto.Message) error {
	now := time.Now()
	k.wrote.Store(now.UnixNano())
	k.conn.SetWriteDeadline(now.Add(writeTimeout))
	return k.writer.Write(m)
}

// broken looks for what the gateway said before it closed, after a write failed.
func (k *link) broken(err error) error {
	k.conn.SetReadDeadline(time.Now().Add(time.Second))
	if m, readErr := k.reader.Next(); readErr == nil {
		if said, ok := m.(*lockwirev1.Error); ok {
			return wireError(said)
		}
	} else if alert := new(net.OpError); errors.As(readErr, &alert) {
		return readErr
	}
	return err
}

// beat sends a Ping when nothing was sent for a heartbeat, minus up to a quarter.
func (k *link) beat() {
	var nonce uint64
	idle := k.idle()
	k.every(func() time.Duration { return max(idle-k.silent(), 0) }, func() {
		if k.silent() < idle {
			return // something was sent meanwhile: the wait begins there
		}
		nonce++
		idle = k.idle()
		if err := k.write(&lockwirev1.Ping{Nonce: nonce}); err != nil {
			k.end(err)
		}
	})
}

func (k *link) idle() time.Duration { return k.heartbeat - rand.N(k.heartbeat/4+1) }

// silent is how long ago something was sent.
func (k *link) silent() time.Duration { return time.Duration(time.Now().UnixNano() - k.wrote.Load()) }
