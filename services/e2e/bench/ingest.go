package main

import (
	"context"
	"fmt"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/e2e/bench/lockwire"
	"github.com/cardea-mesh/cardea/services/e2e/bench/report"
	"github.com/cardea-mesh/cardea/services/e2e/bench/sample"
	"github.com/cardea-mesh/cardea/services/e2e/bench/system"
	"github.com/cardea-mesh/cardea/services/platform/bus"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"
)

const (
	// ingestBatch is how many events a lock that was offline sends in one batch.
	ingestBatch = 256
	// ingestInFlight is how many locks do so at a time, and how many batches the floor has on their way.
	ingestInFlight = 8
)

// eventIngest has locks upload their rings: each worker sends one full batch and waits until all of it is durable. Floor: batches
// of as many events of the same bytes, published with JetStream's own client to the same stream and awaited. audit is held
// meanwhile: it would read what both write and take a share of the two cores from each. Both sides' events reach the ledger
// afterwards.
func (r *run) eventIngest(ctx context.Context) ([]report.Result, error) {
	fleet, err := r.fleet(ctx)
	if err != nil {
		return nil, err
	}
	locks, err := fleet.Connect(ctx, ingestInFlight)
	defer closeAll(locks)
	if err != nil {
		return nil, err
	}
	bare, err := r.barePublisher(fleet.Org)
	if err != nil {
		return nil, err
	}
	defer bare.broker.Close()
	audit, err := r.system.PID("audit")
	if err != nil {
		return nil, err
	}
	var a, b sample.Series
	err = held(audit, func() (err error) {
		a, b, err = sample.InTurn(ctx, r.plan(ingestInFlight), uploads(locks), bare.publish)
		return err
	})
	if err != nil {
		return nil, err
	}
	fmt.Printf("  batches of %d: p50 %.1f ms, p99 %.1f ms until durable; floor p50 %.1f ms\n", ingestBatch, a.Quantile(0.5), a.Quantile(0.99), b.Quantile(0.5))
	return []report.Result{
		report.New("event_ingest", "1/s", ingestBatch*a.PerSecond(), ingestBatch*b.PerSecond(), report.AtLeast(ingestTarget)),
	}, nil
}

// ingestTarget is ours: an event is written and synced twice, once in the gateway's journal and once by the broker.
const ingestTarget = 0.5

// uploads is the op of locks, one for each worker, that send full batches.
func uploads(locks []*lockwire.Lock) sample.Op {
	next := make([]uint64, len(locks))
	events := make([]*lockwirev1.Event, ingestBatch)
	for i := range events {
		events[i] = &lockwirev1.Event{
			Kind: lockwirev1.EventKind_EVENT_KIND_ACCESS, LockTimeMs: uint64(time.Now().UnixMilli()), UptimeMs: 1000,
			ClockQuality: lockwirev1.ClockQuality_CLOCK_QUALITY_SYNCHRONIZED, Outcome: lockwirev1.Outcome_OUTCOME_DENIED, Reason: 4,
		}
	}
	return func(_ context.Context, worker int) error {
		first := next[worker] + 1
		next[worker] += ingestBatch
		return locks[worker].Report(first, events)
	}
}

// barePublisher is the floor: a connection with JetStream's own client.
type barePublisher struct {
	broker *nats.Conn
	stream jetstream.JetStream
	org    string
}

func (r *run) barePublisher(org string) (barePublisher, error) {
	settings, err := r.system.Config("device-gateway")
	if err != nil {
		return barePublisher{}, err
	}
	n := settings.NATS
	broker, err := nats.Connect(n.URL, nats.RootCAs(n.CAFile), nats.ClientCert(n.CertFile, n.KeyFile),
		nats.CustomInboxPrefix(bus.InboxPrefix(system.Home, "device-gateway")))
	if err != nil {
		return barePublisher{}, err
	}
	stream, err := jetstream.New(broker, jetstream.WithPublishAsyncMaxPending(ingestInFlight*ingestBatch))
	return barePublisher{broker: broker, stream: stream, org: org}, err
}

// publish is one batch. An event of a lock has about 400 bytes in the stream.
func (p barePublisher) publish(context.Context, int) error {
	acks := make([]jetstream.PubAckFuture, ingestBatch)
	for i := range acks {
		event := benchEvent("device-gateway", p.org, int64(i))
		body, err := proto.Marshal(event)
		if err != nil {
			return err
		}
		if acks[i], err = p.stream.PublishAsync(bus.Subject(event), body, jetstream.WithMsgID(event.GetId())); err != nil {
			return err
		}
	}
	for _, ack := range acks {
		select {
		case <-ack.Ok():
		case err := <-ack.Err():
			return err
		}
	}
	return nil
}
