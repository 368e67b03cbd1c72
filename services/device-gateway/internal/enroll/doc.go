// Package enroll makes and checks what proves that a lock is who it says: claim codes, certificate requests, and the
// certificates that the jurisdiction's device root signs.
//
// It does no I/O but reading the root's files. An Authority and a ServerCertificate are safe for concurrent use.
package enroll
