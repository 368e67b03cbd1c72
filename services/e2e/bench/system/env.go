package system

import (
	"fmt"
	"os"
	"strings"
)

// env is what the local runner writes down of the system that runs, for a shell: where everything in Home is, as deploy/local/README.md says.
type env map[string]string

// names are what a bench needs of it.
var names = []string{"CA", "OPERATOR_KEY", "IDENTITY", "PERMISSIONS", "GATEWAY", "LOCKS"}

// readEnv reads the runner's file; one that lacks a name is an error.
func readEnv(path string) (env, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	e := env{}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		e[name] = unquoted(value)
	}
	for _, name := range names {
		if e[name] == "" {
			return nil, fmt.Errorf("%s does not say %s: is it cardea-local's?", path, name)
		}
	}
	return e, nil
}

// unquoted is a value as the runner quotes it for a shell.
func unquoted(word string) string {
	word = strings.TrimSuffix(strings.TrimPrefix(word, "'"), "'")
	return strings.ReplaceAll(word, `'\''`, "'")
}
