// Package locksim is a lock without a door: a true client of the lock wire protocol, as PROTOCOL.md describes it.
//
// It enrols with a claim code, keeps its identity, boot epoch and event ring in a Store, connects and reconnects by itself,
// asks the gateway when a card is presented, and sends its events until they are durable. Programs drive it with Present
// and look at what it did with Events and the Wait methods; nothing here is a shortcut into the gateway. Tests of other
// modules and the lock-simulator command use it.
//
// A Lock is safe for concurrent use.
package locksim
