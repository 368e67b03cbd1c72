package main

import (
	"bytes"
	"context"
	"encoding/pem"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	auditv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/audit/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/audit/v1/auditv1connect"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/audit/internal/ledger"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

var id = ledger.ID{Org: "org_euc_01jd3q8v5dfw0b9m3cz1n2k4xw", Region: "eu-central"}

// liar serves a ledger, changed by its hooks: what a service could answer that hides something.
type liar struct {
	auditv1connect.UnimplementedAuditServiceHandler
	entries   []*auditv1.Entry
	page      int // entries in an answer at most
	grow      func(*liar)
	listed    func(*auditv1.ListEntriesResponse)
	firstHead func(*auditv1.Head)
}

func (l *liar) head() *auditv1.Head {
	last := l.entries[len(l.entries)-1]
	return &auditv1.Head{OrgId: string(id.Org), Region: string(id.Region), Size: int64(len(l.entries)), Hash: last.Hash}
}

func (l *liar) GetHead(ctx context.Context, _ *auditv1.GetHeadRequest) (*auditv1.Head, error) {
	info, _ := connect.CallInfoForHandlerContext(ctx)
	if info.RequestHeader().Get("Authorization") != "Bearer cardea_key_secret" {
		return nil, connect.NewError(connect.CodeUnauthenticated, fmt.Errorf("who are you"))
	}
	head := l.head()
	if l.firstHead != nil {
		l.firstHead(head)
	}
	return head, nil
}

func (l *liar) ListEntries(_ context.Context, r *auditv1.ListEntriesRequest) (*auditv1.ListEntriesResponse, error) {
	if l.grow != nil {
		l.grow(l)
		l.grow = nil
	}
	answer := &auditv1.ListEntriesResponse{Head: l.head()}
	for i := r.FromPosition; i < int64(len(l.entries)) && len(answer.Entries) < l.page; i++ {
		answer.Entries = append(answer.Entries, l.entries[i])
	}
	if l.listed != nil {
		l.listed(answer)
	}
	return answer, nil
}

func (l *liar) add(n int) {
	var last ledger.Head
	if len(l.entries) > 0 {
		last = ledger.Head{Size: int64(len(l.entries)), Hash: ledger.Hash(l.entries[len(l.entries)-1].Hash)}
	}
	for range n {
		eventID := fmt.Sprintf("event-%d", last.Size)
		body, _ := proto.Marshal(&typev1.Event{Id: eventID, OrgId: string(id.Org), Region: string(id.Region)})
		e := id.Next(last, eventID, body, time.Unix(1_800_000_000, 5000))
		last = e.Head()
		l.entries = append(l.entries, &auditv1.Entry{
			Position: e.Position, EventId: e.EventID, BodySha256: e.BodySHA256[:], PreviousHash: e.Previous[:], Hash: e.Hash[:],
			AppendedAt: timestamppb.New(e.AppendedAt), Body: e.Body,
		})
	}
}

// check runs the command against l over TLS.
func check(t *testing.T, l *liar, args ...string) (code int, out, errOut string) {
	t.Helper()
	if l.page == 0 {
		l.page = 4
	}
	_, handler := auditv1connect.NewAuditServiceHandler(l)
	server := httptest.NewUnstartedServer(handler)
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(ca, block, 0o600); err != nil {
		t.Fatal(err)
	}
	args = append([]string{"-url", server.URL, "-ca", ca, "-org", string(id.Org), "-region", string(id.Region)}, args...)
	var o, e bytes.Buffer
	code = run(t.Context(), args, "cardea_key_secret\n", &o, &e)
	return code, o.String(), e.String()
}

func TestAWholeLedgerIsVerifiedOverManyPages(t *testing.T) {
	l := &liar{}
	l.add(42)
	l.entries[7].Body = nil
	l.grow = func(l *liar) { l.add(3) } // arrives while the walk is on
	noted := l.entries[20]
	code, out, errOut := check(t, l, "-expect-size", "21", "-expect-hash", fmt.Sprintf("%x", noted.Hash))
	want := fmt.Sprintf("ledger of %s in eu-central: 45 entries verified, head %x, 1 without their body\n", id.Org, l.entries[44].Hash)
	if code != 0 || out != want || errOut != "" {
		t.Fatalf("exit %d\n%s%s\nwant\n%s", code, out, errOut, want)
	}
}

func TestWhatTheServiceChangesIsTold(t *testing.T) {
	everyEntry := func(at int64, do func(*auditv1.Entry)) func(*liar) {
		return func(l *liar) {
			e := proto.Clone(l.entries[at]).(*auditv1.Entry)
			do(e)
			l.entries[at] = e
		}
	}
	for _, c := range []struct {
		name string
		do   func(*liar)
		says string
	}{
		{"position", everyEntry(5, func(e *auditv1.Entry) { e.Position = 6 }), "position 5: the entry says that its position is 6"},
		{"event id", everyEntry(5, func(e *auditv1.Entry) { e.EventId = "x" }), "position 5: hash is"},
		{"body digest", everyEntry(5, func(e *auditv1.Entry) { e.BodySha256 = make([]byte, 32) }), "position 5: hash is"},
		{"short digest", everyEntry(5, func(e *auditv1.Entry) { e.BodySha256 = nil }), "position 5: body digest"},
		{"previous hash", everyEntry(5, func(e *auditv1.Entry) { e.PreviousHash = make([]byte, 32) }), "position 5: previous hash"},
		{"hash", everyEntry(5, func(e *auditv1.Entry) { e.Hash = make([]byte, 32) }), "position 5: hash is"},
		{"time", everyEntry(5, func(e *auditv1.Entry) { e.AppendedAt.Nanos += 1000 }), "position 5: hash is"},
		{"time below its precision", everyEntry(5, func(e *auditv1.Entry) { e.AppendedAt.Nanos++ }), "position 5: the time"},
		{"no time", everyEntry(5, func(e *auditv1.Entry) { e.AppendedAt = nil }), "position 5: appended at"},
		{"body", everyEntry(5, func(e *auditv1.Entry) { e.Body = []byte("other") }), "position 5: SHA-256 of the body"},
		{"taken out", func(l *liar) { l.entries = append(l.entries[:5:5], l.entries[6:]...) }, "position 5: the entry says that its position is 6"},
		{"end hidden", func(l *liar) {
			l.listed = func(r *auditv1.ListEntriesResponse) {
				if len(r.Entries) > 0 && r.Entries[0].Position == 8 {
					r.Entries = nil
				}
			}
		}, "position 8: there is no entry, but the head says 10"},
		{"another head in the list", func(l *liar) {
			l.listed = func(r *auditv1.ListEntriesResponse) { r.Head.Hash = make([]byte, 32) }
		}, "position 10: the entries end here"},
		{"another head from GetHead", func(l *liar) {
			l.firstHead = func(h *auditv1.Head) { h.Hash = make([]byte, 32) }
		}, "position 9: hash is"},
		{"a longer head from GetHead", func(l *liar) {
			l.firstHead = func(h *auditv1.Head) { h.Size = 11 }
		}, "was cut"},
		{"the head of another ledger", func(l *liar) {
			l.listed = func(r *auditv1.ListEntriesResponse) { r.Head.Region = "us-east" }
		}, `"us-east"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := &liar{}
			l.add(10)
			c.do(l)
			code, out, errOut := check(t, l)
			if code != 1 || !strings.Contains(out, c.says) || !strings.HasPrefix(out, "ledger of org_euc_") {
				t.Fatalf("exit %d, want 1 and %q:\n%s%s", code, c.says, out, errOut)
			}
		})
	}
}

func TestALedgerThatWasCutOrRewrittenSinceTheNoteIsTold(t *testing.T) {
	l := &liar{}
	l.add(10)
	if code, out, _ := check(t, l, "-expect-size", "12", "-expect-hash", strings.Repeat("00", 32)); code != 1 || !strings.Contains(out, "cut") {
		t.Errorf("exit %d: %s", code, out)
	}
	if code, out, _ := check(t, l, "-expect-size", "3", "-expect-hash", strings.Repeat("00", 32)); code != 1 || !strings.Contains(out, "position 2: ") {
		t.Errorf("exit %d: %s", code, out)
	}
}

func TestWrongUseAndNoAnswerHaveTheirOwnExitCodes(t *testing.T) {
	l := &liar{}
	l.add(1)
	noKey := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(noKey, []byte("cardea_wrong_key"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"-nonsense"}, misused, "nonsense"},
		{[]string{"-org", ""}, misused, "needed"},
		{[]string{"extra"}, misused, "nothing but flags"},
		{[]string{"-url", "http://127.0.0.1:1"}, misused, "https"},
		{[]string{"-ca", "/no/such/file"}, misused, "no such file"},
		{[]string{"-ca", noKey}, misused, "no PEM certificate"},
		{[]string{"-key-file", "/no/such/file"}, misused, "no such file"},
		{[]string{"-expect-size", "3"}, misused, "go together"},
		{[]string{"-expect-size", "3", "-expect-hash", "abc"}, misused, "hexadecimal"},
		{[]string{"-key-file", noKey}, cannotSay, "who are you"},
		{[]string{"-url", "https://127.0.0.1:1"}, cannotSay, "could not read the ledger"},
	} {
		code, out, errOut := check(t, l, c.args...)
		if code != c.code || !strings.Contains(errOut, c.says) || out != "" {
			t.Errorf("%v: exit %d, want %d and %q:\n%s%s", c.args, code, c.code, c.says, out, errOut)
		}
	}
}
