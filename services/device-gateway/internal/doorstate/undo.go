package doorstate

import (
	"bytes"
	"context"
	"errors"
	"time"
)

// undoTimeout bounds how long it is tried to take back a write of a decision that ended otherwise.
const undoTimeout = 10 * time.Second

// Undo takes back what this View wrote, as far as nobody has written over it. It does not wait; the View is not to be used any
// more. A write whose fate is not known is taken back where its value can be nobody else's: somebody's presence since a moment.
// Of a use, and of a pair, another gateway's looks the same, and taking that back would give it twice.
func (v *View) Undo(ctx context.Context) {
	for _, c := range v.cells {
		if c.wrote == nil || !c.unsure && bytes.Equal(c.wrote, c.before) {
			continue
		}
		v.store.undoing.Go(func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
			defer cancel()
			if err := v.takeBack(ctx, c); err != nil && !errors.Is(err, ErrConflict) {
				v.store.logger.WarnContext(ctx, "door state of a passage that did not take place stays", "key", c.name, "error", err)
			}
		})
	}
}

func (v *View) takeBack(ctx context.Context, c *cell) error {
	if _, own := c.slot.(presence); c.unsure && !own {
		return nil
	}
	over := c.over
	if c.unsure {
		h, err := v.store.fetch(ctx, v.of.Home, c.name)
		if err != nil {
			return err
		}
		if bytes.Equal(h.body, c.before) || h.revision != c.over && !bytes.Equal(h.body, c.wrote) {
			return nil // it did not get there, or others have written since
		}
		over = h.revision
	}
	before := c.before
	if before == nil {
		before = []byte{}
	}
	_, err := v.store.set(ctx, v.of.Home, c.name, before, over)
	return err
}
