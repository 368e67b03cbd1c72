package journal

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/platform/bus"
	"github.com/cardea-mesh/cardea/services/platform/bustest"
)

// over publishes as a gateway does, on a connection of its own. It ends with the test.
func over(t *testing.T, cfg bus.Config) Publish {
	t.Helper()
	cfg.AckTimeout = time.Second
	b, err := bus.Connect(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return func(_ context.Context, e *typev1.Event) (func(context.Context) error, error) {
		ack, err := b.PublishAsync(e)
		if err != nil {
			return nil, err
		}
		return ack.Wait, nil
	}
}

// reports are entries that a real broker takes.
func reports(device string, from, to uint64) []Entry {
	out := entries(device, 1, from, to)
	for _, e := range out {
		e.Event.Region, e.Event.OrgId, e.Event.Service, e.Event.Kind = "eu-central", "org_euc_1", "device-gateway", "lock"
	}
	return out
}

// stored wants the stream to have events 1 to n of each device, each once and in order, and nothing else.
func stored(t *testing.T, b *bus.Bus, n uint64, devices ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	next := map[string]uint64{}
	left := int(n) * len(devices)
	wrong := ""
	err := b.Consume(ctx, bus.Consumer{Durable: "test"}, func(_ context.Context, e *typev1.Event) error {
		next[e.GetStream()]++
		if want := fmt.Sprintf("%s.1.%d", e.GetStream(), next[e.GetStream()]); wrong == "" && e.GetId() != want {
			wrong = fmt.Sprintf("%s is stored where %s was due", e.GetId(), want)
		}
		if left--; left == 0 || wrong != "" {
			cancel()
		}
		return nil
	})
	if wrong != "" || left != 0 {
		t.Fatalf("%s; %d are missing: %v", wrong, left, err)
	}
}

// TestABrokersLosses: one message, or one acknowledgement, of many under way is lost, and what was sent behind it is not.
func TestABrokersLosses(t *testing.T) {
	for name, lost := range map[string]bool{"a message": true, "an acknowledgement": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := bustest.Start(t)
			direct := s.Connect(t)
			third, done := "", false // the inbox of the third event of a
			cfg := s.Config()
			cfg.NATS.URL = drop(t, s.URL(), func(to bool, header, message string) bool {
				words := strings.Fields(header)
				if to && third == "" && strings.Contains(message, "a.1.3\r\n") {
					third = words[2]
					return lost
				}
				if to || lost || done || third == "" || words[1] != third {
					return false
				}
				done = true
				return true
			})
			j, stop := start(t, Config{Dir: t.TempDir(), Publish: over(t, cfg)})
			defer stop()
			if err := j.Append(t.Context(), append(reports("a", 1, 40), reports("b", 1, 40)...)...); err != nil {
				t.Fatal(err)
			}
			awaitDurable(t, j, "a", 1, 40)
			awaitDurable(t, j, "b", 1, 40)
			if third == "" || done == lost {
				t.Fatalf("nothing was lost: %q %v", third, done)
			}
			stored(t, direct, 40, "a", "b")
		})
	}
}

// TestBrokerAndGatewayEndAtAnyMoment: both end and start again in turn, with events under way.
func TestBrokerAndGatewayEndAtAnyMoment(t *testing.T) {
	t.Parallel()
	s := bustest.Start(t)
	direct := s.Connect(t)
	dir, devices := t.TempDir(), []string{"a", "b", "c"}
	j, stop := start(t, Config{Dir: dir, Publish: over(t, s.Config())})
	defer func() { stop() }()
	const each, rounds = 20, 6
	for round := range uint64(rounds) {
		for n := round*each + 1; n <= (round+1)*each; n += 5 {
			for _, d := range devices {
				if err := j.Append(t.Context(), reports(d, n, n+4)...); err != nil {
					t.Fatal(err)
				}
			}
		}
		if round%2 == 0 {
			s.Stop()
			s.Restart(t)
			continue
		}
		stop() // with what is under way unanswered
		j, stop = start(t, Config{Dir: dir, Publish: over(t, s.Config())})
	}
	for _, d := range devices {
		awaitDurable(t, j, d, 1, rounds*each)
	}
	stored(t, direct, rounds*each, devices...)
}
