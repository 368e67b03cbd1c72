// Package access is the gateway's own copy of the access state: what it decides from, whatever else is down.
//
// It promises: decisions read only memory; a removed fact is gone before the commit that removed it is reported as
// applied, and stays gone after a crash and a restart without a broker, because a version is reported only once the file
// copy has it on disk; a fact is never replaced by an older version of itself; what cannot be read never opens a door (a
// broken lockdown locks down with the highest rank, a broken zone closes its doors); and after copy_max_age without a look
// at the broker every decision is COPY_TOO_OLD.
//
// A Copy is safe for concurrent use.
package access
