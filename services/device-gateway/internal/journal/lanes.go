package journal

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// delivery is what was read and is not behind the cursor yet. It is the delivering goroutine's alone, but for answers.
type delivery struct {
	j *Journal
	// at is up to where was read; queue is what lies between the cursor and it, in the order on disk.
	at    position
	queue []*item
	// lanes are the devices that have something in the queue to deliver; ready are those of them with nothing on its way.
	lanes map[string]*lane
	ready []*lane

	flying  sync.WaitGroup
	flights int
	answers chan answer

	// rested is not nil while nothing is sent after a failure; pause is how long that was the last time.
	rested <-chan time.Time
	pause  time.Duration
}

// item is an entry and whether the broker has it.
type item struct {
	placed
	acknowledged bool
}

// lane is the entries of one device that the broker does not have, in order. The first one may be on its way.
type lane struct {
	device string
	items  []*item
}

// answer is what became of the first entry of a lane.
type answer struct {
	lane *lane
	err  error
}

func newDelivery(j *Journal) *delivery {
	return &delivery{j: j, at: j.cursor, lanes: map[string]*lane{}, answers: make(chan answer, j.cfg.Window)}
}

// idle says whether everything that was read is delivered.
func (d *delivery) idle() bool { return len(d.queue) == 0 }

// read fills the queue when it is half empty.
func (d *delivery) read() error {
	most := aheadWindows * d.j.cfg.Window
	for len(d.queue) <= most/2 {
		entries, at, err := d.j.read(d.at, most-len(d.queue))
		if err != nil || at == d.at {
			return err
		}
		d.at = at
		for _, e := range entries {
			d.add(&item{placed: e})
		}
		d.advance() // for a segment's end that is lost
	}
	return nil
}

func (d *delivery) add(i *item) {
	d.queue = append(d.queue, i)
	device := i.Event.GetStream()
	l := d.lanes[device]
	if l == nil {
		l = &lane{device: device}
		d.lanes[device] = l
		d.ready = append(d.ready, l)
	}
	l.items = append(l.items, i)
}

// send publishes the first entry of each lane that is ready, as far as the window allows.
func (d *delivery) send(ctx context.Context) {
	for d.rested == nil && len(d.ready) > 0 && d.flights < d.j.cfg.Window {
		l := d.ready[0]
		d.ready = d.ready[1:]
		d.flights++
		ctx, cancel := context.WithTimeout(ctx, ackTimeout)
		wait, err := d.j.cfg.Publish(ctx, l.items[0].Event)
		if err != nil {
			cancel()
			d.take(answer{l, err})
			continue
		}
		d.flying.Go(func() {
			defer cancel()
			d.answers <- answer{l, wait(ctx)}
		})
	}
}

// take notes what became of an entry, and makes its lane ready for the next one, or for the same one again.
func (d *delivery) take(a answer) {
	d.flights--
	first := a.lane.items[0]
	if a.err != nil {
		d.ready = append(d.ready, a.lane)
		d.rest(fmt.Errorf("publish %s: %w", first.Event.GetId(), a.err))
		return
	}
	d.pause = 0
	first.acknowledged = true
	a.lane.items = a.lane.items[1:]
	if len(a.lane.items) > 0 {
		d.ready = append(d.ready, a.lane)
	} else {
		delete(d.lanes, a.lane.device)
	}
	d.j.marks.durable(first.Entry)
	d.advance()
}

// advance moves the cursor over what is delivered without a hole.
func (d *delivery) advance() {
	for len(d.queue) > 0 && d.queue[0].acknowledged {
		d.j.cursor = d.queue[0].after
		d.queue = d.queue[1:]
	}
	if len(d.queue) == 0 {
		d.j.cursor = d.at
	}
}

// rest sends nothing for a while. What is on its way may still arrive.
func (d *delivery) rest(err error) {
	if d.rested != nil {
		return
	}
	d.pause = min(max(2*d.pause, 50*time.Millisecond), d.j.cfg.Retry)
	d.j.cfg.Logger.Warn("journal: delivery failed, trying again", "error", err, "pause", d.pause)
	d.rested = time.After(d.pause/2 + rand.N(d.pause/2))
}

// end takes what is answered still, when the context of send has ended.
func (d *delivery) end() {
	d.flying.Wait()
	d.rested = make(chan time.Time) // no line for each
	for d.flights > 0 {
		d.take(<-d.answers)
	}
}
