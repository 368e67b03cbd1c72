package system

import (
	"os"
	"path/filepath"
	"testing"
)

func TestTheRunnersFileIsRead(t *testing.T) {
	const whole = `CA='/home/o'\''neil/ca.pem'
OPERATOR_KEY='operator_local_x'
IDENTITY='https://127.0.0.1:1'
PERMISSIONS='https://127.0.0.1:2'
GATEWAY='https://127.0.0.1:3'
AUDIT='https://127.0.0.1:4'
LOCKS='127.0.0.1:5'
`
	path := filepath.Join(t.TempDir(), "env")
	if _, err := readEnv(path); err == nil {
		t.Error("a file that is not there was read")
	}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(whole)
	e, err := readEnv(path)
	if err != nil || e["CA"] != "/home/o'neil/ca.pem" || e["LOCKS"] != "127.0.0.1:5" {
		t.Errorf("%q, %v", e, err)
	}
	write(whole[:len(whole)/2])
	if e, err := readEnv(path); err == nil {
		t.Errorf("half a file is %q", e)
	}
}
