// Package wire is the codec of the lock wire protocol: frames, their parts, and the limits of their messages, as
// PROTOCOL.md describes them. Both ends use it: the gateway's sessions and the simulated lock.
//
// It promises that nothing a stranger sends makes it panic or hold more memory than the limits given to NewReader, and
// that each refusal is a *ProtocolError with the code that the peer is to be told. It knows nothing of sessions: which
// message may come when is for the caller to say. It imports only the generated messages, so that it can be fuzzed fast.
//
// A Reader belongs to one goroutine, a Writer to one other.
package wire
