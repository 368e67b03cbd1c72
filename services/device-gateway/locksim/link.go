package locksim

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/wire"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"
)

const (
	dialTimeout    = 10 * time.Second
	welcomeTimeout = 15 * time.Second
	writeTimeout   = 10 * time.Second
)

// link is one open session. Fields marked mu are guarded by the lock's mu.
type link struct {
	lock      *Lock
	conn      *tls.Conn
	reader    *wire.Reader
	welcome   *lockwirev1.Welcome
	heartbeat time.Duration

	// wmu guards the writer.
	wmu    sync.Mutex
	writer *wire.Writer
	wrote  time.Time

	requestID uint64                                     // mu
	answers   map[uint64]chan *lockwirev1.AccessDecision // mu; nil answer: the gateway cannot
	batches   map[uint64]*lockwirev1.EventBatch          // mu; not yet answered
	sent      map[uint64]uint64                          // mu; per boot epoch, highest sequence sent
	received  map[uint64]uint64                          // mu; per boot epoch, as acknowledged
	notBefore time.Time                                  // mu; no batch before
	leaving   *goneAway                                  // mu
}

// session dials one endpoint and stays until the connection ends. Errors: *goneAway when the gateway asked to leave, errHome.
func (l *Lock) session(ctx context.Context, endpoint string) error {
	k, err := l.connect(ctx, endpoint)
	if err != nil {
		return err
	}
	defer k.conn.Close()
	g, ctx := errgroup.WithContext(ctx)
	stop := context.AfterFunc(ctx, func() { k.conn.Close() }) // with close_notify
	defer stop()
	g.Go(k.read)
	g.Go(func() error { return k.sendEvents(ctx) })
	g.Go(func() error { return k.beat(ctx) })
	g.Go(func() error { return k.homesick(ctx, endpoint) })
	return g.Wait()
}

func (l *Lock) connect(ctx context.Context, endpoint string) (*link, error) {
	dial, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	raw, err := new(net.Dialer).DialContext(dial, "tcp", endpoint)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(raw, &tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: []string{wire.ALPNSession}, ServerName: serverName,
		RootCAs: l.roots, Certificates: []tls.Certificate{l.cert}, SessionTicketsDisabled: true,
	})
	k, err := l.greet(ctx, dial, conn)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return k, nil
}

func (l *Lock) greet(ctx, dial context.Context, conn *tls.Conn) (*link, error) {
	if err := conn.HandshakeContext(dial); err != nil {
		return nil, err
	}
	k := &link{
		lock: l, conn: conn, writer: wire.NewWriter(conn), reader: wire.NewReader(conn, wire.Limits{Joined: 1 << 19}),
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
		return k, l.open(k, m)
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
		DeviceId: l.flash.DeviceID, Firmware: l.running, Model: l.cfg.Model, Capabilities: commandCapabilities,
		BootEpoch: l.flash.BootEpoch, JournalHead: l.ring().Next - 1, Versions: []uint32{wire.Version},
		ResumeSession: l.wanted(), HoldOpenCommand: l.door.holdCommand, LockdownCommand: l.flash.Lockdown,
	}
	h.LockTimeMs, h.ClockQuality = l.clock()
	return h
}

// open makes the session usable.
func (l *Lock) open(k *link, w *lockwirev1.Welcome) error {
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
	l.link, l.lastErr = k, nil
	l.free(l.flash.BootEpoch, 1, w.GetDurableUpTo())
	l.configure(w.GetConfiguration())
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
	k.wrote = time.Now()
	k.conn.SetWriteDeadline(k.wrote.Add(writeTimeout))
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
func (k *link) beat(ctx context.Context) error {
	for nonce := uint64(1); ; nonce++ {
		idle := k.heartbeat - rand.N(k.heartbeat/4+1)
		for {
			k.wmu.Lock()
			left := idle - time.Since(k.wrote)
			k.wmu.Unlock()
			if left <= 0 {
				break
			}
			if !sleep(ctx, left) {
				return ctx.Err()
			}
		}
		if err := k.write(&lockwirev1.Ping{Nonce: nonce}); err != nil {
			return err
		}
	}
}
