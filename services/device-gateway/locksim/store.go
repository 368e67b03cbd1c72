package locksim

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// ErrNotEnrolled: the store has no identity yet.
var ErrNotEnrolled = errors.New("the lock is not enrolled")

// Store is a lock's flash: one value, replaced whole.
type Store interface {
	// Load returns the value; nil when nothing was saved yet.
	Load() ([]byte, error)
	// Save replaces the value.
	Save([]byte) error
}

// Memory is a Store that forgets with its process. A lock that runs on it saves without writing anything out.
type Memory struct {
	mu    sync.Mutex
	value []byte
	// live is what a lock saved last, in place of value, and owner guards what is in it.
	live  *flash
	owner sync.Locker
}

// Load implements Store.
func (m *Memory) Load() ([]byte, error) {
	m.mu.Lock()
	value, live, owner := m.value, m.live, m.owner
	m.mu.Unlock()
	if live == nil {
		return value, nil
	}
	owner.Lock()
	defer owner.Unlock()
	return json.Marshal(live)
}

// keep saves a value that its owner goes on changing, and saves again after each change.
func (m *Memory) keep(f *flash, owner sync.Locker) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.value, m.live, m.owner = nil, f, owner
}

// Save implements Store.
func (m *Memory) Save(b []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.value, m.live, m.owner = b, nil, nil
	return nil
}

// Dir is a Store in the file lock.json of a folder. The file holds the lock's private key.
type Dir string

func (d Dir) path() string { return filepath.Join(string(d), "lock.json") }

// Load implements Store.
func (d Dir) Load() ([]byte, error) {
	b, err := os.ReadFile(d.path())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return b, err
}

// Save implements Store; the file is replaced in one step.
func (d Dir) Save(b []byte) error {
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return err
	}
	tmp := d.path() + ".tmp"
	if err := os.WriteFile(tmp, b, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, d.path())
}

// flash is the value in a Store.
type flash struct {
	DeviceID  string            `json:"device_id"`
	Key       []byte            `json:"key"`   // PKCS #8, DER
	Chain     [][]byte          `json:"chain"` // DER
	Roots     [][]byte          `json:"roots"` // DER
	Next      *nextKey          `json:"next,omitempty"`
	Endpoints []string          `json:"endpoints"`
	Bootstrap string            `json:"bootstrap"`
	BootEpoch uint64            `json:"boot_epoch"`
	Bundle    []byte            `json:"bundle"` // as offline.Holder saves it
	Rings     []*epochRing      `json:"rings"`
	Commands  []answeredCommand `json:"commands"`
}

type answeredCommand struct {
	ID     string `json:"id"`
	Result []byte `json:"result"` // a CommandResult
}

func load(s Store) (*flash, error) {
	b, err := s.Load()
	if err != nil {
		return nil, fmt.Errorf("lock's store: %w", err)
	}
	f := new(flash)
	if b == nil {
		return f, nil
	}
	if err := json.Unmarshal(b, f); err != nil {
		return nil, fmt.Errorf("lock's store: %w", err)
	}
	return f, nil
}

// save writes the value; owner, which the caller holds, guards it from now on.
func (f *flash) save(s Store, owner sync.Locker) error {
	if m, ok := s.(*Memory); ok {
		m.keep(f, owner)
		return nil
	}
	b, err := json.Marshal(f)
	if err != nil {
		return err
	}
	return s.Save(b)
}

// Enrolled says whether a store has an identity, and whose.
func Enrolled(s Store) (deviceID string, ok bool, err error) {
	f, err := load(s)
	if err != nil {
		return "", false, err
	}
	return f.DeviceID, f.DeviceID != "", nil
}
