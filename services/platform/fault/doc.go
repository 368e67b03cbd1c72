// Package fault carries errors across the mesh without losing what they mean and without telling what they must not.
//
// A service has one Table from its own errors to a Connect code and a stable reason of cardea/fault/v1. On the way out,
// Outbound turns an error that the table (or Platform) knows into a Connect error with a Fault detail; any other error leaves as
// Internal with a fixed text and a trace id, and is logged once. On the way in, Inbound turns a Connect error back into
// an *Error, for which errors.Is finds the same Go error that the other side had, where Platform lists it, and Is finds the
// reason always.
//
// A handler therefore never makes a connect.Error itself (it would leave as Internal): it returns domain errors, or New.
//
// All functions are pure but for the log line; tables must not change once in use.
package fault
