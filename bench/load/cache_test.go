package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// keeper is a cache in memory; spoil changes what it gives back.
func keeper(t *testing.T, spoil func([]byte) []byte) *httptest.Server {
	var kept sync.Map
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			body, _ := io.ReadAll(r.Body)
			kept.Store(r.URL.Path, body)
			return
		}
		body, ok := kept.Load(r.URL.Path)
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_, _ = w.Write(spoil(body.([]byte)))
	}))
	t.Cleanup(server.Close)
	return server
}

func cacheJob(server *httptest.Server, op string, first, end int64) Job {
	work := CacheWork{Op: op, Prefix: server.URL + "/cas/", NameDigits: 64, Bytes: 1024, First: first, End: end}
	return Job{Kind: "cache", Clients: 4, MeasureMs: 100, Cache: work}
}

func TestCacheStoresReadsAndMisses(t *testing.T) {
	server := keeper(t, func(body []byte) []byte { return body })
	for _, op := range []string{"put", "get"} {
		result, err := run(cacheJob(server, op, 0, 20))
		if err != nil || result.Completed < 20 && op == "put" || result.Completed == 0 {
			t.Fatalf("%s: %v, %v", op, result, err)
		}
	}
	if result, err := run(cacheJob(server, "miss", 1_000_000, 1_000_001)); err != nil || result.Completed == 0 {
		t.Fatalf("miss: %v, %v", result, err)
	}
}

func TestCacheFindsWrongAnswers(t *testing.T) {
	server := keeper(t, func(body []byte) []byte { return append([]byte("spoilt"), body[6:]...) })
	if _, err := run(cacheJob(server, "put", 0, 5)); err != nil {
		t.Fatal(err)
	}
	for _, op := range []string{"get", "miss"} {
		if _, err := run(cacheJob(server, op, 0, 5)); err == nil || !strings.Contains(err.Error(), "was answered 200") {
			t.Fatalf("%s of spoilt bodies: %v", op, err)
		}
	}
	if _, err := run(cacheJob(server, "get", 100, 105)); err == nil || !strings.Contains(err.Error(), "404") {
		t.Fatalf("a miss counts as a hit: %v", err)
	}
}
