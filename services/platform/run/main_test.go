package run_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/cardea-mesh/cardea/services/platform/run"
)

// TestMain plays a program when a test below starts this binary again.
func TestMain(m *testing.M) {
	switch os.Getenv("RUN_TEST_PROGRAM") {
	case "":
		os.Exit(m.Run())
	case "fails":
		run.Main(func(context.Context) error { return errors.New("no database") })
	case "panics":
		run.Main(func(context.Context) error { panic("oh") })
	case "greets":
		greeter()
	case "serves":
		run.Main(func(ctx context.Context) error {
			fmt.Println("ready")
			<-ctx.Done()
			return ctx.Err()
		})
	}
}

func program(t *testing.T, name string) (*exec.Cmd, *strings.Builder) {
	t.Helper()
	cmd, stderr := exec.CommandContext(t.Context(), os.Args[0]), &strings.Builder{}
	cmd.Env, cmd.Stderr = append(os.Environ(), "RUN_TEST_PROGRAM="+name), stderr
	return cmd, stderr
}

func TestAProgramThatFailsSaysWhyAndExitsWithOne(t *testing.T) {
	for name, want := range map[string]string{"fails": "no database", "panics": "panic: oh"} {
		cmd, stderr := program(t, name)
		err := cmd.Run()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.HasPrefix(stderr.String(), want) {
			t.Errorf("%s: %v, %s", name, err, stderr)
		}
	}
}

func TestASignalEndsAProgramWell(t *testing.T) {
	cmd, stderr := program(t, "serves")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
		t.Fatal(line, err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil || stderr.Len() != 0 {
		t.Errorf("%v, %s", err, stderr)
	}
}
