// Package registry is the domain of identity: organizations, people, the credentials that they carry, and the API keys of
// programs; what each may be, and the rules that need nothing but values. Time, ids and randomness come in as arguments.
//
// There is no SQL, RPC, NATS, environment or clock in it. All types are values and safe for concurrent use.
package registry
