package system

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"

	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/locksim"
	"github.com/cardea-mesh/cardea/services/e2e/bench/lockwire"
	"golang.org/x/sync/errgroup"
)

// atOnce is how many calls load a data set at the same time.
const atOnce = 16

// Device is an enrolled lock's identity.
type Device struct {
	ID, Door string
	TLS      *tls.Config
}

// Fleet is a tenant whose doors have locks and whose people have cards: a data set in the gateways' copies, made over the
// API as a customer makes it.
type Fleet struct {
	*Tenant
	Devices []Device
	Cards   []*lockwirev1.Card
	People  []string
}

// FleetSize says how large a fleet is.
type FleetSize struct {
	Locks, People, Groups, Zones, Grants int
}

// NewFleet makes a fleet: each person with a card in two groups, each zone a tenth of the doors, half of the grants from a
// group to a zone and half from a person to a door. The relations follow a fixed seed; ids and cards' keys do not.
func (s *System) NewFleet(ctx context.Context, size FleetSize) (*Fleet, error) {
	tenant, err := s.NewTenant(ctx, "fleet")
	if err != nil {
		return nil, err
	}
	f := &Fleet{Tenant: tenant}
	if err := f.Grow(ctx, size.Locks); err != nil {
		return nil, fmt.Errorf("locks: %w", err)
	}
	f.People, f.Cards = make([]string, size.People), make([]*lockwirev1.Card, size.People)
	if err := parallel(ctx, size.People, func(ctx context.Context, i int) (err error) {
		f.People[i], f.Cards[i], err = f.person(ctx, i)
		return err
	}); err != nil {
		return nil, fmt.Errorf("people: %w", err)
	}
	if err := f.relate(ctx, size); err != nil {
		return nil, fmt.Errorf("relations: %w", err)
	}
	// One more commit, to wait for all before it.
	last, err := f.Grant(ctx, f.Devices[0].Door, f.People[0])
	if err != nil {
		return nil, err
	}
	return f, f.Enforced(ctx, last.GetToken())
}

// person makes a person with a card that shows 7 bytes.
func (f *Fleet) person(ctx context.Context, i int) (string, *lockwirev1.Card, error) {
	person, err := f.Identity.CreatePerson(ctx, &identityv1.CreatePersonRequest{
		OrgId: f.Org, Region: Home, IdempotencyKey: Key(), Fields: &identityv1.PersonalFields{Name: fmt.Sprintf("Person %d", i)},
	})
	if err != nil {
		return "", nil, err
	}
	bits := binary.BigEndian.AppendUint32([]byte{4, 7, 9}, uint32(i))
	_, err = f.Identity.IssueCredential(ctx, &identityv1.IssueCredentialRequest{
		OrgId: f.Org, PersonId: person.GetPersonId(), IdempotencyKey: Key(),
		Card: &identityv1.CardNumber{Format: "uid", BitLength: uint32(8 * len(bits)), Bits: bits},
	})
	card := &lockwirev1.Card{Format: lockwirev1.CardFormat_CARD_FORMAT_UID, BitLength: uint32(8 * len(bits)), Bits: bits}
	return person.GetPersonId(), card, err
}

func (f *Fleet) relate(ctx context.Context, size FleetSize) error {
	random := rand.New(rand.NewPCG(1, 2))
	groups, zones := make([]string, size.Groups), make([]string, size.Zones)
	var err error
	for i := range groups {
		if groups[i], err = f.Group(ctx, fmt.Sprintf("group %d", i)); err != nil {
			return err
		}
	}
	for i := range zones {
		var doors []string
		for _, d := range random.Perm(len(f.Devices))[:max(1, len(f.Devices)/10)] {
			doors = append(doors, f.Devices[d].Door)
		}
		if zones[i], err = f.Zone(ctx, fmt.Sprintf("zone %d", i), doors); err != nil {
			return err
		}
	}
	type pair struct{ a, b string }
	var joins, grants []pair
	for _, person := range f.People {
		for _, g := range random.Perm(len(groups))[:2] {
			joins = append(joins, pair{groups[g], person})
		}
	}
	for range size.Grants / 2 {
		grants = append(grants, pair{zones[random.IntN(len(zones))], groups[random.IntN(len(groups))]},
			pair{f.Devices[random.IntN(len(f.Devices))].Door, f.People[random.IntN(len(f.People))]})
	}
	if err := parallel(ctx, len(joins), func(ctx context.Context, i int) error { return f.Join(ctx, joins[i].a, joins[i].b) }); err != nil {
		return err
	}
	return parallel(ctx, len(grants), func(ctx context.Context, i int) error {
		_, err := f.Grant(ctx, grants[i].a, grants[i].b)
		return err
	})
}

// Grow enrols locks until there are so many, each at a door of its own.
func (f *Fleet) Grow(ctx context.Context, locks int) error {
	before := len(f.Devices)
	f.Devices = append(f.Devices, make([]Device, max(0, locks-before))...)
	return parallel(ctx, len(f.Devices)-before, func(ctx context.Context, i int) (err error) {
		f.Devices[before+i], err = f.enrol(ctx, before+i)
		return err
	})
}

// enrol makes a door and a device, and exchanges the claim code for an identity as a lock does.
func (f *Fleet) enrol(ctx context.Context, i int) (Device, error) {
	door, err := f.Door(ctx, fmt.Sprintf("door %d", i))
	if err != nil {
		return Device{}, err
	}
	made, err := f.Gateway.CreateDevice(ctx, &gatewayv1.CreateDeviceRequest{OrgId: f.Org, DoorId: door, IdempotencyKey: Key()})
	if err != nil {
		return Device{}, err
	}
	store := new(locksim.Memory)
	if _, err := locksim.Enroll(ctx, store, f.system.Locks(), made.GetClaimCode()); err != nil {
		return Device{}, err
	}
	config, err := identity(store)
	return Device{ID: made.GetDeviceId(), Door: door, TLS: config}, err
}

// identity reads a simulated lock's flash.
func identity(store *locksim.Memory) (*tls.Config, error) {
	text, err := store.Load()
	if err != nil {
		return nil, err
	}
	var flash struct {
		Key          []byte
		Chain, Roots [][]byte
	}
	if err := json.Unmarshal(text, &flash); err != nil {
		return nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(flash.Key)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	for _, der := range flash.Roots {
		root, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		roots.AddCert(root)
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: []string{lockwire.ALPN}, ServerName: "gateway.cardea", RootCAs: roots,
		Certificates: []tls.Certificate{{Certificate: flash.Chain, PrivateKey: key}},
	}, nil
}

// Connect opens the sessions of the first n locks.
func (f *Fleet) Connect(ctx context.Context, n int) ([]*lockwire.Lock, error) {
	return f.ConnectTo(ctx, f.system.Locks(), 0, n)
}

// parallel does n things, atOnce at a time.
func parallel(ctx context.Context, n int, do func(context.Context, int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for i := range n {
		g.Go(func() error { return do(ctx, i) })
	}
	return g.Wait()
}
