package access

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"google.golang.org/protobuf/proto"
)

const (
	storeFile = "access.log"
	// storeMagic names the format; another one is not read, and the broker delivers everything again.
	storeMagic = "cardea access copy 1\n"
	// asOfKey is the key under which the file notes when the copy was up to date; its version is Unix nanoseconds.
	asOfKey = ""
	// maxStored bounds one record when reading.
	maxStored = 4 << 20
	// compactAbove is the least size at which the file is written anew.
	compactAbove = 4 << 20
	retryPause   = time.Second
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// item is a record on its way to the file.
type item struct {
	key    string
	record *typev1.StateRecord
	// incarnation is the bucket's that brought it; not written.
	incarnation string
}

// store is the file copy: a log of records, the last one of a key counts. It is written anew when it has grown to twice
// of what is in it. Record: `length u32 | crc32c u32 | key length uvarint | key | StateRecord`.
type store struct {
	path   string
	logger *slog.Logger

	mu    sync.Mutex
	queue []item
	wake  chan struct{}

	// noted is when asOf was last queued; the Copy's mu guards it.
	noted time.Time

	// The writer's alone.
	file        *os.File
	size, fresh int64 // bytes now, and when it was last written anew
}

// openStore reads the file and gives each whole record to restore. A torn tail is cut.
func openStore(dir string, logger *slog.Logger, restore func(string, *typev1.StateRecord)) (*store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("access copy: %w", err)
	}
	s := &store{path: filepath.Join(dir, storeFile), logger: logger, wake: make(chan struct{}, 1)}
	file, err := os.OpenFile(s.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("access copy: %w", err)
	}
	s.file = file
	if err := s.read(restore); err != nil {
		file.Close()
		return nil, fmt.Errorf("access copy: %w", err)
	}
	return s, nil
}

func (s *store) read(restore func(string, *typev1.StateRecord)) error {
	r := bufio.NewReaderSize(s.file, 1<<20)
	magic := make([]byte, len(storeMagic))
	if _, err := io.ReadFull(r, magic); err != nil || string(magic) != storeMagic {
		return nil // empty or of another format: the writer starts a new one
	}
	s.size = int64(len(storeMagic))
	for {
		key, record, n, err := readStored(r)
		if err != nil {
			if !errors.Is(err, io.EOF) {
				s.logger.Warn("access: cut a torn tail of the file copy", "at", s.size, "error", err)
			}
			break
		}
		s.size += n
		restore(key, record)
	}
	if err := s.file.Truncate(s.size); err != nil {
		return err
	}
	_, err := s.file.Seek(s.size, io.SeekStart)
	return err
}

// add queues a record; it never blocks.
func (s *store) add(key string, record *typev1.StateRecord, incarnation string) {
	s.mu.Lock()
	s.queue = append(s.queue, item{key, record, incarnation})
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *store) take() []item {
	s.mu.Lock()
	defer s.mu.Unlock()
	items := s.queue
	s.queue = nil
	return items
}

// run writes what is queued, syncs, and then tells applied about the heads in it. After a failure the whole file is
// written anew before anything is told.
func (s *store) run(ctx context.Context, all func(func(string, *typev1.StateRecord)), applied func([]Head)) error {
	defer func() { s.file.Close() }()
	var untold []Head
	for {
		items := s.take()
		untold = append(untold, headsIn(items)...)
		if err := s.write(items, all); err != nil {
			s.logger.Error("access: cannot write the file copy; what is applied is not reported", "error", err)
			s.size = 0 // the next write is the whole
			if !pause(ctx, retryPause) {
				return nil
			}
			s.add(asOfKey, &typev1.StateRecord{}, "") // so that there is a next write; the whole brings the true value
			continue
		}
		if len(untold) > 0 {
			applied(untold)
			untold = nil
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
			if items := s.take(); len(items) > 0 {
				return s.write(items, all)
			}
			return nil
		}
	}
}

func headsIn(items []item) []Head {
	var heads []Head
	for _, it := range items {
		if h, ok := headOf(it.key, it.record, it.incarnation); ok {
			heads = append(heads, h)
		}
	}
	return heads
}

func (s *store) write(items []item, all func(func(string, *typev1.StateRecord))) error {
	if len(items) == 0 {
		return nil
	}
	if s.size == 0 || s.size > compactAbove && s.size > 2*s.fresh {
		return s.rewrite(all)
	}
	var b []byte
	var err error
	for _, it := range items {
		if b, err = appendStored(b, it.key, it.record); err != nil {
			return err
		}
	}
	if _, err := s.file.Write(b); err != nil {
		return err
	}
	s.size += int64(len(b))
	return s.file.Sync()
}

// rewrite replaces the file by the whole copy of now, which has everything that was queued before.
func (s *store) rewrite(all func(func(string, *typev1.StateRecord))) error {
	tmp, err := os.OpenFile(s.path+".tmp", os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	size, err := writeAll(tmp, all)
	if err == nil {
		err = tmp.Sync()
	}
	if err == nil {
		err = os.Rename(s.path+".tmp", s.path)
	}
	if err == nil {
		err = syncDir(filepath.Dir(s.path))
	}
	if err != nil {
		tmp.Close()
		return err
	}
	s.file.Close()
	s.file, s.size, s.fresh = tmp, size, size
	return nil
}

func writeAll(f *os.File, all func(func(string, *typev1.StateRecord))) (int64, error) {
	w := bufio.NewWriterSize(f, 1<<20)
	size := int64(len(storeMagic))
	_, err := w.WriteString(storeMagic)
	var b []byte
	all(func(key string, record *typev1.StateRecord) {
		if err != nil {
			return
		}
		if b, err = appendStored(b[:0], key, record); err == nil {
			_, err = w.Write(b)
			size += int64(len(b))
		}
	})
	if err != nil {
		return 0, err
	}
	return size, w.Flush()
}

func appendStored(b []byte, key string, record *typev1.StateRecord) ([]byte, error) {
	start := len(b)
	b = append(b, make([]byte, 8)...)
	b = binary.AppendUvarint(b, uint64(len(key)))
	b = append(b, key...)
	b, err := proto.MarshalOptions{}.MarshalAppend(b, record)
	if err != nil {
		return b[:start], fmt.Errorf("encode %s: %w", key, err)
	}
	payload := b[start+8:]
	binary.BigEndian.PutUint32(b[start:], uint32(len(payload)))
	binary.BigEndian.PutUint32(b[start+4:], crc32.Checksum(payload, castagnoli))
	return b, nil
}

func readStored(r *bufio.Reader) (string, *typev1.StateRecord, int64, error) {
	var header [8]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return "", nil, 0, err
	}
	length := binary.BigEndian.Uint32(header[:])
	if length > maxStored {
		return "", nil, 0, errors.New("absurd length")
	}
	payload := make([]byte, length)
	if _, err := io.ReadFull(r, payload); err != nil {
		return "", nil, 0, io.ErrUnexpectedEOF
	}
	if crc32.Checksum(payload, castagnoli) != binary.BigEndian.Uint32(header[4:]) {
		return "", nil, 0, errors.New("wrong checksum")
	}
	keyLength, n := binary.Uvarint(payload)
	if n <= 0 || keyLength > uint64(len(payload)-n) {
		return "", nil, 0, errors.New("absurd key")
	}
	record := new(typev1.StateRecord)
	if err := proto.Unmarshal(payload[n+int(keyLength):], record); err != nil {
		return "", nil, 0, err
	}
	return string(payload[n : n+int(keyLength)]), record, 8 + int64(length), nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
