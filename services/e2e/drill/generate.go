package drill

import "math/rand/v2"

// ticks is how many a generated history has: enough for a fault, what it hides, and its end.
const ticks = 14

// Generate makes the history of a seed. It hurts something in most ticks and heals it some ticks later, so that much happens while
// something is broken, and not everything is broken for ever.
func Generate(seed uint64) History {
	g := generator{Rand: rand.New(rand.NewPCG(seed, 0xca4dea)), heals: map[int][]Step{}}
	h := History{Seed: seed}
	for i := range h.Clocks {
		h.Clocks[i] = []Clock{Synchronized, Synchronized, FreeRunning, Unset}[g.IntN(4)]
	}
	for now := range ticks {
		h.Ticks = append(h.Ticks, g.tick(now))
	}
	return h
}

type generator struct {
	*rand.Rand
	// heals are the ends of faults by their tick.
	heals map[int][]Step
}

func (g *generator) tick(now int) []Step {
	tick := g.heals[now]
	if g.IntN(3) > 0 {
		tick = append(tick, g.fault(now))
	}
	tick = append(tick, g.change())
	if g.IntN(3) == 0 {
		tick = append(tick, g.change())
	}
	for range 2 + g.IntN(3) {
		tick = append(tick, Step{Do: Swipe, A: g.IntN(Locks), B: g.IntN(People + 2), N: 1 + g.IntN(6)})
	}
	return tick
}

// change is the administrator's.
func (g *generator) change() Step {
	switch g.IntN(13) {
	case 0, 1:
		return Step{Do: Grant, A: g.IntN(People + 1), B: g.IntN(Doors + 1)}
	case 2, 3, 4:
		return Step{Do: Revoke, A: g.IntN(8)}
	case 5:
		return Step{Do: Join, A: g.IntN(People)}
	case 6, 7:
		return Step{Do: Leave, A: g.IntN(People)}
	case 8:
		return Step{Do: Issue, A: g.IntN(People)}
	case 9:
		return Step{Do: RevokeCard, A: g.IntN(People + 2)}
	case 10:
		return Step{Do: Lockdown, A: g.IntN(Doors + 1)}
	case 11:
		return Step{Do: EndLockdown, A: g.IntN(4)}
	default:
		return Step{Do: WaitEnforced}
	}
}

// fault breaks something, and notes when it ends; or lets time pass.
func (g *generator) fault(now int) Step {
	ends := now + 1 + g.IntN(5)
	heal := func(s Step) { g.heals[ends] = append(g.heals[ends], s) }
	lock, at := g.IntN(Locks), g.IntN(Regions)
	switch g.IntN(14) {
	case 0, 1:
		heal(Step{Do: Heal, A: lock})
		return Step{Do: Cut, A: lock}
	case 2, 3:
		heal(Step{Do: Heal, A: lock})
		return Step{Do: Blackhole, A: lock}
	case 4, 5:
		heal(Step{Do: StartGateway, A: at})
		return Step{Do: KillGateway, A: at}
	case 6:
		heal(Step{Do: StartGateway, A: at})
		return Step{Do: FreezeGateway, A: at}
	case 7, 8:
		heal(Step{Do: StartBroker, A: at})
		return Step{Do: StopBroker, A: at}
	case 9:
		heal(Step{Do: StartPermissions, A: at})
		return Step{Do: StopPermissions, A: at}
	case 10:
		return Step{Do: Reboot, A: lock}
	case 11, 12: // around half of a budget of five minutes, its end, and behind it
		return Step{Do: Pass, A: []int{1, 2, 3, 4, 6}[g.IntN(5)]}
	default:
		if g.IntN(4) == 0 {
			return Step{Do: Pass, A: 25 * 60} // over the age at which a gateway's copy stops to count
		}
		return Step{Do: Pass, A: 3}
	}
}
