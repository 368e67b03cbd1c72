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
		a, b := rapid.Int64Range(1, math.MaxInt64).Draw(t, "a"), rapid.Int64Range(1, math.MaxInt64).Draw(t, "b")
		req := &auditv1.QueryEventsRequest{OrgId: "org", Region: "eu-central", DoorId: rapid.String().Draw(t, "door"), PageSize: 10}
		req.PageToken, req.PageSize = newToken(req, a), 20
		var x, y int64
		if err := parseToken(req, &x); err != nil || x != a {
			t.Fatalf("%d, %v; want %d", x, err, a)
		}
		if err := parseToken(req, &x, &y); err == nil {
			t.Fatal("one number read as two")
		}
		req.PageToken = newToken(req, a, b)
		if err := parseToken(req, &x, &y); err != nil || x != a || y != b {
			t.Fatalf("%d, %d, %v; want %d, %d", x, y, err, a, b)
		}
		req.PersonId = "person"
		if err := parseToken(req, &x, &y); err == nil {
			t.Fatal("good for another question")
		}
	})
}

func FuzzToken(f *testing.F) {
	req := &auditv1.QueryEventsRequest{OrgId: "org", Region: "eu-central"}
	f.Add(newToken(req, 7))
	f.Add(newToken(req, 7, 8))
	f.Add("")
	f.Add(base64.RawURLEncoding.EncodeToString(make([]byte, 1+8+digestLength)))
	f.Fuzz(func(t *testing.T, token string) {
		req.PageToken = token
		var a, b int64
		if err := parseToken(req, &a); err == nil && token != "" && (a <= 0 || newToken(req, a) != token) {
			t.Fatalf("%q read as %d", token, a)
		}
		if err := parseToken(req, &a, &b); err == nil && token != "" && (a <= 0 || b <= 0 || newToken(req, a, b) != token) {
			t.Fatalf("%q read as %d, %d", token, a, b)
		}
	})
}
