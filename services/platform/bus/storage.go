package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// DedupWindow is how long the broker remembers event ids.
const DedupWindow = 2 * time.Minute

// EnsureStreams makes the own region's event stream, or brings its settings up to date. It waits for a broker that is
// down; an error is a refusal by the broker, or ctx's.
func (b *Bus) EnsureStreams(ctx context.Context) error {
	return b.ensure(ctx, "event stream", func(ctx context.Context) error {
		cfg := jetstream.StreamConfig{
			Name:        EventStream(b.cfg.Region),
			Description: "what services of this home region committed",
			Subjects:    []string{EventSubjects(b.cfg.Region)},
			Storage:     jetstream.FileStorage,
			Retention:   jetstream.LimitsPolicy,
			Discard:     jetstream.DiscardNew, // a full disk refuses new events, which their owners keep, and drops none
			Duplicates:  DedupWindow,
		}
		_, err := b.own.CreateStream(ctx, cfg)
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // with other settings
			_, err = b.own.UpdateStream(ctx, cfg)
		}
		return err
	})
}

// EnsureBuckets makes the own region's buckets where they are missing. It waits like EnsureStreams.
func (b *Bus) EnsureBuckets(ctx context.Context) error {
	for _, bucket := range []string{AccessBucket(b.cfg.Region, 0), StateBucket(b.cfg.Region)} {
		err := b.ensure(ctx, "bucket "+bucket, func(ctx context.Context) error {
			_, err := b.own.CreateKeyValue(ctx, jetstream.KeyValueConfig{
				Bucket:  bucket,
				Storage: jetstream.FileStorage,
				History: 1,
			})
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *Bus) ensure(ctx context.Context, what string, make func(context.Context) error) error {
	for try := 0; ; try++ {
		callCtx, cancel := context.WithTimeout(ctx, b.cfg.AckTimeout)
		err := make(callCtx)
		cancel()
		if err == nil {
			return nil
		}
		if !errors.Is(unavailable(err), ErrUnavailable) {
			return fmt.Errorf("make %s: %w", what, err)
		}
		b.log.Warn("broker storage not ready", "what", what, "error", err)
		if !pause(ctx, try) {
			return fmt.Errorf("make %s: %w: %w", what, ctx.Err(), err)
		}
	}
}
