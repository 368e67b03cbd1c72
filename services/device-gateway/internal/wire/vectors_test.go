package wire

import (
	"bytes"
	"slices"
	"strings"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"google.golang.org/protobuf/proto"
)

// vector is a message that a golden file has; shown ones are dumped in PROTOCOL.md.
type vector struct {
	name, title string
	shown       bool
	m           proto.Message
}

// vectors are all messages of the protocol, in every variant. What is in the files is what other languages test with:
// change a vector only when the protocol changes.
func vectors() []vector {
	return slices.Concat(sessionVectors(), errorVectors(), accessVectors(), eventVectors(), commandVectors(), certificateVectors(), bundleVectors())
}

const (
	synchronized = lockwirev1.ClockQuality_CLOCK_QUALITY_SYNCHRONIZED
	freeRunning  = lockwirev1.ClockQuality_CLOCK_QUALITY_FREE_RUNNING
	unset        = lockwirev1.ClockQuality_CLOCK_QUALITY_UNSET

	traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
)

func allCapabilities() []string {
	return []string{
		"bundle", "certificate", "command.configure", "command.firmware", "command.hold_open", "command.lock", "command.lockdown",
		"command.reboot", "command.set_time", "command.unlock",
	}
}

func sessionVectors() []vector {
	session := bytes.Repeat([]byte{0xaa}, 16)
	endpoints := []*lockwirev1.Endpoint{{Host: "locks.eu-central.example", Port: 7443}, {Host: "locks.eu-west.example", Port: 7443}}
	hash := hashOf([]byte("a bundle"))
	return []vector{
		{"hello", "Hello", true, &lockwirev1.Hello{
			DeviceId: vectorDevice, Firmware: "1.2.0", Model: "L1", Capabilities: []string{"command.unlock"}, BootEpoch: 3,
			LockTimeMs: vectorNow, ClockQuality: synchronized, JournalHead: 1, Versions: []uint32{1},
		}},
		{"hello-all", "Hello: a lock that can everything, holds a bundle and asks to go on with its session", false, &lockwirev1.Hello{
			DeviceId: vectorDevice, Firmware: "2.0.1", Model: "L2", Capabilities: allCapabilities(), BootEpoch: 4,
			LockTimeMs: vectorNow, ClockQuality: freeRunning, BundleVersion: 17, JournalHead: 9, Versions: []uint32{1, 2},
			ResumeSession: session, BundleHash: hash,
		}},
		{"hello-least", "Hello: the least, and a clock that was never set", false, &lockwirev1.Hello{
			DeviceId: vectorDevice, BootEpoch: 1, ClockQuality: unset, Versions: []uint32{1},
		}},
		{"welcome", "Welcome", true, &lockwirev1.Welcome{
			Session: session, ServerTimeMs: vectorNow + 12, HeartbeatMs: 30_000, Endpoints: endpoints[:1], Version: 1, EventCredit: 4, AccessCredit: 4,
		}},
		{"welcome-all", "Welcome: a session that goes on, a configuration, and a certificate to renew", false, &lockwirev1.Welcome{
			Session: session, ServerTimeMs: vectorNow + 12, HeartbeatMs: 30_000, DurableUpTo: 8, Endpoints: endpoints, Version: 1,
			EventCredit: 4, AccessCredit: 4, Resumed: true, Capabilities: []string{"certificate"}, RenewCertificate: true,
			Configuration: configuration(),
		}},
		{"ping", "Ping", true, &lockwirev1.Ping{Nonce: 7}},
		{"ping-empty", "Ping: nonce 0, a frame without a body", false, &lockwirev1.Ping{}},
		{"pong", "Pong", true, &lockwirev1.Pong{Nonce: 7, ServerTimeMs: vectorNow + 30_000}},
		{"pong-lock", "Pong: a lock's", false, &lockwirev1.Pong{Nonce: 1 << 63}},
		{"go-away", "GoAway: within two seconds, to another region", false, &lockwirev1.GoAway{WithinMs: 2000, Endpoints: endpoints[1:]}},
		{"go-away-empty", "GoAway: at once, to the endpoints of Welcome", false, &lockwirev1.GoAway{}},
		{"error", "Error", true, &lockwirev1.Error{Code: lockwirev1.ErrorCode_ERROR_CODE_MALFORMED, Text: "length 1 is outside 2..65536"}},
		{"error-request", "Error: a batch that was not received", false, &lockwirev1.Error{
			Code: lockwirev1.ErrorCode_ERROR_CODE_UNAVAILABLE, RequestId: 9, Text: "the journal cannot take events now", RetryAfterMs: 1000,
		}},
		{"error-later", "Error: a code of a later version, to be taken as INTERNAL", false, &lockwirev1.Error{Code: 99}},
	}
}

// errorVectors has each code.
func errorVectors() []vector {
	var all []vector
	for number := range int32(len(lockwirev1.ErrorCode_name)) {
		code := lockwirev1.ErrorCode(number)
		name := strings.TrimPrefix(code.String(), "ERROR_CODE_")
		all = append(all, vector{"error-" + slug(name), "Error: " + name, false, &lockwirev1.Error{Code: code, Text: "why"}})
	}
	return all
}

func configuration() *lockwirev1.Configuration {
	return &lockwirev1.Configuration{
		HeldOpenAfterMs: 45_000, UnlockMs: 4000, Volume: 60, Settings: map[string]string{"led": "dim", "beep": ""},
	}
}

func certificateVectors() []vector {
	roots, chain := [][]byte{rootCertificate(rootKey())}, [][]byte{deviceCertificate()}
	return []vector{
		{"enroll-request", "EnrollRequest", false, &lockwirev1.EnrollRequest{ClaimSecret: claimSecret, CertificateRequest: certificateRequest()}},
		{"enroll-request-short", "EnrollRequest (the certificate request cut to four bytes)", true, &lockwirev1.EnrollRequest{
			ClaimSecret: "c2VjcmV0", CertificateRequest: []byte{0x30, 0x82, 0x00, 0xff},
		}},
		{"enroll-response", "EnrollResponse", false, &lockwirev1.EnrollResponse{
			DeviceId: vectorDevice, CertificateChain: chain, Roots: roots, ServerTimeMs: vectorNow,
			Endpoints: []*lockwirev1.Endpoint{{Host: "locks.eu-central.example", Port: 7443}},
		}},
		{"certificate-request", "CertificateRequest", false, &lockwirev1.CertificateRequest{RequestId: 12, CertificateRequest: certificateRequest()}},
		{"certificate", "Certificate", false, &lockwirev1.Certificate{RequestId: 12, CertificateChain: chain, Roots: roots}},
	}
}
