// Package offline is how a lock decides alone: it holds a bundle and answers from it. It knows nothing but the messages of the
// lock wire protocol, and is written to be read by whoever writes firmware.
//
// The rules are those of PROTOCOL.md, section 10, and stand there alone: H1 in the code is R-HOLD-1, D1 is R-DECIDE-1. The
// golden vectors bundles.json and decisions.json beside the .proto go through them.
//
// A Holder is not safe for concurrent use.
package offline
