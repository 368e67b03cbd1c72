// Package enforcement answers whether a commit is honoured at every door: has each registered gateway of its
// jurisdiction applied it, and have those of every other jurisdiction applied what the commit sent there?
//
// The second question is asked in steps: whom have the commit and those before it called (the outbox of the service that
// committed knows), has the other side taken the calls, how far is the same service there, have its gateways applied that
// much. A yes is recorded with the commits, so that it is asked across the border once.
//
// What is not known counts as not enforced: a gateway that does not answer, a service that cannot be reached, a call that
// is still in the outbox.
//
// A [Waiter] is safe for concurrent use.
package enforcement
