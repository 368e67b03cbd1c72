// Package bundle has what a lock may decide alone, as bytes: the content with its hashes, differences between contents,
// the signed messages, and how a lock checks them.
//
// It promises: the same door and entries give the same bytes and the same Hash, whatever the order in which they came; a
// difference and what it was made against give the new content; and Verify takes nothing that was not signed, for this
// device, by a signer of the jurisdiction's device root. What goes into a content is compiled elsewhere (internal/access).
//
// Everything but Signer is pure. A Signer is safe for concurrent use.
package bundle
