package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"gopkg.in/yaml.v3"
)

// Load reads the YAML file at path into a T. Keys that T does not have are refused; where T (or *T) has a method
// Validate() error, it is called last.
func Load[T any](path string) (T, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		var zero T
		return zero, fmt.Errorf("read configuration: %w", err)
	}
	cfg, err := Parse[T](raw)
	if err != nil {
		return cfg, fmt.Errorf("configuration %s: %w", path, err)
	}
	return cfg, nil
}

// Parse is Load for text that is already here.
func Parse[T any](raw []byte) (T, error) {
	var cfg T
	decoder := yaml.NewDecoder(bytes.NewReader(raw))
	decoder.KnownFields(true)
	if err := decoder.Decode(&cfg); err != nil && !errors.Is(err, io.EOF) {
		return cfg, err
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return cfg, errors.New("only one YAML document is allowed")
	}
	if v, ok := any(&cfg).(interface{ Validate() error }); ok {
		return cfg, v.Validate()
	}
	return cfg, nil
}

// Print writes v as YAML with every Secret redacted, and the passwords of database URLs with them.
func Print(w io.Writer, v any) error {
	encoder := yaml.NewEncoder(w)
	encoder.SetIndent(2)
	if err := encoder.Encode(v); err != nil {
		return fmt.Errorf("print configuration: %w", err)
	}
	return encoder.Close()
}

// ReadSecretFile returns the content of a secret's file without the white space around it. An empty file is an error.
func ReadSecretFile(path string) (Secret, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read secret: %w", err)
	}
	s := strings.TrimSpace(string(raw))
	if s == "" {
		return "", fmt.Errorf("read secret: %s is empty", path)
	}
	return Secret(s), nil
}
