package run_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cardea-mesh/cardea/services/platform/run"
)

type programConfig struct {
	Greeting string `yaml:"greeting"`
}

func TestAProgramsCommandLine(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte("greeting: hello\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		exit int
		want string
	}{
		{[]string{"-config", file}, 0, "serving hello"},
		{[]string{"-config", file, "-migrate"}, 0, "migrating hello"},
		{[]string{"-config", file, "-print"}, 0, "greeting: hello"},
		{[]string{"-config", file, "-fail"}, 1, "it did not work"},
		{[]string{"-config", file, "-print", "-migrate"}, 2, "at most one other flag"},
		{[]string{"-config", file, "more"}, 2, "nothing else"},
		{nil, 2, "-config FILE is needed"},
		{[]string{"-config", "/does/not/exist"}, 1, "/does/not/exist"},
	} {
		child := exec.CommandContext(t.Context(), os.Args[0], c.args...)
		child.Env = append(os.Environ(), "RUN_TEST_PROGRAM=greets")
		out, err := child.CombinedOutput()
		exit := 0
		if failed := (*exec.ExitError)(nil); errors.As(err, &failed) {
			exit = failed.ExitCode()
		} else if err != nil {
			t.Fatal(err)
		}
		if exit != c.exit || !strings.Contains(string(out), c.want) {
			t.Errorf("%v: exit %d, want %d with %q:\n%s", c.args, exit, c.exit, c.want, out)
		}
	}
}

// greeter is what the child does instead of testing.
func greeter() {
	say := func(word string) func(context.Context, programConfig) error {
		return func(_ context.Context, cfg programConfig) error {
			fmt.Println(word, cfg.Greeting)
			return nil
		}
	}
	run.Program[programConfig]{
		Name: "greeter", Serve: say("serving"),
		Actions: []run.Action[programConfig]{
			{Flag: "migrate", Help: "migrate", Do: say("migrating")},
			{Flag: "fail", Help: "fail", Do: func(context.Context, programConfig) error { return errors.New("it did not work") }},
		},
	}.Main()
}
