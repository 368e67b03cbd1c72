package bus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
)

// Update is the latest record of one key of the own region's access bucket.
type Update struct {
	Key    string
	Record *typev1.StateRecord
	// Revision rises with every write to the bucket within one Incarnation.
	Revision uint64
	// Incarnation names the bucket's life. When it changes the bucket was made anew: all that was loaded from the former one is
	// void once the new one is caught up.
	Incarnation string
}

// WatchState delivers the own region's access state: each key's latest record (tombstones too), then every change in the
// bucket's order. onCaughtUp is called, with the bucket's incarnation, each time the delivery has reached the bucket's end
// after a start: at first, after every interruption, and after a bucket that was made anew was delivered whole.
// After an interruption it goes on where it was. Both functions are called from one goroutine. It returns nil when ctx ends.
func (b *Bus) WatchState(ctx context.Context, onUpdate func(Update), onCaughtUp func(incarnation string)) error {
	// Each watch that is cut off counts in Connected.
	w := watch{bus: b, bucket: AccessBucket(b.cfg.Region, 0), onCut: func() { b.cut.Add(1) }}
	served := func() {
		if w.cut {
			b.cut.Add(-1)
		}
	}
	w.onCaughtUp = func(incarnation string) {
		served()
		onCaughtUp(incarnation)
	}
	w.onMessage = func(key string, msg jetstream.Msg) { w.deliverState(key, msg, onUpdate) }
	err := w.run(ctx)
	served() // nobody waits for it any more
	return err
}

// run delivers until ctx ends.
func (w *watch) run(ctx context.Context) error {
	reconnected := w.bus.nc.StatusChanged(nats.CONNECTED)
	defer w.bus.nc.RemoveStatusListener(reconnected)
	for try := 0; ; try++ {
		before := w.revision
		err := w.follow(ctx, reconnected)
		if ctx.Err() != nil {
			return nil
		}
		w.interrupted()
		w.bus.log.Warn("state watch interrupted", "bucket", w.bucket, "revision", w.revision, "error", err)
		if w.revision > before || errors.Is(err, errReconnected) {
			try = 0
		}
		if !pause(ctx, try) {
			return nil
		}
	}
}

var (
	errReconnected = errors.New("connection was made anew")
	errGap         = errors.New("a message was lost on the way")
)

// watch is the place in the bucket; used by one goroutine.
type watch struct {
	bus    *Bus
	bucket string
	// onMessage gets each key's message, deletions too; revision is the message's then.
	onMessage   func(key string, msg jetstream.Msg)
	onCaughtUp  func(string)
	onCut       func()
	incarnation string
	revision    uint64 // of the last delivered message
	cut         bool   // onCut was called, and onCaughtUp not since
}

func (w *watch) interrupted() {
	if !w.cut {
		w.cut = true
		w.onCut()
	}
}

func (w *watch) reachedEnd() {
	w.onCaughtUp(w.incarnation)
	w.cut = false
}

// follow makes a consumer after the last delivered revision and delivers from it until something breaks.
func (w *watch) follow(ctx context.Context, reconnected <-chan nats.Status) error {
	consumer, err := w.consumer(ctx)
	if err != nil {
		return unavailable(err)
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(1000), jetstream.PullHeartbeat(2*time.Second))
	if err != nil {
		return unavailable(err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(ctx, messages.Stop)
	defer stop()
	defer messages.Stop()
	// What the broker sent into a connection that broke is lost, and without a next message nothing tells: start over
	// after the last delivered revision.
	go func() {
		select {
		case <-reconnected:
			cancel(errReconnected)
		case <-ctx.Done():
		}
	}()
	behind := consumer.CachedInfo().NumPending > 0
	if !behind {
		w.reachedEnd()
	}
	for next := uint64(1); ; next++ {
		msg, err := messages.Next()
		if err != nil {
			return errors.Join(context.Cause(ctx), err)
		}
		meta, err := msg.Metadata()
		if err != nil {
			return err
		}
		if meta.Sequence.Consumer != next {
			return errGap
		}
		w.revision = meta.Sequence.Stream
		w.onMessage(strings.TrimPrefix(msg.Subject(), "$KV."+w.bucket+"."), msg)
		if behind && meta.NumPending == 0 {
			behind = false
			w.reachedEnd()
		}
	}
}

// consumer looks at the bucket's incarnation first: a place in another one means nothing.
func (w *watch) consumer(ctx context.Context) (jetstream.Consumer, error) {
	ctx, cancel := context.WithTimeout(ctx, w.bus.cfg.AckTimeout)
	defer cancel()
	stream, err := w.bus.own.Stream(ctx, bucketStream(w.bucket))
	if err != nil {
		return nil, err
	}
	info := stream.CachedInfo()
	if incarnation := incarnationOf(info); incarnation != w.incarnation || info.State.LastSeq < w.revision {
		w.incarnation, w.revision = incarnation, 0
	}
	cfg := jetstream.ConsumerConfig{
		AckPolicy:         jetstream.AckNonePolicy,
		MemoryStorage:     true,
		InactiveThreshold: 30 * time.Second,
		DeliverPolicy:     jetstream.DeliverLastPerSubjectPolicy,
		FilterSubject:     "$KV." + w.bucket + ".>",
	}
	if w.revision > 0 {
		cfg.DeliverPolicy, cfg.OptStartSeq = jetstream.DeliverByStartSequencePolicy, w.revision+1
	}
	consumer, err := stream.CreateConsumer(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("make consumer: %w", err)
	}
	return consumer, nil
}

// operationHeader marks a deletion in a bucket.
const operationHeader = "KV-Operation"

func (w *watch) deliverState(key string, msg jetstream.Msg, onUpdate func(Update)) {
	if msg.Headers().Get(operationHeader) != "" {
		return // a purged tombstone: it was delivered as removed before
	}
	rec := &typev1.StateRecord{}
	if err := proto.Unmarshal(msg.Data(), rec); err != nil {
		w.bus.log.Error("state record is not readable", "bucket", w.bucket, "key", key, "revision", w.revision, "error", err)
		return
	}
	onUpdate(Update{Key: key, Record: rec, Revision: w.revision, Incarnation: w.incarnation})
}
