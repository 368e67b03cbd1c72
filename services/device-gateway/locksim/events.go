package locksim

import (
	"context"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/wire"
	"google.golang.org/protobuf/proto"
)

// sendEvents sends the ring, oldest first, as far as the credit allows.
func (k *link) sendEvents(ctx context.Context) error {
	l := k.lock
	for {
		l.mu.Lock()
		changed, pause := l.changed, time.Until(k.notBefore)
		l.mu.Unlock()
		sent := false
		if pause <= 0 {
			var err error
			if sent, err = k.writeNext(k.nextBatch); err != nil {
				return err
			}
		}
		if sent {
			continue
		}
		if pause <= 0 {
			pause = time.Hour // until something changes
		}
		timer := time.NewTimer(pause)
		select {
		case <-changed:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
		timer.Stop()
	}
}

// nextBatch takes the next events that were not sent in this session; nil when there are none, or no credit. mu is held.
func (k *link) nextBatch() proto.Message {
	if k.leaving != nil || len(k.batches) >= int(k.welcome.GetEventCredit()) {
		return nil
	}
	for _, r := range k.lock.flash.Rings {
		written := r.written()
		first := max(k.sent[r.Epoch]+1, r.First)
		if len(written) == 0 || first-r.First >= uint64(len(written)) {
			continue
		}
		rest := written[first-r.First:]
		rest = rest[:min(len(rest), wire.MaxBatch)]
		k.requestID++
		batch := &lockwirev1.EventBatch{RequestId: k.requestID, BootEpoch: r.Epoch, FirstSequence: first}
		for _, s := range rest {
			batch.Events = append(batch.Events, s.event)
		}
		k.sent[r.Epoch] = first + uint64(len(rest)) - 1
		k.batches[k.requestID] = batch
		return batch
	}
	return nil
}
