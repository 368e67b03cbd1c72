// Package policy is the one evaluator of Cardea: facts in, a Decision out.
//
// [Decide] answers whether a person, with or without a credential, may open a
// door at a moment, why, and from which grant and schedule. The permissions
// service asks it online and about the past, the device gateway asks it at the
// door; because both ask the same function with the same facts they cannot
// disagree.
//
// # Promises
//
//   - Pure: no I/O, no clock, no environment, no randomness. Time zone rules are
//     compiled into the package (see [ValidateTimeZone]), not read from the host.
//     The same arguments give the same Decision in every process of one build.
//   - Order-free: the order in which facts are supplied never changes the answer.
//   - Fails closed: a fact that is missing or contradicts itself never opens a
//     door. A broken grant does not shut out somebody whom another, sound one admits;
//     a broken rule of the door counts as one that is not met.
//   - No hidden state: what earlier passages left behind is the argument [State], and
//     what a passage changes is in [Decision].Effects; the caller keeps it.
//   - A refusal is a result, not an error: Decide always returns an outcome and a
//     reason of the closed list [Reason].
//
// # Concurrency
//
// Everything here may be used from many goroutines at once. [Schedule] is
// immutable. [Facts] must hold still for the length of one call of Decide:
// an implementation either is immutable, is copied on write, or is locked by
// the caller around the call, and so must the maps of State. [Snapshot] may be read concurrently once filled.
package policy
