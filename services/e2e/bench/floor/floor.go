// Package floor has the bare servers that the bench holds Cardea's against: the same transport, the same message shapes,
// and nothing behind them. They run as a process of their own, as Cardea's do, and hold no state.
package floor

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"

	"connectrpc.com/connect"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1/permissionsv1connect"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// Echo answers every frame with the same frame, on each connection, until the listener is closed.
func Echo(l net.Listener, config *tls.Config, answer []byte) error {
	for {
		raw, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			conn := tls.Server(raw, config)
			defer conn.Close()
			echo(conn, answer)
		}()
	}
}

func echo(conn net.Conn, answer []byte) {
	in := bufio.NewReaderSize(conn, 512)
	for {
		var length [4]byte
		if _, err := io.ReadFull(in, length[:]); err != nil {
			return
		}
		if _, err := io.CopyN(io.Discard, in, int64(binary.BigEndian.Uint32(length[:]))); err != nil {
			return
		}
		if _, err := conn.Write(answer); err != nil {
			return
		}
	}
}

// Connect serves permissions' Check and ListDoors with one and the same answer, of the size of a true one: no authentication, no
// validation, no data, no timeouts. Of Connect's options it has one, which makes it faster: small answers are not compressed.
// Our servers do not compress them either, and a floor that did would cost 1.4 times as much and measure gzip.
func Connect(l net.Listener, config *tls.Config) error {
	mux := http.NewServeMux()
	mux.Handle(permissionsv1connect.NewPermissionsServiceHandler(check{doors: doors()}, connect.WithCompressMinBytes(1<<10)))
	server := &http.Server{Handler: mux, TLSConfig: config}
	err := server.ServeTLS(l, "", "")
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

type check struct {
	permissionsv1connect.UnimplementedPermissionsServiceHandler
	doors []string // of a page
}

// longestPage is that of ListDoors.
const longestPage = 1000

func doors() []string {
	all := make([]string, longestPage)
	for i := range all {
		all[i] = string(region.NewID(region.Door, "euc"))
	}
	return all
}

// As random as true ones are, so that they compress no better.
const (
	grantID    = "grant_euc_01jd3q8v5dfw0b9m3cz1n2k4xw"
	scheduleID = "schedule_euc_01jd3q8v61e7yt4hs8ar5gq0pm"
)

// Check implements the handler.
func (check) Check(_ context.Context, req *permissionsv1.CheckRequest) (*permissionsv1.CheckResponse, error) {
	return &permissionsv1.CheckResponse{Decision: &permissionsv1.Decision{
		Outcome: permissionsv1.Outcome_OUTCOME_GRANTED, Reason: permissionsv1.DecisionReason_DECISION_REASON_GRANT,
		GrantId: grantID, ScheduleId: scheduleID,
		Revision: &typev1.ConsistencyToken{Service: "permissions", Region: "eu-central", OrgId: req.GetOrgId(), Version: 1000},
	}}, nil
}

// ListDoors implements the handler: a page as long as the request wants, of doors as long as true ones.
func (c check) ListDoors(ctx context.Context, req *permissionsv1.ListDoorsRequest) (*permissionsv1.ListDoorsResponse, error) {
	out := &permissionsv1.ListDoorsResponse{
		Revision: &typev1.ConsistencyToken{Service: "permissions", Region: "eu-central", OrgId: req.GetOrgId(), Version: 1000},
	}
	for _, door := range c.doors[:min(int(req.GetPageSize()), len(c.doors))] {
		answer, err := c.Check(ctx, &permissionsv1.CheckRequest{OrgId: req.GetOrgId()})
		if err != nil {
			return nil, err
		}
		out.Doors = append(out.Doors, &permissionsv1.ListedDoor{DoorId: door, Decision: answer.GetDecision()})
	}
	return out, nil
}
