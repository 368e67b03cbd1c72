// Package session holds the live connections of locks, one session each, in the states of PROTOCOL.md section 5.
//
// It promises: a decision needs nothing but the local copy; a batch is answered only after the journal has it on disk; a
// revoked device's session is closed at once; a lock that reads slowly, sends too fast or says nothing is closed; and of
// one device only the newest session at this gateway lives.
//
// A Hub is safe for concurrent use. A session's reading goroutine decides and answers; a second one exists only while
// events are on their way to the journal or to durability, so an idle lock costs one goroutine.
package session
