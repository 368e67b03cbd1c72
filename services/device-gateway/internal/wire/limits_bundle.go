package wire

import (
	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
)

const (
	// MaxBundle is the largest Bundle.signed, in bytes.
	MaxBundle = 4 << 20
	// MaxRevocations is the largest Revocations.signed, in bytes: 2,000 hashes, and with the longest chain still one frame.
	MaxRevocations = 40_000

	maxSignature = 80
)

func checkBundle(m *lockwirev1.Bundle) error {
	return checkSigned(m.GetVersion(), m.GetSigned(), MaxBundle, m.GetSignature(), m.GetSignerChain())
}

func checkRevocations(m *lockwirev1.Revocations) error {
	return checkSigned(m.GetVersion(), m.GetSigned(), MaxRevocations, m.GetSignature(), m.GetSignerChain())
}

func checkSigned(version uint64, signed []byte, most int, signature []byte, chain [][]byte) error {
	if err := checkBundleVersion(version); err != nil {
		return err
	}
	if err := within(
		limit{"signed", len(signed), 1, most},
		limit{"signature", len(signature), 1, maxSignature}); err != nil {
		return err
	}
	return checkCertificates("signer_chain", chain)
}

func checkBundleVersion(version uint64) error {
	if version == 0 || version > maxCount {
		return malformed("version: counts from 1, at most 2^62")
	}
	return nil
}

func checkBundleAck(m *lockwirev1.BundleAck) error {
	if err := checkBundleVersion(m.GetVersion()); err != nil {
		return err
	}
	return within(optional("hash", len(m.GetHash()), hashSize, hashSize))
}
