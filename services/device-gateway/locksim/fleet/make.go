package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"

	"connectrpc.com/connect"
	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/locksim"
)

// zoneSize is how many doors a zone of a fleet has; the most that a call takes.
const zoneSize = 1000

func (p *provisioner) site(ctx context.Context) (string, error) {
	return p.place(ctx, "site", func(ctx context.Context, key string) (string, error) {
		made, err := p.permissions.CreateSite(ctx, &permissionsv1.CreateSiteRequest{
			OrgId: p.Org, Region: p.Region, Name: "Fleet of simulated locks", TimeZone: "UTC", IdempotencyKey: key,
		})
		return made.GetSiteId(), err
	})
}

// group is who has a grant at every door.
func (p *provisioner) group(ctx context.Context) (string, error) {
	return p.place(ctx, "group", func(ctx context.Context, key string) (string, error) {
		made, err := p.permissions.CreateGroup(ctx, &permissionsv1.CreateGroupRequest{
			OrgId: p.Org, Region: p.Region, Name: "People of the fleet", IdempotencyKey: key,
		})
		return made.GetGroupId(), err
	})
}

// people makes the people and cards that are missing.
func (p *provisioner) people(ctx context.Context) error {
	group, err := p.group(ctx)
	if err != nil {
		return err
	}
	have, err := byIndex(filepath.Join(p.Dir, cardsFile), func(c cardRecord) int { return c.Index })
	if err != nil {
		return err
	}
	return each(ctx, p, "person", cardsFile, missing(have, p.People), func(ctx context.Context, i int) (cardRecord, error) {
		return p.person(ctx, group, i)
	})
}

func missing[T any](have map[int]T, n int) (out []int) {
	for i := range n {
		if _, ok := have[i]; !ok {
			out = append(out, i)
		}
	}
	return out
}

func (p *provisioner) person(ctx context.Context, group string, i int) (cardRecord, error) {
	made, err := p.identity.CreatePerson(ctx, &identityv1.CreatePersonRequest{
		OrgId: p.Org, Region: p.Region, Fields: &identityv1.PersonalFields{Name: fmt.Sprintf("Fleet person %d", i)},
		IdempotencyKey: p.key(fmt.Sprint("person-", i)),
	})
	if err != nil {
		return cardRecord{}, err
	}
	number := cardNumber(p.mark(), i)
	card := &lockwirev1.Card{Format: lockwirev1.CardFormat_CARD_FORMAT_UID, BitLength: uint32(8 * len(number)), Bits: number}
	_, err = p.identity.IssueCredential(ctx, &identityv1.IssueCredentialRequest{
		OrgId: p.Org, PersonId: made.GetPersonId(), IdempotencyKey: p.key(fmt.Sprint("card-", i)),
		Card: &identityv1.CardNumber{Format: "uid", BitLength: card.GetBitLength(), Bits: number},
	})
	if err != nil {
		return cardRecord{}, err
	}
	record := cardRecord{Index: i, Person: made.GetPersonId(), Bits: locksim.Bits(card), Admitted: i%10 != 9}
	if !record.Admitted {
		return record, nil
	}
	_, err = p.permissions.AddMember(ctx, &permissionsv1.AddMemberRequest{OrgId: p.Org, GroupId: group, MemberId: record.Person})
	if connect.CodeOf(err) == connect.CodeAlreadyExists {
		err = nil
	}
	return record, err
}

// locks makes the doors, devices and identities that are missing.
func (p *provisioner) locks(ctx context.Context, site string) error {
	have, err := readLocks(p.Dir)
	if err != nil {
		return err
	}
	return each(ctx, p, "lock", locksFile, missing(have, p.Locks), func(ctx context.Context, i int) (lockRecord, error) {
		return p.lock(ctx, site, i)
	})
}

func (p *provisioner) lock(ctx context.Context, site string, i int) (lockRecord, error) {
	door, err := p.permissions.CreateDoor(ctx, &permissionsv1.CreateDoorRequest{
		OrgId: p.Org, SiteId: site, Name: fmt.Sprintf("Fleet door %d", i), IdempotencyKey: p.key(fmt.Sprint("door-", i)),
	})
	if err != nil {
		return lockRecord{}, err
	}
	record := lockRecord{Index: i, Door: door.GetDoorId()}
	// A claim code is used once: when the first try used it but was interrupted, a new device is made.
	for try := 0; ; try++ {
		made, err := p.gateway.CreateDevice(ctx, &gatewayv1.CreateDeviceRequest{
			OrgId: p.Org, DoorId: record.Door, IdempotencyKey: p.key(fmt.Sprintf("device-%d-%d", i, try)),
		})
		if err != nil {
			return lockRecord{}, fmt.Errorf("device: %w", err)
		}
		record.Device, record.Flash, err = p.enrol(ctx, i, made.GetClaimCode())
		var said *locksim.ProtocolError
		if try < 5 && errors.As(err, &said) && said.Code == lockwirev1.ErrorCode_ERROR_CODE_CLAIM_REFUSED {
			continue
		}
		return record, err
	}
}

// enrol exchanges a claim code for an identity, from a source address of its own where the gateway is on loopback.
func (p *provisioner) enrol(ctx context.Context, i int, claim string) (device string, flash json.RawMessage, err error) {
	store := new(locksim.Memory)
	link := newUplink(p.source(i))
	for try := 0; ; try++ {
		device, err = locksim.EnrollVia(ctx, link.dial, store, p.Gateway, claim)
		var said *locksim.ProtocolError
		if errors.As(err, &said) && said.Code != lockwirev1.ErrorCode_ERROR_CODE_UNAVAILABLE || err == nil || try == 4 {
			break
		}
	}
	if err != nil {
		return "", nil, fmt.Errorf("enrol: %w", err)
	}
	flash, err = store.Load()
	return device, flash, err
}

func (p *provisioner) source(i int) netip.Addr {
	if host, _, err := net.SplitHostPort(p.Gateway); err == nil {
		if a, err := netip.ParseAddr(host); err == nil && a.IsLoopback() && a.Is4() {
			return sourceOf(i % maxSources)
		}
	}
	return netip.Addr{}
}

// zones puts the doors into zones and grants each to the group, at all times.
func (p *provisioner) zones(ctx context.Context) error {
	group, err := p.group(ctx)
	if err != nil {
		return err
	}
	locks, err := readLocks(p.Dir)
	if err != nil {
		return err
	}
	doors := make([]string, 0, len(locks))
	for i := range len(locks) {
		if l, ok := locks[i]; ok && !p.granted(l.Door) {
			doors = append(doors, l.Door)
		}
	}
	for piece := range slices.Chunk(doors, zoneSize) {
		if err := p.zone(ctx, group, piece); err != nil {
			return err
		}
	}
	return nil
}

func (p *provisioner) granted(door string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.places["zone of "+door] != ""
}

// zone makes one zone; it is named by what is in it, so that an interrupted call is made again as it was.
func (p *provisioner) zone(ctx context.Context, group string, doors []string) error {
	name := fmt.Sprintf("%s-%d", doors[0], len(doors))
	zone, err := p.place(ctx, "zone-"+name, func(ctx context.Context, key string) (string, error) {
		made, err := p.permissions.CreateZone(ctx, &permissionsv1.CreateZoneRequest{
			OrgId: p.Org, Region: p.Region, Name: "Zone of the fleet", DoorIds: doors, IdempotencyKey: key,
		})
		return made.GetZoneId(), err
	})
	if err != nil {
		return err
	}
	grant, err := p.place(ctx, "grant-"+name, func(ctx context.Context, key string) (string, error) {
		made, err := p.permissions.Grant(ctx, &permissionsv1.GrantRequest{
			OrgId: p.Org, TargetId: zone, SubjectId: group, IdempotencyKey: key,
		})
		return made.GetGrantId(), err
	})
	if err != nil {
		return err
	}
	for _, door := range doors {
		if _, err := p.place(ctx, "zone of "+door, func(context.Context, string) (string, error) { return grant, nil }); err != nil {
			return err
		}
	}
	return nil
}
