// Package lockevent turns what a lock reports into the event that the region gets, and makes and opens the receipts by
// which a lock carries a decision back (services/decisions/0009).
//
// The id of an event is `<device>.<boot epoch>.<sequence>`, whichever gateway receives it and however often. What only the
// gateway noticed has `<device>.<boot epoch>.clock-<session>`.
//
// A Maker is safe for concurrent use.
package lockevent
