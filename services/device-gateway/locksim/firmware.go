package locksim

import (
	"bytes"
	"crypto/sha256"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
)

// image is the firmware that is under way, or the last that came whole.
type image struct {
	SHA256  []byte `json:"sha256"`
	Version string `json:"version"`
	Size    uint32 `json:"size"`
	Data    []byte `json:"data"`
	// Whole: it is checked, and is what the next boot runs.
	Whole bool `json:"whole"`
}

// firmware takes a piece of an image. mu is held. It keeps what it has over a boot; whatever does not begin where it stands is not
// written, and the answer says what is needed.
func (l *Lock) firmware(c *lockwirev1.FirmwareChunk, result *lockwirev1.CommandResult) {
	is := l.flash.Firmware
	if is == nil || !bytes.Equal(is.SHA256, c.GetSha256()) || is.Size != c.GetSize() {
		is = &image{SHA256: c.GetSha256(), Version: c.GetVersion(), Size: c.GetSize()}
		l.flash.Firmware = is
	}
	result.Outcome = lockwirev1.CommandOutcome_COMMAND_OUTCOME_DONE
	if is.Whole {
		result.FirmwareOffset = is.Size
		return
	}
	have := uint32(len(is.Data))
	if c.GetOffset() == have && uint64(have)+uint64(len(c.GetData())) <= uint64(is.Size) {
		is.Data = append(is.Data, c.GetData()...)
	}
	result.FirmwareOffset = uint32(len(is.Data))
	if result.FirmwareOffset < is.Size {
		return
	}
	if sum := sha256.Sum256(is.Data); !bytes.Equal(sum[:], is.SHA256) {
		l.flash.Firmware = nil
		result.Outcome, result.Text, result.FirmwareOffset = lockwirev1.CommandOutcome_COMMAND_OUTCOME_FAILED, "the image is not what its hash says", 0
		return
	}
	is.Whole, is.Data = true, nil
}

// runs is the version that a boot runs. mu is held.
func (l *Lock) runs() string {
	if is := l.flash.Firmware; is != nil && is.Whole {
		return is.Version
	}
	return l.cfg.Firmware
}
