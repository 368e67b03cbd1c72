// Package lockconformance runs the rules of PROTOCOL.md against a gateway or a lock, over the line and from nothing else.
//
// Gateway plays a lock: it enrols with a claim code and goes through what a gateway must do and refuse. Lock plays a gateway
// with a root of its own: it waits for the lock under test, which an operator (or a program, Config.Operator) makes enrol,
// boot and present cards. It shares the codec with Cardea's own gateway and simulated lock, and no decision: what a rule asks for is written
// down here once more.
//
// Each rule of PROTOCOL.md is in the catalogue with a check for each side that it binds, or with the reason why it cannot be
// seen from the other end of the line; a test holds page and catalogue together.
package lockconformance
