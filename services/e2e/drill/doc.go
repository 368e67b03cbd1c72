// Package drill checks one safety rule over random histories of the whole system:
//
//	No unlock for a credential after the acknowledged enforcement of its revocation, except where the lock was offline inside
//	its staleness budget, and then it appeared as exposure before it happened.
//
// A [History] is a list of ticks; the steps of a tick happen at the same time. [Generate] makes one from a seed. The test plays
// it on real services (identity, permissions in two regions, gateways in two regions, PostgreSQL, NATS, simulated locks on the
// true protocol), in one process, on a clock that the history moves, and records what every caller and every lock saw.
// [Check] judges the record. It knows nothing of how Cardea decides: only when each call began and ended, what it answered, and
// which doors opened. What fails is made small by [Shrink] and kept under testdata, where every later run plays it again.
//
//	go test ./drill                                     # the kept histories and that of seed 7
//	go test ./drill -args -drill.for=10m -drill.seed=7  # or `make drill`: histories from seed 7 on (without it: from a new one on), for ten minutes
//
// At the end of a history the ledger is held to the record, too ([CheckLedger]): what a lock was told to be durable is in it once, and its
// unlocks are those that were seen.
//
// What goes on at the same time decides some histories, so a seed gives the same history, not always the same outcome. A history whose
// organization could not be set up ends the drill and says so; it is not kept.
//
// # What finds which fault
//
// These faults were planted one at a time. Each is found by what stands behind it: a kept history (*.json), a seed, or a test where the
// part is. `make test` runs all but the seed.
//
//	the lock acknowledges Revocations and goes on with what it had    locksim/offline TestAnyOrderOfArrival; TestAConnectedLockIsNoExposure
//	the lock lets in an entry that was revoked before it came         TestABundleThatRevocationsOvertakeOnTheWay; TestAnyOrderOfArrival
//	WaitApplied does not wait for other gateways                      internal/rpc TestEveryGatewayIsWaitedFor
//	every gateway counts as having applied every commit               internal/postgres TestPostgres; neighbour-behind.json
//	an answer leaves its exposures out, at the gateway                internal/rpc TestAnAnswerNamesWhoIsExposed; listed-before-it-opens.json
//	an answer leaves its exposures out, at permissions                permissions TestACommitIsEnforcedWithTheExposuresThatItLists;
//	                                                                  listed-before-it-opens.json, budget-over.json, neighbour-behind.json
//	a bundle is sent although the door changed while it was noted     TestABundleThatNoAnswerCouldCountIsNotGiven
//	what a lock may hold is noted after it was sent                   TestABundleThatRevocationsOvertakeOnTheWay
//	after a restart doors count as unchanged                          TestAGatewayThatStartsAnewKnowsWhatWasGiven;
//	                                                                  restart-after-revocation.json
//	the hash that a lock says in Hello is not looked at               TestALockThatHoldsSomethingElseIsGivenTheWhole
//	the end of a membership takes nothing away                        internal/access TestNoChangeOfABundleGoesUnnoticed; seed 1003
//	the end of a credential takes nothing away                        internal/access TestNoChangeOfABundleGoesUnnoticed
//	a lockdown takes nothing away                                     listed-before-it-opens.json
//	exposures end a minute early                                      internal/exposure TestWhoIsExposed; internal/bundlestate
//	                                                                  TestARecordCoversAllThatTheLockMayHold; restart-after-revocation.json
//	a record forgets what the lock holds besides what it was given    internal/bundlestate TestARecordCoversAllThatTheLockMayHold
//	a lock without a record counts as holding nothing                 internal/bundlestate
//	                                                                  TestWhatIsNotNotedCountsAsHeldByWhoIsOlderThanTheBucket
//	a device that was revoked is not listed                           internal/exposure TestWhoIsExposed
//	nor by another region than its home                               TestANeighbourListsARevokedDeviceThatMayStillOpen
//
// Tests without a package are those of services/device-gateway.
//
// # What it found
//
// Seed 5011: a card was revoked after the grant by which it opened. A lock that had confirmed neither was not listed as exposed to the
// card's end, since that took nothing more away at the door, and opened for it. Now whoever has not confirmed an earlier end counts as
// exposed to later ones, too (internal/exposure TestWhoIsExposed). Three of five runs of the seed failed before, on a busy machine.
//
// Seed 927378315, not mended yet, so it is in testdata/open, where no run plays it (copy it to testdata to see it fail): a gateway of which the
// register had not heard for a day was left out of an answer, came back, and opened by what its broker had, which was behind. See
// services/decisions/0031.
package drill
