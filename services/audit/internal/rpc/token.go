package rpc

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"

	auditv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/audit/v1"
	"google.golang.org/protobuf/proto"
)

// A page token is version 1, the place before which the next page begins (one number in the ledger, two in a lock's order), and a digest
// of the query, so that a token of another query is told and does not skip events silently. Places never change, so a token is
// good for ever and new entries do not disturb it. It holds nothing secret and proves nothing: what it may read the caller's identity says.
const (
	tokenVersion = 1
	digestLength = 8
)

func newToken(req *auditv1.QueryEventsRequest, before ...int64) string {
	b := []byte{tokenVersion}
	for _, n := range before {
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	return base64.RawURLEncoding.EncodeToString(append(b, queryDigest(req)...))
}

// parseToken reads as many numbers as there are in before. An empty token leaves them as they are: the first page.
func parseToken(req *auditv1.QueryEventsRequest, before ...*int64) error {
	if req.PageToken == "" {
		return nil
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(req.PageToken)
	end := 1 + 8*len(before)
	if err != nil || len(b) != end+digestLength || b[0] != tokenVersion || !bytes.Equal(b[end:], queryDigest(req)) {
		return ErrPageToken
	}
	for i, n := range before {
		if *n = int64(binary.BigEndian.Uint64(b[1+8*i:])); *n <= 0 {
			return ErrPageToken // before position 0 there is nothing, and no token says so
		}
	}
	return nil
}

// queryDigest is of what is asked; the page's size may change from page to page.
func queryDigest(req *auditv1.QueryEventsRequest) []byte {
	asked := proto.Clone(req).(*auditv1.QueryEventsRequest)
	asked.PageSize, asked.PageToken = 0, ""
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(asked)
	if err != nil { // a string that is not UTF-8: protobuf has refused it on the way in
		return nil
	}
	digest := sha256.Sum256(b)
	return digest[:digestLength]
}
