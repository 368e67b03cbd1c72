package rpc

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"

	auditv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/audit/v1"
	"google.golang.org/protobuf/proto"
)

// A page token is version 1, the place before which the next page begins, and a digest of the query, so that a token of
// another query is told and does not skip events silently. Places never change, so a token is good for ever and new
// entries do not disturb it. It holds nothing secret and proves nothing: what it may read the caller's identity says.
const (
	tokenVersion = 1
	tokenLength  = 1 + 8 + 8
)

func newToken(before int64, req *auditv1.QueryEventsRequest) string {
	b := append(make([]byte, 0, tokenLength), tokenVersion)
	b = binary.BigEndian.AppendUint64(b, uint64(before))
	return base64.RawURLEncoding.EncodeToString(append(b, queryDigest(req)...))
}

func parseToken(token string, req *auditv1.QueryEventsRequest) (before int64, err error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(b) != tokenLength || b[0] != tokenVersion || !bytes.Equal(b[9:], queryDigest(req)) {
		return 0, ErrPageToken
	}
	if before = int64(binary.BigEndian.Uint64(b[1:9])); before <= 0 {
		return 0, ErrPageToken // before position 0 there is nothing, and no token says so
	}
	return before, nil
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
	return digest[:8]
}
