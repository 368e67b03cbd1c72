package rpc

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// parser reads the fields of one request and remembers the first that is wrong.
type parser struct {
	regions *region.Map
	err     error
}

func (h *Handler) parse() *parser { return &parser{regions: h.Commands.Regions} }

func (p *parser) fail(field string, err error) {
	if p.err == nil {
		p.err = fmt.Errorf("%s: %w", field, err)
	}
}

func (p *parser) org(s string) region.ID { return p.id("org_id", s, region.Organization) }

func (p *parser) id(field, s string, kinds ...region.Kind) region.ID {
	id, err := p.regions.Parse(s, kinds...)
	if err != nil {
		p.fail(field, err)
	}
	return id
}

// optional is id where the field may be empty.
func (p *parser) optional(field, s string, kinds ...region.Kind) region.ID {
	if s == "" {
		return ""
	}
	return p.id(field, s, kinds...)
}

func (p *parser) ids(field string, all []string, kinds ...region.Kind) []region.ID {
	ids := make([]region.ID, len(all))
	for i, s := range all {
		ids[i] = p.id(fmt.Sprintf("%s[%d]", field, i), s, kinds...)
	}
	return ids
}

func (p *parser) region(field, s string) region.Name {
	r, err := p.regions.Lookup(region.Name(s))
	if err != nil {
		p.fail(field, err)
	}
	return r.Name
}

// home is the region that an id lives in; empty where the id was wrong.
func (p *parser) home(id region.ID) region.Name {
	r, err := p.regions.Home(id)
	if err != nil {
		return ""
	}
	return r.Name
}

// time is zero for an unset field.
func (p *parser) time(field string, t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	if err := t.CheckValid(); err != nil {
		p.fail(field, fmt.Errorf("%w: not within the years 1 to 9999", grants.ErrClockNonsense))
		return time.Time{}
	}
	return grants.Instant(t.AsTime())
}

// token checks that a token is about the organization, and names a commit at all.
func (p *parser) token(field string, t *typev1.ConsistencyToken, org region.ID) grants.Token {
	token := grants.Token{Service: t.GetService(), Region: p.region(field+".region", t.GetRegion()), Org: org, Version: t.GetVersion()}
	switch {
	case t.GetOrgId() != string(org):
		p.fail(field+".org_id", fmt.Errorf("%w: not the organization of the request", grants.ErrInvalid))
	case t.GetVersion() < 0:
		p.fail(field+".version", fmt.Errorf("%w: %d is no version", grants.ErrInvalid, t.GetVersion()))
	}
	return token
}

func (p *parser) tokens(field string, all []*typev1.ConsistencyToken, org region.ID) []grants.Token {
	tokens := make([]grants.Token, len(all))
	for i, t := range all {
		tokens[i] = p.token(fmt.Sprintf("%s[%d]", field, i), t, org)
	}
	return tokens
}

// wire is a token in the form of the contracts; nil for none.
func wire(t grants.Token) *typev1.ConsistencyToken {
	if t.Service == "" {
		return nil
	}
	return &typev1.ConsistencyToken{Service: t.Service, Region: string(t.Region), OrgId: string(t.Org), Version: t.Version}
}
