package rpc_test

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cardea-mesh/cardea/services/platform/rpc"
)

func TestAnAPIKeyGoesToTheNamedServiceOnly(t *testing.T) {
	t.Parallel()
	var elsewhere atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	t.Cleanup(other.Close)
	var key atomic.Value
	service := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key.Store(r.Header.Get("Authorization"))
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect) // which asks for the same request once more
	}))
	t.Cleanup(service.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: service.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	client, err := rpc.Outside{URL: service.URL, CAFile: ca, Key: " secret\n"}.Client()
	if err != nil {
		t.Fatal(err)
	}
	answer, err := client.Post(service.URL, "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusTemporaryRedirect || key.Load() != "Bearer secret" || elsewhere.Load() != 0 {
		t.Errorf("%s; the service had %q; %d calls elsewhere", answer.Status, key.Load(), elsewhere.Load())
	}
}

func TestAnOutsideClientSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	const url = "https://service.example:8443"
	for says, o := range map[string]rpc.Outside{
		"-url":               {URL: "http://service.example", Key: "k"},
		"no API key":         {URL: url, Key: " "},
		"no-such-key":        {URL: url, KeyFile: "no-such-key"},
		"no-such-ca":         {URL: url, Key: "k", CAFile: "no-such-ca"},
		"no PEM certificate": {URL: url, Key: "k", CAFile: "outside_test.go"},
	} {
		if _, err := o.Client(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%+v: %v, wanted %q", o, err, says)
		}
	}
}
