// Load on an etcd cluster, with the parameters, the account of requests and the output of `paxledger
// bench`, so that bench/compare.py can put the two side by side.
//
// Closed loop: a fixed number of requests is always under way, spread evenly over the connections.
// Open loop (--rate): requests begin at fixed times, and a latency counts from the intended time.
// A request that fails is tried again until --deadline, as the client of Paxledger does by itself,
// and counts as one request with one latency. Gets are linearizable, which is etcd's default.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

type plan struct {
	endpoints   []string
	workload    string
	connections int
	outstanding int
	rate        float64
	valueBytes  int
	keys        int
	warmUp      time.Duration
	duration    time.Duration
	attempt     time.Duration
	deadline    time.Duration
}

func key(number int) string { return fmt.Sprintf("bench/%08d", number) }

func readPlan() plan {
	var p plan
	endpoints := flag.String("endpoints", "127.0.0.1:2379", "where the members listen, with commas")
	flag.StringVar(&p.workload, "workload", "put", "put, get or mixed (half of each)")
	flag.IntVar(&p.connections, "connections", 16, "connections, each used by as many requests")
	flag.IntVar(&p.outstanding, "outstanding", 64, "closed loop: requests under way at any time")
	flag.Float64Var(&p.rate, "rate", 0, "open loop: requests per second; 0: closed loop")
	flag.IntVar(&p.valueBytes, "value-bytes", 256, "size of a value")
	flag.IntVar(&p.keys, "keys", 10000, "number of keys, drawn uniformly")
	flag.DurationVar(&p.warmUp, "warm-up", time.Second, "time before the measured time")
	flag.DurationVar(&p.duration, "duration", 10*time.Second, "measured time")
	flag.DurationVar(&p.attempt, "attempt", time.Minute, "how long an attempt may take")
	flag.DurationVar(&p.deadline, "deadline", 5*time.Second, "how long a request is tried")
	flag.Parse()
	p.endpoints = strings.Split(*endpoints, ",")
	if p.workload != "put" && p.workload != "get" && p.workload != "mixed" {
		fail(fmt.Errorf("--workload: put, get or mixed, not %q", p.workload))
	}
	if p.connections < 1 || p.outstanding < 1 || p.keys < 1 || p.valueBytes < 0 {
		fail(fmt.Errorf("connections, outstanding requests and keys are at least 1"))
	}
	return p
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "etcd_load:", err)
	os.Exit(1)
}

// load is one run. Its tally has a lock of its own; the rest does not change after the start.
type load struct {
	plan
	clients      []*clientv3.Client
	value        string
	measuredFrom time.Time
	end          time.Time
	tally        tally
}

// ask asks once.
func (l *load) ask(whole context.Context, client *clientv3.Client, read bool, name string) error {
	ctx, cancel := context.WithTimeout(whole, l.attempt)
	defer cancel()
	var err error
	if read {
		_, err = client.Get(ctx, name)
	} else {
		_, err = client.Put(ctx, name, l.value)
	}
	return err
}

// request asks until there is an answer or the deadline has come.
func (l *load) request(client *clientv3.Client, read bool, name string) error {
	ctx, cancel := context.WithTimeout(context.Background(), l.deadline)
	defer cancel()
	for {
		err := l.ask(ctx, client, read, name)
		if err == nil || ctx.Err() != nil {
			return err
		}
		// What fails at once, because nobody leads, would otherwise be asked in a busy loop.
		select {
		case <-ctx.Done():
			return err
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// choose draws what the next request is.
func (l *load) choose(random *rand.Rand) (read bool, name string) {
	read = l.workload == "get" || (l.workload == "mixed" && random.Intn(2) == 0)
	return read, key(random.Intn(l.keys))
}

// one runs a request that was due at `due` and takes it into the account.
func (l *load) one(client *clientv3.Client, due time.Time, read bool, name string) {
	err := l.request(client, read, name)
	l.tally.end(due, time.Now(), l.measuredFrom, l.end, err)
}

func (l *load) closedLoop() {
	var workers sync.WaitGroup
	for i := 0; i < l.outstanding; i++ {
		workers.Add(1)
		go func(number int) {
			defer workers.Done()
			random := rand.New(rand.NewSource(int64(number) + 1))
			client := l.clients[number%len(l.clients)]
			for now := time.Now(); now.Before(l.end); now = time.Now() {
				read, name := l.choose(random)
				l.one(client, now, read, name)
			}
		}(i)
	}
	workers.Wait()
}

func (l *load) openLoop(begin time.Time) {
	var requests sync.WaitGroup
	random := rand.New(rand.NewSource(1))
	for number := 0; ; number++ {
		due := begin.Add(time.Duration(float64(number) / l.rate * float64(time.Second)))
		if !due.Before(l.end) {
			break
		}
		// What falls into the same millisecond begins together, from its own due time.
		if wait := time.Until(due); wait > time.Millisecond {
			time.Sleep(wait)
		}
		read, name := l.choose(random)
		requests.Add(1)
		go func(client *clientv3.Client) {
			defer requests.Done()
			l.one(client, due, read, name)
		}(l.clients[number%len(l.clients)])
	}
	requests.Wait()
}

// fill writes every key once, so that reads find something.
func (l *load) fill() error {
	const workers = 256
	var next int64 = -1
	var failure atomic.Value
	var group sync.WaitGroup
	for i := 0; i < workers; i++ {
		group.Add(1)
		go func(client *clientv3.Client) {
			defer group.Done()
			for failure.Load() == nil {
				number := int(atomic.AddInt64(&next, 1))
				if number >= l.keys {
					return
				}
				if err := l.request(client, false, key(number)); err != nil {
					failure.Store(err)
				}
			}
		}(l.clients[i%len(l.clients)])
	}
	group.Wait()
	if err, ok := failure.Load().(error); ok {
		return err
	}
	return nil
}

// tell prints a line each second until the load is over.
func (l *load) tell(begin time.Time, over <-chan struct{}) {
	ticker := time.NewTicker(990 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-over:
			return
		case now := <-ticker.C:
			fmt.Fprintf(os.Stderr, "%6.1f s  %d done\n", now.Sub(begin).Seconds(), l.tally.done())
		}
	}
}

func main() {
	l := &load{plan: readPlan()}
	for i := 0; i < l.connections; i++ {
		client, err := clientv3.New(clientv3.Config{
			Endpoints:   l.endpoints,
			DialTimeout: 5 * time.Second,
			Logger:      zap.NewNop(), // a killed member is reported by what happens to the requests
		})
		if err != nil {
			fail(err)
		}
		defer client.Close()
		l.clients = append(l.clients, client)
	}
	octets := make([]byte, l.valueBytes)
	rand.New(rand.NewSource(1)).Read(octets)
	l.value = string(octets)
	if l.workload != "put" {
		fmt.Fprintf(os.Stderr, "writing %d keys to read\n", l.keys)
		if err := l.fill(); err != nil {
			fail(err)
		}
	}
	for _, client := range l.clients { // every connection stands before the load begins
		if err := l.request(client, false, "bench/probe"); err != nil {
			fail(err)
		}
	}

	begin := time.Now()
	l.measuredFrom = begin.Add(l.warmUp)
	l.end = l.measuredFrom.Add(l.duration)
	over := make(chan struct{})
	go l.tell(begin, over)
	if l.rate > 0 {
		l.openLoop(begin)
	} else {
		l.closedLoop()
	}
	close(over)
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(l.tally.result(l.plan)); err != nil {
		fail(err)
	}
	if l.tally.failed() > 0 {
		os.Exit(1)
	}
}
