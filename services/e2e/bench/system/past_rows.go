package system

import (
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
)

// places are as the data set's, since the beginning.
func (g *generator) places() {
	var days []string
	for day := 1; day <= 7; day++ {
		days = append(days, fmt.Sprintf(`{"weekday":%d,"start_minute":360,"end_minute":1320}`, day))
	}
	week := `{"weekly":[` + strings.Join(days, ",") + `]}`
	g.place("schedules", g.schedule, g.Site, "06:00 to 22:00", "Europe/Madrid", week)
	top, middle := len(g.Groups)/5, len(g.Groups)*3/5
	for i, group := range g.Groups {
		g.place("groups", group, "group")
		if i >= middle {
			g.inside("memberships", g.one(g.Groups[top:middle]), group)
		} else if i >= top {
			g.inside("memberships", g.one(g.Groups[:top]), group)
		}
	}
	for _, zone := range g.zones {
		g.place("zones", zone, g.Site, "zone")
	}
	for _, door := range g.Doors {
		g.place("doors", door, g.Site, "door", "5000")
		for _, z := range g.random.Perm(len(g.zones))[:zonesEach] {
			g.inside("zone_doors", g.zones[z], door)
		}
	}
	for range historyToZone {
		k := key{id: newUUID(g.at, g.random).id("grant_euc_"), subject: g.one(g.Groups), target: g.one(g.zones), at: g.Begin}
		g.grant(k, 1, time.Time{}, g.Begin, time.Time{}, false)
	}
}

func (g *generator) place(table, id string, values ...string) {
	g.tables[table].text(Home, id, "1", g.Org).text(values...).times(g.Begin, time.Time{}, g.Begin, time.Time{}).end()
}

func (g *generator) inside(table, parent, child string) {
	g.tables[table].text(Home, parent, child, "1", g.Org).times(g.Begin, time.Time{}, g.Begin, time.Time{}).end()
}

func (g *generator) membership(s stay, person string, version int64, to, recorded, superseded time.Time) {
	g.tables["memberships"].text(Home, g.Groups[s.group], person).number(version).text(g.Org).times(s.from, to, recorded, superseded).end()
}

func (g *generator) grant(k key, version int64, to, recorded, superseded time.Time, revoked bool) {
	is := "false"
	if revoked {
		is = "true"
	}
	g.tables["grants"].text(Home, k.id).number(version).text(g.Org, k.subject, k.target, g.schedule, g.Site, is).
		times(k.at, to, recorded, superseded).end()
}

func (g *generator) stream(id string, version int64) {
	g.tables["event_streams"].text(Home, id).number(version).end()
}

// say writes the event of the next commit, and returns the commit's version.
func (g *generator) say(stream string, version int64, kind string, payload proto.Message) int64 {
	var err error
	if g.payload, err = (proto.MarshalOptions{}).MarshalAppend(g.payload[:0], payload); err != nil {
		panic(err) // these are messages of ours, made above
	}
	g.version++
	g.tables["events"].text(Home, stream).number(version).id("event_euc_", newUUID(g.at, g.random)).text("1", g.Org).number(g.version).text(kind).
		bytes(g.payload).text("", "bench", "", "").times(g.at, g.at).end()
	return g.version
}
