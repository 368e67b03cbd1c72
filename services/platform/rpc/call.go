package rpc

import (
	"context"
	"fmt"
	"strings"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/cardea-mesh/cardea/services/platform/fault"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// call is what every call of a Dialer goes through: it gets a deadline if it has none, says where its home is, and its
// error becomes a fault.
func (d *Dialer) call(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		if _, ok := ctx.Deadline(); !ok {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, defaultDeadline)
			defer cancel()
		}
		d.sayHome(req)
		answer, err := next(ctx, req)
		if err != nil {
			return nil, arrived(ctx, err, req)
		}
		return answer, nil
	}
}

// arrived makes a fault of a call's error. A connection that breaks while the request is being written looks to Connect as
// if the caller had given up; if the caller did not, it is the network's doing.
func arrived(ctx context.Context, err error, req connect.AnyRequest) error {
	if connect.CodeOf(err) == connect.CodeCanceled && ctx.Err() == nil && !connect.IsWireError(err) {
		err = connect.NewError(connect.CodeUnavailable, err)
	}
	return fault.Inbound(err, ServiceOf(req.Spec().Procedure))
}

// sayHome sets the header by which a server notices a wrong border before it reads the body.
func (d *Dialer) sayHome(req connect.AnyRequest) {
	m := d.methods.of(req.Spec())
	msg, ok := req.Any().(proto.Message)
	if m == nil || !ok || req.Header().Get(HeaderRegion) != "" {
		return
	}
	if home, err := homeOf(d.cfg.Regions, m.home(msg)); err == nil {
		req.Header().Set(HeaderRegion, string(home.Name))
	}
}

// Call makes a call whose request is already serialized, as the outbox's relay does, in the target region or, if that does
// not answer, in a neighbour. The answer is dropped. The procedure's proto package must be linked into the binary.
func (d *Dialer) Call(ctx context.Context, target region.Name, procedure string, request []byte) error {
	name := strings.ReplaceAll(strings.TrimPrefix(procedure, "/"), "/", ".")
	found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(name))
	descriptor, ok := found.(protoreflect.MethodDescriptor)
	if err != nil || !ok {
		return fmt.Errorf("call %s: no such procedure in this binary", procedure)
	}
	msg := dynamicpb.NewMessage(descriptor.Input())
	if err := proto.Unmarshal(request, msg); err != nil {
		return fmt.Errorf("call %s: the stored request: %w", procedure, err)
	}
	service := ServiceOf(procedure)
	_, err = dynamicClient(d, d.URL(service, target)+procedure, descriptor).CallUnary(ctx, connect.NewRequest(msg))
	return err
}

// dynamicClient calls a method without its generated types.
func dynamicClient(d *Dialer, url string, descriptor protoreflect.MethodDescriptor) *connect.Client[dynamicpb.Message, dynamicpb.Message] {
	return connect.NewClient[dynamicpb.Message, dynamicpb.Message](d.client, url,
		connect.WithSchema(descriptor),
		connect.WithResponseInitializer(func(_ connect.Spec, message any) error {
			*message.(*dynamicpb.Message) = *dynamicpb.NewMessage(descriptor.Output()) //nolint:govet // fresh: nothing shares it yet
			return nil
		}),
		connect.WithClientOptions(d.options...),
	)
}
