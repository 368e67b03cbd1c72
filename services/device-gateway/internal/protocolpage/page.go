// Package protocolpage holds the tables of PROTOCOL.md, section 13, to the constants in the code: firmware is written from the page, and a
// number that is wrong there is wrong in every lock. It is for tests.
package protocolpage

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Row is a line of a table: what is bounded, and by how much, as the page says it.
type Row struct{ What, Value string }

// owners are the packages whose tests hold rows of the first table; a row of the second one is wire's. Nobody's numbers are those that no
// constant stands for.
var owners = map[string][]string{
	"TLS handshake":                                     {"lockport"},
	"Hello after the handshake":                         {"session"},
	"the lock waits for TCP; for TCP and TLS":           {"locksim"},
	"the lock waits for Welcome":                        {"locksim"},
	"heartbeat_ms":                                      {"wire", "session"},
	"nothing received":                                  {},
	"Pong after Ping":                                   {},
	"an answer to AccessRequest counts":                 {"wire"},
	"a dead line: no answer, then nothing after Ping":   {"locksim"},
	"a session that broke is kept":                      {"session"},
	"a write that makes no progress":                    {"session", "locksim"},
	"length of a frame":                                 {"wire", "lockport"},
	"joined parts":                                      {"wire", "session"},
	"events in a batch":                                 {"wire"},
	"boot epochs in a session's batches":                {"session"},
	"frames from a lock":                                {"session"},
	"connections of a gateway; of one address":          {"lockport"},
	"handshakes under way at a gateway; of one address": {"lockport"},
	"bytes of a handshake from the lock":                {"lockport"},
	"one wait for the lock in a handshake":              {"lockport"},
	"enrolments of one address":                         {"lockport"},
	"sessions that a device begins":                     {"session"},
	"CertificateRequests of a session":                  {"session"},
}

// Hold compares the rows that a package owns with what its constants say. page is the path of PROTOCOL.md.
func Hold(t *testing.T, page, owner string, want []Row) {
	t.Helper()
	var rows []Row
	for _, r := range tables(t, page)[0] {
		owned, known := owners[r.What]
		if !known {
			t.Errorf("nobody holds the row %q to the code", r.What)
		}
		if slices.Contains(owned, owner) {
			rows = append(rows, r)
		}
	}
	same(t, rows, want)
}

// HoldFields compares the table of fields.
func HoldFields(t *testing.T, page string, want []Row) {
	t.Helper()
	same(t, tables(t, page)[1], want)
}

func same(t *testing.T, page, code []Row) {
	t.Helper()
	for _, r := range page {
		i := slices.IndexFunc(code, func(c Row) bool { return c.What == r.What })
		switch {
		case i < 0:
			t.Errorf("the page's row %q is not held to the code", r.What)
		case code[i].Value != r.Value:
			t.Errorf("%s: the page says %q, and the code %q", r.What, r.Value, code[i].Value)
		}
	}
	for _, c := range code {
		if !slices.ContainsFunc(page, func(r Row) bool { return c.What == r.What }) {
			t.Errorf("the page has no row %q", c.What)
		}
	}
}

// tables are the two of section 13.
func tables(t *testing.T, page string) [2][]Row {
	t.Helper()
	text, err := os.ReadFile(filepath.Clean(page))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(text), "## 13. Limits and timers\n")
	section, _, ok2 := strings.Cut(rest, "\n## 14.")
	if !ok || !ok2 {
		t.Fatal("PROTOCOL.md has lost its section 13")
	}
	var found [][]Row
	for _, block := range strings.Split(section, "\n\n") {
		if lines := strings.Split(strings.TrimSpace(block), "\n"); strings.HasPrefix(lines[0], "|") {
			found = append(found, rowsOf(lines[2:]))
		}
	}
	if len(found) != 2 {
		t.Fatalf("section 13 has %d tables", len(found))
	}
	return [2][]Row(found)
}

func rowsOf(lines []string) (rows []Row) {
	for _, line := range lines {
		cells := strings.Split(strings.Trim(line, "|"), " | ")
		if len(cells) == 2 {
			rows = append(rows, Row{strings.TrimSpace(cells[0]), strings.TrimSpace(cells[1])})
		}
	}
	return rows
}

// Number writes a number as the page does: 65536 is 65,536.
func Number(n int) string {
	if n < 1000 {
		return strconv.Itoa(n)
	}
	return fmt.Sprintf("%s,%03d", Number(n/1000), n%1000)
}
