package drill

import (
	"context"
	"slices"
)

// Shrink makes a failing history smaller as long as it fails, until ctx ends: it leaves out halves of the ticks, quarters, single
// ticks, then single steps, and begins again while that helps. fails plays a history and says whether it fails; as outcomes may
// differ from play to play, it should play one that passes again before it says no.
func Shrink(ctx context.Context, h History, fails func(context.Context, History) bool) History {
	for smaller := true; smaller && ctx.Err() == nil; {
		before := h.Steps()
		h = dropTicks(ctx, h, fails)
		h = dropSteps(ctx, h, fails)
		smaller = h.Steps() < before
	}
	return h
}

func dropTicks(ctx context.Context, h History, fails func(context.Context, History) bool) History {
	for size := max(1, len(h.Ticks)/2); size > 0; size /= 2 {
		for at := 0; at < len(h.Ticks) && ctx.Err() == nil; {
			without := h
			without.Ticks = slices.Delete(slices.Clone(h.Ticks), at, min(at+size, len(h.Ticks)))
			if fails(ctx, without) {
				h = without
			} else {
				at += size
			}
		}
	}
	return h
}

func dropSteps(ctx context.Context, h History, fails func(context.Context, History) bool) History {
	for tick := 0; tick < len(h.Ticks); tick++ {
		for at := 0; at < len(h.Ticks[tick]) && ctx.Err() == nil; {
			without := h
			without.Ticks = slices.Clone(h.Ticks)
			without.Ticks[tick] = slices.Delete(slices.Clone(h.Ticks[tick]), at, at+1)
			if fails(ctx, without) {
				h = without
			} else {
				at++
			}
		}
	}
	h.Ticks = slices.DeleteFunc(slices.Clone(h.Ticks), func(tick []Step) bool { return len(tick) == 0 })
	return h
}
