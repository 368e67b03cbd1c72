package config_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/cardea-mesh/cardea/services/platform/config"
)

const good = `
region: eu-central
regions:
  eu-central: {code: euc, jurisdiction: eu}
  us-east: {code: use, jurisdiction: us}
database: {url: "postgres://identity:hunter2@127.0.0.1:5432/cardea"}
nats: {url: "tls://127.0.0.1:4222"}
mesh:
  listen: 127.0.0.1:8443
  ca_file: ca.pem
  cert_file: cert.pem
  key_file: key.pem
  peers: {identity: {us-east: ["https://127.0.0.1:9000"]}}
keys:
  - {id: p1, file: p1.key, purpose: person}
greeting: hello
`

type serviceConfig struct {
	config.Common `yaml:",inline"`
	Greeting      string        `yaml:"greeting"`
	Token         config.Secret `yaml:"token,omitempty"`
}

func TestAGoodFileLoads(t *testing.T) {
	path := filepath.Join(t.TempDir(), "identity.yaml")
	if err := os.WriteFile(path, []byte(good), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load[serviceConfig](path)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Greeting != "hello" || cfg.Region != "eu-central" || cfg.Database.URL.Reveal() != "postgres://identity:hunter2@127.0.0.1:5432/cardea" {
		t.Fatalf("loaded %v", cfg)
	}
}

func TestBadFilesAreRefusedByKey(t *testing.T) {
	for _, c := range []struct{ name, from, to, want string }{
		{"unknown key", "greeting: hello", "greting: hello", "greting"},
		{"unknown nested key", "listen:", "lisen:", "lisen"},
		{"unknown region", "region: eu-central", "region: mars", "mars"},
		{"peer in an unknown region", "{us-east: [", "{mars: [", "mars"},
		{"second document", "greeting: hello", "greeting: hello\n---\na: 1", "one YAML document"},
		{"bad purpose", "purpose: person", "purpose: fun", "fun"},
		{"bad engine", "database: {", "database: {engine: oracle, ", "oracle"},
		{"no listen port", "127.0.0.1:8443", "127.0.0.1", "mesh.listen"},
		{"no nats", `"tls://127.0.0.1:4222"`, `""`, "nats.url"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := strings.Replace(good, c.from, c.to, 1)
			if text == good {
				t.Fatal("the case changes nothing")
			}
			_, err := config.Parse[serviceConfig]([]byte(text))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

func TestNoPrintFormShowsASecret(t *testing.T) {
	cfg, err := config.Parse[serviceConfig]([]byte(good + "token: hunter2\n"))
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Token.Reveal() != "hunter2" {
		t.Fatal("the secret is lost")
	}
	var out bytes.Buffer
	if err := config.Print(&out, cfg); err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb, cfg)
		fmt.Fprintf(&out, verb, cfg.Token)
		fmt.Fprintf(&out, verb, cfg.Database)
	}
	raw, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(raw)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "cfg", cfg, "token", cfg.Token, "db", cfg.Database)
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "cfg", cfg, "token", cfg.Token, "db", cfg.Database)
	if strings.Contains(out.String(), "hunter2") || strings.Contains(out.String(), fmt.Sprintf("%x", "hunter2")) {
		t.Fatalf("a secret shows:\n%s", out.String())
	}
	if !strings.Contains(out.String(), "REDACTED") {
		t.Fatal("nothing says that something is hidden")
	}
}

func TestARingHasThePurposesKeysNewestLast(t *testing.T) {
	dir := t.TempDir()
	var c config.Common
	for i, purpose := range []string{config.PurposeState, config.PurposeAnswer, config.PurposeState} {
		file := filepath.Join(dir, strconv.Itoa(i))
		text := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{byte(i + 1)}, 32))
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c.Keys = append(c.Keys, config.Key{ID: strconv.Itoa(i), File: file, Purpose: purpose})
	}
	if err := c.NeedKeys(config.PurposeState, config.PurposeAnswer); err != nil {
		t.Error(err)
	}
	if err := c.NeedKeys(config.PurposePerson, config.PurposeState); err == nil || !strings.Contains(err.Error(), `"person"`) || strings.Contains(err.Error(), `"state"`) {
		t.Errorf("got %v", err)
	}
	ring, err := c.Ring(config.PurposeState)
	if err != nil {
		t.Fatal(err)
	}
	if _, id := ring.Seal(nil, nil); id != "2" {
		t.Errorf("seals with key %s", id)
	}
	if _, err := c.Ring(config.PurposePerson); err == nil {
		t.Error("a ring without keys")
	}
}

func TestKeyFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) config.Key {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return config.Key{ID: name, File: path, Purpose: config.PurposeState}
	}
	if _, err := write("good", base64.StdEncoding.EncodeToString(make([]byte, 32))+"\n").Read(); err != nil {
		t.Error(err)
	}
	for name, text := range map[string]string{"empty": "", "short": "c2hvcnQ=", "not base64": "s3cr3t!"} {
		_, err := write(name, text).Read()
		if err == nil || (text != "" && strings.Contains(err.Error(), text)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := (config.Key{ID: "x", File: filepath.Join(dir, "none")}).Read(); err == nil {
		t.Error("a missing file was accepted")
	}
}
