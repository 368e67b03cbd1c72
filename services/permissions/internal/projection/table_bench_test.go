package projection

import (
	"fmt"
	"testing"
)

// A write must not copy everything: a change of one of 30,000 entries copies one part.
func BenchmarkTable(b *testing.B) {
	keys := make([]string, 30_000)
	e := table[string, int]{}.edit()
	for i := range keys {
		keys[i] = fmt.Sprintf("person_euc_01m7ynrmzfe93%010d", i)
		e.set(keys[i], i)
	}
	t := e.done()
	b.Run("get", func(b *testing.B) {
		b.ReportAllocs()
		for n := 0; b.Loop(); n++ {
			if _, ok := t.get(keys[n*7919%len(keys)]); !ok {
				b.Fatal("lost")
			}
		}
	})
	b.Run("set one", func(b *testing.B) {
		b.ReportAllocs()
		for n := 0; b.Loop(); n++ {
			e := t.edit()
			e.set(keys[n*7919%len(keys)], n)
			t = e.done()
		}
	})
}
