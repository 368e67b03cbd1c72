package gateway_test

import (
	"testing"

	"github.com/cardea-mesh/cardea/services/device-gateway/locksim"
	"github.com/cardea-mesh/cardea/services/platform/config"
	"github.com/cardea-mesh/cardea/services/platform/telemetry"
	"github.com/cardea-mesh/cardea/services/platform/telemetry/telemetrytest"
)

func TestOneSwipeIsOneTrace(t *testing.T) {
	p := newPlace(t)
	sink := telemetrytest.Start(t)
	setup := func(service string) *telemetry.Telemetry {
		tel, flush, err := telemetry.Setup(t.Context(), config.Telemetry{OTLPEndpoint: sink.Endpoint(), LogLevel: "error"}, service, p.mesh.Region(t, home))
		p.must(err)
		t.Cleanup(func() { flush(t.Context()) })
		return tel
	}
	p.tel = setup("device-gateway")
	g := p.start("")
	lock := setup("lock")
	l := p.boot(g.enroll(), func(c *locksim.Config) { c.Tracer = lock.Tracer })
	p.must(l.WaitOpen(p.soon()))
	got := l.Present(p.soon(), badge)
	if !got.Granted {
		t.Fatalf("%+v", got)
	}
	p.must(l.WaitDurable(p.soon()))
	spans := sink.WaitTrace(t, func(spans []telemetrytest.Span) bool {
		names := map[string]bool{}
		for _, s := range spans {
			names[s.Name] = true
		}
		return names["lock.swipe"] && names["gateway.decide"] && names["gateway.journal"] && names["publish access"]
	})
	byName := map[string]telemetrytest.Span{}
	for _, s := range spans {
		byName[s.Name] = s
	}
	for child, parent := range map[string]string{
		"gateway.decide": "lock.swipe", "gateway.journal": "lock.swipe", "publish access": "gateway.journal",
	} {
		if byName[child].Parent != byName[parent].SpanID {
			t.Errorf("%s is not a child of %s:\n%s", child, parent, telemetrytest.Format(spans))
		}
	}
	if byName["lock.swipe"].TraceID != got.TraceID.String() {
		t.Errorf("the lock says that its trace is %s", got.TraceID)
	}
}
