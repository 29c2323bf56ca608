package main

import (
	"bytes"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

const (
	smallBytes  = 1024
	smallDigits = 8
)

// client fetches the small body with this number.
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
	exchanger := newExchanger(tunnel, headLimit)
	fetch := func(index int64) error { return fetchSmall(exchanger, job.Route, index) }
	return fetch, func() { tunnel.Close() }, nil
}

// freshClient opens a tunnel for each request.
func freshClient(job Job) (client, func(), error) {
	opener, err := newOpener(job.Route, false)
	if err != nil {
		return nil, nil, err
	}
	buffer := make([]byte, headLimit)
	fetch := func(index int64) error {
		tunnel, err := opener.open()
		if err != nil {
			return err
		}
		defer tunnel.Close()
		return fetchSmall(&exchanger{conn: tunnel, buffer: buffer}, job.Route, index)
	}
	return fetch, func() {}, nil
}

// fetchSmall fetches one small body and compares every byte of it.
func fetchSmall(exchanger *exchanger, route Route, index int64) error {
	digits := fmt.Sprintf("%0*d", smallDigits, index)
	path := "/small/" + digits
	_ = exchanger.conn.SetReadDeadline(time.Now().Add(answerTimeout))
	body := make([]byte, 0, smallBytes)
	status, _, err := exchanger.get(getRequest(route, path), func(piece []byte) { body = append(body, piece...) })
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if status != 200 || !bytes.Equal(body, bytes.Repeat([]byte(digits), smallBytes/smallDigits)) {
		return fmt.Errorf("%s was answered %d: %.200s", path, status, body)
	}
	return nil
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
	return sumUp(tallies, from, until, cpuTime()-time.Duration(cpuAtStart.Load()))
}

func sumUp(tallies []tally, from, until time.Time, cpu time.Duration) (*Result, error) {
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
	result.Bytes = int64(len(all)) * smallBytes
	result.ElapsedMs = ms(last.Sub(from))
	result.P50Ms = quantile(all, 0.5)
	result.P99Ms = quantile(all, 0.99)
	return result, nil
}
