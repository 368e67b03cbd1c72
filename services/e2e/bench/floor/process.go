package floor

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/cardea-mesh/cardea/services/platform/pki"
)

// Process is a floor's server in a process of its own: this program, started again.
type Process struct {
	Address string      // host:port
	Client  *tls.Config // trusts the server
	command *exec.Cmd
}

// Kinds of servers.
const (
	EchoKind    = "echo"
	ConnectKind = "connect"
)

// Start starts a server of a kind; answer is what an echo says. It ends with ctx, or with Stop.
func Start(ctx context.Context, kind string, answer []byte) (*Process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	command := exec.CommandContext(ctx, self, "-floor", kind, "-answer", hex.EncodeToString(answer))
	command.Stderr = os.Stderr
	// The server ends when this pipe does, however the bench ends.
	if _, err := command.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, err
	}
	p := &Process{command: command}
	line, err := bufio.NewReader(out).ReadString('\n')
	address, root, ok := strings.Cut(strings.TrimSpace(line), " ")
	der, decodeErr := hex.DecodeString(root)
	cert, parseErr := x509.ParseCertificate(der)
	if err := errors.Join(err, decodeErr, parseErr); err != nil || !ok {
		return nil, errors.Join(fmt.Errorf("floor %s: no address: %w", kind, err), p.Stop())
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	p.Address, p.Client = address, &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: pool, ServerName: "localhost"}
	return p, nil
}

// PID is the process's number.
func (p *Process) PID() int { return p.command.Process.Pid }

// Stop ends the process.
func (p *Process) Stop() error {
	err := p.command.Process.Kill()
	p.command.Wait() // it was killed: its status says nothing
	return err
}

// Main is the started process: it serves until its standard input ends.
func Main(kind, answer string) error {
	root, err := pki.NewRoot("bench floor", time.Now().Add(24*time.Hour))
	if err != nil {
		return err
	}
	pair, err := root.IssueServer("localhost", "127.0.0.1")
	if err != nil {
		return err
	}
	cert, err := pair.TLS()
	if err != nil {
		return err
	}
	reply, err := hex.DecodeString(answer)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() {
		os.Stdin.Read(make([]byte, 1))
		os.Exit(0)
	}()
	fmt.Println(l.Addr(), hex.EncodeToString(root.Certificate().Raw))
	config := &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{cert}}
	if kind == EchoKind {
		return Echo(l, config, reply)
	}
	return Connect(l, config)
}
