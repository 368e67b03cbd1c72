package locksim

import (
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/wire"
	"google.golang.org/protobuf/proto"
)

// kick sees to it that events which may be sent are sent. mu is held.
func (k *link) kick() {
	if k.sending || k.over != nil || !k.mayBatch() {
		return
	}
	if pause := time.Until(k.notBefore); pause > 0 {
		return // the timer that was set with notBefore kicks again
	}
	k.sending = true
	go k.sendEvents()
}

// sendEvents sends the ring, oldest first, as far as the credit allows.
func (k *link) sendEvents() {
	for {
		sent, err := k.writeNext(func() proto.Message {
			batch := k.nextBatch()
			if batch == nil {
				k.sending = false
				return nil
			}
			return batch
		})
		if err != nil {
			k.end(err)
		}
		if err != nil || !sent {
			return
		}
	}
}

// holdBack sends no events for a while. mu is held.
func (k *link) holdBack(pause time.Duration) {
	k.notBefore = time.Now().Add(pause)
	if k.later != nil {
		k.later.Reset(pause)
		return
	}
	k.later = time.AfterFunc(pause, func() {
		k.lock.mu.Lock()
		defer k.lock.mu.Unlock()
		k.kick()
	})
	k.timers = append(k.timers, k.later)
}

func (k *link) mayBatch() bool {
	if len(k.batches) >= int(k.welcome.GetEventCredit()) {
		return false
	}
	_, _, rest := k.unsent()
	return len(rest) > 0
}

// unsent are the oldest events that were not sent in this session, as many as a batch takes. mu is held.
func (k *link) unsent() (r *epochRing, first uint64, rest []*slot) {
	for _, r := range k.lock.flash.Rings {
		written := r.written()
		first := max(k.sent[r.Epoch]+1, r.First)
		if len(written) == 0 || first-r.First >= uint64(len(written)) {
			continue
		}
		rest := written[first-r.First:]
		return r, first, rest[:min(len(rest), wire.MaxBatch)]
	}
	return nil, 0, nil
}

// nextBatch takes the next events that were not sent in this session; nil when there are none, or no credit, or the session
// is over. mu is held.
func (k *link) nextBatch() *lockwirev1.EventBatch {
	if k.over != nil || time.Now().Before(k.notBefore) || !k.mayBatch() {
		return nil
	}
	r, first, rest := k.unsent()
	k.requestID++
	batch := &lockwirev1.EventBatch{RequestId: k.requestID, BootEpoch: r.Epoch, FirstSequence: first}
	for _, s := range rest {
		batch.Events = append(batch.Events, s.event)
	}
	k.sent[r.Epoch] = first + uint64(len(rest)) - 1
	k.batches[k.requestID] = batch
	return batch
}
