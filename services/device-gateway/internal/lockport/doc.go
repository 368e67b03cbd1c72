// Package lockport is the port that locks dial: TLS 1.3, two protocols told apart by ALPN, and the limits that hold before
// anybody is known.
//
// It promises: no more than the configured connections; no more than the configured handshakes at once from one address;
// a handshake and an enrolment end after their time; before a peer is known it costs a TLS handshake's memory and no more.
package lockport
