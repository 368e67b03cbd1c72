// Package telemetry sets up logs (slog, JSON, with trace ids), traces and metrics (OpenTelemetry) of a process.
//
// There are no global providers: Setup returns them and constructors take them. Trace context travels as W3C traceparent,
// in headers by Propagator and in rows and messages by Traceparent and WithTraceparent. Attributes are opaque ids only; their
// keys are the constants of this package. Everything is safe for concurrent use.
package telemetry
