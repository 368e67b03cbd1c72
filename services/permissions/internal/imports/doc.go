// Package imports makes many things from a CSV file, piece by piece.
//
// A file is sent in pieces of whole lines, in its order. Each piece is one transaction: the lines that are right are made by
// the same commands as single calls, those that are wrong are told with their numbers and left out, and how far the import
// is rests in the same commit. So an import can be resumed at any time, a piece that is sent twice is made once, and a dry
// run does everything but commit.
//
// All here is immutable and safe for concurrent use; a transaction belongs to one goroutine.
package imports
