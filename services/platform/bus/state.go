package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// ErrContended means that other writers of the same key won every one of maxConflicts rounds. Try again.
var ErrContended = errors.New("state key contended")

// maxConflicts: each lost round means that another writer got through, so this is reached only when that many others do.
const maxConflicts = 32

// PutState writes rec to a key of the target region's bucket unless the key already holds its version or a higher one; then it is
// nil as well, for the fact is there or overtaken. ErrUnavailable: unknown whether it was written; try again.
func (b *Bus) PutState(ctx context.Context, target region.Name, bucket, key string, rec *typev1.StateRecord) error {
	body, err := proto.Marshal(rec)
	if err != nil {
		return fmt.Errorf("put %s: %w", key, err)
	}
	kv, err := b.bucket(ctx, target, bucket)
	if err != nil {
		return fmt.Errorf("put %s in %s: %w", key, bucket, unavailable(err))
	}
	for range maxConflicts {
		done, err := b.putOnce(ctx, kv, key, rec.GetVersion(), body)
		if err != nil {
			return fmt.Errorf("put %s in %s: %w", key, bucket, unavailable(err))
		}
		if done {
			return nil
		}
	}
	return fmt.Errorf("put %s in %s: %w", key, bucket, ErrContended)
}

// putOnce is one round of compare-and-set; false means that another writer was faster.
func (b *Bus) putOnce(ctx context.Context, kv jetstream.KeyValue, key string, version int64, body []byte) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, b.cfg.AckTimeout)
	defer cancel()
	entry, err := kv.Get(ctx, key)
	switch {
	case errors.Is(err, jetstream.ErrKeyNotFound):
		_, err = kv.Create(ctx, key, body)
		if errors.Is(err, jetstream.ErrKeyExists) {
			return false, nil
		}
		return err == nil, err
	case err != nil:
		return false, err
	}
	var held typev1.StateRecord
	if err := proto.Unmarshal(entry.Value(), &held); err != nil {
		return false, fmt.Errorf("revision %d is not a state record: %w", entry.Revision(), err)
	}
	if held.GetVersion() >= version {
		return true, nil
	}
	_, err = kv.Update(ctx, key, body, entry.Revision())
	if errors.Is(err, jetstream.ErrKeyRevisionMismatch) {
		return false, nil
	}
	return err == nil, err
}

// bucket returns a handle, kept for later: looking one up is a call to the target region.
func (b *Bus) bucket(ctx context.Context, target region.Name, name string) (jetstream.KeyValue, error) {
	handle := string(target) + "/" + name
	b.mu.Lock()
	kv, ok := b.buckets[handle]
	b.mu.Unlock()
	if ok {
		return kv, nil
	}
	js, err := b.domain(target)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, b.cfg.AckTimeout)
	defer cancel()
	if kv, err = js.KeyValue(ctx, name); err != nil {
		return nil, err
	}
	b.mu.Lock()
	b.buckets[handle] = kv
	b.mu.Unlock()
	return kv, nil
}

// Bucket returns a bucket of the own region as it is, once it is there. Errors: ErrUnavailable.
func (b *Bus) Bucket(ctx context.Context, name string) (jetstream.KeyValue, error) {
	kv, err := b.bucket(ctx, b.cfg.Region, name)
	if err != nil {
		return nil, fmt.Errorf("bucket %s: %w", name, unavailable(err))
	}
	return kv, nil
}

// BucketIncarnation names the life of a region's bucket, as WatchState tells it. Where the own region's bucket is missing, because
// the broker lost its disk, it is made, and so is the event stream. Errors: ErrUnavailable.
func (b *Bus) BucketIncarnation(ctx context.Context, target region.Name, bucket string) (string, error) {
	js, err := b.domain(target)
	if err != nil {
		return "", err
	}
	stream, err := js.Stream(ctx, bucketStream(bucket))
	if errors.Is(err, jetstream.ErrStreamNotFound) && target == b.cfg.Region {
		if err = errors.Join(b.EnsureStreams(ctx), b.EnsureBuckets(ctx)); err == nil {
			stream, err = js.Stream(ctx, bucketStream(bucket))
		}
	}
	if err != nil {
		return "", fmt.Errorf("look at %s: %w", bucket, unavailable(err))
	}
	return incarnationOf(stream.CachedInfo()), nil
}

// incarnationOf names one life of a bucket: its stream's creation time, which survives restarts of the broker. A bucket
// restored from a broker backup keeps its old incarnation.
func incarnationOf(info *jetstream.StreamInfo) string {
	return info.Created.UTC().Format(time.RFC3339Nano)
}
