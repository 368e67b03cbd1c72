// Package rpc is the one server stack and the one client stack of the mesh: Connect over mutual TLS.
//
// A Server takes each call through the same steps: peer's name, size, border (from the header `cardea-region`, before the
// body is decoded), trace, error translation and recovery, who calls, may they, where does it belong (here, or forward it to
// its home), is it well formed, is there room; then the handler. What a method needs is read from its proto options, once.
//
// Routing. The home of a call is its first set field with the option `home`; the header only lets a server refuse earlier.
// A call whose home is another region is forwarded there, at most once; if the home does not answer, a region of the same
// jurisdiction serves it, which is why handlers use the region of the id, never their own, in SQL. Across a border only calls
// of data class OPAQUE are forwarded; a PERSONAL one is refused, counted, and its body never logged.
//
// A Dialer is the client side: it finds instances in the directory, checks by certificate name that it talks to the service
// that it wants, in a region that may serve the call, and turns errors back into faults.
//
// Servers and Dialers are safe for concurrent use.
package rpc

// Headers of the mesh. Those that only services may send are removed from a stranger's request.
const (
	// HeaderRegion names the call's home region, so that a wrong border is noticed before the body is read.
	HeaderRegion = "Cardea-Region"
	// HeaderForwarded names the region that forwarded the call. Services only.
	HeaderForwarded = "Cardea-Forwarded"
	// HeaderCaller is the SPIFFE name of the service that made a forwarded call. Services only.
	HeaderCaller = "Cardea-Caller"
)
