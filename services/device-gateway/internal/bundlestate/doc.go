// Package bundlestate is what the gateways of a jurisdiction note about what each lock may hold to decide alone, so that whoever asks what
// a revocation has not reached yet gets a true answer, whichever gateway gave what to the lock, and whether that gateway still lives.
//
// One record for each device rests in the bucket of the device's home region, compare-and-set. A gateway writes it before it gives
// anything to the lock, and again when the lock has confirmed. So a record is never ahead of a lock: exposed_until is no earlier than the
// end of any budget that the lock may hold, and as_of no later than what the oldest content has that it may hold.
//
// The own region's bucket is watched. Settle waits until memory has all that was written before the call; from then on memory answers.
// Another region's bucket is read over the leaf, key by key.
//
// A bucket that was lost with its broker's disk knows nothing of what locks hold. A device that is older than its bucket and of which
// there is no record may have been given something by somebody until the bucket began: Missing says what follows.
//
// A Store is safe for concurrent use.
package bundlestate
