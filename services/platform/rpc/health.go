package rpc

import (
	"context"
	"slices"
	"time"

	"connectrpc.com/connect"
	"connectrpc.com/grpchealth"
	"connectrpc.com/grpcreflect"
)

// readyTimeout is shorter than any sensible interval of health checks.
const readyTimeout = time.Second

// mountHealth adds gRPC's health service and reflection, which need no caller and tell nothing but names.
func (s *Server) mountHealth() {
	limit := connect.WithReadMaxBytes(64 << 10)
	s.mux.Handle(grpchealth.NewHandler(health{s}, limit))
	reflector := grpcreflect.NewStaticReflector(append(slices.Clone(s.services), grpchealth.HealthV1ServiceName)...)
	s.mux.Handle(grpcreflect.NewHandlerV1(reflector, limit))
	s.mux.Handle(grpcreflect.NewHandlerV1Alpha(reflector, limit))
}

type health struct{ server *Server }

// Check says serving when the service asked for is mounted, is ready, and does not stop.
func (h health) Check(ctx context.Context, req *grpchealth.CheckRequest) (*grpchealth.CheckResponse, error) {
	if req.Service != "" && !slices.Contains(h.server.services, req.Service) {
		return nil, connect.NewError(connect.CodeNotFound, nil)
	}
	if h.server.stopping.Load() || !h.ready(ctx) {
		return &grpchealth.CheckResponse{Status: grpchealth.StatusNotServing}, nil
	}
	return &grpchealth.CheckResponse{Status: grpchealth.StatusServing}, nil
}

func (h health) ready(ctx context.Context) bool {
	if h.server.cfg.Ready == nil {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	return h.server.cfg.Ready(ctx) == nil
}
