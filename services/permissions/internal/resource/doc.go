// Package resource puts things of the domain into the form of cardea/permissions/v1, for answers and for events. Its
// functions are pure and safe for concurrent use.
package resource
