package main

import (
	"bytes"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// client fetches the body with this number.
type client func(index int64) error

// keptClient keeps one tunnel for all its requests.
func keptClient(job Job) (client, func(), error) {
	opener, err := newOpener(job.Route, true)
	if err != nil {
		return nil, nil, err
	}
	tunnel, err := opener.open()
	if err != nil {
		return nil, nil, err
	}
	fetcher := newFetcher(job)
	exchanger := newExchanger(tunnel, headLimit)
	fetch := func(index int64) error { return fetcher.fetch(exchanger, index) }
	return fetch, func() { tunnel.Close() }, nil
}

// freshClient opens a tunnel for each request, and checks the certificate of one in so many.
func freshClient(job Job) (client, func(), error) {
	blind, err := newOpener(job.Route, false)
	if err != nil {
		return nil, nil, err
	}
	checking, err := newOpener(job.Route, true)
	if err != nil {
		return nil, nil, err
	}
	fetcher := newFetcher(job)
	buffer := make([]byte, headLimit)
	fetch := func(index int64) error {
		opener := blind
		if job.VerifyEvery > 0 && index%job.VerifyEvery == 0 {
			opener = checking
		}
		if job.Bodies.HostSuffix != "" {
			opener = opener.to(job.Bodies.host(job.Route, index))
		}
		tunnel, err := opener.open()
		if err != nil {
			return err
		}
		defer tunnel.Close()
		return fetcher.fetch(&exchanger{conn: tunnel, buffer: buffer}, index)
	}
	return fetch, func() {}, nil
}

// fetcher fetches small bodies and compares every byte of them.
type fetcher struct {
	route  Route
	bodies Bodies
	body   []byte
}

func newFetcher(job Job) *fetcher {
	return &fetcher{route: job.Route, bodies: job.Bodies, body: make([]byte, 0, job.Bodies.Bytes)}
}

func (f *fetcher) fetch(exchanger *exchanger, index int64) error {
	path := f.bodies.path(index)
	request := getRequest(f.bodies.host(f.route, index), f.route.Port, path)
	_ = exchanger.conn.SetReadDeadline(time.Now().Add(answerTimeout))
	f.body = f.body[:0]
	status, _, err := exchanger.get(request, func(piece []byte) { f.body = append(f.body, piece...) })
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if status != 200 || len(f.body) != f.bodies.Bytes || !repeats(f.body, f.bodies.number(index)) {
		return fmt.Errorf("%s was answered %d with %d bytes: %.200s", path, status, len(f.body), f.body)
	}
	return nil
}

// repeats tells whether a body is nothing but the number, over and over.
func repeats(body []byte, number string) bool {
	n := len(number)
	return len(body) >= n && string(body[:n]) == number && bytes.Equal(body[n:], body[:len(body)-n])
}

// tally is what one client did.
type tally struct {
	latencies []time.Duration
	ever      int
	last      time.Time
	exhausted bool
	err       error
}

// runSmall runs the job's clients, each one request after the other, first for the warm-up and then for the measured time.
// It ends when the time is over or every body was fetched; the first wrong answer ends everything.
func runSmall(job Job, newClient func(Job) (client, func(), error)) (*Result, error) {
	clients := make([]client, job.Clients)
	for i := range clients {
		fetch, closeClient, err := newClient(job)
		if err != nil {
			return nil, err
		}
		defer closeClient()
		clients[i] = fetch
	}
	next := job.Bodies.First - 1
	from := time.Now().Add(time.Duration(job.WarmUpMs) * time.Millisecond)
	until := from.Add(time.Duration(job.MeasureMs) * time.Millisecond)
	var cpuAtStart atomic.Int64
	timer := time.AfterFunc(time.Until(from), func() { cpuAtStart.Store(int64(cpuTime())) })
	defer timer.Stop()

	var failed atomic.Bool
	var group sync.WaitGroup
	tallies := make([]tally, len(clients))
	for i := range clients {
		group.Add(1)
		go func(fetch client, t *tally) {
			defer group.Done()
			for begin := time.Now(); begin.Before(until) && !failed.Load(); {
				index := atomic.AddInt64(&next, 1)
				if index >= job.Bodies.End {
					t.exhausted = true
					return
				}
				if t.err = fetch(index); t.err != nil {
					failed.Store(true)
					return
				}
				end := time.Now()
				t.ever++
				if !end.Before(from) && end.Before(until) {
					t.latencies = append(t.latencies, end.Sub(begin))
					t.last = end
				}
				begin = end
			}
		}(clients[i], &tallies[i])
	}
	group.Wait()
	result, err := sumUp(tallies, job.Bodies.Bytes, from, until, cpuTime()-time.Duration(cpuAtStart.Load()))
	if err != nil {
		return nil, err
	}
	if result.Next = next + 1; result.Next > job.Bodies.End {
		result.Next = job.Bodies.End
	}
	return result, nil
}

func sumUp(tallies []tally, bodyBytes int, from, until time.Time, cpu time.Duration) (*Result, error) {
	var all []time.Duration
	last := from
	result := &Result{CPUMs: ms(cpu)}
	for _, t := range tallies {
		if t.err != nil {
			return nil, t.err
		}
		all = append(all, t.latencies...)
		result.CompletedEver += t.ever
		result.Exhausted = result.Exhausted || t.exhausted
		if t.last.After(last) {
			last = t.last
		}
	}
	if !result.Exhausted {
		last = until
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("nothing was completed in the measured time; the warm-up took %d bodies", result.CompletedEver)
	}
	sortDurations(all)
	result.Completed = len(all)
	result.Bytes = int64(len(all)) * int64(bodyBytes)
	result.ElapsedMs = ms(last.Sub(from))
	result.P50Ms = quantile(all, 0.5)
	result.P99Ms = quantile(all, 0.99)
	return result, nil
}
