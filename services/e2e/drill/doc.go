// Package drill checks one safety rule over random histories of the whole system:
//
//	No unlock for a credential after the acknowledged enforcement of its revocation, except where the lock was offline inside
//	its staleness budget, and then it appeared as exposure before it happened.
//
// A [History] is a list of ticks; the steps of a tick happen at the same time. [Generate] makes one from a seed. The test plays
// it on real services (identity, permissions in two regions, gateways in two regions, PostgreSQL, NATS, simulated locks on the
// true protocol), in one process, on a clock that the history moves, and records what every caller and every lock saw.
// [Check] judges the record. It knows nothing of how Cardea decides: only when each call began and ended, what it answered, and
// which doors opened. What fails is made small by [Shrink] and kept under testdata, where every later run plays it again.
//
//	go test ./drill                                     # the kept histories and a few new ones
//	go test ./drill -args -drill.for=10m -drill.seed=7  # or `make drill`: histories from seed 7 on, for ten minutes
//
// What goes on at the same time decides some histories, so a seed gives the same history, not always the same outcome.
package drill
