package main

import (
	"fmt"
	"sort"
	"syscall"
	"time"
)

// Job is what the benchmark asks for; src/load/job.ts describes the fields.
type Job struct {
	Kind  string `json:"kind"`
	Route Route  `json:"route"`

	Clients     int    `json:"clients"`
	WarmUpMs    int64  `json:"warmUpMs"`
	MeasureMs   int64  `json:"measureMs"`
	VerifyEvery int64  `json:"verifyEvery"`
	Bodies      Bodies `json:"bodies"`

	Direct  Route   `json:"direct"`
	WarmUp  int64   `json:"warmUp"`
	PauseMs float64 `json:"pauseMs"`

	Large []LargeBody `json:"large"`

	Cache CacheWork `json:"cache"`
}

// Route leads to the upstream.
type Route struct {
	Proxy *struct {
		Address       string `json:"address"`
		Authorization string `json:"authorization"`
	} `json:"proxy"`
	Host string   `json:"host"`
	Port int      `json:"port"`
	Ca   []string `json:"ca"`
}

// Bodies are those that the upstream makes out of their path: eight digits, repeated.
type Bodies struct {
	Folder string `json:"folder"`
	Bytes  int    `json:"bytes"`
	First  int64  `json:"first"`
	End    int64  `json:"end"`
	// Each number is asked of a host of its own with this ending; empty: all of the route's host.
	HostSuffix string `json:"hostSuffix"`
}

const digits = 8

func (b Bodies) number(index int64) string { return fmt.Sprintf("%0*d", digits, index) }

func (b Bodies) path(index int64) string { return "/" + b.Folder + "/" + b.number(index) }

// host is the one that a number is asked of.
func (b Bodies) host(route Route, index int64) string {
	if b.HostSuffix == "" {
		return route.Host
	}
	return "n" + b.number(index) + b.HostSuffix
}

// LargeBody lies in a file of the upstream.
type LargeBody struct {
	Path   string  `json:"path"`
	Bytes  int64   `json:"bytes"`
	Sha256 string  `json:"sha256"`
	Pieces []Piece `json:"pieces"`
}

// Result is what was seen in the measured time.
type Result struct {
	Completed     int     `json:"completed"`
	CompletedEver int     `json:"completedEver"`
	Bytes         int64   `json:"bytes"`
	ElapsedMs     float64 `json:"elapsedMs"`
	P50Ms         float64 `json:"p50Ms"`
	P99Ms         float64 `json:"p99Ms"`
	DirectP50Ms   float64 `json:"directP50Ms"`
	DirectP99Ms   float64 `json:"directP99Ms"`
	HeadMs        float64 `json:"headMs"`
	Exhausted     bool    `json:"exhausted"`
	Next          int64   `json:"next"`
	CPUMs         float64 `json:"cpuMs"`
}

// quantile is the value at a share of the ranks, nearest rank; 0 when there is nothing to rank.
func quantile(sorted []time.Duration, share float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(float64(len(sorted))*share+0.999999) - 1
	if rank < 0 {
		rank = 0
	}
	return ms(sorted[rank])
}

func sortDurations(all []time.Duration) {
	sort.Slice(all, func(a, b int) bool { return all[a] < all[b] })
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// cpuTime is the processor time of this process so far.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
