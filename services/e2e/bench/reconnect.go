package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	gateway "github.com/cardea-mesh/cardea/services/device-gateway"
	"github.com/cardea-mesh/cardea/services/e2e/bench/lockwire"
	"github.com/cardea-mesh/cardea/services/e2e/bench/report"
	"github.com/cardea-mesh/cardea/services/e2e/bench/storm"
	"github.com/cardea-mesh/cardea/services/e2e/bench/system"
	"github.com/cardea-mesh/cardea/services/platform/pki"
)

// reconnectStorm has all locks of a gateway lose their connection at one moment and come back as PROTOCOL.md tells them, with
// their back-off and their patience, until each has its Welcome. The gateway is a whole one, in this process, since the connections are in
// memory (see package storm). Floor: as many bare TLS handshakes of clients with certificates, with the same back-off, against a
// server that has nothing else to do and refuses nobody; its clients wait for as long as it takes.
//
// In reconnect_storm both resume TLS sessions: the line broke. In arrival_storm nobody has a ticket: another gateway has died.
func (r *run) reconnectStorm(ctx context.Context) ([]report.Result, error) {
	fleet, err := r.fleet(ctx)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	devices, err := fleet.Fabricate(ctx, r.storm)
	if err != nil {
		return nil, err
	}
	fmt.Printf("  %d devices made: %s\n", len(devices), time.Since(began).Round(time.Millisecond))
	ours, err := r.stormOfLocks(ctx, fleet, devices)
	tell("locks", ours)
	if err != nil {
		return nil, err
	}
	bare, err := r.stormOfHandshakes(ctx, devices)
	tell("floor", bare)
	if err != nil {
		return nil, err
	}
	return []report.Result{
		report.New("arrival_storm", "ms", mean(ours[:1]), mean(bare[:1]), report.AtMost(stormTarget)),
		report.New("reconnect_storm", "ms", mean(ours[1:]), mean(bare[1:]), report.AtMost(stormTarget)),
	}, nil
}

// stormTarget is ours: a session is a handshake, a Hello that is checked and a Welcome.
const stormTarget = 2

func tell(name string, all []storm.Result) {
	for i, s := range all {
		which := "arrival"
		if i > 0 {
			which = "reconnect"
		}
		fmt.Printf("  %s, %s: half back after %s, 99 %% after %s, all after %s; %d attempts failed; %s of CPU on both sides\n", name, which,
			s.Half.Round(time.Millisecond), s.Most.Round(time.Millisecond), s.All.Round(time.Millisecond), s.Refused, s.CPU.Round(time.Millisecond))
		for why, n := range s.Why {
			fmt.Printf("    %d times: %s\n", n, why)
		}
	}
}

// mean is how long storms took until all were back, in milliseconds.
func mean(all []storm.Result) (ms float64) {
	for _, s := range all {
		ms += s.All.Seconds() * 1000 / float64(len(all))
	}
	return ms
}

func (r *run) stormOfLocks(ctx context.Context, fleet *system.Fleet, devices []system.Device) ([]storm.Result, error) {
	config, err := fleet.SecondConfig("storm-gateway")
	if err != nil {
		return nil, err
	}
	config.Telemetry.LogLevel = "error"
	network := storm.NewNetwork()
	serving, stop := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() { served <- gateway.RunOn(serving, config, network) }()
	clients := make([]storm.Client, len(devices))
	for i, d := range devices {
		clients[i] = &stormLock{device: d}
	}
	var results []storm.Result
	if err = knows(ctx, network, devices[len(devices)-1]); err == nil {
		results, err = storm.Run(ctx, network, clients, r.rounds, tlsPatience)
	}
	stop()
	return results, errors.Join(err, <-served, gateway.Deregister(context.WithoutCancel(ctx), config))
}

// knows waits until a gateway that was started has a device, the last that was made: then its copy is loaded.
func knows(ctx context.Context, network *storm.Network, d system.Device) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		probe := &stormLock{device: d}
		conn, err := network.Dial(ctx, maxLocks)
		if err != nil {
			return fmt.Errorf("the gateway does not take its locks: %w", err)
		}
		if err = probe.Open(ctx, conn); err == nil {
			probe.Close()
			return nil
		}
		time.Sleep(200 * time.Millisecond)
	}
}

const (
	// maxLocks is how many have an address of their own, see storm.Network; the last is knows'.
	maxLocks = 1<<24 - 1
	// tlsPatience is how long a lock waits for TCP and TLS, welcomePatience how long for Welcome after that, see PROTOCOL.md, section 13.
	tlsPatience     = 10 * time.Second
	welcomePatience = 15 * time.Second
)

// stormLock is a lock that opens a session and waits.
type stormLock struct {
	device system.Device
	lock   *lockwire.Lock
}

// Open implements storm.Client.
func (l *stormLock) Open(ctx context.Context, conn net.Conn) (err error) {
	if l.lock, err = lockwire.Over(ctx, conn, l.device.TLS); err != nil {
		return err
	}
	conn.SetReadDeadline(time.Now().Add(welcomePatience))
	if err = l.lock.Greet(l.device.ID); err != nil {
		l.lock.Close()
	}
	conn.SetReadDeadline(time.Time{})
	return err
}

// Wait implements storm.Client.
func (l *stormLock) Wait() error { return l.lock.Wait() }

// Close implements storm.Client.
func (l *stormLock) Close() { l.lock.Close() }

// stormOfHandshakes is the floor.
func (r *run) stormOfHandshakes(ctx context.Context, devices []system.Device) ([]storm.Result, error) {
	root, err := pki.NewRoot("bench floor", time.Now().Add(24*time.Hour))
	if err != nil {
		return nil, err
	}
	pair, err := root.IssueServer("localhost")
	if err != nil {
		return nil, err
	}
	cert, err := pair.TLS()
	if err != nil {
		return nil, err
	}
	locksRoot, err := r.system.DeviceRoot()
	if err != nil {
		return nil, err
	}
	server := &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: locksRoot.Pool(),
	}
	network := storm.NewNetwork()
	defer network.Close()
	go func() {
		for {
			raw, err := network.Accept()
			if err != nil {
				return
			}
			go greetBare(tls.Server(raw, server))
		}
	}()
	clients := make([]storm.Client, len(devices))
	for i, d := range devices {
		config := &tls.Config{
			MinVersion: tls.VersionTLS13, RootCAs: root.Pool(), ServerName: "localhost", Certificates: d.TLS.Certificates,
			ClientSessionCache: tls.NewLRUClientSessionCache(1),
		}
		clients[i] = &stormHandshake{config: config}
	}
	return storm.Run(ctx, network, clients, r.rounds, 0)
}

// greetBare says one byte, as a Welcome is the least that tells the client that the server has verified it.
func greetBare(conn *tls.Conn) {
	defer conn.Close()
	if _, err := conn.Write([]byte{1}); err == nil {
		io.Copy(io.Discard, conn)
	}
}

type stormHandshake struct {
	config *tls.Config
	conn   *tls.Conn
}

// Open implements storm.Client.
func (c *stormHandshake) Open(ctx context.Context, raw net.Conn) error {
	c.conn = tls.Client(raw, c.config)
	if err := c.conn.HandshakeContext(ctx); err != nil {
		raw.Close()
		return err
	}
	_, err := io.ReadFull(c.conn, make([]byte, 1))
	if err != nil {
		raw.Close()
	}
	return err
}

// Wait implements storm.Client.
func (c *stormHandshake) Wait() error {
	_, err := c.conn.Read(make([]byte, 1))
	return err
}

// Close implements storm.Client.
func (c *stormHandshake) Close() { c.conn.NetConn().Close() }
