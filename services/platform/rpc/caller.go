package rpc

import (
	"context"

	"github.com/cardea-mesh/cardea/services/platform/region"
)

// CallerKind is how a caller proved who they are.
type CallerKind int

// The kinds of callers.
const (
	NoCaller       CallerKind = iota // nobody: only public methods
	KeyCaller                        // an organization's API key
	ServiceCaller                    // a service of the mesh, by its certificate
	OperatorCaller                   // an operator of the deployment, by a secret whose hash is in configuration
)

// Caller is who makes a call.
type Caller struct {
	Kind CallerKind
	// ID is the API key's id, the service's SPIFFE name, or `operator:<name>`.
	ID string
	// Org is a key's organization; empty for services and operators.
	Org region.ID
	// Permissions are what a key or an operator may do, as the methods' options name it. Services hold none.
	Permissions map[string]bool
	// Service and Region say which service, where. Only of ServiceCaller.
	Service string
	Region  region.Name
}

type callerKey struct{}

// CallerFrom returns who makes the call that ctx belongs to; the zero Caller outside a call.
func CallerFrom(ctx context.Context) Caller {
	caller, _ := ctx.Value(callerKey{}).(Caller)
	return caller
}

// WithCaller returns ctx with a caller: what the server does, and tests of handlers.
func WithCaller(ctx context.Context, caller Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, caller)
}
