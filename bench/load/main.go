// Command load makes the load of Waybill's benchmark: HTTP/1.1 over TLS, straight or through a CONNECT proxy.
//
// It reads one job a line on standard input (JSON) and answers each with one line on standard output: a result or an
// error. It is a program of its own, and in Go, because it has to cost less than what it measures: a full handshake takes
// it about half of the processor time that the same takes in Node.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
)

func main() {
	jobs := json.NewDecoder(bufio.NewReader(os.Stdin))
	answers := json.NewEncoder(os.Stdout)
	for {
		var job Job
		if jobs.Decode(&job) != nil {
			return
		}
		result, err := run(job)
		if err != nil {
			_ = answers.Encode(map[string]string{"error": err.Error()})
			continue
		}
		_ = answers.Encode(result)
	}
}

func run(job Job) (*Result, error) {
	switch job.Kind {
	case "kept":
		return runSmall(job, keptClient)
	case "fresh":
		return runSmall(job, freshClient)
	case "latency":
		return runLatency(job)
	case "large":
		return runLarge(job)
	case "cache":
		return runCache(job)
	default:
		return nil, fmt.Errorf("there is no work '%s'", job.Kind)
	}
}
