package wire

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"google.golang.org/protobuf/proto"
)

func swipe(change func(*lockwirev1.AccessRequest)) proto.Message {
	m := &lockwirev1.AccessRequest{
		RequestId: 9, EventSequence: 1,
		Card: &lockwirev1.Card{Format: lockwirev1.CardFormat_CARD_FORMAT_PKOC, BitLength: 520, Bits: make([]byte, 65)},
		Proof: &lockwirev1.KeyProof{
			Scheme: lockwirev1.ProofScheme_PROOF_SCHEME_PKOC, Nonce: make([]byte, 16), Signature: make([]byte, 64),
		},
	}
	change(m)
	return m
}

func action(change func(*lockwirev1.Command)) proto.Message {
	m := &lockwirev1.Command{CommandId: "c", NotAfterMs: 2000, ServerTimeMs: 1000}
	change(m)
	return m
}

func chunk(change func(*lockwirev1.FirmwareChunk)) proto.Message {
	m := &lockwirev1.FirmwareChunk{Sha256: make([]byte, 32), Version: "2", Size: 100, Offset: 60, Data: make([]byte, 40)}
	change(m)
	return action(func(c *lockwirev1.Command) { c.Action = &lockwirev1.Command_Firmware{Firmware: m} })
}

func configure(c *lockwirev1.Configuration) proto.Message {
	return action(func(m *lockwirev1.Command) { m.Action = &lockwirev1.Command_Configure{Configure: c} })
}

func event(e *lockwirev1.Event) proto.Message {
	return &lockwirev1.EventBatch{RequestId: 9, BootEpoch: 1, FirstSequence: 1, Events: []*lockwirev1.Event{e}}
}

func settings(n int) map[string]string {
	all := make(map[string]string, n)
	for i := range n {
		all[strings.Repeat("s", i+1)] = "1"
	}
	return all
}

func hello(change func(*lockwirev1.Hello)) proto.Message {
	m := &lockwirev1.Hello{DeviceId: "d", BootEpoch: 1, Versions: []uint32{1}}
	change(m)
	return m
}

func greeting(change func(*lockwirev1.Welcome)) proto.Message {
	m := &lockwirev1.Welcome{Session: []byte{1}, HeartbeatMs: 1000, EventCredit: 1, AccessCredit: 1}
	change(m)
	return m
}

func seventeen() []*lockwirev1.Endpoint {
	all := make([]*lockwirev1.Endpoint, 17)
	for i := range all {
		all[i] = &lockwirev1.Endpoint{Host: "a", Port: 1}
	}
	return all
}

// limitCase is a message at the edge of a limit: text empty, it is within; else the refusal's text has it.
type limitCase struct {
	name string
	m    proto.Message
	text string
}

func limitCases() []limitCase {
	type request = lockwirev1.AccessRequest
	type command = lockwirev1.Command
	day := uint64(86_400_000)
	long := strings.Repeat("x", 65)
	return []limitCase{
		{"a key with its proof", swipe(func(*request) {}), ""},
		{"a key without a proof", swipe(func(m *request) { m.Proof = nil }), ""},
		{"a proof of a scheme to come", swipe(func(m *request) { m.Proof.Scheme = 77 }), ""},
		{"a proof of no scheme", swipe(func(m *request) { m.Proof.Scheme = 0 }), "proof.scheme"},
		{"a nonce of 15", swipe(func(m *request) { m.Proof.Nonce = make([]byte, 15) }), "proof.nonce"},
		{"a nonce of 64", swipe(func(m *request) { m.Proof.Nonce = make([]byte, 64) }), ""},
		{"a nonce of 65", swipe(func(m *request) { m.Proof.Nonce = make([]byte, 65) }), "proof.nonce"},
		{"a signature of 63", swipe(func(m *request) { m.Proof.Signature = make([]byte, 63) }), "proof.signature"},
		{"a signature of 65", swipe(func(m *request) { m.Proof.Signature = make([]byte, 65) }), "proof.signature"},
		{"a proof with a chip's number", swipe(func(m *request) { m.Card.Format = lockwirev1.CardFormat_CARD_FORMAT_UID }), "CARD_FORMAT_PKOC"},
		{"an entry code", swipe(func(m *request) { m.Card, m.Proof, m.Pin = nil, nil, "4711" }), ""},
		{"nothing presented", swipe(func(m *request) { m.Card, m.Proof = nil, nil }), "card: missing"},
		{"an entry code with a proof", swipe(func(m *request) { m.Card, m.Pin = nil, "4711" }), "proof"},
		{"an entry code of letters", swipe(func(m *request) { m.Card, m.Proof, m.Pin = nil, nil, "47a1" }), "digits only"},
		{"an entry code of 13 digits", swipe(func(m *request) { m.Card, m.Proof, m.Pin = nil, nil, "1234567890123" }), "pin"},

		{"a command without an action", action(func(*command) {}), ""},
		{"hold open for a day", action(func(m *command) {
			m.Action = &lockwirev1.Command_HoldOpen{HoldOpen: &lockwirev1.HoldOpen{UntilMs: 1000 + day}}
		}), ""},
		{"hold open for longer", action(func(m *command) {
			m.Action = &lockwirev1.Command_HoldOpen{HoldOpen: &lockwirev1.HoldOpen{UntilMs: 1001 + day}}
		}), "until_ms"},
		{"hold open until never", action(func(m *command) {
			m.Action = &lockwirev1.Command_HoldOpen{HoldOpen: &lockwirev1.HoldOpen{}}
		}), "until_ms"},
		{"unlock for 499", action(func(m *command) {
			m.Action = &lockwirev1.Command_Unlock{Unlock: &lockwirev1.Unlock{UnlockMs: 499}}
		}), "unlock_ms"},
		{"the last piece of firmware", chunk(func(*lockwirev1.FirmwareChunk) {}), ""},
		{"what is needed next", chunk(func(f *lockwirev1.FirmwareChunk) { f.Data, f.Offset = nil, 0 }), ""},
		{"firmware behind its end", chunk(func(f *lockwirev1.FirmwareChunk) { f.Offset = 61 }), "firmware.offset"},
		{"firmware of 64 MiB and one", chunk(func(f *lockwirev1.FirmwareChunk) { f.Size = MaxFirmware + 1 }), "firmware.size"},
		{"firmware of no size", chunk(func(f *lockwirev1.FirmwareChunk) { f.Size = 0 }), "firmware.size"},
		{"a piece too large", chunk(func(f *lockwirev1.FirmwareChunk) {
			f.Size, f.Offset, f.Data = MaxFirmware, 0, make([]byte, MaxFirmwareChunk+1)
		}), "firmware.data"},
		{"firmware without a hash", chunk(func(f *lockwirev1.FirmwareChunk) { f.Sha256 = nil }), "firmware.sha256"},
		{"firmware without a version", chunk(func(f *lockwirev1.FirmwareChunk) { f.Version = "" }), "firmware.version"},
		{"nothing configured", configure(&lockwirev1.Configuration{}), ""},
		{"held open after 999", configure(&lockwirev1.Configuration{HeldOpenAfterMs: 999}), "held_open_after_ms"},
		{"held open after a day", configure(&lockwirev1.Configuration{HeldOpenAfterMs: 86_400_000}), ""},
		{"an own unlock of 60,001", configure(&lockwirev1.Configuration{UnlockMs: 60_001}), "unlock_ms"},
		{"volume 101", configure(&lockwirev1.Configuration{Volume: 101}), "volume"},
		{"32 settings", configure(&lockwirev1.Configuration{Settings: settings(32)}), ""},
		{"33 settings", configure(&lockwirev1.Configuration{Settings: settings(33)}), "number of settings"},
		{"a setting of no name", configure(&lockwirev1.Configuration{Settings: map[string]string{"": "x"}}), "settings: a name"},
		{"a setting too long", configure(&lockwirev1.Configuration{Settings: map[string]string{"a": strings.Repeat("x", 257)}}), "settings: a value"},
		{"an image's size as what is needed", &lockwirev1.CommandResult{CommandId: "c", FirmwareOffset: MaxFirmware}, ""},
		{"more than an image is needed", &lockwirev1.CommandResult{CommandId: "c", FirmwareOffset: MaxFirmware + 1}, "firmware_offset"},

		{"a door's state", event(&lockwirev1.Event{Door: &lockwirev1.DoorState{BatteryPercent: 100, Alarms: make([]lockwirev1.DoorAlarm, 8)}}), ""},
		{"a battery of 101", event(&lockwirev1.Event{Door: &lockwirev1.DoorState{BatteryPercent: 101}}), "battery_percent"},
		{"nine alarms", event(&lockwirev1.Event{Door: &lockwirev1.DoorState{Alarms: make([]lockwirev1.DoorAlarm, 9)}}), "alarms"},
		{"a credential's long id", event(&lockwirev1.Event{CredentialId: long}), "credential_id"},
		{"a person's long id", event(&lockwirev1.Event{PersonId: long}), "person_id"},

		{"a bundle", bundle(1), ""},
		{"a bundle of 4 MiB and one", bundle(MaxBundle + 1), "signed"},
		{"an empty bundle", bundle(0), "signed"},
		{"a bundle without a signer", &lockwirev1.Bundle{Version: 1, Signed: []byte{1}, Signature: []byte{1}}, "signer_chain"},
		{"a bundle without a signature", &lockwirev1.Bundle{Version: 1, Signed: []byte{1}, SignerChain: [][]byte{{1}}}, "signature"},
		{"a bundle of no version", &lockwirev1.Bundle{Signed: []byte{1}, Signature: []byte{1}, SignerChain: [][]byte{{1}}}, "version"},
		{"revocations too large", &lockwirev1.Revocations{
			Version: 1, Signed: make([]byte, MaxRevocations+1), Signature: []byte{1}, SignerChain: [][]byte{{1}},
		}, "signed"},
		{"an acknowledgement of none", &lockwirev1.BundleAck{Version: 1}, ""},
		{"an acknowledgement with half a hash", &lockwirev1.BundleAck{Version: 1, Hash: make([]byte, 16)}, "hash"},
		{"an acknowledgement of version 0", &lockwirev1.BundleAck{}, "version"},

		{"a certificate request", &lockwirev1.CertificateRequest{RequestId: 1, CertificateRequest: make([]byte, 4096)}, ""},
		{"one too large", &lockwirev1.CertificateRequest{RequestId: 9, CertificateRequest: make([]byte, 4097)}, "certificate_request"},
		{"an empty one", &lockwirev1.CertificateRequest{RequestId: 9}, "certificate_request"},
		{"one without an id", &lockwirev1.CertificateRequest{CertificateRequest: []byte{1}}, "request_id"},
		{"a certificate", &lockwirev1.Certificate{RequestId: 1, CertificateChain: [][]byte{{1}}, Roots: [][]byte{{1}}}, ""},
		{"a certificate without roots", &lockwirev1.Certificate{RequestId: 9, CertificateChain: [][]byte{{1}}}, "roots"},
		{"five certificates", &lockwirev1.Certificate{RequestId: 9, CertificateChain: [][]byte{{1}, {1}, {1}, {1}, {1}}, Roots: [][]byte{{1}}}, "certificate_chain"},

		{"a Hello", hello(func(*lockwirev1.Hello) {}), ""},
		{"a Hello without a device", hello(func(m *lockwirev1.Hello) { m.DeviceId = "" }), "device_id"},
		{"a Hello of boot epoch 0", hello(func(m *lockwirev1.Hello) { m.BootEpoch = 0 }), "boot_epoch"},
		{"a Hello of boot epoch above 2^62", hello(func(m *lockwirev1.Hello) { m.BootEpoch = 1<<62 + 1 }), "boot_epoch"},
		{"a Hello without versions", hello(func(m *lockwirev1.Hello) { m.Versions = nil }), "versions"},
		{"a Hello of 17 versions", hello(func(m *lockwirev1.Hello) { m.Versions = make([]uint32, 17) }), "versions"},
		{"a Hello with a nameless capability", hello(func(m *lockwirev1.Hello) { m.Capabilities = []string{""} }), "capabilities"},
		{"a Hello with 65 capabilities", hello(func(m *lockwirev1.Hello) { m.Capabilities = strings.Fields(strings.Repeat("c ", 65)) }), "capabilities"},
		{"a Hello with a long session", hello(func(m *lockwirev1.Hello) { m.ResumeSession = make([]byte, 33) }), "resume_session"},
		{"a Hello with half a bundle's hash", hello(func(m *lockwirev1.Hello) { m.BundleHash = make([]byte, 16) }), "bundle_hash"},
		{"a Hello with a long command", hello(func(m *lockwirev1.Hello) { m.HoldOpenCommand = long }), "hold_open_command"},
		{"a Hello with a long lockdown", hello(func(m *lockwirev1.Hello) { m.LockdownCommand = long }), "lockdown_command"},
		{"a Welcome without a session", greeting(func(m *lockwirev1.Welcome) { m.Session = nil }), "session"},
		{"a Welcome with a heartbeat of 999", greeting(func(m *lockwirev1.Welcome) { m.HeartbeatMs = 999 }), "heartbeat_ms"},
		{"a Welcome without credit", greeting(func(m *lockwirev1.Welcome) { m.EventCredit = 0 }), "event_credit"},
		{"a Welcome with port 0", greeting(func(m *lockwirev1.Welcome) { m.Endpoints = []*lockwirev1.Endpoint{{Host: "a"}} }), "port"},
		{"a Welcome with 65 capabilities", greeting(func(m *lockwirev1.Welcome) { m.Capabilities = strings.Fields(strings.Repeat("c ", 65)) }), "capabilities"},
		{"a Welcome with a loud configuration", greeting(func(m *lockwirev1.Welcome) { m.Configuration = &lockwirev1.Configuration{Volume: 101} }), "volume"},

		{"request 0", swipe(func(m *request) { m.RequestId = 0 }), "request_id"},
		{"event sequence 0", swipe(func(m *request) { m.EventSequence = 0 }), "event_sequence"},
		{"a card of no format", swipe(func(m *request) { m.Card.Format, m.Proof = 0, nil }), "card.format"},
		{"a card of 7 bits", swipe(func(m *request) { m.Card.BitLength = 7 }), "card.bit_length"},
		{"a card with a byte too few", swipe(func(m *request) { m.Card.Bits = m.Card.Bits[1:] }), "card.bits"},
		{"a card with an unused bit set", swipe(func(m *request) {
			m.Card, m.Proof = &lockwirev1.Card{Format: lockwirev1.CardFormat_CARD_FORMAT_WIEGAND26, BitLength: 26, Bits: []byte{0, 0, 0, 1}}, nil
		}), "unused bits"},
		{"a long traceparent", swipe(func(m *request) { m.Traceparent = strings.Repeat("0", 56) }), "traceparent"},
		{"granted for 499", &lockwirev1.AccessDecision{RequestId: 1, Outcome: lockwirev1.Outcome_OUTCOME_GRANTED, UnlockMs: 499, ValidForMs: 2000}, "unlock_ms"},
		{"granted for 60,001", &lockwirev1.AccessDecision{RequestId: 1, Outcome: lockwirev1.Outcome_OUTCOME_GRANTED, UnlockMs: 60_001, ValidForMs: 2000}, "unlock_ms"},
		{"an answer that counts for 2,001", &lockwirev1.AccessDecision{RequestId: 1, Outcome: lockwirev1.Outcome_OUTCOME_DENIED, ValidForMs: 2001}, "valid_for_ms"},
		{"a long receipt", &lockwirev1.AccessDecision{RequestId: 1, Receipt: make([]byte, 1025)}, "receipt"},

		{"a batch without events", batch(9, 1, 1), "number of events"},
		{"a batch from sequence 0", batch(9, 1, 0, &lockwirev1.Event{}), "first_sequence"},
		{"a Hello of a bundle version above 2^61", hello(func(m *lockwirev1.Hello) { m.BundleVersion = 1<<61 + 1 }), "bundle_version"},
		{"a batch whose last sequence is above 2^62", batch(9, 1, 1<<62, &lockwirev1.Event{}, &lockwirev1.Event{}), "sequence"},
		{"a batch of boot epoch 0", batch(9, 0, 1, &lockwirev1.Event{}), "boot_epoch"},
		{"a batch of 257", batch(9, 1, 1, append(most(), &lockwirev1.Event{})...), "number of events"},
		{"a GAP that is not the first", batch(9, 1, 1, &lockwirev1.Event{}, &lockwirev1.Event{Kind: lockwirev1.EventKind_EVENT_KIND_GAP, Lost: 1}), "GAP"},
		{"a GAP that lost nothing", batch(9, 1, 1, &lockwirev1.Event{Kind: lockwirev1.EventKind_EVENT_KIND_GAP}), "lost"},
		{"a GAP that lost more than there was", batch(9, 1, 3, &lockwirev1.Event{Kind: lockwirev1.EventKind_EVENT_KIND_GAP, Lost: 4}), "lost"},
		{"a command without an id", action(func(m *command) { m.CommandId = "" }), "command_id"},
		{"a result without an id", &lockwirev1.CommandResult{}, "command_id"},
		{"a long text", &lockwirev1.Error{Text: strings.Repeat("x", 201)}, "text"},
		{"17 endpoints", &lockwirev1.GoAway{Endpoints: seventeen()}, "number of endpoints"},
		{"an enrolment without a secret", &lockwirev1.EnrollRequest{CertificateRequest: []byte{1}}, "claim_secret"},
		{"an enrolment with a long secret", &lockwirev1.EnrollRequest{ClaimSecret: strings.Repeat("x", 129), CertificateRequest: []byte{1}}, "claim_secret"},
		{"an enrolment without a request", &lockwirev1.EnrollRequest{ClaimSecret: "x"}, "certificate_request"},
		{"an enrolled lock without roots", &lockwirev1.EnrollResponse{DeviceId: "d", CertificateChain: [][]byte{{1}}}, "roots"},
	}
}

// TestLimitsOfFields has each limit at its edge.
func TestLimitsOfFields(t *testing.T) {
	for _, c := range limitCases() {
		t.Run(c.name, func(t *testing.T) {
			err := Check(c.m)
			if c.text == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			e := (*ProtocolError)(nil)
			if !errors.As(err, &e) || e.Code != lockwirev1.ErrorCode_ERROR_CODE_MALFORMED || !strings.Contains(e.Text, c.text) {
				t.Fatalf("got %v; want MALFORMED naming %q", err, c.text)
			}
			if r, ok := c.m.(interface{ GetRequestId() uint64 }); ok && e.RequestID != r.GetRequestId() {
				t.Errorf("the error names request %d", e.RequestID)
			}
		})
	}
}

// TestAnUnknownActionIsNoFault: a command of a later version reaches the lock, which answers UNSUPPORTED.
func TestAnUnknownActionIsNoFault(t *testing.T) {
	body := []byte{0x0a, 0x01, 'c', 0x72, 0x02, 0x08, 0x01} // command_id "c", field 14 {1: 1}
	frame, err := AppendFrame(nil, Frame{Type: lockwirev1.FrameType_FRAME_TYPE_COMMAND, Body: body})
	if err != nil {
		t.Fatal(err)
	}
	m, err := NewReader(bytes.NewReader(frame), Limits{}).Next()
	if c, ok := m.(*lockwirev1.Command); err != nil || !ok || c.GetAction() != nil {
		t.Fatalf("%v, %v", m, err)
	}
}
