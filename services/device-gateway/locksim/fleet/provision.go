package fleet

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1/gatewayv1connect"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1/identityv1connect"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1/permissionsv1connect"
	"golang.org/x/sync/errgroup"
)

// Provisioning says what to make.
type Provisioning struct {
	API API
	// Dir is the folder that keeps the fleet; what it has is not made again.
	Dir string
	// Org and Region are whose fleet it is and where its site stands.
	Org, Region string
	// Gateway is where locks enrol, host:port.
	Gateway string
	// Locks and People are how many there shall be. Each lock has a door of its own, each person a card; nine of ten people
	// have a grant at all doors.
	Locks, People int
	// AtOnce is how many calls and enrolments are under way; default 32.
	AtOnce int
	// Progress is told how many things of how many are made; may be nil.
	Progress func(what string, made, of int)
}

// provisioner makes a fleet.
type provisioner struct {
	Provisioning
	head        headRecord
	identity    identityv1connect.IdentityServiceClient
	permissions permissionsv1connect.PermissionsServiceClient
	gateway     gatewayv1connect.GatewayServiceClient

	mu     sync.Mutex
	places map[string]string // guarded by mu; ids by what they are for
}

// Provision makes what the folder does not have yet. It may be interrupted at any time and called again.
func Provision(ctx context.Context, cfg Provisioning) error {
	p, err := newProvisioner(cfg)
	if err != nil {
		return err
	}
	site, err := p.site(ctx)
	if err != nil {
		return err
	}
	if err := p.people(ctx); err != nil {
		return fmt.Errorf("people: %w", err)
	}
	if err := p.locks(ctx, site); err != nil {
		return fmt.Errorf("locks: %w", err)
	}
	return p.zones(ctx)
}

func newProvisioner(cfg Provisioning) (*provisioner, error) {
	if cfg.AtOnce == 0 {
		cfg.AtOnce = 32
	}
	if cfg.Progress == nil {
		cfg.Progress = func(string, int, int) {}
	}
	if cfg.Org == "" || cfg.Region == "" || cfg.Gateway == "" || cfg.API.Key == "" {
		return nil, errors.New("provisioning needs an organization, its API key, a region, and the gateway's address for locks")
	}
	client, err := cfg.API.client()
	if err != nil {
		return nil, err
	}
	option := cfg.API.option()
	p := &provisioner{
		Provisioning: cfg,
		identity:     identityv1connect.NewIdentityServiceClient(client, cfg.API.Identity, option),
		permissions:  permissionsv1connect.NewPermissionsServiceClient(client, cfg.API.Permissions, option),
		gateway:      gatewayv1connect.NewGatewayServiceClient(client, cfg.API.Gateway, option),
		places:       map[string]string{},
	}
	if p.head, err = openHead(cfg.Dir, cfg.Org, cfg.Region); err != nil {
		return nil, err
	}
	known, err := readLines[placeRecord](filepath.Join(cfg.Dir, placesFile))
	for _, place := range known {
		p.places[place.Name] = place.ID
	}
	return p, err
}

// openHead reads what fleet a folder has; an empty folder becomes one of this organization.
func openHead(dir, org, region string) (headRecord, error) {
	path := filepath.Join(dir, headFile)
	text, err := os.ReadFile(path)
	var head headRecord
	switch {
	case errors.Is(err, os.ErrNotExist):
		head = headRecord{ID: rand.Text(), Org: org, Region: region}
		if text, err = json.Marshal(head); err != nil {
			return head, err
		}
		return head, errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(path, append(text, '\n'), 0o600))
	case err != nil:
		return head, err
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return head, fmt.Errorf("%s: %w", path, err)
	}
	if head.Org != org || head.Region != region {
		return head, fmt.Errorf("%s has the fleet of %s in %s: take another folder for %s in %s", dir, head.Org, head.Region, org, region)
	}
	return head, nil
}

// key is the idempotency key of what a name is for.
func (p *provisioner) key(name string) string { return "fleet-" + p.head.ID + "-" + name }

// mark tells the cards of fleets of one organization apart.
func (p *provisioner) mark() uint16 {
	h := fnv.New32a()
	h.Write([]byte(p.head.ID))
	return uint16(h.Sum32())
}

// place returns what was made under a name, and makes it the first time.
func (p *provisioner) place(ctx context.Context, name string, do func(ctx context.Context, key string) (id string, err error)) (string, error) {
	p.mu.Lock()
	id := p.places[name]
	p.mu.Unlock()
	if id != "" {
		return id, nil
	}
	id, err := do(ctx, p.key(name))
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.places[name] = id
	return id, appendLine(filepath.Join(p.Dir, placesFile), placeRecord{Name: name, ID: id})
}

// each does a thing for each index that is missing, AtOnce at a time, and appends the records to a file.
func each[T any](ctx context.Context, p *provisioner, what, file string, missing []int, do func(ctx context.Context, i int) (T, error)) error {
	out, err := os.OpenFile(filepath.Join(p.Dir, file), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	var mu sync.Mutex
	var made atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(p.AtOnce)
	for _, i := range missing {
		if ctx.Err() != nil {
			break
		}
		g.Go(func() error {
			record, err := do(ctx, i)
			if err != nil {
				return fmt.Errorf("%s %d: %w", what, i, err)
			}
			line, err := json.Marshal(record)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			if _, err := out.Write(append(line, '\n')); err != nil {
				return err
			}
			p.Progress(what, int(made.Add(1)), len(missing))
			return nil
		})
	}
	return g.Wait()
}

func appendLine(path string, record any) error {
	line, err := json.Marshal(record)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(append(line, '\n'))
	return errors.Join(err, file.Close())
}
