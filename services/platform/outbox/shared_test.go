package outbox_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/jackc/pgx/v5"
)

// Three commands share a commit; the second one fails.
func TestACommitMayBeShared(t *testing.T) {
	db, ob := newOutbox(t)
	org, door, other := newOrg(), newDoor(), newDoor()
	key := outbox.OrgKey(org, "door", door)
	err := db.InTx(t.Context(), func(ctx context.Context, tx pgx.Tx) error {
		var begin, flush pgx.Batch
		c, err := ob.BeginIn(ctx, tx, &begin, central, org)
		if err != nil {
			return err
		}
		if err := tx.SendBatch(ctx, &begin).Close(); err != nil {
			return err
		}
		c.As(outbox.WithActor(ctx, "first"))
		c.Event(outbox.Event{Stream: door, Kind: "door_created", Payload: text("1")})
		c.Event(outbox.Event{Stream: other, Kind: "door_created", Payload: text("1")})
		c.Put(key, text("first"))

		mark := c.Mark()
		c.As(outbox.WithActor(ctx, "second"))
		c.Event(outbox.Event{Stream: door, Kind: "door_changed", Payload: text("never")})
		c.Call(us, "/x/Never", text("never"))
		c.Put("not a key", nil)
		if c.Err() == nil {
			t.Error("a mistake is not known at once")
		}
		c.Undo(mark)

		c.As(outbox.WithActor(ctx, "third"))
		c.Event(outbox.Event{Stream: door, Kind: "door_removed", Payload: text("2")})
		if err := c.FlushIn(ctx, &flush); err != nil {
			return err
		}
		return tx.SendBatch(ctx, &flush).Close()
	})
	if err != nil {
		t.Fatal(err)
	}
	commit(t, db, ob, central, org, func(c *outbox.Commit) {
		for range 3 {
			c.Event(outbox.Event{Stream: door, Kind: "door_changed", Payload: text("3")})
		}
	})
	rows, err := db.Pool().Query(t.Context(), `SELECT concat_ws(' ', stream, version, org_version, kind, actor) FROM events ORDER BY stream, version`)
	if err != nil {
		t.Fatal(err)
	}
	got, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		fmt.Sprintf("%s 1 1 door_created first", door), fmt.Sprintf("%s 2 1 door_removed third", door),
		fmt.Sprintf("%s 3 2 door_changed ", door), fmt.Sprintf("%s 4 2 door_changed ", door), fmt.Sprintf("%s 5 2 door_changed ", door),
		fmt.Sprintf("%s 1 1 door_created first", other),
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Fatalf("events\n%q\nwant\n%q", got, want)
	}
	if n := slices.IndexFunc(outboxRows(t, db), func(r outboxRow) bool { return r.What == "call" }); n >= 0 {
		t.Error("the call of the command that failed is sent")
	}
}

// A removal and a put of one key in one commit bear one version: only the last is written, whichever it is.
func TestOfSeveralFactsAboutAKeyTheLastCounts(t *testing.T) {
	db, ob := newOutbox(t)
	org, door := newOrg(), newDoor()
	a, b := outbox.OrgKey(org, "a", door), outbox.OrgKey(org, "b", door)
	commit(t, db, ob, central, org, func(c *outbox.Commit) {
		c.Put(a, text("one"))
		c.Remove(b)
		c.Remove(a)
		c.Put(b, text("two"))
		c.Put(b, text("three"))
	})
	var got []string
	for _, r := range outboxRows(t, db) {
		if r.Target == "eu-west" && (r.Name == a || r.Name == b) {
			got = append(got, fmt.Sprint(r.Name, " ", r.Removed))
		}
	}
	if want := []string{a + " true", b + " false"}; !slices.Equal(got, want) {
		t.Fatalf("facts %q, want %q", got, want)
	}
	var body []byte
	if err := db.Pool().QueryRow(t.Context(), `SELECT body FROM outbox WHERE target = 'eu-west' AND name = $1`, b).Scan(&body); err != nil || string(body[2:]) != "three" {
		t.Fatalf("body %q, %v", body, err)
	}
}
