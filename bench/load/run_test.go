package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// upstream makes bodies as nginx does; asked for number 13 it answers what the case says.
func upstream(t *testing.T, odd http.HandlerFunc) Route {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		parts := strings.Split(r.URL.Path, "/")
		number := parts[len(parts)-1]
		if odd != nil && number == "00000013" {
			odd(w, r)
			return
		}
		if parts[1] == "large" {
			size, _ := strconv.Atoi(number)
			w.Header().Set("Content-Length", number)
			_, _ = w.Write(largeBytes(size))
			return
		}
		if strings.HasPrefix(r.Host, "n") && !strings.HasPrefix(r.Host, "n"+number) {
			http.Error(w, "not this host's number", http.StatusTeapot)
			return
		}
		_, _ = io.WriteString(w, strings.Repeat(number, 1024/digits))
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	address, _ := url.Parse(server.URL)
	port, _ := strconv.Atoi(address.Port())
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	return Route{Host: "example.com", Port: port, Ca: []string{string(certificate)}}
}

func largeBytes(size int) []byte {
	body := make([]byte, size)
	for i := range body {
		body[i] = byte(i>>8) ^ byte(i)
	}
	return body
}

func digest(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// tunnels counts those that a proxy opened, by authority.
type tunnels struct {
	mutex sync.Mutex
	count map[string]int
}

func (t *tunnels) to(authority string) int {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	return t.count[authority]
}

// through puts a CONNECT proxy before the route; it passes bytes on.
func through(t *testing.T, route Route) (Route, *tunnels) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	opened := &tunnels{count: map[string]int{}}
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			buffer := make([]byte, 4096)
			n, _ := client.Read(buffer)
			opened.mutex.Lock()
			opened.count[strings.Fields(string(buffer[:n]))[1]]++
			opened.mutex.Unlock()
			server, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", route.Port))
			if err != nil {
				client.Close()
				continue
			}
			_, _ = io.WriteString(client, "HTTP/1.1 200 OK\r\n\r\n")
			go func() { _, _ = io.Copy(server, client); server.Close() }()
			go func() { _, _ = io.Copy(client, server); client.Close() }()
		}
	}()
	route.Proxy = &struct {
		Address       string `json:"address"`
		Authorization string `json:"authorization"`
	}{Address: listener.Addr().String()}
	return route, opened
}

func small(kind string, route Route) Job {
	return Job{
		Kind: kind, Route: route, Direct: route, Clients: 4, MeasureMs: 10_000, VerifyEvery: 2, WarmUp: 5,
		Bodies: Bodies{Folder: "1k", Bytes: 1024, First: 0, End: 40},
	}
}

func TestSmallBodies(t *testing.T) {
	route := upstream(t, nil)
	authority := fmt.Sprintf("example.com:%d", route.Port)
	for _, c := range []struct {
		kind    string
		tunnels int
		counted int
	}{{"kept", 4, 40}, {"fresh", 40, 40}, {"latency", 1, 35}} {
		proxied, opened := through(t, route)
		job := small(c.kind, proxied)
		job.Direct = route
		result, err := run(job)
		if err != nil {
			t.Fatalf("%s: %v", c.kind, err)
		}
		if result.Completed != c.counted || result.CompletedEver != 40 || !result.Exhausted {
			t.Errorf("%s: completed %d of %d, exhausted %v", c.kind, result.Completed, result.CompletedEver, result.Exhausted)
		}
		if c.kind != "latency" && result.Next != 40 {
			t.Errorf("%s: the next body is %d", c.kind, result.Next)
		}
		if result.P50Ms <= 0 || result.P99Ms < result.P50Ms || result.ElapsedMs <= 0 {
			t.Errorf("%s: times %+v", c.kind, result)
		}
		if c.kind == "latency" && (result.DirectP50Ms <= 0 || result.DirectP99Ms < result.DirectP50Ms) {
			t.Errorf("latency: direct %+v", result)
		}
		if found := opened.to(authority); found != c.tunnels {
			t.Errorf("%s: %d tunnels, wanted %d", c.kind, found, c.tunnels)
		}
	}
}

// A second job goes on where the first one stopped, whatever the first one came to.
func TestNextBody(t *testing.T) {
	job := small("kept", upstream(t, nil))
	job.MeasureMs, job.Bodies.End = 50, 1_000_000
	first, err := run(job)
	if err != nil {
		t.Fatal(err)
	}
	if first.Exhausted || first.Next != job.Bodies.First+int64(first.CompletedEver) {
		t.Errorf("%d were completed, the next is %d", first.CompletedEver, first.Next)
	}
}

func TestNewHosts(t *testing.T) {
	route := upstream(t, nil)
	proxied, opened := through(t, route)
	job := small("fresh", proxied)
	job.Bodies.HostSuffix, job.VerifyEvery = ".hosts.example", 0
	if _, err := run(job); err != nil {
		t.Fatal(err)
	}
	if one := fmt.Sprintf("n00000007.hosts.example:%d", route.Port); len(opened.count) != 40 || opened.to(one) != 1 {
		t.Errorf("tunnels: %v", opened.count)
	}
	job.VerifyEvery = 10
	if _, err := run(job); err == nil || !strings.Contains(err.Error(), "not n000000") {
		t.Errorf("a certificate for another host: %v", err)
	}
}

func TestWrongAnswers(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
		fault  string
	}{
		{"an error with the right body", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, strings.Repeat("00000013", 128))
		}, "answered 403"},
		{"another's body", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, strings.Repeat("00000014", 128))
		}, "answered 200 with 1024 bytes: 00000014"},
		{"one wrong byte", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, strings.Repeat("00000013", 127)+"00000012")
		}, "answered 200"},
		{"too short", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, strings.Repeat("00000013", 127))
		}, "with 1016 bytes"},
		{"nothing", func(w http.ResponseWriter, _ *http.Request) {}, "with 0 bytes"},
		{"cut off", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1024")
			_, _ = io.WriteString(w, "00000013")
		}, "closed before"},
	} {
		t.Run(c.name, func(t *testing.T) {
			route := upstream(t, c.answer)
			for _, kind := range []string{"kept", "fresh", "latency"} {
				if _, err := run(small(kind, route)); err == nil || !strings.Contains(err.Error(), c.fault) {
					t.Errorf("%s: error %v, wanted '%s'", kind, err, c.fault)
				}
			}
		})
	}
}

func TestLargeBodies(t *testing.T) {
	route := upstream(t, nil)
	const size = 300_000
	body := largeBytes(size)
	whole := LargeBody{Path: "/large/300000", Bytes: size, Sha256: digest(body)}
	piece := Piece{At: size - 1000, Bytes: 1000, Sha256: digest(body[size-1000:])}
	parts := LargeBody{Path: whole.Path, Bytes: size, Pieces: []Piece{{At: 70_000, Bytes: 2, Sha256: digest(body[70_000:70_002])}, piece}}
	for _, c := range []struct {
		name  string
		large []LargeBody
		fault string
	}{
		{"whole and in pieces, at once", []LargeBody{whole, parts, parts, whole}, ""},
		{"another length", []LargeBody{{Path: whole.Path, Bytes: size + 1}}, "with 300000 bytes"},
		{"another digest", []LargeBody{{Path: whole.Path, Bytes: size, Sha256: digest(nil)}}, "have sha256"},
		{"one piece of four wrong", []LargeBody{parts, parts, whole, {
			Path: whole.Path, Bytes: size, Pieces: []Piece{{At: 5, Bytes: 1, Sha256: piece.Sha256}, piece},
		}}, "1 bytes at 5 have"},
		{"a piece beyond the end", []LargeBody{{
			Path: whole.Path, Bytes: size, Pieces: []Piece{{At: size - 1, Bytes: 2, Sha256: piece.Sha256}},
		}}, "before the piece"},
	} {
		result, err := run(Job{Kind: "large", Route: route, Large: c.large})
		if c.fault != "" {
			if err == nil || !strings.Contains(err.Error(), c.fault) {
				t.Errorf("%s: error %v, wanted '%s'", c.name, err, c.fault)
			}
			continue
		}
		if err != nil || result.Bytes != int64(size*len(c.large)) || result.Completed != len(c.large) || result.HeadMs <= 0 {
			t.Errorf("%s: %+v, %v", c.name, result, err)
		}
	}
}

func TestUnknownWork(t *testing.T) {
	if _, err := run(Job{Kind: "nothing"}); err == nil {
		t.Error("was done")
	}
}

func TestPieces(t *testing.T) {
	body := largeBytes(1000)
	pieces := []Piece{{0, 10, digest(body[:10])}, {10, 1, digest(body[10:11])}, {500, 500, digest(body[500:])}}
	for _, step := range []int{1, 7, 10, 499, 1000} {
		check := &pieceCheck{pieces: pieces}
		for at := 0; at < len(body); at += step {
			end := at + step
			if end > len(body) {
				end = len(body)
			}
			check.take(body[at:end])
		}
		if err := check.end(); err != nil {
			t.Errorf("in steps of %d: %v", step, err)
		}
	}
}
