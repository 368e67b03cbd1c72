package credential

import "encoding/binary"

// DigestKeyContext is the associated data with which an organization's digest key is wrapped at rest (AES-256-GCM under
// the jurisdiction's state key): a wrapped key that is moved to another organization or id does not open. Identity wraps,
// gateways open.
func DigestKeyContext(orgID, keyID string) []byte {
	var out []byte
	for _, part := range []string{"digest_key/v1", orgID, keyID} {
		out = binary.BigEndian.AppendUint32(out, uint32(len(part)))
		out = append(out, part...)
	}
	return out
}
