package lockevent

import (
	"errors"
	"fmt"
	"strconv"

	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	"github.com/cardea-mesh/cardea/services/platform/keyring"
	"google.golang.org/protobuf/proto"
)

// maxReceipt is the protocol's limit, in bytes.
const maxReceipt = 1024

// errReceipt is a receipt that no gateway of this jurisdiction made for this event.
var errReceipt = errors.New("receipt does not open")

// Seal makes the receipt of a decision. The lock can neither read nor change it, and it opens for this event only.
// Layout: length of the key id (1 byte), key id, sealed DecisionReceipt.
func (m *Maker) Seal(r *gatewayv1.DecisionReceipt) ([]byte, error) {
	plain, err := proto.Marshal(r)
	if err != nil {
		return nil, err
	}
	keyID := m.ring.Newest()
	size := 1 + len(keyID) + len(plain) + keyring.Overhead
	if len(keyID) > 255 || size > maxReceipt {
		return nil, fmt.Errorf("receipt of %d bytes is too large", size)
	}
	receipt := append(append(make([]byte, 0, size), byte(len(keyID))), keyID...)
	return m.ring.AppendSeal(receipt, plain, receiptContext(r.GetDeviceId(), r.GetBootEpoch(), r.GetSequence())), nil
}

// open returns errReceipt for anything but a receipt that was sealed for this event.
func (m *Maker) open(receipt []byte, device string, epoch, sequence uint64) (*gatewayv1.DecisionReceipt, error) {
	if len(receipt) < 1 || len(receipt) < 1+int(receipt[0]) {
		return nil, errReceipt
	}
	keyID, sealed := string(receipt[1:1+int(receipt[0])]), receipt[1+int(receipt[0]):]
	plain, err := m.ring.Open(keyID, sealed, receiptContext(device, epoch, sequence))
	if err != nil {
		return nil, errReceipt
	}
	r := new(gatewayv1.DecisionReceipt)
	if err := proto.Unmarshal(plain, r); err != nil {
		return nil, errReceipt
	}
	return r, nil
}

// receiptContext is `receipt/v1|<device>|<boot epoch>|<sequence>`.
func receiptContext(device string, epoch, sequence uint64) []byte {
	b := append(make([]byte, 0, 96), "receipt/v1|"...)
	b = append(append(b, device...), '|')
	b = append(strconv.AppendUint(b, epoch, 10), '|')
	return strconv.AppendUint(b, sequence, 10)
}
