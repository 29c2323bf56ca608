package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// pieces answers each read with the next piece, and everything that is written with nothing.
type pieces []string

func (p *pieces) Write(b []byte) (int, error) { return len(b), nil }

func (p *pieces) SetReadDeadline(time.Time) error { return nil }

func (p *pieces) Read(into []byte) (int, error) {
	if len(*p) == 0 {
		return 0, nil
	}
	n := copy(into, (*p)[0])
	*p = (*p)[1:]
	return n, nil
}

func TestGet(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"
	cases := []struct {
		name   string
		pieces pieces
		body   string
		fault  string
	}{
		{"all at once", pieces{head + "body"}, "body", ""},
		{"byte by byte", strings.Split(head+"body", ""), "body", ""},
		{"head and body apart", pieces{head, "bo", "dy"}, "body", ""},
		{"no body", pieces{"HTTP/1.1 403 Forbidden\r\ncontent-length:0\r\n\r\n"}, "", ""},
		{"ends early", pieces{head, "bod"}, "bod", "closed before"},
		{"ends in the head", pieces{"HTTP/1.1 200"}, "", "closed before"},
		{"longer than it says", pieces{head + "body!"}, "", "longer than"},
		{"chunked", pieces{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"}, "", "no Content-Length"},
		{"a header that only ends like it", pieces{"HTTP/1.1 200 OK\r\nX-Content-Length: 4\r\n\r\nbody"}, "", "no Content-Length"},
		{"a negative length", pieces{"HTTP/1.1 200 OK\r\nContent-Length: -4\r\n\r\nbody"}, "", "Content-Length is"},
		{"something else", pieces{"SSH-2.0-OpenSSH\r\n\r\n"}, "", "not an HTTP answer"},
		{"a head without end", pieces{strings.Repeat("x", 200), strings.Repeat("x", 200)}, "", "does not end"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var body bytes.Buffer
			connection := c.pieces
			_, _, err := newExchanger(&connection, 256).get([]byte("GET"), func(piece []byte) { body.Write(piece) })
			if c.fault == "" && err != nil || c.fault != "" && (err == nil || !strings.Contains(err.Error(), c.fault)) {
				t.Fatalf("error %v, wanted '%s'", err, c.fault)
			}
			if body.String() != c.body {
				t.Errorf("body %q, wanted %q", body.String(), c.body)
			}
		})
	}
}

func TestQuantile(t *testing.T) {
	var all []time.Duration
	for i := 1; i <= 100; i++ {
		all = append(all, time.Duration(i)*time.Millisecond)
	}
	for _, c := range []struct {
		of    []time.Duration
		share float64
		want  float64
	}{{all, 0.5, 50}, {all, 0.99, 99}, {all, 1, 100}, {all[:1], 0.99, 1}, {nil, 0.5, 0}} {
		if found := quantile(c.of, c.share); found != c.want {
			t.Errorf("share %v of %d: %v, wanted %v", c.share, len(c.of), found, c.want)
		}
	}
}
