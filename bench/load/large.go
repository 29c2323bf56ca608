package main

import (
	"crypto/tls"
	"fmt"
	"time"
)

// runLarge fetches bodies at the same time, each on a tunnel of its own; opening the tunnels is not part of the time.
func runLarge(job Job) (*Result, error) {
	opener, err := newOpener(job.Route, true)
	if err != nil {
		return nil, err
	}
	tunnels := make([]*tls.Conn, len(job.Large))
	for i := range tunnels {
		if tunnels[i], err = opener.open(); err != nil {
			return nil, err
		}
		defer tunnels[i].Close()
	}
	type end struct {
		head time.Duration
		err  error
	}
	ends := make(chan end, len(tunnels))
	cpu, begin := cpuTime(), time.Now()
	for i, body := range job.Large {
		go func(tunnel *tls.Conn, body LargeBody) {
			head, err := fetchLarge(tunnel, job.Route, body)
			ends <- end{head, err}
		}(tunnels[i], body)
	}
	result := &Result{}
	for _, body := range job.Large {
		one := <-ends
		if one.err != nil {
			return nil, one.err
		}
		result.Completed++
		result.Bytes += body.Bytes
		if head := ms(one.head); head > result.HeadMs {
			result.HeadMs = head
		}
	}
	result.CompletedEver = result.Completed
	result.ElapsedMs = ms(time.Since(begin))
	result.P50Ms, result.P99Ms = result.ElapsedMs, result.ElapsedMs
	result.CPUMs = ms(cpuTime() - cpu)
	return result, nil
}

// fetchLarge fetches one body, compares its length, and its sha256 or that of some pieces. It tells when the head came.
func fetchLarge(tunnel *tls.Conn, route Route, body LargeBody) (head time.Duration, err error) {
	pieces := body.Pieces
	if body.Sha256 != "" {
		pieces = []Piece{{At: 0, Bytes: body.Bytes, Sha256: body.Sha256}}
	}
	check := &pieceCheck{pieces: pieces}
	exchanger := newExchanger(tunnel, 64*1024)
	begin := time.Now()
	exchanger.onHead = func() { head = time.Since(begin) }
	_ = tunnel.SetReadDeadline(begin.Add(10 * answerTimeout))
	var received int64
	status, _, err := exchanger.get(getRequest(route.Host, route.Port, body.Path), func(bytes []byte) {
		received += int64(len(bytes))
		check.take(bytes)
	})
	if err != nil {
		return 0, fmt.Errorf("%s: %w after %d bytes", body.Path, err, received)
	}
	if status != 200 || received != body.Bytes {
		return 0, fmt.Errorf("%s was answered %d with %d bytes, wanted 200 with %d", body.Path, status, received, body.Bytes)
	}
	if err := check.end(); err != nil {
		return 0, fmt.Errorf("%s: %w", body.Path, err)
	}
	return head, nil
}

// getRequest is what a small HTTP client would send.
func getRequest(host string, port int, path string) []byte {
	const form = "GET %s HTTP/1.1\r\nHost: %s:%d\r\nUser-Agent: waybill-bench\r\nAccept: */*\r\n\r\n"
	return []byte(fmt.Sprintf(form, path, host, port))
}
