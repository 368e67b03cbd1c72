// Package events is what identity does when other services' events arrive, and what it adds to its own calls on their way
// out.
//
// Subjects in: `cardea.<region>.permissions.*.{person_followed,person_unfollowed,site_created}` of the own region's stream.
// A Consumer takes each event once in effect: the event's id is recorded in the transaction of the effect. It keeps nothing
// in memory and is safe for concurrent use.
package events

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/cardea-mesh/cardea/services/identity/internal/postgres"
	"github.com/cardea-mesh/cardea/services/identity/internal/registrar"
	"github.com/cardea-mesh/cardea/services/identity/internal/registry"
	"github.com/cardea-mesh/cardea/services/platform/bus"
	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
)

// Durable is the consumer's name at the broker and in the table of consumed events.
const Durable = "identity-follow"

// errUnusable: an event that no retry can make good. It is logged and taken as done, so that it does not hold back others.
var errUnusable = errors.New("unusable event")

// Config is what a Consumer needs; every field is required.
type Config struct {
	DB        *database.DB
	Outbox    *outbox.Outbox
	Registrar *registrar.Registrar
	Regions   *region.Map
	Logger    *slog.Logger
}

// Consumer takes events of permissions.
type Consumer struct{ cfg Config }

// NewConsumer makes a Consumer.
func NewConsumer(cfg Config) *Consumer { return &Consumer{cfg: cfg} }

// Wanted is the consumer of a region's stream.
func Wanted(own region.Name) bus.Consumer {
	wanted := bus.Consumer{Durable: Durable}
	for _, kind := range []string{"person_followed", "person_unfollowed", "site_created"} {
		wanted.Subjects = append(wanted.Subjects, fmt.Sprintf("cardea.%s.permissions.*.%s", own, kind))
	}
	return wanted
}

// Handle takes one event. An error means: try again.
func (c *Consumer) Handle(ctx context.Context, ev *typev1.Event) error {
	ctx = outbox.WithCause(outbox.WithActor(ctx, ev.GetActor()), ev.GetId())
	err := c.handle(ctx, ev)
	if unusable(err) {
		c.cfg.Logger.WarnContext(ctx, "event without effect", "event", ev.GetId(), "kind", ev.GetKind(), "error", err)
		return nil
	}
	return err
}

// unusable are the errors that come again however often the event is tried: ids of no form or region, a person who is not
// in the event's organization (a grant may name any id), a follower on this side of the border.
func unusable(err error) bool {
	for _, is := range []error{
		errUnusable, registry.ErrNotFound, registry.ErrSameJurisdiction,
		region.ErrInvalidID, region.ErrWrongKind, region.ErrUnknownRegion,
	} {
		if errors.Is(err, is) {
			return true
		}
	}
	return false
}

func (c *Consumer) handle(ctx context.Context, ev *typev1.Event) error {
	org, err := c.cfg.Regions.Parse(ev.GetOrgId(), region.Organization)
	if err != nil {
		return err
	}
	switch ev.GetKind() {
	case "site_created":
		return c.siteCreated(ctx, ev, org)
	case "person_followed":
		var m permissionsv1.PersonFollowed
		if err := proto.Unmarshal(ev.GetPayload(), &m); err != nil {
			return fmt.Errorf("%w: %w", errUnusable, err)
		}
		return c.follow(ctx, ev, org, m.GetPersonId(), m.GetFollowerRegion(), true)
	case "person_unfollowed":
		var m permissionsv1.PersonUnfollowed
		if err := proto.Unmarshal(ev.GetPayload(), &m); err != nil {
			return fmt.Errorf("%w: %w", errUnusable, err)
		}
		return c.follow(ctx, ev, org, m.GetPersonId(), m.GetFollowerRegion(), false)
	}
	return fmt.Errorf("%w: kind %q", errUnusable, ev.GetKind())
}

func (c *Consumer) siteCreated(ctx context.Context, ev *typev1.Event, org region.ID) error {
	at, err := c.cfg.Regions.Lookup(region.Name(ev.GetRegion()))
	if err != nil {
		return err
	}
	return c.once(ctx, at.Name, ev, func(ctx context.Context, tx pgx.Tx) error {
		return c.cfg.Registrar.SiteCreated(ctx, tx, org, at)
	})
}

func (c *Consumer) follow(ctx context.Context, ev *typev1.Event, org region.ID, person, follower string, following bool) error {
	id, err := c.cfg.Regions.Parse(person, region.Person)
	if err != nil {
		return err
	}
	home, err := c.cfg.Registrar.Home(id)
	if err != nil {
		return err
	}
	to, err := c.cfg.Regions.Lookup(region.Name(follower))
	if err != nil {
		return err
	}
	if !c.cfg.Regions.Together(home.Name, region.Name(ev.GetRegion())) {
		return fmt.Errorf("%w: the person's home %s is across the border", errUnusable, home.Name)
	}
	return c.once(ctx, home.Name, ev, func(ctx context.Context, tx pgx.Tx) error {
		return c.cfg.Registrar.FollowPerson(ctx, tx, postgres.Follower{
			Org: org, Subject: id, Region: to.Name, Following: following,
			Source: registry.Source{Region: region.Name(ev.GetRegion()), Version: ev.GetVersion()},
		})
	})
}

// once runs the effect of an event in the transaction that records the event.
func (c *Consumer) once(ctx context.Context, home region.Name, ev *typev1.Event, effect func(context.Context, pgx.Tx) error) error {
	return c.cfg.DB.InTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		first, err := c.cfg.Outbox.Once(ctx, tx, home, Durable, ev.GetId())
		if err != nil || !first {
			return err
		}
		return effect(ctx, tx)
	})
}
