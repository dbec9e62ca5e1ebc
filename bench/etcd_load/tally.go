package main

import (
	"math"
	"math/bits"
	"sync"
	"time"
)

// Of every power of two of microseconds there are so many buckets, as in cpp/cli/histogram.hpp: a
// percentile is at most 1.6 % above the true value, and exact below 64 µs.
const (
	half   = 64
	powers = 40
)

type histogram struct {
	buckets [half * (powers + 1)]uint64
	count   uint64
	sum     time.Duration
	max     time.Duration
}

func bucketOf(value uint64) int {
	if value < half {
		return int(value)
	}
	power := bits.Len64(value) - 7
	if power >= powers {
		return half*(powers+1) - 1
	}
	return half*(power+1) + int(value>>uint(power)) - half
}

func topOf(bucket int) uint64 {
	if bucket < half {
		return uint64(bucket)
	}
	power := bucket/half - 1
	return uint64(half+bucket%half+1)<<uint(power) - 1
}

func (h *histogram) record(latency time.Duration) {
	if latency < 0 {
		latency = 0
	}
	h.buckets[bucketOf(uint64(latency/time.Microsecond))]++
	h.count++
	h.sum += latency
	if latency > h.max {
		h.max = latency
	}
}

func (h *histogram) percentile(fraction float64) time.Duration {
	if h.count == 0 {
		return 0
	}
	wanted := uint64(math.Max(1, math.Ceil(fraction*float64(h.count))))
	seen := uint64(0)
	for bucket, count := range h.buckets {
		seen += count
		if seen >= wanted {
			top := time.Duration(topOf(bucket)) * time.Microsecond
			if top > h.max {
				return h.max
			}
			return top
		}
	}
	return h.max
}

func (h *histogram) mean() time.Duration {
	if h.count == 0 {
		return 0
	}
	return h.sum / time.Duration(h.count)
}

// tally keeps account of the requests that were under way at any moment of the measured time, and
// of the failures of the warm-up. Safe for many goroutines.
type tally struct {
	mutex      sync.Mutex
	latency    histogram
	completed  uint64
	late       uint64 // of completed: after the measured time
	failures   map[string]uint64
	warmUp     uint64
	everything uint64
}

func (t *tally) end(due, now, measuredFrom, end time.Time, err error) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.everything++
	if err != nil {
		if t.failures == nil {
			t.failures = map[string]uint64{}
		}
		t.failures[err.Error()]++
	}
	if now.Before(measuredFrom) {
		if err == nil {
			t.warmUp++
		}
		return
	}
	t.latency.record(now.Sub(due))
	if err != nil {
		return
	}
	t.completed++
	if now.After(end) {
		t.late++
	}
}

func (t *tally) done() uint64 {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	return t.everything
}

func (t *tally) failed() uint64 {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	sum := uint64(0)
	for _, count := range t.failures {
		sum += count
	}
	return sum
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// result has the names of the JSON of `paxledger bench`.
func (t *tally) result(p plan) map[string]any {
	failed := t.failed()
	h := &t.latency
	loop := "closed"
	if p.rate > 0 {
		loop = "open"
	}
	return map[string]any{
		"ok":             failed == 0 && t.completed > 0,
		"workload":       p.workload,
		"loop":           loop,
		"rate":           p.rate,
		"outstanding":    p.outstanding,
		"connections":    p.connections,
		"value_bytes":    p.valueBytes,
		"keys":           p.keys,
		"seconds":        p.duration.Seconds(),
		"completed":      t.completed,
		"completed_late": t.late,
		"failed":         failed,
		"per_second":     float64(t.completed-t.late) / p.duration.Seconds(),
		"latency_ms": map[string]float64{
			"mean":  milliseconds(h.mean()),
			"p50":   milliseconds(h.percentile(0.5)),
			"p90":   milliseconds(h.percentile(0.9)),
			"p99":   milliseconds(h.percentile(0.99)),
			"p99.9": milliseconds(h.percentile(0.999)),
			"max":   milliseconds(h.max),
		},
		"errors":  t.failures,
		"warm_up": map[string]uint64{"completed": t.warmUp},
	}
}
