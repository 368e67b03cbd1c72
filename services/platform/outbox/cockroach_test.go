package outbox_test

import (
	"testing"

	"github.com/cardea-mesh/cardea/services/platform/dbtest"
)

func TestTheOutboxOnARealCockroachDB(t *testing.T) {
	dbtest.OnCockroach(t, map[string]func(*testing.T){
		"rows":          TestACommitWritesRemovalsFactsHeadEventsCallsForEachTarget,
		"versions":      TestVersionsHaveNoGapsAndTimeNeverGoesBack,
		"clock":         TestRecordedAtNeverGoesBackWhenTheClockDoes,
		"fresh":         TestFreshWaitsForTheTokensCommit,
		"shared":        TestACommitMayBeShared,
		"last fact":     TestOfSeveralFactsAboutAKeyTheLastCounts,
		"crossings":     TestACrossingIsSentWhenItsCallsWereTakenAndConfirmedWhenSaidSo,
		"cross later":   TestALaterCallDoesNotHoldUpAnEarlierCommit,
		"once":          TestOnceIsTrueOnce,
		"grants":        TestTheServiceMayNotChangeItsEvents,
		"relay":         TestTheRelaySendsEverythingOnceInOrder,
		"failures":      TestNothingIsLostOrDoubledWhenSendingFails,
		"stops alone":   TestAFailingOrganizationStopsAloneAndGoesOnInOrder,
		"long queue":    TestALongQueueDoesNotHoldUpOthers,
		"envelope":      TestTheEnvelopeTellsWhoAndWhy,
		"killed":        TestARelayKilledAtAnyStepLosesAndDoublesNothing,
		"takeover":      TestANeighbourTakesOverFromADeadRelay,
		"takes back":    TestTheHomeRegionTakesItsLeaseBack,
		"wakes up late": TestAPausedRelayThatWakesLateChangesNothing,
		"lost bucket":   TestALostBucketIsFilledAgain,
	})
}
