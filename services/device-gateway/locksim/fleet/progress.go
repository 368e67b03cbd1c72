package fleet

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// progress writes a line for each report, and remembers what the summary needs. Its calls come one after another.
type progress struct {
	out   io.Writer
	cfg   Config
	began time.Time
	at    time.Time
	last  Counts
	most  int64
}

func newProgress(out io.Writer, cfg Config) *progress {
	now := time.Now()
	return &progress{out: out, cfg: cfg, began: now, at: now}
}

// report writes what happened since the last report.
func (p *progress) report(c Counts) {
	now := time.Now()
	since := max(now.Sub(p.at).Seconds(), 0.001)
	rate := func(now, before int64) float64 { return float64(now-before) / since }
	answers := c.Answers.minus(p.last.Answers)
	clock := p.cfg.StartAt + time.Duration(float64(now.Sub(p.began))*p.cfg.Speed)
	fmt.Fprintf(p.out, "%4.0fs day %d %02d:%02d | %d/%d connected, %.0f/s opened | %.0f swipes/s: %.0f granted %.0f denied %.0f offline | answer p50 %s p99 %s | events %d written %d received %d durable | offline %d half-open %d reboots %d%s\n",
		now.Sub(p.began).Seconds(), 1+clock/day, clock%day/time.Hour, clock%time.Hour/time.Minute,
		c.Connected, p.cfg.Locks, rate(c.SessionsOpened, p.last.SessionsOpened),
		rate(c.Swipes, p.last.Swipes), rate(c.Granted, p.last.Granted), rate(c.Denied, p.last.Denied), rate(c.Unanswered, p.last.Unanswered),
		short(answers.Quantile(0.5)), short(answers.Quantile(0.99)),
		c.EventsWritten, c.EventsReceived, c.EventsDurable, c.OfflineSpells, c.HalfOpen, c.Reboots, codes(c.Errors))
	p.at, p.last, p.most = now, c, max(p.most, c.Connected)
}

func (p *progress) summary(processes int, last Counts) Summary {
	return summarize(p.cfg, processes, time.Since(p.began), max(p.most, last.Connected), last)
}

func short(d time.Duration) string {
	switch {
	case d == 0:
		return "-"
	case d < 10*time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	default:
		return d.Round(time.Millisecond).String()
	}
}

// codes lists errors by name.
func codes(errors map[string]int64) string {
	if len(errors) == 0 {
		return ""
	}
	var all []string
	for code, n := range errors {
		all = append(all, fmt.Sprintf("%s=%d", strings.TrimPrefix(code, "ERROR_CODE_"), n))
	}
	slices.Sort(all)
	return " | errors " + strings.Join(all, " ")
}
