package scan_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cardea-mesh/cardea/deploy/local/internal/scan"
)

const secret = "Ana Torres Quiroga"

func findings(t *testing.T, content []byte) []scan.Finding {
	t.Helper()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "deep", "er"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "deep", "er", "file"), content, 0o644); err != nil {
		t.Fatal(err)
	}
	report, err := scan.Trees(t.Context(), []scan.Needle{{Name: "name", Bytes: []byte(secret)}}, dir)
	if err != nil {
		t.Fatal(err)
	}
	if report.Files != 1 || report.Bytes != int64(len(content)) {
		t.Fatalf("read %d files, %d bytes; want 1 and %d", report.Files, report.Bytes, len(content))
	}
	return report.Findings
}

func TestFindsEveryForm(t *testing.T) {
	for name, content := range map[string]string{
		"plain":         "x" + secret + "y",
		"lower case":    "x" + strings.ToLower(secret),
		"hex":           hex.EncodeToString([]byte("..." + secret)),
		"upper hex":     strings.ToUpper(hex.EncodeToString([]byte(secret))),
		"base64 at 0":   base64.StdEncoding.EncodeToString([]byte(secret + "zz")),
		"base64 at 1":   base64.StdEncoding.EncodeToString([]byte("1" + secret + "z")),
		"base64 at 2":   base64.StdEncoding.EncodeToString([]byte("12" + secret)),
		"base64url":     base64.RawURLEncoding.EncodeToString([]byte("{}" + secret)),
		"utf-16":        "A\x00n\x00a\x00 \x00T\x00o\x00r\x00r\x00e\x00s\x00 \x00Q\x00u\x00i\x00r\x00o\x00g\x00a\x00",
		"in a big blob": strings.Repeat("\x00", 3<<20) + secret + strings.Repeat("\x01", 1<<20),
	} {
		if len(findings(t, []byte(content))) == 0 {
			t.Errorf("%s: not found", name)
		}
	}
}

func TestFindsAcrossWindowEdgesOnce(t *testing.T) {
	for offset := 1<<20 - 24; offset <= 1<<20+80; offset++ {
		content := bytes.Repeat([]byte{7}, 2<<20+200)
		copy(content[offset:], secret)
		found := findings(t, content)
		if len(found) != 1 || found[0].Offset != int64(offset) {
			t.Fatalf("at %d: found %v", offset, found)
		}
	}
}

func TestFindsNothingWhereNothingIs(t *testing.T) {
	if found := findings(t, []byte(strings.Repeat("Ana Torres and others; ", 1000))); len(found) != 0 {
		t.Fatalf("found %v", found)
	}
}

func TestAMissingFolderIsAnError(t *testing.T) {
	if _, err := scan.Trees(t.Context(), nil, filepath.Join(t.TempDir(), "nothing")); err == nil {
		t.Fatal("a scan of nothing must not pass")
	}
}
