package rpc_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"

	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1/identityv1connect"
	"github.com/cardea-mesh/cardea/services/platform/config"
	"github.com/cardea-mesh/cardea/services/platform/fault"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/rpc"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
)

func TestEveryMethodRefusesWhoMayNot(t *testing.T) {
	t.Parallel()
	m := rpctest.New(t)
	h := &handler{}
	server := serve(t, m, "eu-central", h)
	m.RefusesOthers(t, server.URL, identityv1.File_cardea_identity_v1_identity_proto)
	if n := h.calls.Load(); n != 0 {
		t.Errorf("%d calls reached a handler", n)
	}
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	m := rpctest.New(t)
	sum := sha256.Sum256([]byte("open_sesame"))
	server := serve(t, m, "eu-central", &handler{}, func(cfg *rpc.ServerConfig) {
		cfg.Operators = []rpc.Operator{{Name: "ada", KeySHA256: hex.EncodeToString(sum[:])}}
	})
	org := newOrg("euc")
	good := m.Key(org, "organizations.read")
	unknown := rpctest.New(t).Key(org, "organizations.read")
	const noCaller, badCaller, missing = faultv1.Reason_REASON_NO_CALLER, faultv1.Reason_REASON_BAD_CALLER, faultv1.Reason_REASON_MISSING_PERMISSION
	for _, c := range []struct {
		name       string
		credential config.Secret
		want       faultv1.Reason
	}{
		{"good key", good, 0},
		{"operator", "operator_ada_open_sesame", 0},
		{"none", "", noCaller},
		{"garbage", "garbage", noCaller},
		{"another scheme's token", "eyJhbGciOi.J9.e30", noCaller},
		{"short secret", config.Secret(strings.TrimSuffix(good.Reveal(), good.Reveal()[len(good)-4:])), noCaller},
		{"unknown key", unknown, badCaller},
		{"other secret", config.Secret(good.Reveal()[:len(good)-43] + unknown.Reveal()[len(unknown)-43:]), badCaller},
		{"wrong region code", config.Secret(strings.Replace(good.Reveal(), "_euc_", "_xyz_", 1)), badCaller},
		{"operator with a wrong secret", "operator_ada_open", badCaller},
		{"unknown operator", "operator_eve_open_sesame", badCaller},
		{"key without the permission", m.Key(org, "people.read"), missing},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := outside(t, m, server.URL, c.credential).GetOrganization(t.Context(), &identityv1.GetOrganizationRequest{OrgId: string(org)})
			if fault.ReasonOf(err) != c.want || (err == nil) != (c.want == 0) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
	_, err := outside(t, m, server.URL, "operator_ada_open_sesame").CreateAPIKey(t.Context(), &identityv1.CreateAPIKeyRequest{OrgId: string(org)})
	wants(t, err, connect.CodePermissionDenied, missing)
}

func TestOnlyTheListedServiceMayCallAMeshMethod(t *testing.T) {
	t.Parallel()
	m := rpctest.New(t)
	h := &handler{}
	server := serve(t, m, "eu-central", h)
	org := newOrg("euc")
	request := &identityv1.FollowOrganizationRequest{OrgId: string(org), FollowerRegion: "us-east"}
	if _, err := inside(m.Dialer(t, "permissions", "us-east"), "eu-central").FollowOrganization(t.Context(), request); err != nil {
		t.Error(err)
	}
	_, err := inside(m.Dialer(t, "audit", "eu-central"), "eu-central").FollowOrganization(t.Context(), request)
	wants(t, err, connect.CodePermissionDenied, faultv1.Reason_REASON_MISSING_PERMISSION)
	_, err = outside(t, m, server.URL, m.Key(org, "mesh.follow")).FollowOrganization(t.Context(), request)
	wants(t, err, connect.CodePermissionDenied, faultv1.Reason_REASON_MISSING_PERMISSION)
	_, err = inside(m.Dialer(t, "permissions", "us-east"), "eu-central").GetOrganization(t.Context(), &identityv1.GetOrganizationRequest{OrgId: string(org)})
	wants(t, err, connect.CodePermissionDenied, faultv1.Reason_REASON_MISSING_PERMISSION)
	if n := h.calls.Load(); n != 1 {
		t.Errorf("%d calls reached the handler", n)
	}
}

func TestBadCertificatesAreRefused(t *testing.T) {
	t.Parallel()
	m := rpctest.New(t)
	h := &handler{}
	server := serve(t, m, "eu-central", h)
	request := &identityv1.FollowOrganizationRequest{OrgId: string(newOrg("euc")), FollowerRegion: "us-east"}

	expired, err := m.CA.IssueServiceFor("us", "us-east", "permissions", -time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := expired.TLS()
	if err != nil {
		t.Fatal(err)
	}
	_, err = inside(m.DialerAs(t, rpc.Identity{Certificate: cert, Roots: m.CA.Pool()}), "eu-central").FollowOrganization(t.Context(), request)
	wants(t, err, connect.CodeUnavailable, faultv1.Reason_REASON_DEPENDENCY_DOWN)
	if text := alert(t, m, server.URL, cert); !strings.Contains(text, "expired certificate") {
		t.Errorf("the server says %q", text)
	}

	stranger := rpctest.New(t).Identity(t, "permissions", "us-east")
	_, err = inside(m.DialerAs(t, rpc.Identity{Certificate: stranger.Certificate, Roots: m.CA.Pool()}), "eu-central").FollowOrganization(t.Context(), request)
	if err == nil {
		t.Error("a client of another root was accepted")
	}

	// The server at that address is identity in eu-central; whoever wants somebody else there must notice.
	m.Know("permissions", "eu-west", server.URL)
	m.Know("identity", "us-east", server.URL)
	d := m.Dialer(t, "permissions", "us-east")
	for name, url := range map[string]string{"service": d.URL("permissions", "eu-west"), "region": d.URL("identity", "us-east")} {
		client := identityv1connect.NewIdentityServiceClient(d.HTTPClient(""), url, d.Options()...)
		_, err := client.FollowOrganization(t.Context(), request)
		if !errors.Is(err, rpc.ErrWrongPeer) || !errors.Is(err, rpc.ErrUnreachable) {
			t.Errorf("wrong %s: %v", name, fullText(err))
		}
	}
	if h.calls.Load() != 0 {
		t.Error("a handler was reached")
	}
}

// alert is what TLS tells a client with this certificate. (In TLS 1.3 it comes after the client's side of the handshake.)
func alert(t *testing.T, m *rpctest.Mesh, url string, cert tls.Certificate) string {
	t.Helper()
	conn, err := tls.Dial("tcp", strings.TrimPrefix(url, "https://"), &tls.Config{RootCAs: m.CA.Pool(), Certificates: []tls.Certificate{cert}})
	if err != nil {
		return err.Error()
	}
	defer conn.Close()
	_, err = conn.Read(make([]byte, 1))
	return err.Error()
}

// fullText has also what is behind a fault.
func fullText(err error) string {
	var f *fault.Error
	if errors.As(err, &f) && f.Cause != nil {
		return err.Error() + ": " + f.Cause.Error()
	}
	return errors.Join(err).Error()
}

func TestBadRequests(t *testing.T) {
	t.Parallel()
	m := rpctest.New(t)
	h := &handler{}
	server := serve(t, m, "eu-central", h, func(cfg *rpc.ServerConfig) { cfg.MaxBody = 2000 })
	org := newOrg("euc")
	client := outside(t, m, server.URL, m.Key(org, "organizations.read", "people.read", "people.write"))
	get := func(person string) error {
		_, err := client.GetPerson(t.Context(), &identityv1.GetPersonRequest{OrgId: string(org), PersonId: person})
		return err
	}
	wants(t, get(string(region.NewID(region.Person, "xyz"))), connect.CodeInvalidArgument, faultv1.Reason_REASON_UNKNOWN_REGION)
	wants(t, get("mars"), connect.CodeInvalidArgument, faultv1.Reason_REASON_UNKNOWN_REGION)
	wants(t, get("person_euc_short"), connect.CodeInvalidArgument, faultv1.Reason_REASON_INVALID_ID)
	f := wants(t, get(""), connect.CodeInvalidArgument, faultv1.Reason_REASON_INVALID_FIELD)
	if f.Detail != "person_id" {
		t.Errorf("detail %q", f.Detail)
	}
	_, err := client.GetPerson(t.Context(), &identityv1.GetPersonRequest{PersonId: string(region.NewID(region.Person, "euc"))})
	wants(t, err, connect.CodeInvalidArgument, faultv1.Reason_REASON_INVALID_FIELD)
	_, err = client.CreatePerson(t.Context(), &identityv1.CreatePersonRequest{
		OrgId: string(org), Region: "eu-central", IdempotencyKey: "k", Fields: &identityv1.PersonalFields{Name: "Ada Secret", Email: "not an e-mail"},
	})
	f = wants(t, err, connect.CodeInvalidArgument, faultv1.Reason_REASON_INVALID_FIELD)
	if f.Detail != "fields.email" || strings.Contains(f.Message, "not an e-mail") {
		t.Errorf("%+v", f)
	}
	wants(t, get(strings.Repeat("x", 5000)), connect.CodeResourceExhausted, faultv1.Reason_REASON_TOO_LARGE)
	if n := h.calls.Load(); n != 0 {
		t.Errorf("%d calls reached the handler", n)
	}
}

func TestRawBodies(t *testing.T) {
	t.Parallel()
	m := rpctest.New(t)
	server := serve(t, m, "eu-central", &handler{}, func(cfg *rpc.ServerConfig) { cfg.MaxBody = 2000 })
	key := m.Key(newOrg("euc"), "organizations.read")
	huge := io.MultiReader(strings.NewReader(strings.Repeat(" ", 1<<20)), strings.NewReader("{}")) // its length is not announced
	for _, c := range []struct {
		name, kind string
		body       io.Reader
		status     int
		want       string
	}{
		{"garbage protobuf", "application/proto", bytes.NewReader([]byte{0xff, 0xff, 0xff}), 400, "invalid_argument"},
		{"garbage JSON", "application/json", strings.NewReader("{"), 400, "invalid_argument"},
		{"unknown JSON key", "application/json", strings.NewReader(`{"hello": 1}`), 400, `unknown field \"hello\"`},
		{"unknown JSON key, charset named", "application/json; charset=utf-8", strings.NewReader(`{"hello": 1}`), 400, `unknown field \"hello\"`},
		{"no body", "application/json", strings.NewReader(""), 400, "a request without fields is {}"},
		{"oversize, announced", "application/json", strings.NewReader(strings.Repeat(" ", 3<<20)), 429, "resource_exhausted"},
		{"oversize, not announced", "application/json", huge, 429, "resource_exhausted"},
		{"another content type", "text/plain", strings.NewReader("hello"), 415, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, body := post(t, m, server.URL+identityv1connect.IdentityServiceGetOrganizationProcedure, c.kind, c.body, http.Header{"Authorization": {"Bearer " + key.Reveal()}})
			if status != c.status || !strings.Contains(body, c.want) {
				t.Errorf("%d %s", status, body)
			}
		})
	}
}

func post(t *testing.T, m *rpctest.Mesh, url, kind string, body io.Reader, header http.Header) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = header.Clone()
	req.Header.Set("Content-Type", kind)
	out := m.Public("")
	defer out.CloseIdle()
	res, err := out.HTTPClient().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(answer)
}
