package report

import (
	"bytes"
	"testing"
)

// made are samples that nobody measured: one of each kind of target, met and missed, and one without a floor.
func made() []Result {
	return []Result{
		New("check_throughput/16", "1/s", 500, 10_000, AtLeast(0.8)),
		New("door_decision_p99/1", "ms", 0.3, 0.2, AtMost(2)),
		New("revoke_to_enforced_p99", "ms", 60, 5, Below(50, "ms")),
		New("lock_memory", "bytes", 30_000, 0, AtMost(1.5)),
	}
}

func TestJSONL(t *testing.T) {
	var out bytes.Buffer
	if err := JSONL(&out, made()); err != nil {
		t.Fatal(err)
	}
	want := `{"name":"check_throughput/16","unit":"1/s","ours":500,"floor":10000,"ratio":0.05,"target":">= 0.8 x floor","pass":false}
{"name":"door_decision_p99/1","unit":"ms","ours":0.3,"floor":0.2,"ratio":1.4999999999999998,"target":"<= 2 x floor","pass":true}
{"name":"revoke_to_enforced_p99","unit":"ms","ours":60,"floor":5,"ratio":12,"target":"<= 50 ms","pass":false}
{"name":"lock_memory","unit":"bytes","ours":30000,"floor":0,"ratio":0,"target":"<= 1.5 x floor","pass":false}
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

func TestTable(t *testing.T) {
	var out bytes.Buffer
	if err := Table(&out, made()); err != nil {
		t.Fatal(err)
	}
	want := `name                    unit   ours   floor  ratio  target          pass
check_throughput/16     1/s    500    10000  0.05   >= 0.8 x floor  no
door_decision_p99/1     ms     0.300  0.200  1.5    <= 2 x floor    yes
revoke_to_enforced_p99  ms     60.0   5.0    12     <= 50 ms        no
lock_memory             bytes  30000  0.000  0      <= 1.5 x floor  no
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}
