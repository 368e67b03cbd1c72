package idempotency_test

import (
	"testing"

	"github.com/cardea-mesh/cardea/services/platform/dbtest"
)

func TestIdempotencyOnARealCockroachDB(t *testing.T) {
	dbtest.OnCockroach(t, map[string]func(*testing.T){
		"same":       TestTheSameRequestIsAnsweredTheSame,
		"apart":      TestKeysMeetOnlyWithinOneCallerAndMethod,
		"mismatch":   TestAnotherBodyIsRefused,
		"after":      TestAfterADayOnlyTheIDIsLeft,
		"failed":     TestAFailedCreateLeavesTheKeyFree,
		"together":   TestManyCreatesOfOneTransactionAreKeptTogether,
		"concurrent": TestTheSameKeyAtTheSameTimeCreatesOnce,
	})
}
