package lockport

import "testing"

func TestStrangersWriteSoManyLinesASecond(t *testing.T) {
	t.Parallel()
	var l lines
	written := 0
	for range 10 * linesPerSecond {
		if ok, _ := l.take(7); ok {
			written++
		}
	}
	ok, omitted := l.take(8)
	if written != linesPerSecond || !ok || omitted != 9*linesPerSecond {
		t.Fatalf("%d lines in a second; in the next one: %v, %d left out before it", written, ok, omitted)
	}
}
