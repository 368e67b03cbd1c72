// Package enforcement answers whether a commit is honoured at every door: has each registered gateway of its
// jurisdiction applied it, and has every region of another jurisdiction that it concerns been told?
//
// What is not known counts as not enforced: a gateway that does not answer, a gateway service that cannot be reached, a
// call that is still in the outbox. Of a commit of another service (identity) only the gateways' side is known here:
// calls to other jurisdictions that it caused are in that service's outbox.
//
// A [Waiter] is safe for concurrent use.
package enforcement
