package lockconformance

import (
	"context"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
)

func doorRules() []rule {
	return []rule{
		{name: "R-DOOR-1", lock: wholeDoorState},
		{name: "R-DOOR-2", lock: forcedOpen},
		{name: "R-DOOR-3", lock: heldOpenTooLong},
	}
}

func commandRules() []rule {
	return []rule{
		{name: "R-CMD-1", gateway: all(noneWithoutCapability, onlyWhatItCan)},
		{name: "R-CMD-2", lock: repeatsItsAnswer},
		{name: "R-CMD-3", lock: tooLate},
		{name: "R-CMD-4", lock: unknownAction},
		{name: "R-CMD-5", lock: repeatsItsAnswer},
		{name: "R-CMD-6", lock: commandEvent},
		{name: "R-CMD-7", gateway: in(func(_ context.Context, _ *gatewayRun, p *peer) error {
			m := &lockwirev1.CommandResult{CommandId: "command_of_nobody", Outcome: lockwirev1.CommandOutcome_COMMAND_OUTCOME_DONE}
			if err := p.send(m, m); err != nil {
				return err
			}
			return p.alive()
		})},
		{name: "R-CMD-8", lock: repeatsItsAnswer},
		{name: "R-CMD-9", lock: lockdown},
		{name: "R-FW-1", lock: inPieces},
		{name: "R-FW-2", lock: wrongImage},
		{name: "R-FW-3", lock: wholeImage},
	}
}
