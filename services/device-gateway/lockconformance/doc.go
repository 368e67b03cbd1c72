// Package lockconformance runs the rules of PROTOCOL.md against a gateway or a lock, over the line and from nothing else.
//
// Gateway plays locks: it enrols one with each claim code and goes through what a gateway must do and refuse. It keeps the limits that
// a lock has to keep (R-RATE-2) by using several devices and by coming again when it is told to. What only somebody at the
// gateway's system can do is asked of a GatewayOperator.
//
// Lock plays a gateway with a root of its own: it waits for the lock under test, which an Operator makes enrol, boot and present
// cards. An operator who can do more than that implements Keypad, Phone or Doorway, too. Package simulated is one at a simulated lock.
//
// It shares the codec with Cardea's own gateway and simulated lock, and no decision: what a rule asks for is written down here once
// more. What has to come is waited for with Patience, which is more than the protocol's own times, since a slow machine or line cannot be told
// from a slow lock; what must not come, in the protocol's times. So a rule that fails is a fault, and how fast something was is told and
// not judged.
//
// Each rule of PROTOCOL.md is in the catalogue with a check for each side that it binds, or with the reason why it cannot be
// seen from the other end of the line; a test holds page and catalogue together, and each run has a line for every rule.
package lockconformance
