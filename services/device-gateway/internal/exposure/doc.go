// Package exposure answers which locks may still open a door, while they are alone, for somebody whose access has ended.
//
// It promises: once all gateways that count have applied a commit, no lock decides by what was before it but those that [Book.After]
// lists, and each of those not after the moment that it names. It may list a lock that has nothing of what has ended: where it is not
// known what a lock may hold, it counts as holding it. That the records cannot be read is an error, never an empty list.
//
// A lock is exposed to a commit when it may hold anything that opens now, the copy knows of something that may have been taken
// away at its door since what it may hold was made, and what it confirmed is not, entry by entry, what would be compiled from the facts of
// now.
//
// A device that was revoked holds what it had, since nothing reaches it any more: it counts until its budget is over, whatever ends, and
// whichever region answers.
//
// A Book is safe for concurrent use.
package exposure
