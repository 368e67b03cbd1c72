package lockevent

import (
	"time"

	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/access"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/journal"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Ordered is what somebody ordered a lock to do.
type Ordered struct {
	Device    access.Device
	CommandID string
	Actor     string // who: the id of a caller
	Command   *lockwirev1.Command
	NotAfter  time.Time
	At        time.Time
	// Traceparent is of the call; empty: none.
	Traceparent string
}

// Order makes the entry of an order.
func (m *Maker) Order(o Ordered) (journal.Entry, error) {
	event, err := m.envelope(o.CommandID, kindOrder, o.Device, &gatewayv1.CommandOrdered{
		DeviceId: o.Device.ID, DoorId: o.Device.Door, Action: action(o.Command), GatewayId: string(m.gateway), NotAfter: timestamppb.New(o.NotAfter),
	}, o.At, o.At, o.Traceparent)
	if err != nil {
		return journal.Entry{}, err
	}
	event.Actor = o.Actor
	return journal.Entry{Event: event}, nil
}

// action is the name of a command's action, as lockwire.proto has it.
func action(c *lockwirev1.Command) string {
	m := c.ProtoReflect()
	if f := m.WhichOneof(m.Descriptor().Oneofs().ByName("action")); f != nil {
		return string(f.Name())
	}
	return ""
}
