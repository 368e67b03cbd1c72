package identity_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/cardea-mesh/cardea/services/identity/identitytest"
	"github.com/cardea-mesh/cardea/services/platform/bus"
	"github.com/cardea-mesh/cardea/services/platform/fault"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
	"google.golang.org/protobuf/proto"

	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
)

// limit bounds every wait of these tests; a healthy machine needs a small part of it.
const limit = 20 * time.Second

// jurisdictions are two services that share a mesh and nothing else.
func jurisdictions(t *testing.T) (mesh *rpctest.Mesh, eu, us *identitytest.Service) {
	t.Helper()
	mesh = rpctest.New(t)
	return mesh, identitytest.Start(t, mesh, "eu-central"), identitytest.Start(t, mesh, "us-east")
}

// state is what a gateway of a region sees.
type state struct {
	mu      sync.Mutex
	records map[string]*typev1.StateRecord
}

// watch follows a region's access state until the end of the test.
func watch(t *testing.T, s *identitytest.Service) *state {
	t.Helper()
	seen := &state{records: map[string]*typev1.StateRecord{}}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	b := s.Broker.Connect(t)
	go func() {
		defer close(done)
		_ = b.WatchState(ctx, func(u bus.Update) {
			seen.mu.Lock()
			defer seen.mu.Unlock()
			seen.records[u.Key] = u.Record
		}, func(string) {})
	}()
	t.Cleanup(func() { cancel(); <-done })
	return seen
}

// record waits until a key's record is as wanted, and returns it.
func (s *state) record(t *testing.T, key string, wanted func(*typev1.StateRecord) bool) *typev1.StateRecord {
	t.Helper()
	var found *typev1.StateRecord
	eventually(t, "access state "+key, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		found = s.records[key]
		return found != nil && wanted(found)
	})
	return found
}

func present(r *typev1.StateRecord) bool { return !r.GetRemoved() }
func removed(r *typev1.StateRecord) bool { return r.GetRemoved() }

// keys are all keys seen.
func (s *state) keys() (keys []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key := range s.records {
		keys = append(keys, key)
	}
	return keys
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if done() {
			return
		}
	}
	t.Fatalf("%s: not within %s", what, limit)
}

func wantReason(t *testing.T, what string, err error, want faultv1.Reason) {
	t.Helper()
	if !fault.Is(err, want) {
		t.Errorf("%s: %v, want %s", what, describe(err), want)
	}
}

func describe(err error) string {
	var f *fault.Error
	if errors.As(err, &f) {
		return f.Error()
	}
	if err == nil {
		return "no error"
	}
	return err.Error()
}

func read(t *testing.T, body []byte, m proto.Message) {
	t.Helper()
	if err := proto.Unmarshal(body, m); err != nil {
		t.Fatal(err)
	}
}
