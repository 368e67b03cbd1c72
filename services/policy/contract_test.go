package policy_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/cardea-mesh/cardea/services/policy"
)

// numbers reads an enum of the contracts as text: policy does not import them.
func numbers(t *testing.T, file, prefix string) map[string]int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "proto", "cardea", filepath.FromSlash(file)))
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]int)
	for _, m := range regexp.MustCompile(`(?m)^  `+prefix+`(\w+) = (\d+);`).FindAllStringSubmatch(string(text), -1) {
		found[m[1]], _ = strconv.Atoi(m[2])
	}
	if len(found) < 2 {
		t.Fatalf("no %s* in %s", prefix, file)
	}
	return found
}

func TestReasonsAreTheContracts(t *testing.T) {
	t.Parallel()
	reasons := numbers(t, "permissions/v1/rules.proto", "DECISION_REASON_")
	for name, number := range reasons {
		if got := policy.Reason(number).String(); got != name {
			t.Errorf("reason %d is %s in the contract, %s here", number, name, got)
		}
	}
	if after := policy.Reason(len(reasons)); after.String() != "REASON_"+strconv.Itoa(len(reasons)) {
		t.Errorf("%s is not in the contract", after)
	}
}

func TestOutcomesAreTheContracts(t *testing.T) {
	t.Parallel()
	outcomes := numbers(t, "permissions/v1/rules.proto", "OUTCOME_")
	for name, number := range outcomes {
		if got := policy.Outcome(number).String(); got != name {
			t.Errorf("outcome %d is %s in the contract, %s here", number, name, got)
		}
	}
	if after := policy.Outcome(len(outcomes)); after.String() != "OUTCOME_"+strconv.Itoa(len(outcomes)) {
		t.Errorf("%s is not in the contract", after)
	}
}

func TestCredentialStatusesAreTheContracts(t *testing.T) {
	t.Parallel()
	for name, number := range numbers(t, "identity/v1/identity.proto", "CREDENTIAL_STATUS_") {
		here := map[string]policy.CredentialStatus{
			"UNSPECIFIED": policy.CredentialUnknown, "ACTIVE": policy.CredentialActive, "REVOKED": policy.CredentialRevoked,
		}
		if got, ok := here[name]; ok && int(got) != number {
			t.Errorf("status %s is %d in the contract, %d here", name, number, got)
		}
	}
}
