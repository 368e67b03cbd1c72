// Package grants is the domain of permissions: places, people's groups, grants, their rules and their past.
//
// It is plain Go over plain values: no SQL, no RPC, no NATS, no clock. Commands run inside one transaction, which they
// see as a [Tx]; the moment of a write is the commit's (Commit.At), so that what holds from now on holds from the moment
// at which it was recorded. Questions run inside one read transaction, a [Reader], and are answered by the one evaluator,
// package policy.
//
// Every fact is bitemporal: it holds from ... to (validity), and we knew it from ... to (recorded, superseded). A command
// never changes what was recorded; it supersedes it and records what is known now. So the past is a question like any
// other: [History] asks what held at one time as it was known at another.
//
// Commands and History are immutable and safe for concurrent use; a Tx or Reader belongs to one goroutine.
package grants
