package grants

import "context"

// ImportProgress is how far an import is.
type ImportProgress struct {
	Kind               int32 // as the contracts number them
	NextLine           int64 // with which the next piece begins
	Accepted, Rejected int64 // lines so far
	// The last piece: a repetition of it gets the same answer.
	LastFirstLine int64
	LastHash      []byte
	LastAnswer    []byte
}

// ImportBook keeps how far imports are (Reader.Import reads it). It has no past: what they made is in the facts.
type ImportBook interface {
	// SetImport writes how far one is, in the commit's region and organization.
	SetImport(ctx context.Context, c Commit, name string, p ImportProgress) error
}
