package handlers_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/gofiber/fiber/v2"

	"github.com/fiberflow/flow/handlers"
)

// Over TLS everything works as without: messages of many records, goodbyes, and a page of the same host.
func TestSocket_tls(t *testing.T) {
	certificate, roots := selfSigned(t)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12,
	})
	if err != nil {
		t.Fatal(err)
	}
	hub := newHub(t, &logBuffer{}, anonymous)
	app := fiber.New(fiber.Config{DisableStartupMessage: true})
	handlers.Register(app, handlers.Config{Hub: hub})
	served := make(chan error, 1)
	go func() { served <- app.Listener(listener) }() // ends with the shutdown

	dialer := websocket.Dialer{HandshakeTimeout: patience, TLSClientConfig: &tls.Config{RootCAs: roots}}
	origin := http.Header{"Origin": {"https://" + listener.Addr().String()}}
	conn, _, err := dialer.Dial("wss://"+listener.Addr().String()+"/ws", origin)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // the test is over
	ws := &socket{Conn: conn}
	ws.await(t, "welcome")
	ws.send(t, `{"type":"join","id":"1","room":"r"}`)
	ws.await(t, "joined")
	long := strings.Repeat("x", 60_000)
	ws.send(t, `{"type":"op","room":"r","n":1,"data":"`+long+`"}`)
	if op := ws.await(t, "op"); op.str("data") != long {
		t.Errorf("%d bytes came back", len(op.str("data")))
	}
	if err := app.Shutdown(); err != nil {
		t.Error(err)
	}
	ws.wantClose(t, "shutdown", 1012)
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// selfSigned returns a certificate for 127.0.0.1 and a pool that trusts it.
func selfSigned(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}
