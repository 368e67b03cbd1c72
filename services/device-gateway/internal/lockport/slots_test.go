package lockport

import (
	"testing"
	"testing/synctest"
)

func TestWhoIsUrgentComputesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(1)
		s.take(false)
		var order string
		for _, who := range []string{"a", "b", "C", "D", "e"} {
			go func() { s.take(who < "a"); order += who; s.give() }()
			synctest.Wait() // they wait in this order
		}
		if order != "" {
			t.Fatalf("%s did not wait", order)
		}
		s.give()
		synctest.Wait()
		if order != "CDabe" {
			t.Fatalf("the order was %s", order)
		}
		if s.take(false); s.free != 0 || len(s.urgent)+len(s.other) != 0 {
			t.Fatalf("%+v is left", s)
		}
	})
}
