package events_test

import (
	"io/fs"
	"net/url"
	"strings"

	"github.com/cardea-mesh/cardea/services/audit/internal/events"
	"github.com/cardea-mesh/cardea/services/audit/internal/postgres"
	"github.com/cardea-mesh/cardea/services/platform/bus"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

func sets() []fs.FS { return []fs.FS{postgres.Migrations()} }

func (r *rig) databaseName() string {
	u, err := url.Parse(r.db.URL)
	if err != nil {
		r.t.Fatal(err)
	}
	return strings.TrimPrefix(u.Path, "/")
}

// consumerState asks the broker what was not delivered yet, and what was delivered and not acknowledged.
func (r *rig) consumerState() (pending, unacknowledged int) {
	nc, err := nats.Connect(r.broker.URL())
	if err != nil {
		return -1, -1
	}
	defer nc.Close()
	js, err := jetstream.NewWithDomain(nc, "eu-central")
	if err != nil {
		r.t.Fatal(err)
	}
	consumer, err := js.Consumer(r.t.Context(), bus.EventStream("eu-central"), events.Durable)
	if err != nil {
		return -1, -1
	}
	info := consumer.CachedInfo()
	return int(info.NumPending), info.NumAckPending
}
