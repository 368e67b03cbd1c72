// Package config reads a service's YAML file into a struct: strictly, once, at start.
//
// An unknown key, a second document and a failed Validate are errors that name the file, so that a typing mistake stops a
// deployment instead of being ignored. Secrets never stand in the file: keys that end in `_file` name a file that holds one.
// What a Secret holds does not appear in any print form (fmt, YAML, JSON, slog); Print writes a whole configuration that way.
//
// Everything here is a pure function of its arguments and the files; values are safe for concurrent reading.
package config
