package gateway_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	gateway "github.com/cardea-mesh/cardea/services/device-gateway"
	"github.com/cardea-mesh/cardea/services/device-gateway/locksim"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/porttest"
	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/proto"
)

// process is a gateway as a process of its own, on the place's database and broker, that can be killed and started again.
type process struct {
	place        *place
	binary, file string
	locks        string // its address for locks
	run          *exec.Cmd
	exited       chan error
	said         *record
}

// record keeps what a process writes.
type record struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (r *record) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(b)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

// process builds the program and writes its configuration; nothing runs yet.
func (p *place) process() *process {
	p.t.Helper()
	dir := p.t.TempDir()
	s := &process{place: p, binary: filepath.Join(dir, "device-gateway"), locks: porttest.Address(p.t), said: new(record)}
	build := exec.Command("go", "build", "-o", s.binary, "./cmd/device-gateway")
	if text, err := build.CombinedOutput(); err != nil {
		p.t.Fatalf("%v\n%s", err, text)
	}
	write := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		p.must(os.WriteFile(path, content, 0o600))
		return path
	}
	key := func(n byte) []byte { // as Parts in startIn
		return []byte(base64.StdEncoding.EncodeToString(append([]byte{n}, make([]byte, 31)...)))
	}
	pair, err := p.mesh.CA.IssueService("eu", home, gateway.Service)
	p.must(err)
	p.must(p.root.Save(dir))
	s.file = write("config.yaml", fmt.Appendf(nil, `
region: eu-central
regions:
  eu-central: {code: euc, jurisdiction: eu}
  eu-west: {code: euw, jurisdiction: eu}
  us-east: {code: use, jurisdiction: us}
database: {url: %q, migrate_url: %q}
nats: {url: %q}
mesh: {listen: "127.0.0.1:0", ca_file: %s, cert_file: %s, key_file: %s}
keys:
  - {id: state-1, purpose: state, file: %s}
  - {id: answer-1, purpose: answer, file: %s}
telemetry: {log_level: info}
state_dir: %s
locks: {listen: %q, ca_cert_file: %s, ca_key_file: %s, endpoints: {eu-central: %q}}
`, p.database.URL, p.database.OwnerURL, p.broker.URL(), write("mesh.pem", p.mesh.CA.CertPEM()), write("cert.pem", pair.CertPEM), write("key.pem", pair.KeyPEM),
		write("state.key", key(1)), write("answer.key", key(2)), filepath.Join(dir, "state"),
		s.locks, filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca.key"), s.locks))
	p.t.Cleanup(s.kill)
	return s
}

// start starts it; full: it may not make any file longer than it is.
func (s *process) start(full bool) {
	s.place.t.Helper()
	limit := "unlimited"
	if full {
		limit = "0"
	}
	s.run = exec.Command("sh", "-c", `ulimit -S -f `+limit+` && exec "$0" -config "$1"`, s.binary, s.file)
	s.run.Stdout, s.run.Stderr = s.said, s.said
	s.place.must(s.run.Start())
	exited := make(chan error, 1)
	run := s.run
	go func() { exited <- run.Wait() }()
	s.exited = exited
}

// kill is kill -9.
func (s *process) kill() {
	if s.run == nil {
		return
	}
	s.run.Process.Kill()
	<-s.exited
	s.run = nil
}

// setDisk makes its disk full, or gives it room again: the kernel refuses whatever makes a file longer.
func (s *process) setDisk(full bool) {
	s.place.t.Helper()
	limit := unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
	if full {
		limit.Cur = 0
	}
	s.place.must(unix.Prlimit(s.run.Process.Pid, unix.RLIMIT_FSIZE, &limit, nil))
}

// stores enrols locks at a gateway that ends then: they are the process's from now on.
func (s *process) stores(n int) (stores []locksim.Store) {
	s.place.t.Helper()
	g := s.place.start("")
	for range n {
		stores = append(stores, g.enroll())
	}
	g.stop()
	return stores
}

// lock boots a lock that dials the process.
func (s *process) lock(store locksim.Store) *locksim.Lock {
	s.place.t.Helper()
	return s.place.boot(store, func(c *locksim.Config) { c.Endpoints = []string{s.locks} })
}

// said waits until the process has written something.
func (s *process) awaitLine(text string) {
	s.place.t.Helper()
	s.place.eventually("the process says "+text, func() bool { return strings.Contains(s.said.String(), text) })
}

// opens presents until the door opens.
func (p *place) opens(l *locksim.Lock) {
	p.t.Helper()
	p.eventually("the door opens", func() bool { return l.Present(p.soon(), badge).Granted })
}

// ledger holds the region's stream to what locks wrote: every event once, with its own content, and first seen in the order of
// (boot epoch, sequence) of its lock.
func (p *place) ledger(written map[string][]locksim.Record) {
	p.t.Helper()
	e := p.events()
	for device, records := range written {
		slices.SortFunc(records, func(a, b locksim.Record) int { // two cards at once: their answers may cross
			return cmp.Or(cmp.Compare(a.Epoch, b.Epoch), cmp.Compare(a.Sequence, b.Sequence))
		})
		for _, r := range records {
			id := fmt.Sprintf("%s.%d.%d", device, r.Epoch, r.Sequence)
			payload := new(gatewayv1.LockEvent)
			p.must(proto.Unmarshal(e.await(p.t, id).GetPayload(), payload))
			if payload.GetKind() != r.Event.GetKind() || payload.GetLockTime().AsTime().UnixMilli() != int64(r.Event.GetLockTimeMs()) {
				p.t.Fatalf("event %s has other content: %v, wanted %v", id, payload, r.Event)
			}
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	next := map[string]int{}
	for _, id := range e.order {
		device, rest, _ := strings.Cut(id, ".")
		if written[device] == nil || strings.Contains(rest, ".clock-") {
			continue // the service's and the gateway's own
		}
		if next[device] == len(written[device]) {
			p.t.Fatalf("%s came and was never written", id)
		}
		r := written[device][next[device]]
		if want := fmt.Sprintf("%s.%d.%d", device, r.Epoch, r.Sequence); id != want {
			p.t.Fatalf("%s came where %s was due", id, want)
		}
		next[device]++
	}
}

// TestKilledAtAnyMomentUnderLoad kills the process with SIGKILL at moments of chance, while locks present and report.
func TestKilledAtAnyMomentUnderLoad(t *testing.T) {
	p := newPlace(t)
	s := p.process()
	stores := s.stores(4)
	s.start(false)
	written := map[string][]locksim.Record{}
	ctx, stop := context.WithCancel(t.Context())
	var load sync.WaitGroup
	var locks []*locksim.Lock
	for _, store := range stores {
		l := s.lock(store)
		locks = append(locks, l)
		p.opens(l)
		load.Go(func() {
			// A lock without a gateway refuses at once: without a pace it would fill its ring, and replace its oldest events by a GAP.
			for pace := time.NewTicker(10 * time.Millisecond); ctx.Err() == nil; <-pace.C {
				l.Present(ctx, badge)
			}
		})
	}
	for range 8 {
		time.Sleep(rand.N(300 * time.Millisecond)) // the moment is what is tested
		s.kill()
		s.start(false)
		p.opens(locks[0])
	}
	stop()
	load.Wait()
	total := 0
	for _, l := range locks {
		p.must(l.WaitDurable(p.soon()))
		written[l.DeviceID()] = l.Events()
		total += len(l.Events())
	}
	t.Logf("%d events over 8 kills", total)
	p.ledger(written)
}

// TestAFullDiskOfAProcess: the kernel refuses every write that needs room. Doors open, also to a gateway that starts so; nothing is acknowledged,
// the lock and the log say so, and with room again all is delivered.
func TestAFullDiskOfAProcess(t *testing.T) {
	p := newPlace(t)
	s := p.process()
	store := s.stores(1)[0]
	s.start(false)
	l := s.lock(store)
	p.opens(l)
	p.must(l.WaitDurable(p.soon()))
	s.setDisk(true)
	for range 5 {
		p.is(l, locksim.Presented{}, 0)
	}
	s.awaitLine("cannot write; locks keep their events")
	s.awaitLine("file too large") // the kernel's word for this limit
	if err := l.WaitReceived(short(t)); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("events were acknowledged on a full disk: %v", err)
	}
	// What is revoked now is refused at once, but not reported as applied before it is on disk.
	token := p.remove(outbox.SiteKey(p.org, p.site, "grant", p.grant))
	p.eventually("the door refuses", func() bool { return !l.Present(p.soon(), badge).Granted })
	if p.appliedBy(token, 500*time.Millisecond) {
		t.Fatal("a version that is not on disk was reported as applied")
	}
	p.grantIs(&permissionsv1.GrantState{})
	s.kill()
	s.start(true)
	p.opens(l)
	if err := l.WaitReceived(short(t)); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("events were acknowledged on a full disk after a start: %v", err)
	}
	s.setDisk(false)
	p.must(l.WaitDurable(p.soon()))
	s.awaitLine("writes again")
	if !p.appliedBy(token, 20*time.Second) {
		t.Fatal("with room on the disk the version is not reported as applied")
	}
	p.ledger(map[string][]locksim.Record{l.DeviceID(): l.Events()})
}

func short(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

// appliedBy asks the register whether the one gateway that still runs applied a commit.
func (p *place) appliedBy(token *typev1.ConsistencyToken, wait time.Duration) bool {
	p.t.Helper()
	var version int64
	for end := time.Now().Add(wait); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		p.must(p.db.Pool().QueryRow(p.soon(), `SELECT max(version) FROM gateway.applied WHERE org = $1 AND service = 'permissions'`, p.org).Scan(&version))
		if version >= token.GetVersion() {
			return true
		}
	}
	return false
}
