package system

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"time"

	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	gateway "github.com/cardea-mesh/cardea/services/device-gateway"
	"github.com/cardea-mesh/cardea/services/e2e/bench/lockwire"
	"github.com/cardea-mesh/cardea/services/platform/bus"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/pki"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"google.golang.org/protobuf/proto"
)

// certificateLife is longer than any bench, and long enough that no gateway asks for a renewal.
const certificateLife = 365 * 24 * time.Hour

// DeviceRoot is the jurisdiction's device root.
func (s *System) DeviceRoot() (*pki.Authority, error) {
	c, err := s.gatewayConfig()
	if err != nil {
		return nil, err
	}
	return pki.LoadFiles(c.Locks.CACertFile, c.Locks.CAKeyFile)
}

// Fabricate makes n devices at the fleet's doors without enrolling them: it signs their certificates and puts their facts
// into the bucket, as a gateway service does in an enrolment's commit. No database knows them. The doors take turns: a change at a door
// is told to all of its devices, of which a true one has few.
func (f *Fleet) Fabricate(ctx context.Context, n int) ([]Device, error) {
	root, err := f.system.DeviceRoot()
	if err != nil {
		return nil, err
	}
	c, err := f.system.gatewayConfig()
	if err != nil {
		return nil, err
	}
	broker, err := bus.Connect(ctx, bus.Config{NATS: c.NATS, Region: Home, Service: gateway.Service})
	if err != nil {
		return nil, err
	}
	defer broker.Close()
	devices := make([]Device, n)
	return devices, parallel(ctx, n, func(ctx context.Context, i int) (err error) {
		devices[i], err = f.fabricate(ctx, f.Devices[i%len(f.Devices)].Door, root, broker)
		return err
	})
}

func (f *Fleet) fabricate(ctx context.Context, door string, root *pki.Authority, broker *bus.Bus) (Device, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Device{}, err
	}
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{SignatureAlgorithm: x509.ECDSAWithSHA256}, key)
	if err != nil {
		return Device{}, err
	}
	csr, err := x509.ParseCertificateRequest(request)
	if err != nil {
		return Device{}, err
	}
	id := region.NewID(region.Device, "euc")
	der, err := root.SignDevice(csr, string(id), f.Org, certificateLife)
	if err != nil {
		return Device{}, err
	}
	hash := sha256.Sum256(csr.RawSubjectPublicKeyInfo)
	body, err := proto.Marshal(&gatewayv1.DeviceState{DoorId: door, PublicKeySha256: hash[:]})
	if err != nil {
		return Device{}, err
	}
	fact := outbox.SiteKey(region.ID(f.Org), region.ID(f.Site), "device", id)
	if err := broker.PutState(ctx, Home, bus.AccessBucket(Home, 0), fact, &typev1.StateRecord{Version: 1, Body: body}); err != nil {
		return Device{}, fmt.Errorf("device's fact: %w", err)
	}
	return Device{ID: string(id), Door: door, TLS: &tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: []string{lockwire.ALPN}, ServerName: "gateway.cardea", RootCAs: root.Pool(),
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, ClientSessionCache: tls.NewLRUClientSessionCache(1),
	}}, nil
}
