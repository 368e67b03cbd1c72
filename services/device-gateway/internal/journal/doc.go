// Package journal keeps what locks reported, on the gateway's own disk, until the region's broker has it.
//
// It promises: Append returns nil only after the entries were fsynced (many callers share one fsync); every appended
// entry is published at least once, each device's in the order of appending, also after a crash at any moment; the marks of
// a device never say more than that. An event keeps its id for ever, so publishing one twice is harmless. When the disk is
// full or fails Append answers ErrUnavailable and nothing is half received: doors do not depend on this package.
//
// No event of a device is sent before the broker acknowledged the one before it: with two on their way the first can be
// lost, with a connection or a leader, and the second stored. So one device gets one event through in each round trip.
// Devices do not wait for each other.
//
// On disk: segments `<number>.log` of records `length u32 | crc32c u32 | payload`, and `cursor`, which says how far
// delivery came. A torn or spoiled tail is cut at opening. A stale cursor costs repeats, nothing else.
//
// A Journal is safe for concurrent use; Run must run for anything to move. One process at a time owns a directory.
package journal
