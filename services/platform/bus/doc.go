// Package bus carries committed facts between the services of a jurisdiction: events in JetStream streams and access
// state in key-value buckets. NATS never crosses a jurisdiction's border.
//
// # What is where
//
// Every region's broker is a JetStream domain of the region's name and holds
//
//	EVENTS_<region>      stream of `cardea.<region>.>`: what services of that home region published
//	ACCESS_<region>_0    bucket: the facts that gateways decide from, one key each, a typev1.StateRecord as value
//	STATE_<region>       bucket: shared door state
//
// Another region's stream and buckets are reached through the own region's broker, over leaf links.
//
// # Promises
//
//   - A publish that returned nil is on the stream's disk (brokers run with `sync_interval: always`), and once: the
//     broker drops a second one with the same event id inside DedupWindow. After that consumers must deduplicate by
//     event id, and must anyhow, since delivery is at least once.
//   - PutState never writes over a higher version, whoever writes and however late. A fact that no longer holds is a record
//     with removed=true and the version that removed it, not a deleted key, so that a late old write cannot bring it
//     back. Nothing purges tombstones yet; a purge may only take those that are older than any write that can still come.
//   - Consume acknowledges after the handler returned nil. What fails is delivered again with growing delay, for ever; with
//     Concurrency 1 nothing overtakes it.
//   - WatchState delivers every key's latest record, then each change, across reconnects and broker restarts; a bucket
//     that was made anew shows as another incarnation and is delivered whole.
//   - SetValue is compare-and-set on the revision that was read, for state that is decided from: at most one of two writers who
//     read the same gets through. WatchValues is WatchState for such a bucket.
//
// A Bus connects in the background and for ever: with the broker down Connect succeeds, publishes fail at once, and
// Consume and WatchState wait. All methods are safe for concurrent use.
package bus
