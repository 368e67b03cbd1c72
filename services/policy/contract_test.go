package policy_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
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

// declared are the permissions of all calls.
func declared(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", "proto", "cardea", "*", "v1", "*.proto"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no contracts: %v", err)
	}
	all := make(map[string]bool)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`option \(cardea\.type\.v1\.permission\) = "([^"]+)";`).FindAllStringSubmatch(string(text), -1) {
			all[m[1]] = true
		}
	}
	if len(all) < 10 {
		t.Fatalf("only %v", all)
	}
	return all
}

// Every permission is some role's, but for those that are listed here; and the roles'
// table, which README.md repeats, has no other.
func TestPermissionsAreTheContracts(t *testing.T) {
	t.Parallel()
	nobodys := []string{
		"organizations.create",
		"mesh.authenticate", "mesh.deliver_command", "mesh.follow", "mesh.receive", "mesh.standing", "mesh.wait_applied",
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	all := declared(t)
	for permission := range all {
		_, ok := policy.Permit(assigned(policy.RoleAssignment{ID: "r", Role: policy.RoleOrgAdmin}), "ana", permission, "", now)
		if want := !slices.Contains(nobodys, permission); ok != want {
			t.Errorf("%s: an admin is permitted: %v", permission, ok)
		}
		if !strings.Contains(string(readme), "`"+permission+"`") {
			t.Errorf("README.md does not tell whose %s is", permission)
		}
	}
	for _, permission := range policy.Permissions() {
		if !all[permission] {
			t.Errorf("no call declares %s", permission)
		}
	}
}

func TestOtherEnumsAreTheContracts(t *testing.T) {
	t.Parallel()
	for prefix, here := range map[string]map[string]int{
		"DIRECTION_":          {"UNSPECIFIED": int(policy.DirectionUnspecified), "ENTRY": int(policy.DirectionEntry), "EXIT": int(policy.DirectionExit)},
		"SECOND_FACTOR_":      {"UNSPECIFIED": int(policy.FactorNone), "RIGHT": int(policy.FactorRight), "WRONG": int(policy.FactorWrong)},
		"ANTI_PASSBACK_MODE_": {"UNSPECIFIED": int(policy.AntiPassbackUnspecified), "HARD": int(policy.AntiPassbackHard), "SOFT": int(policy.AntiPassbackSoft)},
		"RULE_EFFECT_KIND_": {
			"UNSPECIFIED": int(policy.EffectUnspecified), "ENTER": int(policy.EffectEnter), "LEAVE": int(policy.EffectLeave),
			"ARRIVE_FIRST": int(policy.EffectArriveFirst), "USE": int(policy.EffectUse), "WAIT": int(policy.EffectWait), "PAIR": int(policy.EffectPair),
		},
	} {
		if there := numbers(t, "permissions/v1/rules.proto", prefix); !maps.Equal(there, here) {
			t.Errorf("%s*: %v in the contract, %v here", prefix, there, here)
		}
	}
	roles := map[string]int{
		"UNSPECIFIED": int(policy.RoleUnspecified), "ORG_ADMIN": int(policy.RoleOrgAdmin), "SITE_MANAGER": int(policy.RoleSiteManager),
		"INSTALLER": int(policy.RoleInstaller), "AUDITOR": int(policy.RoleAuditor), "VIEWER": int(policy.RoleViewer),
	}
	if there := numbers(t, "permissions/v1/resources.proto", "ROLE_"); !maps.Equal(there, roles) {
		t.Errorf("roles: %v in the contract, %v here", there, roles)
	}
}
