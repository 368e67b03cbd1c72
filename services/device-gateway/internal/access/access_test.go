package access

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/platform/bus"
	"github.com/cardea-mesh/cardea/services/platform/keyring"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/policy"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"
)

// bucket is a fake broker's bucket that a test fills and delivers by hand.
type bucket struct {
	steps chan func(onUpdate func(bus.Update), onCaughtUp func(string))
}

func (b *bucket) WatchState(ctx context.Context, onUpdate func(bus.Update), onCaughtUp func(string)) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case step := <-b.steps:
			step(onUpdate, onCaughtUp)
		}
	}
}

func (b *bucket) Connected() bool { return true }

// load delivers records, then says that this was all.
func (b *bucket) load(incarnation string, records map[string]*typev1.StateRecord) {
	done := make(chan struct{})
	b.steps <- func(onUpdate func(bus.Update), onCaughtUp func(string)) {
		for key, record := range records {
			onUpdate(bus.Update{Key: key, Record: record, Incarnation: incarnation})
		}
		onCaughtUp(incarnation)
		close(done)
	}
	<-done
}

// applied remembers what was reported.
type applied struct {
	mu    sync.Mutex
	heads map[string]int64
	from  map[string]string // incarnation
	more  chan struct{}
}

func (a *applied) report(heads []Head) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, h := range heads {
		a.heads[h.Service+"."+h.Region] = h.Version
		a.from[h.Service+"."+h.Region] = h.Incarnation
	}
	select {
	case a.more <- struct{}{}:
	default:
	}
}

func (a *applied) awaitFrom(t *testing.T, incarnation string) {
	t.Helper()
	deadline := time.After(5 * time.Second)
	for {
		a.mu.Lock()
		got := a.from["permissions.eu-central"]
		a.mu.Unlock()
		if got == incarnation {
			return
		}
		select {
		case <-a.more:
		case <-deadline:
			t.Fatalf("the version is reported of bucket %q, wanted %q", got, incarnation)
		}
	}
}

func (a *applied) await(t *testing.T, want int64) {
	t.Helper()
	deadline := time.After(5 * time.Second)
	for {
		a.mu.Lock()
		got := a.heads["permissions.eu-central"]
		a.mu.Unlock()
		if got >= want {
			return
		}
		select {
		case <-a.more:
		case <-deadline:
			t.Fatalf("version %d is reported, wanted %d", got, want)
		}
	}
}

// open starts a copy on a folder.
func open(t *testing.T, dir string, change ...func(*Config)) (*Copy, *bucket, *applied, func()) {
	t.Helper()
	regions, err := region.NewMap(map[region.Name]region.Spec{"eu-central": {Code: "euc", Jurisdiction: "eu"}})
	if err != nil {
		t.Fatal(err)
	}
	ring, err := keyring.New([]keyring.Key{{ID: "state-1", Secret: [32]byte{1}}})
	if err != nil {
		t.Fatal(err)
	}
	a := &applied{heads: map[string]int64{}, from: map[string]string{}, more: make(chan struct{}, 1)}
	cfg := Config{
		Dir: dir, Ring: ring, Regions: regions, Now: time.Now, Logger: slog.New(slog.DiscardHandler), OnApplied: a.report,
		OnDeviceChanged: func(string, Device) {},
	}
	for _, c := range change {
		c(&cfg)
	}
	c, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	b := &bucket{steps: make(chan func(func(bus.Update), func(string)))}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); c.Run(ctx, b) }()
	stop := sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(stop)
	return c, b, a, stop
}

const org = "org_euc_1"

func record(version int64, m proto.Message) *typev1.StateRecord {
	body, err := proto.Marshal(m)
	if err != nil {
		panic(err) // a test's own message
	}
	return &typev1.StateRecord{Version: version, Body: body}
}

func grantKey(n int) string { return fmt.Sprintf("%s.site.s.grant.g%d", org, n) }

func grantRecord(version int64) *typev1.StateRecord {
	return record(version, &permissionsv1.GrantState{SubjectId: "p", TargetId: "d"})
}

func head(version int64) *typev1.StateRecord { return &typev1.StateRecord{Version: version} }

const headKey = org + ".head.permissions.eu-central"

func (c *Copy) grantsOf(subject, target string) int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if o := c.organizations[org]; o != nil {
		return len(o.Grants(policy.SubjectID(subject), policy.TargetID(target)))
	}
	return 0
}

func TestWhatIsReportedIsOnDisk(t *testing.T) {
	dir := t.TempDir()
	c, b, a, _ := open(t, dir)
	b.load("1", map[string]*typev1.StateRecord{grantKey(1): grantRecord(1), grantKey(2): grantRecord(2), headKey: head(2)})
	a.await(t, 2)
	b.load("1", map[string]*typev1.StateRecord{grantKey(1): {Version: 3, Removed: true}, headKey: head(3)})
	a.await(t, 3)
	if n := c.grantsOf("p", "d"); n != 1 {
		t.Fatalf("%d grants", n)
	}
	// A kill at this moment: what a process finds that starts on a copy of the files, with the broker down.
	killed := t.TempDir()
	if err := os.CopyFS(killed, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(filepath.Join(killed, storeFile), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.Write([]byte{0, 0, 1, 0, 9, 9}) // a torn record
	f.Close()
	again, _, reported, _ := open(t, killed)
	reported.await(t, 3)
	if n := again.grantsOf("p", "d"); n != 1 || !again.Ready() || again.Version(org, "permissions", "eu-central") != 3 {
		t.Fatalf("%d grants, ready %v", n, again.Ready())
	}
}

func TestALoadDropsWhatWasPurged(t *testing.T) {
	dir := t.TempDir()
	_, b, a, stop := open(t, dir)
	b.load("1", map[string]*typev1.StateRecord{grantKey(1): grantRecord(1), grantKey(2): grantRecord(2), headKey: head(2)})
	a.await(t, 2)
	stop()
	c, b, a, stop := open(t, dir)
	b.load("1", map[string]*typev1.StateRecord{grantKey(2): grantRecord(2), headKey: head(9)})
	a.await(t, 9)
	if n := c.grantsOf("p", "d"); n != 1 {
		t.Fatalf("%d grants after the load", n)
	}
	stop()
	c, _, _, _ = open(t, dir)
	if n := c.grantsOf("p", "d"); n != 1 {
		t.Fatalf("%d grants after another start", n)
	}
}

func TestABucketMadeAnewAndStillEmptyTakesNothingAway(t *testing.T) {
	c, b, a, _ := open(t, t.TempDir())
	b.load("1", map[string]*typev1.StateRecord{grantKey(1): grantRecord(1), headKey: head(1)})
	a.await(t, 1)
	b.load("2", nil)
	if n := c.grantsOf("p", "d"); n != 1 {
		t.Fatal("an empty new bucket took the grants away")
	}
	b.load("3", map[string]*typev1.StateRecord{headKey: head(4)})
	a.await(t, 4)
	if n := c.grantsOf("p", "d"); n != 0 {
		t.Fatal("a filled new bucket left what it does not have")
	}
}

func TestAVersionIsReportedOfTheBucketThatBroughtIt(t *testing.T) {
	dir := t.TempDir()
	_, b, a, stop := open(t, dir)
	b.load("1", map[string]*typev1.StateRecord{headKey: head(1)})
	a.awaitFrom(t, "1")
	b.load("2", map[string]*typev1.StateRecord{headKey: head(1)}) // made anew, with the same in it
	a.awaitFrom(t, "2")
	stop()
	_, b, a, _ = open(t, dir)
	a.await(t, 1)
	a.awaitFrom(t, "") // the file does not know
	b.load("2", map[string]*typev1.StateRecord{headKey: head(1)})
	a.awaitFrom(t, "2")
}

func TestADoorsDevices(t *testing.T) {
	c, b, _, _ := open(t, t.TempDir())
	key := func(n int) string { return fmt.Sprint(org, ".site.s.device.device_euc_", n) }
	state := func(version int64, door string) *typev1.StateRecord {
		return record(version, &gatewayv1.DeviceState{DoorId: door})
	}
	b.load("1", map[string]*typev1.StateRecord{key(1): state(1, "d"), key(2): state(1, "d"), key(3): state(1, "e")})
	if n := len(c.DevicesOf(org, "d")); n != 2 {
		t.Fatalf("%d devices", n)
	}
	b.load("1", map[string]*typev1.StateRecord{key(1): state(2, "e"), key(2): {Version: 2, Removed: true}, key(3): state(1, "e")})
	if d, e := c.DevicesOf(org, "d"), c.DevicesOf(org, "e"); len(d) != 0 || len(e) != 2 {
		t.Fatalf("one moved, one was revoked: %v, %v", d, e)
	}
}

func TestAnOlderFactNeverReplacesANewerOne(t *testing.T) {
	c, b, a, _ := open(t, t.TempDir())
	b.load("1", map[string]*typev1.StateRecord{grantKey(1): {Version: 5, Removed: true}, headKey: head(5)})
	b.load("1", map[string]*typev1.StateRecord{grantKey(1): grantRecord(4)})
	a.await(t, 5)
	if n := c.grantsOf("p", "d"); n != 0 {
		t.Fatal("a late write brought a revoked grant back")
	}
}

func TestWhatCannotBeReadOpensNothing(t *testing.T) {
	c, b, a, _ := open(t, t.TempDir())
	b.load("1", map[string]*typev1.StateRecord{grantKey(1): grantRecord(1), headKey: head(1)})
	b.load("1", map[string]*typev1.StateRecord{
		grantKey(1): {Version: 2, Body: []byte{0xff, 0xff}}, "no.key": head(2), org + ".site.s.lockdown.x": head(2), headKey: head(2),
	})
	a.await(t, 2)
	if n := c.grantsOf("p", "d"); n != 0 {
		t.Fatal("a broken record left the former grant in force")
	}
}

func TestADeviceThatWasRevokedIsKnownAsSuch(t *testing.T) {
	dir := t.TempDir()
	c, b, a, stop := open(t, dir)
	key := org + ".site.s.device.device_euc_1"
	b.load("1", map[string]*typev1.StateRecord{key: record(1, &gatewayv1.DeviceState{DoorId: "d"}), headKey: head(1)})
	if d, known, _ := c.Device("device_euc_1"); !known || d.Site != "s" || d.Door != "d" || d.Org != org {
		t.Fatalf("%+v", d)
	}
	b.load("1", map[string]*typev1.StateRecord{key: {Version: 2, Removed: true}, headKey: head(2)})
	a.await(t, 2)
	if _, known, removed := c.Device("device_euc_1"); known || !removed {
		t.Fatal("it still counts as known")
	}
	stop()
	c, _, _, _ = open(t, dir)
	if _, known, removed := c.Device("device_euc_1"); known || !removed {
		t.Fatal("after a restart it does not count as revoked")
	}
}

// TestTheFileIsTheCopy plays random changes and compares a copy that was read from the file with the one in memory.
func TestTheFileIsTheCopy(t *testing.T) {
	root := t.TempDir()
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		dir := filepath.Join(root, fmt.Sprint(run))
		c, b, a, stop := open(t, dir)
		version := int64(0)
		for range rapid.IntRange(1, 20).Draw(rt, "changes") {
			version++
			n := rapid.IntRange(0, 4).Draw(rt, "grant")
			r := grantRecord(version)
			if rapid.Bool().Draw(rt, "removed") {
				r = &typev1.StateRecord{Version: version, Removed: true}
			}
			b.load("1", map[string]*typev1.StateRecord{grantKey(n): r})
		}
		b.load("1", map[string]*typev1.StateRecord{headKey: head(version)})
		a.await(t, version)
		want := c.grantsOf("p", "d")
		stop()
		again, _, _, stopAgain := open(t, dir)
		defer stopAgain()
		if got := again.grantsOf("p", "d"); got != want {
			rt.Fatalf("%d grants in the file, %d in memory", got, want)
		}
	})
}
