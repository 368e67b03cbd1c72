package outbox_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"google.golang.org/protobuf/proto"
)

// Tests kill and pause relays that are processes of their own. Such a process is this test binary with relayURL set; it
// asks its parent for every send, over its standard streams, so that the parent knows and decides at which step it dies.
const (
	relayURL    = "CARDEA_TEST_RELAY_URL"
	relayRegion = "CARDEA_TEST_RELAY_REGION"
)

// leaseForTests is short, since tests wait for it to run out.
const leaseForTests = 300 * time.Millisecond

func TestMain(m *testing.M) {
	if url := os.Getenv(relayURL); url != "" {
		if err := relayProcess(url, region.Name(os.Getenv(relayRegion))); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func relayProcess(url string, own region.Name) error {
	ctx := context.Background()
	db, err := database.Open(ctx, database.Config{URL: url, Schema: "permissions"})
	if err != nil {
		return err
	}
	regions, err := region.NewMap(map[region.Name]region.Spec{
		"eu-central": {Code: "euc", Jurisdiction: "eu"}, "eu-west": {Code: "euw", Jurisdiction: "eu"}, "us-east": {Code: "use", Jurisdiction: "us"},
	})
	if err != nil {
		return err
	}
	ob := outbox.New(outbox.Config{Service: "permissions", Region: own, Regions: regions, AccessState: true})
	p := &parent{out: json.NewEncoder(os.Stdout), in: json.NewDecoder(os.Stdin)}
	relay, err := outbox.NewRelay(outbox.RelayConfig{DB: db, Outbox: ob, Publisher: p, Caller: p, Poll: 20 * time.Millisecond,
		Lease: leaseForTests, SendTimeout: time.Hour, Holder: "child"}) // one name: the next one need not wait for the lease
	if err != nil {
		return err
	}
	return relay.Run(ctx)
}

// send is one thing that a relay process wants sent.
type send struct {
	What                              string // event, state, call
	Subject, Target, Bucket, Key, RPC string
	Body                              []byte
}

// parent is the broker as a relay process sees it. It asks for one thing at a time.
type parent struct {
	mu  sync.Mutex // guards both
	out *json.Encoder
	in  *json.Decoder
}

func (p *parent) ask(s send) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.out.Encode(s); err != nil {
		return err
	}
	var answer string
	if err := p.in.Decode(&answer); err != nil {
		os.Exit(0) // the parent is gone
	}
	if answer != "" {
		return errors.New(answer)
	}
	return nil
}

func (p *parent) PublishEvent(_ context.Context, subject string, ev *typev1.Event) error {
	body, err := proto.Marshal(ev)
	return errors.Join(err, p.ask(send{What: "event", Subject: subject, Body: body}))
}

func (p *parent) PutState(_ context.Context, target region.Name, bucket, key string, rec *typev1.StateRecord) error {
	body, err := proto.Marshal(rec)
	return errors.Join(err, p.ask(send{What: "state", Target: string(target), Bucket: bucket, Key: key, Body: body}))
}

func (p *parent) Call(_ context.Context, target region.Name, procedure string, request []byte) error {
	return p.ask(send{What: "call", Target: string(target), RPC: procedure, Body: request})
}

// child is a relay process as its parent sees it.
type child struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *json.Decoder
}

func startChild(t testing.TB, url string, own region.Name) *child {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), relayURL+"="+url, relayRegion+"="+string(own))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &child{cmd: cmd, in: in, out: json.NewDecoder(bufio.NewReader(out))}
	t.Cleanup(c.kill)
	return c
}

// kill ends the process as a power cut would.
func (c *child) kill() {
	c.cmd.Process.Kill()
	c.cmd.Wait()
}

func (c *child) signal(t testing.TB, s syscall.Signal) {
	t.Helper()
	if err := c.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// next returns what the process wants sent, or false when it is gone.
func (c *child) next() (s send, ok bool) { return s, c.out.Decode(&s) == nil }

func (c *child) answer(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	json.NewEncoder(c.in).Encode(text) // fails when the process is gone
}

// apply does what a process asked for.
func (b *broker) apply(t testing.TB, s send) error {
	t.Helper()
	switch s.What {
	case "event":
		ev := &typev1.Event{}
		if err := proto.Unmarshal(s.Body, ev); err != nil {
			t.Fatal(err)
		}
		return b.PublishEvent(t.Context(), s.Subject, ev)
	case "state":
		rec := &typev1.StateRecord{}
		if err := proto.Unmarshal(s.Body, rec); err != nil {
			t.Fatal(err)
		}
		return b.PutState(t.Context(), region.Name(s.Target), s.Bucket, s.Key, rec)
	}
	return b.Call(t.Context(), region.Name(s.Target), s.RPC, s.Body)
}
