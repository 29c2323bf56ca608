package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// CacheWork is load on a cache over HTTP/1.1: bodies under names, stored, read back, or asked for in vain.
type CacheWork struct {
	// put, get or miss.
	Op string `json:"op"`
	// A name goes between the two.
	Prefix  string            `json:"prefix"`
	Suffix  string            `json:"suffix"`
	Headers map[string]string `json:"headers"`
	// Digits of the name; 64 is the sha256 of the body, as a content-addressed cache wants it.
	NameDigits int   `json:"nameDigits"`
	Bytes      int   `json:"bytes"`
	First      int64 `json:"first"`
	// put: no name beyond it; get: names from First to it, over and over.
	End int64 `json:"end"`
}

// body is the one that the index-th request is about.
func (w CacheWork) body(index int64) int64 {
	if w.Op == "get" {
		return w.First + (index-w.First)%(w.End-w.First)
	}
	return index
}

const headBytes = 16

// cacheBodies makes bodies that differ in their first bytes and cannot be compressed.
type cacheBodies struct {
	bytes  int
	filler []byte
}

func newCacheBodies(size int) *cacheBodies {
	filler := make([]byte, size)
	rand.New(rand.NewSource(int64(size))).Read(filler)
	return &cacheBodies{bytes: size, filler: filler}
}

func (b *cacheBodies) head(index int64) []byte {
	head := make([]byte, headBytes)
	binary.BigEndian.PutUint64(head, uint64(index))
	binary.BigEndian.PutUint64(head[8:], uint64(b.bytes))
	return head
}

func (b *cacheBodies) open(index int64) io.Reader {
	return io.MultiReader(bytes.NewReader(b.head(index)), bytes.NewReader(b.filler[headBytes:]))
}

// Names of bodies that were hashed once; hashing again would cost as much as storing.
var cacheNames sync.Map

func (b *cacheBodies) name(index int64, digits int) string {
	key := [2]int64{int64(b.bytes), index}
	if known, ok := cacheNames.Load(key); ok {
		return known.(string)[:digits]
	}
	hash := sha256.New()
	_, _ = io.Copy(hash, b.open(index))
	name := hex.EncodeToString(hash.Sum(nil))
	cacheNames.Store(key, name)
	return name[:digits]
}

// cacheClient is one client with a connection of its own.
type cacheClient struct {
	work   CacheWork
	bodies *cacheBodies
	http   *http.Client
	buffer []byte
}

func (c *cacheClient) run(index int64) error {
	method, want := http.MethodGet, c.work.body(index)
	if c.work.Op == "put" {
		method = http.MethodPut
	}
	url := c.work.Prefix + c.bodies.name(want, c.work.NameDigits) + c.work.Suffix
	var body io.Reader
	if method == http.MethodPut {
		body = c.bodies.open(want)
	}
	request, err := http.NewRequest(method, url, body)
	if err != nil {
		return err
	}
	for name, value := range c.work.Headers {
		request.Header.Set(name, value)
	}
	if body != nil {
		request.ContentLength = int64(c.bodies.bytes)
	}
	answer, err := c.http.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	return c.check(answer, want)
}

func (c *cacheClient) check(answer *http.Response, index int64) error {
	var got int64
	head := make([]byte, 0, headBytes)
	for {
		n, err := answer.Body.Read(c.buffer)
		if missing := headBytes - len(head); missing > 0 {
			if missing > n {
				missing = n
			}
			head = append(head, c.buffer[:missing]...)
		}
		got += int64(n)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	code := answer.StatusCode
	ok := false
	switch c.work.Op {
	case "put":
		ok = code >= 200 && code < 300
	case "miss":
		ok = code == http.StatusNotFound
	default:
		ok = code == 200 && got == int64(c.bodies.bytes) && bytes.Equal(head, c.bodies.head(index))
	}
	if !ok {
		return fmt.Errorf("%s of body %d was answered %d with %d bytes: %.80q", c.work.Op, index, code, got, head)
	}
	return nil
}

// runCache runs the clients, each one request after the other, until the time is over or, storing, every name is used.
func runCache(job Job) (*Result, error) {
	work := job.Cache
	bodies := newCacheBodies(work.Bytes)
	if work.Bytes < headBytes || work.End <= work.First {
		return nil, fmt.Errorf("a cache work of %d bytes from %d to %d", work.Bytes, work.First, work.End)
	}
	from := time.Now().Add(time.Duration(job.WarmUpMs) * time.Millisecond)
	until := from.Add(time.Duration(job.MeasureMs) * time.Millisecond)
	next := work.First - 1
	var cpuAtStart atomic.Int64
	timer := time.AfterFunc(time.Until(from), func() { cpuAtStart.Store(int64(cpuTime())) })
	defer timer.Stop()
	var failed atomic.Bool
	var group sync.WaitGroup
	tallies := make([]tally, job.Clients)
	for i := range tallies {
		transport := &http.Transport{MaxIdleConnsPerHost: 1, DisableCompression: true, WriteBufferSize: 64 << 10, ReadBufferSize: 64 << 10}
		client := &cacheClient{work: work, bodies: bodies, http: &http.Client{Transport: transport}, buffer: make([]byte, 256<<10)}
		group.Add(1)
		go func(t *tally) {
			defer group.Done()
			defer transport.CloseIdleConnections()
			for time.Now().Before(until) && !failed.Load() {
				index := atomic.AddInt64(&next, 1)
				if work.Op == "put" && index >= work.End {
					t.exhausted = true
					return
				}
				// Hashed before the clock runs: a build tool knows its names.
				bodies.name(work.body(index), work.NameDigits)
				begin := time.Now()
				if t.err = client.run(index); t.err != nil {
					failed.Store(true)
					return
				}
				end := time.Now()
				t.ever++
				if !end.Before(from) {
					t.latencies = append(t.latencies, end.Sub(begin))
					t.last = end
				}
			}
		}(&tallies[i])
	}
	group.Wait()
	result, err := sumUp(tallies, work.Bytes, from, until, cpuTime()-time.Duration(cpuAtStart.Load()))
	if err != nil {
		return nil, err
	}
	for _, t := range tallies {
		// A large body may end long after the time: its bytes count, and so does its time.
		if elapsed := ms(t.last.Sub(from)); elapsed > result.ElapsedMs {
			result.ElapsedMs = elapsed
		}
	}
	result.Next = next + 1
	return result, nil
}
