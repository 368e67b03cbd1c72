package rpc

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
)

// defaultPage is the size of a page that does not say.
const defaultPage = 100

// cursor is what a page token says. It needs no secret: it opens nothing that the request itself would not, because every
// page is authorized and asked like the first.
type cursor struct {
	// Question is a hash of the request without page size and token: a cursor of another question is refused.
	Question []byte `json:"q"`
	// After is the last id that was looked at.
	After string `json:"a"`
	// KnownAt and Head are the first page's, so that all pages are of one state; lists of what is now have neither.
	KnownAt time.Time `json:"k,omitzero"`
	Head    int64     `json:"h,omitzero"`
}

func (c cursor) text() string {
	raw, err := json.Marshal(c)
	if err != nil {
		panic(err) // strings, bytes, and a time that came from the database
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

// pageRequest is a request for a page: it has the fields page_size and page_token.
type pageRequest interface {
	proto.Message
	GetPageSize() int32
	GetPageToken() string
}

// readCursor returns the cursor of a request for a page; that of the first page has only its question.
func readCursor(req pageRequest) (cursor, error) {
	question := questionOf(req)
	if req.GetPageToken() == "" {
		return cursor{Question: question}, nil
	}
	var c cursor
	raw, err := base64.RawURLEncoding.DecodeString(req.GetPageToken())
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

// questionOf hashes what a request asks: how large a page is to be, where it begins and how fresh it is to be may differ
// from page to page.
func questionOf(req pageRequest) []byte {
	bare := proto.Clone(req).ProtoReflect()
	for _, name := range []protoreflect.Name{"page_token", "page_size", "at_least"} {
		if field := bare.Descriptor().Fields().ByName(name); field != nil {
			bare.Clear(field)
		}
	}
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(bare.Interface())
	if err != nil {
		raw = nil // it was just unmarshalled; the hash of nothing then fits no other question
	}
	sum := sha256.Sum256(append([]byte(bare.Descriptor().FullName()), raw...))
	return sum[:16]
}

// size is how many things a page has at most.
func size(req pageRequest) int {
	if req.GetPageSize() == 0 {
		return defaultPage
	}
	return int(req.GetPageSize())
}
