package rpc

import (
	"encoding/base64"
	"math"
	"testing"

	auditv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/audit/v1"
	"pgregory.net/rapid"
)

func TestATokenIsGoodForItsQuestionOnly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before := rapid.Int64Range(1, math.MaxInt64).Draw(t, "before")
		req := &auditv1.QueryEventsRequest{OrgId: "org", Region: "eu-central", DoorId: rapid.String().Draw(t, "door"), PageSize: 10}
		token := newToken(before, req)
		req.PageToken, req.PageSize = token, 20
		if got, err := parseToken(token, req); err != nil || got != before {
			t.Fatalf("%d, %v; want %d", got, err, before)
		}
		req.PersonId = "person"
		if _, err := parseToken(token, req); err == nil {
			t.Fatal("good for another question")
		}
	})
}

func FuzzToken(f *testing.F) {
	req := &auditv1.QueryEventsRequest{OrgId: "org", Region: "eu-central"}
	f.Add(newToken(7, req))
	f.Add("")
	f.Add(base64.RawURLEncoding.EncodeToString(make([]byte, tokenLength)))
	f.Fuzz(func(t *testing.T, token string) {
		before, err := parseToken(token, req)
		if err == nil && (before <= 0 || newToken(before, req) != token) {
			t.Fatalf("%q read as %d", token, before)
		}
	})
}
