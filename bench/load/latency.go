package main

import (
	"fmt"
	"time"
)

// runLatency asks for one small body after the other on two kept connections, the job's route and the direct one, with a
// pause between: what the machine does to one it does to the other. Which of them is first changes each time.
func runLatency(job Job) (*Result, error) {
	direct := job
	direct.Route = job.Direct
	var sides [2]struct {
		fetch client
		all   []time.Duration
	}
	for i, side := range []Job{job, direct} {
		fetch, closeClient, err := keptClient(side)
		if err != nil {
			return nil, err
		}
		defer closeClient()
		sides[i].fetch = fetch
	}
	pause := time.Duration(job.PauseMs * float64(time.Millisecond))
	begin, cpu := time.Now(), cpuTime()
	for index := job.Bodies.First; index < job.Bodies.End; index++ {
		for turn := int64(0); turn < 2; turn++ {
			side := &sides[(index+turn)%2]
			time.Sleep(pause)
			start := time.Now()
			if err := side.fetch(index); err != nil {
				return nil, err
			}
			if index >= job.Bodies.First+job.WarmUp {
				side.all = append(side.all, time.Since(start))
			}
		}
	}
	if len(sides[0].all) == 0 {
		return nil, fmt.Errorf("%d requests are no more than the warm-up of %d", job.Bodies.End-job.Bodies.First, job.WarmUp)
	}
	result := &Result{
		Completed:     len(sides[0].all),
		CompletedEver: int(job.Bodies.End - job.Bodies.First),
		Bytes:         int64(len(sides[0].all) * job.Bodies.Bytes),
		ElapsedMs:     ms(time.Since(begin)),
		Exhausted:     true,
		CPUMs:         ms(cpuTime() - cpu),
	}
	for i := range sides {
		sortDurations(sides[i].all)
	}
	result.P50Ms, result.P99Ms = quantile(sides[0].all, 0.5), quantile(sides[0].all, 0.99)
	result.DirectP50Ms, result.DirectP99Ms = quantile(sides[1].all, 0.5), quantile(sides[1].all, 0.99)
	return result, nil
}
