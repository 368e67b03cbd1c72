package system

import (
	"bufio"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cardea-mesh/cardea/services/platform/dbtest"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// written collects what COPY would have read, by table: rows of columns by name.
func written(t *testing.T, play func(*copies)) map[string][]map[string]string {
	t.Helper()
	sink, tables := &copies{tables: map[string]*copying{}}, map[string][]map[string]string{}
	collected := map[string]*[]map[string]string{}
	for name, list := range columnsOf {
		read, write := io.Pipe()
		table := &copying{pipe: write, done: make(chan error, 1)}
		sink.tables[name] = table
		columns, rows := strings.Split(list, ", "), new([]map[string]string)
		collected[name] = rows
		go func() {
			lines := bufio.NewScanner(read)
			for lines.Scan() {
				values, row := strings.Split(lines.Text(), "\t"), map[string]string{}
				if len(values) != len(columns) {
					t.Errorf("%s: %d values for %d columns: %s", name, len(values), len(columns), lines.Text())
				}
				for i, v := range values[:min(len(values), len(columns))] {
					row[columns[i]] = v
				}
				*rows = append(*rows, row)
			}
			table.done <- lines.Err()
		}()
	}
	play(sink)
	if err := sink.close(nil); err != nil {
		t.Fatal(err)
	}
	for name, rows := range collected {
		tables[name] = *rows
	}
	return tables
}

func TestThePastIsWhatCommitsWouldHaveWritten(t *testing.T) {
	const events = 20_000
	h := newHistory(&Tenant{Org: "org", Site: "site"}, events, time.Now())
	h.People = h.People[:200] // so that they come and go
	tables := written(t, func(sink *copies) { newGenerator(h, sink).run() })

	if k := h.Kinds; k.Keys+k.Revocations+k.Joined+k.Left != events || min(k.Keys, k.Revocations, k.Joined, k.Left) == 0 {
		t.Errorf("%+v of %d events", k, events)
	}
	regions, streams, commits := dbtest.Regions(t), map[string][]string{}, map[string]bool{}
	for _, e := range tables["events"] {
		streams[e["stream"]] = append(streams[e["stream"]], e["version"])
		commits[e["org_version"]] = true
		if _, err := regions.Parse(e["id"], region.Event); err != nil {
			t.Fatal(err)
		}
	}
	if len(tables["events"]) != events || len(commits) != events {
		t.Errorf("%d events, %d commits", len(tables["events"]), len(commits))
	}
	for _, s := range tables["event_streams"] {
		had := streams[s["stream"]]
		if s["version"] != strconv.Itoa(len(had)) || !slices.IsSortedFunc(had, func(a, b string) int { return len(a) - len(b) }) {
			t.Errorf("%s is at %s and had %v", s["stream"], s["version"], had)
		}
	}
	bitemporal(t, tables["grants"], func(row map[string]string) string { return row["id"] }, 1)
	bitemporal(t, tables["memberships"], func(row map[string]string) string { return row["group_id"] + row["member_id"] }, -1)
	for _, row := range tables["grants"] {
		if _, err := regions.Parse(row["id"], region.Grant); err != nil {
			t.Fatal(err)
		}
	}
}

// bitemporal: whatever was superseded was so by a row recorded at that moment; of what is known now at most one row has no
// end, and there are as many rows as `now` says, negative: any number.
func bitemporal(t *testing.T, rows []map[string]string, of func(map[string]string) string, now int) {
	t.Helper()
	recorded, open, known := map[string]bool{}, map[string]int{}, map[string]int{}
	for _, row := range rows {
		recorded[of(row)+row["recorded_at"]] = true
		if row["superseded_at"] == `\N` {
			known[of(row)]++
			if row["valid_to"] == `\N` {
				open[of(row)]++
			}
		}
		if row["valid_to"] != `\N` && row["valid_to"] < row["valid_from"] {
			t.Errorf("ends before it begins: %v", row)
		}
	}
	for _, row := range rows {
		if at := row["superseded_at"]; at != `\N` && !recorded[of(row)+at] {
			t.Errorf("nothing was recorded when this was superseded: %v", row)
		}
		if open[of(row)] > 1 || now >= 0 && known[of(row)] != now {
			t.Errorf("%d rows are known, %d without an end: %v", known[of(row)], open[of(row)], row)
		}
	}
}

func TestIdsOfThePast(t *testing.T) {
	// The example of RFC 9562.
	u := uuid{0x01, 0x7F, 0x22, 0xE2, 0x79, 0xB0, 0x7C, 0xC3, 0x98, 0xC4, 0xDC, 0x0C, 0x0C, 0x07, 0x39, 0x8F}
	if got := u.id("x_"); got != "x_01fwhe4ydgfk1shh6w1g60eecf" {
		t.Errorf("%s", got)
	}
}
