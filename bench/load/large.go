package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"time"
)

// runLarge fetches one body on a tunnel of its own; opening the tunnel is not part of the time.
func runLarge(job Job) (*Result, error) {
	opener, err := newOpener(job.Route, true)
	if err != nil {
		return nil, err
	}
	tunnel, err := opener.open()
	if err != nil {
		return nil, err
	}
	defer tunnel.Close()

	// Hashing costs the driver as much as receiving, so only the small body before the measured one is hashed.
	var digest hash.Hash
	if job.Sha256 != "" {
		digest = sha256.New()
	}
	var received int64
	exchanger := newExchanger(tunnel, 64*1024)
	cpu, begin := cpuTime(), time.Now()
	var head time.Duration
	exchanger.onHead = func() { head = time.Since(begin) }
	_ = tunnel.SetReadDeadline(begin.Add(10 * answerTimeout))
	status, _, err := exchanger.get(getRequest(job.Route, job.Path), func(piece []byte) {
		received += int64(len(piece))
		if digest != nil {
			digest.Write(piece)
		}
	})
	elapsed := time.Since(begin)
	if err != nil {
		return nil, fmt.Errorf("%s: %w after %d bytes", job.Path, err, received)
	}
	if status != 200 || received != job.Bytes {
		return nil, fmt.Errorf("%s was answered %d with %d bytes, wanted 200 with %d", job.Path, status, received, job.Bytes)
	}
	if digest != nil {
		if found := hex.EncodeToString(digest.Sum(nil)); found != job.Sha256 {
			return nil, fmt.Errorf("%s has sha256 %s, wanted %s", job.Path, found, job.Sha256)
		}
	}
	return &Result{
		Completed:     1,
		CompletedEver: 1,
		Bytes:         received,
		ElapsedMs:     ms(elapsed),
		P50Ms:         ms(elapsed),
		P99Ms:         ms(elapsed),
		HeadMs:        ms(head),
		CPUMs:         ms(cpuTime() - cpu),
	}, nil
}

// getRequest is what a small HTTP client would send.
func getRequest(route Route, path string) []byte {
	const form = "GET %s HTTP/1.1\r\nHost: %s:%d\r\nUser-Agent: waybill-bench\r\nAccept: */*\r\n\r\n"
	return []byte(fmt.Sprintf(form, path, route.Host, route.Port))
}
