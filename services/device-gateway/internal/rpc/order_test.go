package rpc

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/access"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/lockevent"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/session"
	platformrpc "github.com/cardea-mesh/cardea/services/platform/rpc"
)

// orders keeps what was recorded.
type orders struct {
	all []lockevent.Ordered
	err error
}

func (o *orders) Ordered(_ context.Context, one lockevent.Ordered) error {
	o.all = append(o.all, one)
	return o.err
}

func TestWhoOrdersIsRecordedAndAFullDiskStopsNoOrder(t *testing.T) {
	var log bytes.Buffer
	recorded := &orders{err: errors.New("no space left")}
	h := &Handler{Orders: recorded, Logger: slog.New(slog.NewTextHandler(&log, nil)), Now: time.Now}
	ctx := platformrpc.WithCaller(t.Context(), platformrpc.Caller{Kind: platformrpc.KeyCaller, ID: "key_euc_1"})
	h.record(ctx, access.Device{ID: "device_euc_1"}, session.Order{CommandID: "command_euc_1", Command: new(lockwirev1.Command)})
	if len(recorded.all) != 1 || recorded.all[0].Actor != "key_euc_1" || recorded.all[0].CommandID != "command_euc_1" || recorded.all[0].Device.ID != "device_euc_1" {
		t.Errorf("%+v", recorded.all)
	}
	if line := log.String(); !strings.Contains(line, "key_euc_1") || !strings.Contains(line, "no space left") {
		t.Errorf("the log says %q", line)
	}
}

func TestOfAFirmwareImageTheFirstPieceIsRecorded(t *testing.T) {
	recorded := new(orders)
	h := &Handler{Orders: recorded, Logger: slog.New(slog.DiscardHandler), Now: time.Now}
	for _, offset := range []uint32{0, 32 << 10, 64 << 10} {
		h.record(t.Context(), access.Device{}, session.Order{Command: &lockwirev1.Command{
			Action: &lockwirev1.Command_Firmware{Firmware: &lockwirev1.FirmwareChunk{Offset: offset}},
		}})
	}
	if len(recorded.all) != 1 {
		t.Errorf("%d were recorded", len(recorded.all))
	}
}
