// Package projection keeps organizations in memory, so that a question about now costs no round trip to the database.
//
// A [Cache] loads an organization when it is first asked about, and keeps it current by pulling what later commits
// recorded. Everything that tells of a commit (the own store's hook, an event of the broker, a consistency token in a
// question) is only a hint of when to pull; what is pulled is read from the database, all regions of the jurisdiction in
// one transaction. A poll of the heads finds what no hint told. So a lost event can make an answer older by one poll, and
// never wrong; and an answer to a question with a token is never older than the token.
//
// [Cache.View] returns an organization as it was at one moment: an immutable [View], good for as long as the caller wants
// it, which implements the facts of package policy and lists candidates. DESIGN.md says why it is built as it is.
//
// A Cache and its Views are safe for concurrent use.
package projection
