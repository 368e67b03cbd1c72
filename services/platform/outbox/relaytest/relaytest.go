// Package relaytest runs relays that are processes of their own, so that a test can kill and pause them at any step.
//
// Such a process is the test binary itself: [Main] turns it into a relay when it was started by [Start]. It asks the test for
// everything that it wants to send, one thing at a time over its standard streams, so that the test knows and decides at
// which step it dies.
//
//	func TestMain(m *testing.M) { relaytest.Main(m) }
//
// For tests only. A Child belongs to one goroutine; Kill may be called from any.
package relaytest

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

const (
	urlVariable     = "CARDEA_TEST_RELAY_URL"
	serviceVariable = "CARDEA_TEST_RELAY_SERVICE" // also the schema
	regionVariable  = "CARDEA_TEST_RELAY_REGION"
)

// Lease is the relays' own; short, since tests wait for it to run out.
const Lease = 300 * time.Millisecond

// Main runs the tests, or the relay that this process was started as, and ends the process.
func Main(m *testing.M) {
	url := os.Getenv(urlVariable)
	if url == "" {
		os.Exit(m.Run())
	}
	if err := relay(url, os.Getenv(serviceVariable), region.Name(os.Getenv(regionVariable))); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func relay(url, service string, own region.Name) error {
	ctx := context.Background()
	db, err := database.Open(ctx, database.Config{URL: url, Schema: service})
	if err != nil {
		return err
	}
	regions, err := region.NewMap(map[region.Name]region.Spec{
		"eu-central": {Code: "euc", Jurisdiction: "eu"}, "eu-west": {Code: "euw", Jurisdiction: "eu"}, "us-east": {Code: "use", Jurisdiction: "us"},
	})
	if err != nil {
		return err
	}
	ob := outbox.New(outbox.Config{Service: service, Region: own, Regions: regions, AccessState: true})
	p := &parent{out: json.NewEncoder(os.Stdout), in: json.NewDecoder(os.Stdin)}
	r, err := outbox.NewRelay(outbox.RelayConfig{DB: db, Outbox: ob, Publisher: p, Caller: p, Poll: 20 * time.Millisecond,
		Lease: Lease, SendTimeout: time.Hour, Holder: "child"}) // one name: the next one need not wait for the lease
	if err != nil {
		return err
	}
	return r.Run(ctx)
}

// Send is one thing that a relay process wants sent.
type Send struct {
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

func (p *parent) ask(s Send) error {
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
	return errors.Join(err, p.ask(Send{What: "event", Subject: subject, Body: body}))
}

func (p *parent) PutState(_ context.Context, target region.Name, bucket, key string, rec *typev1.StateRecord) error {
	body, err := proto.Marshal(rec)
	return errors.Join(err, p.ask(Send{What: "state", Target: string(target), Bucket: bucket, Key: key, Body: body}))
}

func (p *parent) Call(_ context.Context, target region.Name, procedure string, request []byte) error {
	return p.ask(Send{What: "call", Target: string(target), RPC: procedure, Body: request})
}

// Child is a relay process as its test sees it.
type Child struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *json.Decoder
}

// Start runs a relay of a service in a region, on a database whose schema has the service's name, until Kill or the end of
// the test.
func Start(t testing.TB, url, service string, own region.Name) *Child {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), urlVariable+"="+url, serviceVariable+"="+service, regionVariable+"="+string(own))
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
	c := &Child{cmd: cmd, in: in, out: json.NewDecoder(bufio.NewReader(out))}
	t.Cleanup(c.Kill)
	return c
}

// Kill ends the process as a power cut would.
func (c *Child) Kill() {
	c.cmd.Process.Kill()
	c.cmd.Wait()
}

// Signal sends the process a signal.
func (c *Child) Signal(t testing.TB, s syscall.Signal) {
	t.Helper()
	if err := c.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// Next returns what the process wants sent, or false when it is gone.
func (c *Child) Next() (s Send, ok bool) { return s, c.out.Decode(&s) == nil }

// Answer tells the process what became of what Next has returned.
func (c *Child) Answer(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	json.NewEncoder(c.in).Encode(text) // fails when the process is gone
}

// To does what a process asked for, at the publisher and caller of the test.
func (s Send) To(ctx context.Context, p outbox.Publisher, c outbox.Caller) error {
	switch s.What {
	case "event":
		ev := &typev1.Event{}
		if err := proto.Unmarshal(s.Body, ev); err != nil {
			return err
		}
		return p.PublishEvent(ctx, s.Subject, ev)
	case "state":
		rec := &typev1.StateRecord{}
		if err := proto.Unmarshal(s.Body, rec); err != nil {
			return err
		}
		return p.PutState(ctx, region.Name(s.Target), s.Bucket, s.Key, rec)
	}
	return c.Call(ctx, region.Name(s.Target), s.RPC, s.Body)
}
