package rpc

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/exposure"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/postgres"
	"google.golang.org/protobuf/types/known/durationpb"
)

// all have applied everything.
type all struct{ Store }

func (all) Applied(context.Context, *typev1.ConsistencyToken) ([]postgres.Status, error) {
	return []postgres.Status{{ID: "gateway", Applied: true}}, nil
}

// unreadable has no exposures that can be read.
type unreadable struct {
	Exposures
	asked int
}

func (*unreadable) Has(*typev1.ConsistencyToken) bool { return true }

func (u *unreadable) After(context.Context, *typev1.ConsistencyToken, time.Time, func(string) bool) ([]exposure.Exposure, error) {
	u.asked++
	return nil, errors.New("the broker is away")
}

// While the broker is away every administrator who waits costs it a few questions, and the log a line.
func TestWaitingForExposuresThatCannotBeReadIsNoStorm(t *testing.T) {
	var log bytes.Buffer
	u := new(unreadable)
	h := &Handler{Store: all{}, Sessions: nobody{}, Exposures: u, ID: "gateway", Logger: slog.New(slog.NewTextHandler(&log, nil)), Now: time.Now}
	out, err := h.WaitApplied(t.Context(), &gatewayv1.WaitAppliedRequest{Token: new(typev1.ConsistencyToken), Timeout: durationpb.New(time.Second)})
	if err != nil || len(out.GetGateways()) != 1 || out.GetGateways()[0].GetApplied() {
		t.Fatalf("%v, %v", out, err)
	}
	if lines := strings.Count(log.String(), "\n"); u.asked > 6 || lines != 1 {
		t.Fatalf("asked %d times, %d lines", u.asked, lines)
	}
}
