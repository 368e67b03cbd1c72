// Package region knows where rows live: regions, jurisdictions, and ids that carry their home.
//
// A jurisdiction is a legal border: rows never leave it. A region is a place that can fail; inside a jurisdiction rows may
// be served by any of its regions. Every id names the region of its home, so that any service can route by looking at it:
//
//	person_euc_01jd3q8v5dfw0b9m3cz1n2k4xw
//	kind   code 26 characters of a UUIDv7 in Crockford's base 32, lower case
//
// All types are values and safe for concurrent use.
package region
