package database

import (
	"io/fs"
	"strings"
	"time"
)

// flat shows migrations as one folder of files, which is how goose reads them.
type flat []Migration

func (f flat) Open(name string) (fs.File, error) {
	for _, m := range f {
		if m.Name == name {
			return &flatFile{Reader: strings.NewReader(m.SQL), info: flatInfo{m}}, nil
		}
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

func (f flat) ReadDir(string) ([]fs.DirEntry, error) {
	entries := make([]fs.DirEntry, len(f))
	for i, m := range f {
		entries[i] = fs.FileInfoToDirEntry(flatInfo{m})
	}
	return entries, nil
}

type flatFile struct {
	*strings.Reader
	info flatInfo
}

func (f *flatFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *flatFile) Close() error               { return nil }

type flatInfo struct{ of Migration }

func (i flatInfo) Name() string     { return i.of.Name }
func (i flatInfo) Size() int64      { return int64(len(i.of.SQL)) }
func (flatInfo) Mode() fs.FileMode  { return 0o444 }
func (flatInfo) ModTime() time.Time { return time.Time{} }
func (flatInfo) IsDir() bool        { return false }
func (flatInfo) Sys() any           { return nil }
