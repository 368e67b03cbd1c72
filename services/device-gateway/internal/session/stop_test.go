package session

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestLocksAreAskedToLeaveInWaves(t *testing.T) {
	for _, c := range []struct {
		locks, most int
		within      time.Duration
	}{{1, 1, 0}, {waveLeast, waveLeast, 0}, {3 * waveLeast, waveLeast, 2 * waveEvery}, {50_000, 625, waves * waveEvery}} {
		synctest.Test(t, func(t *testing.T) {
			began, asked, at := time.Now(), 0, map[time.Time]int{}
			inWaves(t.Context(), make([]int, c.locks), func(int) { asked++; at[time.Now()]++ })
			if took := time.Since(began); asked != c.locks || took > c.within {
				t.Errorf("%d of %d are asked after %s", asked, c.locks, took)
			}
			for moment, n := range at {
				if n > c.most {
					t.Errorf("%d of %d are asked at once, %s after the beginning", n, c.locks, moment.Sub(began))
				}
			}
		})
	}
}

func TestAWaveIsNotWaitedForWhenTheTimeIsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), waveEvery+waveEvery/2)
		defer cancel()
		asked := 0
		inWaves(ctx, make([]int, 10*waveLeast), func(int) { asked++ })
		if asked != 2*waveLeast {
			t.Errorf("%d were asked", asked)
		}
	})
}
