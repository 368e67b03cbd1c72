package lockconformance

import (
	"context"
	"fmt"
	"strconv"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
)

// done and failed are what becomes of a command.
const (
	done   = lockwirev1.CommandOutcome_COMMAND_OUTCOME_DONE
	failed = lockwirev1.CommandOutcome_COMMAND_OUTCOME_FAILED
)

// image is firmware that is sent in pieces.
type image struct {
	hash    []byte
	version string
	bytes   []byte
}

// junk is an image that no maker signed; each is another.
func junk() image {
	b := []byte("no firmware " + strconv.FormatInt(time.Now().UnixNano(), 10))
	return image{sum(b), "conformance", b}
}

// piece sends bytes of an image, and wants an answer and what is needed next.
func (i image) piece(b *inbox, offset, end int, want lockwirev1.CommandOutcome, needs int) error {
	r, err := order(b, command(func(m *lockwirev1.Command) {
		m.Action = &lockwirev1.Command_Firmware{Firmware: &lockwirev1.FirmwareChunk{
			Sha256: i.hash, Version: i.version, Size: uint32(len(i.bytes)), Offset: uint32(offset), Data: i.bytes[offset:end],
		}}
	}))
	if err := expect(r, err, want); err != nil {
		return fmt.Errorf("after bytes %d to %d of %d: %w", offset, end, len(i.bytes), err)
	}
	if r.GetFirmwareOffset() != uint32(needs) {
		return fmt.Errorf("after bytes %d to %d of %d it needs %d, not %d", offset, end, len(i.bytes), r.GetFirmwareOffset(), needs)
	}
	return nil
}

// inPieces: what is not the next piece is not written, and what was written is there after a boot.
func inPieces(ctx context.Context, l *lockRun) error {
	i := junk()
	half := len(i.bytes) / 2
	if err := commanded("command.firmware", func(_ context.Context, _ *lockRun, b *inbox) error {
		for _, s := range []struct{ offset, end, needs int }{{0, 0, 0}, {0, half, half}, {0, half, half}, {half + 1, len(i.bytes), half}} {
			if err := i.piece(b, s.offset, s.end, done, s.needs); err != nil {
				return err
			}
		}
		return nil
	})(ctx, l); err != nil {
		return err
	}
	if err := l.boot(ctx); err != nil {
		return operatedOr(err, remark("without a boot: nobody boots the lock"))
	}
	return commanded("command.firmware", func(_ context.Context, _ *lockRun, b *inbox) error {
		if err := i.piece(b, 0, 0, done, half); err != nil {
			return fmt.Errorf("after a boot: %w", err)
		}
		return junk().piece(b, 0, 0, done, 0) // another image is a new begin
	})(ctx, l)
}

// wrongImage: an image that is not what its hash says is thrown away. It cannot be told from one with a wrong maker's signature, and neither
// boots.
func wrongImage(ctx context.Context, l *lockRun) error {
	return commanded("command.firmware", func(_ context.Context, _ *lockRun, b *inbox) error {
		i := junk()
		i.hash = sum([]byte(i.version + string(i.bytes)))
		if err := i.piece(b, 0, len(i.bytes), failed, 0); err != nil {
			return err
		}
		return i.piece(b, 0, 0, done, 0)
	})(ctx, l)
}

// wholeImage: an image of the maker's comes to its end, and is not needed again.
func wholeImage(ctx context.Context, l *lockRun) error {
	return commanded("command.firmware", func(_ context.Context, l *lockRun, b *inbox) error {
		if len(l.cfg.Image) == 0 {
			return skip("it takes an image of the maker's: -firmware")
		}
		i := image{sum(l.cfg.Image), l.cfg.ImageVersion, l.cfg.Image}
		const most = 32_768
		for offset := 0; offset < len(i.bytes); offset += most {
			end := min(offset+most, len(i.bytes))
			if err := i.piece(b, offset, end, done, end); err != nil {
				return err
			}
		}
		for _, end := range []int{0, min(most, len(i.bytes))} {
			if err := i.piece(b, 0, end, done, len(i.bytes)); err != nil {
				return fmt.Errorf("of an image that is whole: %w", err)
			}
		}
		return nil
	})(ctx, l)
}
