package wire

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"testing"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"google.golang.org/protobuf/proto"
)

// goldenLarge is large.json: what the other files have no room for, with bytes in pieces.
type goldenLarge struct {
	DeviceID string        `json:"device_id"`
	Root     hexBytes      `json:"root"`
	Streams  []largeStream `json:"streams"`
	Steps    []largeStep   `json:"steps"`
}

type largeStream struct {
	Name   string  `json:"name"`
	Title  string  `json:"title"`
	Joined int     `json:"joined_limit"`
	Stream compact `json:"stream"`
	// Messages are the names of those in it.
	Messages []string `json:"messages"`
	Error    string   `json:"error"`
}

type largeStep struct {
	Name    string `json:"name"`
	Title   string `json:"title"`
	Now     uint64 `json:"now_ms"`
	Restart bool   `json:"restart"`
	// Stream is the message, in one frame or in parts, as the first of a connection. SHA256 is of its expanded bytes.
	Stream compact         `json:"stream"`
	SHA256 hexBytes        `json:"stream_sha256"`
	Ack    json.RawMessage `json:"ack"`
	// Held is how many entries the lock holds afterwards, with their bytes.
	Held int `json:"entries_held"`
}

// largeStreams are R-FRAME's and a batch's limits.
func largeStreams() []largeStream {
	many := func(n int) []byte {
		one := &lockwirev1.Event{Kind: lockwirev1.EventKind_EVENT_KIND_ACCESS, UptimeMs: 11_000, ClockQuality: unset}
		m := batch(3, 3, 5)
		for range n {
			m.Events = append(m.Events, one)
		}
		return unchecked(m)
	}
	part := func(i uint32) compact {
		p := unchecked(&lockwirev1.Part{
			MessageId: 1, Type: uint32(lockwirev1.FrameType_FRAME_TYPE_EVENT_BATCH), Part: i, Parts: 9, Sha256: make([]byte, 32),
			Body: bytes.Repeat([]byte{0xaa}, maxPartBody),
		})
		return runOf(p, []byte{0xaa})
	}
	var parts compact
	for i := range uint32(9) {
		parts = append(parts, part(i)...)
	}
	skipped := runOf(raw(0x7f, bytes.Repeat([]byte{0xaa}, 65_534)...), []byte{0xaa})
	unit := eventBytes()
	return []largeStream{
		{"frame-65536", "a frame of the largest length, of a type without bit 7 that nobody knows, then a Ping", JoinedToGateway,
			append(skipped, piece{Hex: written(&lockwirev1.Ping{Nonce: 7})}), []string{"Ping"}, ""},
		{"batch-256", "as many events as a batch may have", JoinedToGateway, runOf(many(MaxBatch), unit), []string{"EventBatch"}, ""},
		{"batch-257", "one more", JoinedToGateway, runOf(many(MaxBatch+1), unit), []string{}, "MALFORMED"},
		{"joined-limit-passed", "parts of 585,000 bytes towards a gateway: refused at the ninth", JoinedToGateway, parts, []string{}, "MALFORMED"},
	}
}

// eventBytes is an event in a batch: what repeats.
func eventBytes() []byte {
	one := &lockwirev1.Event{Kind: lockwirev1.EventKind_EVENT_KIND_ACCESS, UptimeMs: 11_000, ClockQuality: unset}
	with, without := serialized(batch(3, 3, 5, one)), serialized(batch(3, 3, 5))
	return with[len(without):]
}

// runOf writes the longest run of a unit as a repetition.
func runOf(b, unit []byte) compact {
	from, most := 0, 0
	for q := 0; q < len(b); {
		n := 0
		for bytes.HasPrefix(b[q+n*len(unit):], unit) {
			n++
		}
		if n > most {
			from, most = q, n
		}
		q += max(n*len(unit), 1)
	}
	return compact{{Hex: b[:from]}, {Repeat: most, Hex: unit}}.and(b[from+most*len(unit):])
}

// Counted things: entry hashes to take out, and entries with a digest, that differ in their last four bytes.
var (
	countedHash   = append([]byte{0x1a, 0x10}, make([]byte, 12)...)
	countedDigest = make([]byte, 28)
)

func hashesFrom(first, n int) (all [][]byte) {
	for i := range n {
		all = append(all, binary.BigEndian.AppendUint32(make([]byte, 12, 16), uint32(first+i)))
	}
	return all
}

func countedEntries(n int) (all [][]byte) {
	for i := range n {
		all = append(all, serialized(&lockwirev1.BundleEntry{Digests: []*lockwirev1.BundleDigest{
			{KeyId: "k", Digest: binary.BigEndian.AppendUint32(bytes.Clone(countedDigest), uint32(i+1))},
		}}))
	}
	return all
}

// largeSteps are the limits of R-HOLD-6, 9 and 12.
func largeSteps() []bundleStep {
	first := step("entries-20000", "a whole bundle with as many entries as a lock takes", wholeBundle(17, smallDoor(), countedEntries(20_000)...))
	first.restart = true
	return []bundleStep{
		first,
		step("entries-20001", "one more", wholeBundle(18, smallDoor(), countedEntries(20_001)...)),
		revoke("revoked-2000", "as many hashes as one message may have; none is of an entry that is held", 19, hashesFrom(1, 2000)...),
		revoke("revoked-2001", "one more: nothing of the message is applied", 20, hashesFrom(2001, 2001)...),
		revoke("tombstones-4000", "more tombstones ...", 21, hashesFrom(2001, 2000)...),
		revoke("tombstones-6000", "... and more", 22, hashesFrom(4001, 2000)...),
		revoke("tombstones-8000", "as many as there may be", 23, hashesFrom(6001, 2000)...),
		revoke("tombstones-again", "hashes that have a tombstone already make none", 24, hashesFrom(6001, 2000)...),
		step("tombstones-dropped", "a whole bundle forgets those of versions up to its own", wholeBundle(25, smallDoor(), countedEntries(1)...)),
		revoke("again-2000", "they fill up again ...", 26, hashesFrom(1, 2000)...),
		revoke("again-4000", "...", 27, hashesFrom(2001, 2000)...),
		revoke("again-6000", "...", 28, hashesFrom(4001, 2000)...),
		revoke("again-8000", "...", 29, hashesFrom(6001, 2000)...),
		revoke("tombstones-8001", "... and one more has the lock forget everything", 30, hashesFrom(8001, 1)...),
		step("tombstones-forgotten", "so that a bundle of that version is refused", wholeBundle(30, smallDoor(), countedEntries(1)...)),
		step("tombstones-new", "and a later one begins anew", wholeBundle(31, smallDoor(), countedEntries(1)...)),
	}
}

func largeFile(t *testing.T) goldenLarge {
	t.Helper()
	file := goldenLarge{DeviceID: vectorDevice, Root: rootCertificate(rootKey()), Streams: largeStreams()}
	lock := &bundleLock{device: vectorDevice, root: file.Root}
	for _, s := range largeSteps() {
		if s.restart {
			lock = &bundleLock{device: vectorDevice, root: file.Root}
		}
		ack, b, unit := lock.take(s.m, s.now), frameOf(t, s.m), countedHash
		if _, ok := s.m.(*lockwirev1.Bundle); ok {
			entry := countedEntries(1)[0]
			unit = joined([]byte{entryTag, byte(len(entry))}, entry[:len(entry)-4])
		}
		c := compacted(b, unit)
		if !bytes.Equal(c.expand(), b) {
			t.Fatalf("%s: the pieces are other bytes", s.name)
		}
		file.Steps = append(file.Steps, largeStep{s.name, s.title, s.now, s.restart, c, hashOf(b), fieldsOf(t, ack), len(lock.holds())})
	}
	return file
}

// entryTag is the tag of BundleContent.entries.
const entryTag = 0x3a

func TestGoldenLarge(t *testing.T) {
	file := largeFile(t)
	holdGolden(t, "large.json", file)
	want := "ok TOO_LARGE ok TOO_LARGE ok ok ok ok ok ok ok ok ok ok BASE ok"
	var acks []json.RawMessage
	for _, s := range file.Steps {
		acks = append(acks, s.Ack)
	}
	wantProblems(t, acks, want)
}

// TestGoldenLargeIsRead reads the file as anybody does, and the streams in it.
func TestGoldenLargeIsRead(t *testing.T) {
	var file goldenLarge
	readGolden(t, "large.json", &file)
	for _, s := range file.Streams {
		r := NewReader(bytes.NewReader(s.Stream.expand()), Limits{Joined: s.Joined})
		for _, want := range s.Messages {
			if m, err := r.Next(); err != nil || messageName(m) != want {
				t.Fatalf("%s: %v", s.Name, err)
			}
		}
		if _, err := r.Next(); s.Error == "" && !errors.Is(err, io.EOF) || errorName(err) != s.Error {
			t.Fatalf("%s: %v, want %q", s.Name, err, s.Error)
		}
	}
	steps := largeSteps()
	for i, s := range file.Steps {
		b := s.Stream.expand()
		if !bytes.Equal(hashOf(b), s.SHA256) {
			t.Fatalf("%s: the pieces are other bytes than were meant", s.Name)
		}
		m, err := NewReader(bytes.NewReader(b), Limits{Joined: JoinedToLock}).Next()
		if err != nil || !proto.Equal(m, steps[i].m) {
			t.Fatalf("%s: %v", s.Name, err)
		}
	}
}
