package bus

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/cardea-mesh/cardea/services/platform/region"
)

// ErrConflict: the key does not hold the revision any more that the write was based on. Read it again and decide again.
var ErrConflict = errors.New("state key changed meanwhile")

// Value is the latest value of one key of a bucket that is not access state, e.g. shared door state.
type Value struct {
	Key  string
	Body []byte
	// Revision rises with every write to the bucket within one Incarnation; 0: nothing was ever there.
	Revision    uint64
	Incarnation string
}

// GetValue reads a key of a bucket in a region of the own jurisdiction. Nothing there is Revision 0 and no error; Incarnation
// stays empty. Errors: ErrUnavailable.
func (b *Bus) GetValue(ctx context.Context, target region.Name, bucket, key string) (Value, error) {
	kv, err := b.bucket(ctx, target, bucket)
	if err != nil {
		return Value{}, fmt.Errorf("get %s of %s: %w", key, bucket, unavailable(err))
	}
	entry, err := kv.Get(ctx, key)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return Value{Key: key}, nil
	}
	if err != nil {
		return Value{}, fmt.Errorf("get %s of %s: %w", key, bucket, unavailable(err))
	}
	return Value{Key: key, Body: entry.Value(), Revision: entry.Revision()}, nil
}

// SetValue writes a key of a bucket in a region of the own jurisdiction if its revision is still over (0: nothing there), and
// returns the new revision. Errors: ErrConflict, nothing was written; ErrUnavailable, unknown whether it was.
func (b *Bus) SetValue(ctx context.Context, target region.Name, bucket, key string, body []byte, over uint64) (uint64, error) {
	kv, err := b.bucket(ctx, target, bucket)
	if err != nil {
		return 0, fmt.Errorf("set %s of %s: %w", key, bucket, unavailable(err))
	}
	revision, err := kv.Update(ctx, key, body, over)
	switch {
	case errors.Is(err, jetstream.ErrKeyRevisionMismatch):
		return 0, fmt.Errorf("set %s of %s: %w", key, bucket, ErrConflict)
	case err != nil:
		return 0, fmt.Errorf("set %s of %s: %w", key, bucket, unavailable(err))
	}
	return revision, nil
}

// ValueWatcher is told what WatchValues finds; all are required, and called from one goroutine.
type ValueWatcher struct {
	OnValue func(Value)
	// OnCaughtUp: the delivery has reached the bucket's end, at first and after each OnCut.
	OnCaughtUp func(incarnation string)
	// OnCut: what was delivered may be behind the bucket from now on. While the connection itself is cut nothing is called;
	// ask Connected.
	OnCut func()
}

// WatchValues delivers a bucket of the own region as WatchState does the access state: each key's latest value, then every
// change. A deleted key has no body. It returns nil when ctx ends.
func (b *Bus) WatchValues(ctx context.Context, bucket string, told ValueWatcher) error {
	w := watch{bus: b, bucket: bucket, onCaughtUp: told.OnCaughtUp, onCut: told.OnCut}
	w.onMessage = func(key string, msg jetstream.Msg) {
		told.OnValue(Value{Key: key, Body: valueOf(msg), Revision: w.revision, Incarnation: w.incarnation})
	}
	return w.run(ctx)
}

// valueOf is nothing where the key was deleted.
func valueOf(msg jetstream.Msg) []byte {
	if msg.Headers().Get(operationHeader) != "" {
		return nil
	}
	return msg.Data()
}

// LastRevision is up to where a bucket in a region of the own jurisdiction is written, and in which incarnation: a watch that has
// delivered it has all that was written before the call. Errors: ErrUnavailable.
func (b *Bus) LastRevision(ctx context.Context, target region.Name, bucket string) (revision uint64, incarnation string, err error) {
	js, err := b.domain(target)
	if err != nil {
		return 0, "", err
	}
	ctx, cancel := context.WithTimeout(ctx, b.cfg.AckTimeout)
	defer cancel()
	stream, err := js.Stream(ctx, bucketStream(bucket))
	if err != nil {
		return 0, "", fmt.Errorf("look at %s: %w", bucket, unavailable(err))
	}
	info := stream.CachedInfo()
	return info.State.LastSeq, incarnationOf(info), nil
}
