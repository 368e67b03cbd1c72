package wire

import (
	"fmt"
	"math/bits"
	"testing"
	"time"

	"github.com/cardea-mesh/cardea/services/device-gateway/internal/protocolpage"
)

// enrollLength is how long the one frame of an enrolment may be; the port's test holds it.
const enrollLength = 8192

func TestThePageHasTheLimits(t *testing.T) {
	protocolpage.Hold(t, page, "wire", []protocolpage.Row{
		{What: "heartbeat_ms", Value: fmt.Sprintf("%s to %s; gateways send 30,000 unless configured otherwise", n(minHeartbeat), n(maxHeartbeat))},
		{What: "an answer to AccessRequest counts", Value: fmt.Sprintf("valid_for_ms, at most %s, from the sending", n(MaxValidFor))},
		{What: "length of a frame", Value: fmt.Sprintf("%s to %s (EnrollRequest: %s)", n(MinLength), n(MaxLength), n(enrollLength))},
		{What: "joined parts", Value: fmt.Sprintf("%s bytes towards the gateway, %s towards the lock", n(JoinedToGateway), n(JoinedToLock))},
		{What: "events in a batch", Value: "1 to " + n(MaxBatch)},
	})
}

func n(number int) string { return protocolpage.Number(number) }

func TestThePageHasTheFields(t *testing.T) {
	count := fmt.Sprintf("1 to 2^%d", bits.Len(maxCount)-1)
	day := int(MaxHoldOpen / time.Millisecond)
	protocolpage.HoldFields(t, page, []protocolpage.Row{
		{What: "`boot_epoch` (Hello and EventBatch alike), `event_sequence`, `first_sequence` and the sequence of a batch's last event", Value: count},
		{What: "`request_id`, `message_id`", Value: "from 1"},
		{What: "`device_id`", Value: "1 to " + n(maxName)},
		{What: "`firmware`, `model`", Value: "0 to " + n(maxName)},
		{What: "`capabilities`", Value: fmt.Sprintf("0 to %s names of 1 to %s", n(maxCapabilities), n(maxName))},
		{What: "`versions`", Value: fmt.Sprintf("1 to %s of them", n(maxVersions))},
		{What: "`session`; `resume_session`", Value: fmt.Sprintf("1 to %[1]s; 0 to %[1]s", n(maxSession))},
		{What: "`bundle_hash`, BundleAck's `hash`", Value: n(hashSize) + ", or empty"},
		{What: "`hold_open_command`, `lockdown_command`", Value: "0 to " + n(maxName)},
		{What: "`endpoints`", Value: fmt.Sprintf("0 to %s; `host` 1 to %s, `port` 1 to %s", n(maxEndpoints), n(maxHost), n(maxPort))},
		{What: "`event_credit`, `access_credit`", Value: "1 to " + n(maxCredit)},
		{What: "`card.format`, `card.bit_length`", Value: fmt.Sprintf("format not 0; %s to %s bits", n(minCardBits), n(maxCardBits))},
		{What: "`pin`", Value: fmt.Sprintf("0 to %[1]s digits; without a card 1 to %[1]s", n(maxPIN))},
		{What: "`proof`", Value: fmt.Sprintf("only with PKOC; `scheme` not 0, `nonce` %s to %s, `signature` %s", n(minNonce), n(maxNonce), n(proofSize))},
		{What: "`traceparent`", Value: fmt.Sprintf("0 to %s; one that is not a W3C traceparent is ignored", n(maxTraceparent))},
		{What: "`receipt`", Value: "0 to " + n(maxReceipt)},
		{What: "`unlock_ms`", Value: fmt.Sprintf("%s to %[2]s in Unlock and with GRANTED, else 0 to %[2]s", n(MinUnlock), n(MaxUnlock))},
		{What: "`valid_for_ms`", Value: "0 to " + n(MaxValidFor)},
		{What: "`lost` of a GAP", Value: "1 to the GAP's sequence"},
		{What: "`command_id`", Value: fmt.Sprintf("1 to %[1]s; in an event 0 to %[1]s", n(maxName))},
		{What: "`credential_id`, `person_id` of an event", Value: "0 to " + n(maxName) + "; what is not an id as bundles have them is not recorded"},
		{What: "`battery_percent`; `alarms`", Value: fmt.Sprintf("0 to 100; 0 to %s of them", n(maxAlarms))},
		{What: "`until_ms` of HoldOpen", Value: fmt.Sprintf("not 0, at most %s after `server_time_ms`", n(day))},
		{What: "`held_open_after_ms`; `unlock_ms`, `volume` of Configuration",
			Value: fmt.Sprintf("0 or %s to %s; 0 or %s to %s; 0 to %s", n(minHeldOpen), n(maxHeldOpen), n(MinUnlock), n(MaxUnlock), n(maxVolume))},
		{What: "`settings`", Value: fmt.Sprintf("0 to %s of them; name 1 to %s, value 0 to %s", n(maxSettings), n(maxName), n(maxSetting))},
		{What: "FirmwareChunk", Value: fmt.Sprintf("`sha256` %s, `version` 1 to %s, `size` 1 to %s, `data` 0 to %s, `offset` + `data` at most `size`",
			n(hashSize), n(maxName), n(MaxFirmware), n(MaxFirmwareChunk))},
		{What: "`firmware_offset`", Value: "0 to " + n(MaxFirmware)},
		{What: "`version` of Bundle, Revocations, BundleAck; `bundle_version` of Hello", Value: fmt.Sprintf("%s; 0 to 2^%d", count, bits.Len(maxHeldVersion)-1)},
		{What: "`signed`; `signature`; `signer_chain`", Value: fmt.Sprintf("Bundle 1 to %s, Revocations 1 to %s; 1 to %s; 1 to %s of 1 to %s",
			n(MaxBundle), n(MaxRevocations), n(maxSignature), n(maxCertificates), n(maxCertificate))},
		{What: "`text`", Value: fmt.Sprintf("0 to %s; SHOULD be ASCII", n(maxText))},
		{What: "`claim_secret`; `certificate_request`", Value: fmt.Sprintf("1 to %s; 1 to %s", n(maxClaimSecret), n(maxCertificate))},
		{What: "`certificate_chain`, `roots` (EnrollResponse, Certificate)", Value: fmt.Sprintf("1 to %s each, of 1 to %s", n(maxCertificates), n(maxCertificate))},
		{What: "Part", Value: fmt.Sprintf("`type` 1 to 255, `parts` 1 to %s, `part` below it, `body` 1 to %s, `sha256` %s", n(MaxParts), n(maxPartBody), n(hashSize))},
	})
}
