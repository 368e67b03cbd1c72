package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/permissions/permissionstest"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
)

// office is a tenant, and the command pointed at their service.
type office struct {
	*permissionstest.Tenant
	svc    *permissionstest.Service
	folder string
	ca     string
	url    string
}

func open(t *testing.T) office {
	t.Helper()
	svc := permissionstest.Start(t, rpctest.New(t), "eu-central")
	o := office{Tenant: svc.Tenant(t, "eu-central"), svc: svc, folder: t.TempDir(), url: svc.URL}
	o.ca = o.write(t, "ca.pem", string(svc.Mesh.CA.CertPEM()))
	return o
}

func (o office) write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(o.folder, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func (o office) run(ctx context.Context, args ...string) (int, string) {
	var out, errOut bytes.Buffer
	args = append([]string{"-url", o.url, "-ca", o.ca, "-org", string(o.Org), "-region", "eu-central"}, args...)
	code := run(ctx, args, o.Credential.Reveal(), &out, &errOut)
	return code, out.String() + errOut.String()
}

func TestGoodLinesAreMadeAndBadOnesAreTold(t *testing.T) {
	t.Parallel()
	o := open(t)
	site, person := o.Site(t, "UTC"), o.Person(t)
	door := o.Door(t, site)
	file := o.write(t, "grants.csv", fmt.Sprintf(`subject_id,target_id,valid_to
%[1]s,%[2]s,
%[1]s,%[2]s,tomorrow
%[2]s,%[2]s,
%[1]s,%[2]s,2001-01-01T00:00:00Z
%[1]s,%[2]s,2999-01-01T00:00:00Z
`, person, door))
	code, out := o.run(t.Context(), "-kind", "grants", "-name", "g", "-dry-run", file)
	wantText(t, code, someWrong, out, "dry run, nothing was written: 2 lines accepted, 3 refused")
	if d := o.May(t, person, door, time.Time{}); d.GetOutcome() != permissionsv1.Outcome_OUTCOME_DENIED {
		t.Fatalf("after a dry run: %v", d)
	}
	ids := filepath.Join(o.folder, "ids.csv")
	code, out = o.run(t.Context(), "-kind", "grants", "-name", "g", "-ids", ids, file)
	wantText(t, code, someWrong, out,
		`line 3, valid_to: invalid: "tomorrow" is not a time like`, "line 4, subject_id:", "line 5: this time cannot be meant: valid_to 2001-01-01T00:00:00Z is not after valid_from",
		"lines 2 to 6: 2 accepted, 3 refused", "done: 2 lines accepted, 3 refused")
	if made, err := os.ReadFile(ids); err != nil || strings.Count(string(made), "grant_euc_") != 2 || !strings.HasPrefix(string(made), "2,grant_euc_") {
		t.Errorf("ids: %q %v", made, err)
	}
	if out, err := o.GetDoor(t.Context(), &permissionsv1.GetDoorRequest{OrgId: string(o.Org), DoorId: door}); err != nil || out.GetId() != door {
		t.Fatal(out, err)
	}
	// Once more: nothing is left to do.
	code, out = o.run(t.Context(), "-kind", "grants", "-name", "g", file)
	wantText(t, code, someWrong, out, "going on with line 7; 2 lines accepted and 3 refused before", "done: 2 lines accepted, 3 refused")
	code, out = o.run(t.Context(), "-kind", "groups", "-name", "g", o.write(t, "groups.csv", strings.Repeat("name\n", 9)))
	wantText(t, code, stopped, out, `the import "g" is of another kind; choose another name`)
}

// The link fails at random pieces, before or after the service took them: every line is made once, whoever calls again.
func TestAnImportThatIsCutEverywhereMakesEachLineOnce(t *testing.T) {
	t.Parallel()
	o := open(t)
	const lines = 700
	var csv strings.Builder
	csv.WriteString("name\n")
	for n := range lines {
		fmt.Fprintf(&csv, "Group %d\n", n)
	}
	file := o.write(t, "groups.csv", csv.String())
	o.cutEverySecondAnswer(t)
	for calls := 1; ; calls++ {
		code, out := o.run(t.Context(), "-kind", "groups", "-name", "all", "-lines", "50", file)
		if code == allRight {
			wantText(t, code, allRight, out, fmt.Sprintf("done: %d lines accepted, 0 refused", lines))
			break
		}
		if code != stopped || calls > 100 {
			t.Fatalf("exit %d after %d calls: %s", code, calls, out)
		}
	}
	var made int
	if err := o.svc.Database.DB.Pool().QueryRow(t.Context(), `SELECT count(*) FROM groups WHERE org = $1`, string(o.Org)).Scan(&made); err != nil || made != lines {
		t.Fatalf("%d groups, %v", made, err)
	}
}

// cutEverySecondAnswer puts a proxy before the service that loses each second answer of Import after the service gave it.
func (o *office) cutEverySecondAnswer(t *testing.T) {
	t.Helper()
	target, err := url.Parse(o.url)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(o.svc.Mesh.CA.CertPEM())
	var answers atomic.Int64
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}}
	proxy.ErrorLog = nil
	proxy.ModifyResponse = func(r *http.Response) error {
		if strings.HasSuffix(r.Request.URL.Path, "/Import") && answers.Add(1)%2 == 0 {
			_, _ = io.Copy(io.Discard, r.Body) // what the service said is lost
			return errors.New("cut")
		}
		return nil
	}
	proxy.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusServiceUnavailable) }
	front := httptest.NewTLSServer(proxy)
	t.Cleanup(front.Close)
	o.url = front.URL
	o.ca = o.write(t, "front.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: front.Certificate().Raw})))
}

func TestAnotherFileIsNotTakenForTheRestOfAnImport(t *testing.T) {
	t.Parallel()
	o := open(t)
	file := o.write(t, "groups.csv", "name\nNorth\nSouth\n")
	if code, out := o.run(t.Context(), "-kind", "groups", "-name", "one", file); code != allRight {
		t.Fatal(out)
	}
	code, out := o.run(t.Context(), "-kind", "groups", "-name", "one", file)
	wantText(t, code, allRight, out, "done: 2 lines accepted")
	for _, c := range []struct{ name, kind, text, want string }{
		{"one", "doors", "site_id,name\n", `the import "one" is of another kind; choose another name`},
		{"one", "groups", "name\nNorth\n", "goes on with line 4, and the file has 2 lines"},
		{"two", "groups", "North\n", "nothing after its first line"},
		{"three", "groups", "name\n\"North\n", "mend this, then call it again"},
	} {
		code, out := o.run(t.Context(), "-kind", c.kind, "-name", c.name, o.write(t, "other.csv", c.text))
		wantText(t, code, stopped, out, c.want)
	}
}

func TestWrongCallsSaySo(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{}, {"-kind", "people", "-name", "x", "f"}, {"-kind", "groups", "-name", "x"}, {"-kind", "groups", "-name", "x", "-lines", "0", "f"},
		{"-kind", "groups", "-name", "x", "no-such-file"},
	} {
		var out, errOut bytes.Buffer
		args = append([]string{"-url", "https://127.0.0.1:1", "-org", "o", "-region", "r"}, args...)
		if code := run(t.Context(), args, "key", &out, &errOut); code != misused || errOut.Len() == 0 {
			t.Errorf("%v: exit %d, %s", args, code, errOut.String())
		}
	}
}

func wantText(t *testing.T, code, wantCode int, out string, parts ...string) {
	t.Helper()
	if code != wantCode {
		t.Errorf("exit %d, want %d", code, wantCode)
	}
	for _, part := range parts {
		if !strings.Contains(out, part) {
			t.Errorf("%q is not in:\n%s", part, out)
		}
	}
}
