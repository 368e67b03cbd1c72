package rpc

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
)

// cursor is what a page token says. It needs no secret: it opens nothing that the request itself would not, because every
// page is authorized and asked like the first.
type cursor struct {
	// Question is a hash of the request without page size and token: a cursor of another question is refused.
	Question []byte `json:"q"`
	// After is the last id that was looked at.
	After string `json:"a"`
	// KnownAt and Head are the first page's, so that all pages are of one state.
	KnownAt time.Time `json:"k"`
	Head    int64     `json:"h"`
}

func (c cursor) text() string {
	raw, err := json.Marshal(c)
	if err != nil {
		panic(err) // strings, bytes, and a time that came from the database
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

func readCursor(req *permissionsv1.AccessAtRequest) (cursor, error) {
	question := questionOf(req)
	if req.GetPageToken() == "" {
		return cursor{Question: question}, nil
	}
	return cursorOf(req.GetPageToken(), question)
}

// cursorOf reads a page token of a question.
func cursorOf(token string, question []byte) (cursor, error) {
	var c cursor
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err == nil {
		err = json.Unmarshal(raw, &c)
	}
	if err != nil || c.After == "" {
		return c, fmt.Errorf("%w: not one that was given out", grants.ErrInvalid)
	}
	if string(c.Question) != string(question) {
		return c, fmt.Errorf("%w: of another question", grants.ErrInvalid)
	}
	return c, nil
}

func questionOf(req *permissionsv1.AccessAtRequest) []byte {
	bare := proto.CloneOf(req)
	bare.PageToken, bare.PageSize = "", 0
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(bare)
	if err != nil {
		raw = nil // it was just unmarshalled; the hash of nothing then fits no other question
	}
	sum := sha256.Sum256(raw)
	return sum[:16]
}
