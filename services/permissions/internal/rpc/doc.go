// Package rpc is the Connect face of permissions: it turns requests into commands and questions of package grants, and
// what comes back into answers. It decides nothing itself.
//
// The server stack (platform/rpc) has identified and authorized the caller, forwarded what belongs elsewhere, and checked
// the form of every field before a handler runs. A handler parses ids (their kind, their region), runs the command in a
// transaction, and names the commit in its answer. Errors leave by the table Errors.
//
// A [Handler] is safe for concurrent use.
package rpc
