// Package scan searches files for what must not be in them.
//
// It is the drill behind the promise that no personal byte leaves its jurisdiction: the state of the other side (database
// files, broker store, gateways' files, logs) is read byte for byte, and each secret is looked for as it is and in the
// encodings in which software likes to hide it. It finds what is stored plainly or in those encodings; it cannot find what
// was compressed or encrypted first.
package scan

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf16"
)

// Finding is one place where a secret was found.
type Finding struct {
	Path   string
	Offset int64
	// Needle is the name of what was found, and Form how it was written there: `plain`, `hex`, ...
	Needle, Form string
}

// Report says what was read and what was found.
type Report struct {
	Files    int
	Bytes    int64
	Findings []Finding
}

// Needle is something to look for: a name to print and its bytes.
type Needle struct {
	Name  string
	Bytes []byte
}

const window = 1 << 20

// Trees reads every regular file below the roots, until ctx ends. A root that does not exist is an error: a scan of nothing proves nothing.
func Trees(ctx context.Context, needles []Needle, roots ...string) (Report, error) {
	patterns := expand(needles)
	var report Report
	for _, root := range roots {
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			switch {
			case errors.Is(err, fs.ErrNotExist) && path != root:
				return nil // a file of a running server that went away meanwhile
			case err != nil:
				return err
			case ctx.Err() != nil:
				return ctx.Err()
			case !entry.Type().IsRegular():
				return nil
			}
			return report.file(path, patterns)
		})
		if err != nil {
			return report, fmt.Errorf("scan %s: %w", root, err)
		}
	}
	return report, nil
}

func (r *Report) file(path string, patterns []pattern) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	longest := 0
	for _, p := range patterns {
		longest = max(longest, len(p.bytes))
	}
	r.Files++
	// Windows overlap by the longest pattern, so that none is cut in two; `from` keeps a find from counting twice.
	buf := make([]byte, window+longest)
	kept := 0
	var base int64
	for {
		n, err := io.ReadFull(f, buf[kept:])
		chunk := buf[:kept+n]
		r.Bytes += int64(n)
		for _, p := range patterns {
			r.find(path, chunk, base, kept, p)
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return nil
		}
		if err != nil {
			return err
		}
		keep := min(longest, len(chunk))
		base += int64(len(chunk) - keep)
		copy(buf, chunk[len(chunk)-keep:])
		kept = keep
	}
}

// find records the places of p that end after the part of chunk that was searched before.
func (r *Report) find(path string, chunk []byte, base int64, seen int, p pattern) {
	for at := 0; ; {
		i := bytes.Index(chunk[at:], p.bytes)
		if i < 0 {
			return
		}
		at += i
		if at+len(p.bytes) > seen {
			r.Findings = append(r.Findings, Finding{Path: path, Offset: base + int64(at), Needle: p.name, Form: p.form})
		}
		at++
	}
}

type pattern struct {
	name, form string
	bytes      []byte
}

// expand writes each needle in the forms that databases, brokers and logs use.
func expand(needles []Needle) []pattern {
	var all []pattern
	for _, n := range needles {
		add := func(form string, b []byte) {
			if len(b) >= 4 { // shorter ones would be found everywhere by chance
				all = append(all, pattern{n.Name, form, b})
			}
		}
		text := string(n.Bytes)
		add("plain", n.Bytes)
		if lower := strings.ToLower(text); lower != text {
			add("lower case", []byte(lower))
		}
		add("hex", []byte(hex.EncodeToString(n.Bytes)))
		add("HEX", []byte(strings.ToUpper(hex.EncodeToString(n.Bytes))))
		add("utf-16", utf16le(text))
		for shift := range 3 {
			add("base64", base64Core(base64.StdEncoding, n.Bytes, shift))
			if url := base64Core(base64.URLEncoding, n.Bytes, shift); !bytes.Equal(url, base64Core(base64.StdEncoding, n.Bytes, shift)) {
				add("base64url", url)
			}
		}
	}
	return all
}

func utf16le(s string) []byte {
	var out []byte
	for _, u := range utf16.Encode([]rune(s)) {
		out = append(out, byte(u), byte(u>>8))
	}
	return out
}

// base64Core is the part of the encoding that depends on b alone, when b begins `shift` bytes after a 3-byte boundary.
func base64Core(enc *base64.Encoding, b []byte, shift int) []byte {
	padded := append(make([]byte, shift), b...)
	whole := len(padded) / 3 * 3
	encoded := enc.EncodeToString(padded[:whole])
	skip := []int{0, 2, 3}[shift] // characters that also hold bits of what came before
	if len(encoded) <= skip {
		return nil
	}
	return []byte(encoded[skip:])
}
