package wire

import (
	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
)

const (
	maxCertificate  = 4096
	maxCertificates = 4
	maxClaimSecret  = 128
)

func checkEnrollRequest(m *lockwirev1.EnrollRequest) error {
	return within(
		limit{"claim_secret", len(m.GetClaimSecret()), 1, maxClaimSecret},
		limit{"certificate_request", len(m.GetCertificateRequest()), 1, maxCertificate})
}

func checkEnrollResponse(m *lockwirev1.EnrollResponse) error {
	if err := checkIssued(m.GetCertificateChain(), m.GetRoots()); err != nil {
		return err
	}
	if err := checkEndpoints(m.GetEndpoints()); err != nil {
		return err
	}
	return within(limit{"device_id", len(m.GetDeviceId()), 1, maxName})
}

func checkCertificateRequest(m *lockwirev1.CertificateRequest) error {
	if m.GetRequestId() == 0 {
		return malformed("request_id: counts from 1")
	}
	return within(limit{"certificate_request", len(m.GetCertificateRequest()), 1, maxCertificate})
}

func checkCertificate(m *lockwirev1.Certificate) error {
	if m.GetRequestId() == 0 {
		return malformed("request_id: counts from 1")
	}
	return checkIssued(m.GetCertificateChain(), m.GetRoots())
}

// checkIssued holds what a device is given to its limits.
func checkIssued(chain, roots [][]byte) error {
	if err := checkCertificates("certificate_chain", chain); err != nil {
		return err
	}
	return checkCertificates("roots", roots)
}

func checkCertificates(field string, certificates [][]byte) error {
	for _, c := range certificates {
		if err := within(limit{field + ": a certificate", len(c), 1, maxCertificate}); err != nil {
			return err
		}
	}
	return within(limit{"number of " + field, len(certificates), 1, maxCertificates})
}
