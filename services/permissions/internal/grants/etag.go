package grants

import (
	"fmt"
	"strconv"
)

// Etag names what is known of a thing: the commit that recorded it.
func Etag(version int64) string { return "v" + strconv.FormatInt(version, 10) }

// checkEtag refuses the update of something that another commit has changed since it was read.
func checkEtag(etag string, version int64) error {
	if etag != Etag(version) {
		return fmt.Errorf("%w: etag %s is not the current one: read it again", ErrConflict, etag)
	}
	return nil
}
