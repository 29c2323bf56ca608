package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

const (
	connectTimeout = 20 * time.Second
	headLimit      = 16 * 1024
)

// opener opens TLS connections along one route.
type opener struct {
	address string
	route   Route
	connect []byte
	config  *tls.Config
}

// to is the same for another host.
func (o *opener) to(host string) *opener {
	other := &opener{address: o.address, route: o.route, config: o.config.Clone()}
	other.route.Host, other.config.ServerName = host, host
	if o.connect != nil {
		other.connect = connectRequest(other.route)
	}
	return other
}

// newOpener prepares a route. No session is resumed, so each connection is a full handshake; the key exchange is the one
// that every engine's TLS library has, so that none is measured with a dearer one than its neighbour.
//
// Without verify, chain and name are not checked: the engine's work stays the same and the driver's is a third less. Every
// engine meets checking clients as well.
func newOpener(route Route, verify bool) (*opener, error) {
	config := &tls.Config{
		ServerName:         route.Host,
		CurvePreferences:   []tls.CurveID{tls.X25519},
		InsecureSkipVerify: !verify,
	}
	if verify {
		config.RootCAs = x509.NewCertPool()
		for _, pem := range route.Ca {
			if !config.RootCAs.AppendCertsFromPEM([]byte(pem)) {
				return nil, errors.New("a root certificate of the route cannot be read")
			}
		}
	}
	if route.Proxy == nil {
		return &opener{address: fmt.Sprintf("127.0.0.1:%d", route.Port), route: route, config: config}, nil
	}
	return &opener{address: route.Proxy.Address, route: route, connect: connectRequest(route), config: config}, nil
}

func connectRequest(route Route) []byte {
	authority := fmt.Sprintf("%s:%d", route.Host, route.Port)
	head := fmt.Sprintf("CONNECT %s HTTP/1.1\r\nHost: %s\r\n", authority, authority)
	if route.Proxy.Authorization != "" {
		head += "Proxy-Authorization: " + route.Proxy.Authorization + "\r\n"
	}
	return []byte(head + "\r\n")
}

func (o *opener) open() (*tls.Conn, error) {
	socket, err := net.DialTimeout("tcp", o.address, connectTimeout)
	if err != nil {
		return nil, fmt.Errorf("no tunnel: %w", err)
	}
	_ = socket.SetDeadline(time.Now().Add(connectTimeout))
	if o.connect != nil {
		err = passConnect(socket, o.connect)
	}
	tunnel := tls.Client(socket, o.config)
	if err == nil {
		err = tunnel.Handshake()
	}
	if err != nil {
		socket.Close()
		return nil, fmt.Errorf("no tunnel: %w", err)
	}
	return tunnel, socket.SetDeadline(time.Time{})
}

func passConnect(socket net.Conn, request []byte) error {
	if _, err := socket.Write(request); err != nil {
		return err
	}
	buffer := make([]byte, 0, 512)
	for !bytes.Contains(buffer, endOfHead) {
		if len(buffer) == headLimit {
			return errors.New("the answer to CONNECT does not end")
		}
		if len(buffer) == cap(buffer) {
			buffer = append(make([]byte, 0, headLimit), buffer...)
		}
		n, err := socket.Read(buffer[len(buffer):cap(buffer)])
		if err != nil {
			return fmt.Errorf("during CONNECT: %w", err)
		}
		buffer = buffer[:len(buffer)+n]
	}
	// The client speaks first in TLS, so nothing that belongs to it can have come with the answer.
	line, _, _ := strings.Cut(string(buffer), "\r\n")
	if !strings.HasPrefix(line, "HTTP/1.1 200 ") && !strings.HasPrefix(line, "HTTP/1.0 200 ") {
		return fmt.Errorf("CONNECT was answered '%s'", line)
	}
	return nil
}
