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

// TestLimitsOfFields has each limit at its edge: text empty, the message is within.
func TestLimitsOfFields(t *testing.T) {
	type request = lockwirev1.AccessRequest
	type command = lockwirev1.Command
	day := uint64(86_400_000)
	long := strings.Repeat("x", 65)
	for _, c := range []struct {
		name string
		m    proto.Message
		text string
	}{
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

		{"half a bundle's hash", &lockwirev1.Hello{DeviceId: "d", BootEpoch: 1, Versions: []uint32{1}, BundleHash: make([]byte, 16)}, "bundle_hash"},
		{"65 capabilities of a gateway", &lockwirev1.Welcome{
			Session: []byte{1}, HeartbeatMs: 1000, EventCredit: 1, AccessCredit: 1, Capabilities: strings.Fields(strings.Repeat("c ", 65)),
		}, "capabilities"},
		{"a Welcome's configuration", &lockwirev1.Welcome{
			Session: []byte{1}, HeartbeatMs: 1000, EventCredit: 1, AccessCredit: 1, Configuration: &lockwirev1.Configuration{Volume: 101},
		}, "volume"},
	} {
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
