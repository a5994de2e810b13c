package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/huitou/huitou/infra/smoke/artifact"
	"github.com/huitou/huitou/shared/ledger"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/orders"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/table/embedded"
)

// Rate is how much was done in a second of one run, and how long one took.
type Rate struct {
	PerSecond float64 `json:"per_second"`
	P50       float64 `json:"p50_ms"`
	P99       float64 `json:"p99_ms"`
}

const (
	rateLength      = 2 * time.Second
	creditedMembers = 10_000
	creditDocument  = `{"order":"2156000000000000001","lines":[{"line":"1","sku":"MILK-400","quantity":2,"paid":39800}],"points":398}`
)

// credit is an order credited: an entry put where nothing is, and a counter.
func credit(i int) []table.Action {
	member := fmt.Sprint("M#", i%creditedMembers)
	return []table.Action{
		table.Put(table.Item{Key: table.Key{PK: member, SK: fmt.Sprint("E#", i)}, Attributes: map[string]table.Value{
			"at": table.Number(int64(i)), "document": table.String(creditDocument),
		}}, table.Absent()),
		table.Update(table.Key{PK: member, SK: "A"}, []table.Change{table.Add("points", 398), table.Set("seen", table.Number(int64(i)))}),
	}
}

// measureEngine credits orders on the durable engine and on its floor, one
// after the other in one run; the names are "floor, 16 writers" and the like.
func measureEngine(ctx context.Context) (map[string]Rate, error) {
	rates := map[string]Rate{}
	for _, writers := range []int{16, 64} {
		for _, row := range []struct {
			name    string
			measure func(folder string) (Rate, error)
		}{
			{"floor", func(folder string) (Rate, error) {
				f, err := openFloor(folder)
				if err != nil {
					return Rate{}, err
				}
				rate, err := together(writers, rateLength, f.credit)
				return rate, errors.Join(err, f.close())
			}},
			{"engine", func(folder string) (Rate, error) {
				engine, err := embedded.Open(folder)
				if err != nil {
					return Rate{}, err
				}
				rate, err := together(writers, rateLength, func(i int) error { return engine.Write(ctx, credit(i)...) })
				return rate, errors.Join(err, engine.Close())
			}},
		} {
			folder, err := durableFolder(ctx)
			if err != nil {
				return nil, err
			}
			rate, err := row.measure(folder)
			if err := errors.Join(err, os.RemoveAll(folder)); err != nil {
				return nil, err
			}
			rates[fmt.Sprintf("%s, %d writers", row.name, writers)] = rate
		}
	}
	return rates, nil
}

// Contended is what many get done at once where all of it is one member's.
type Contended struct {
	Rate
	Busy int64 `json:"busy"` // of them told to try again
}

const contenders = 64

// measureOneMember credits orders to one member, refunds them in part and spends
// their points, all at once, on the durable engine.
func measureOneMember(ctx context.Context) (measured Contended, err error) {
	folder, err := durableFolder(ctx)
	if err != nil {
		return measured, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	engine, err := embedded.Open(folder)
	if err != nil {
		return measured, err
	}
	defer func() { err = errors.Join(err, engine.Close()) }()
	s, err := openShopOn(ctx, engine)
	if err != nil {
		return measured, err
	}
	if err := s.settled(1, ending); err != nil {
		return measured, err
	}
	const plenty = 100_000_000
	hand := store.Hand{Operator: "bench", At: s.now}
	gift := store.Adjustment{Fact: points.Fact{Member: s.members[0]}, ID: "gift", Points: plenty, Reason: "bench", Proposed: hand}
	if _, err := ledger.Adjust(ctx, s.store, gift, plenty); err != nil {
		return measured, err
	}
	var busy atomic.Int64
	f := s.convert()
	deliver := func(body []byte) error {
		answer, err := f.Handle(ctx, records(body))
		busy.Add(int64(len(answer.BatchItemFailures)))
		return err
	}
	acts := []func(i int) error{
		func(i int) error { return deliver(s.paid(0, i, regular)) },
		func(i int) error { // of an order that most likely has just come
			return deliver(s.event(orders.TypeRefunded, 0, i-4*contenders, orders.Line{LineID: "1", Refunded: 10_000}))
		},
		func(i int) error {
			id := fmt.Sprint("bench-", i)
			_, err := ledger.Reserve(ctx, s.store, store.Reservation{
				Fact: points.Fact{At: s.now, Member: s.members[0]}, ID: id, Points: 10, Reason: "exchange", ExpiresAt: s.now.Add(time.Hour),
			})
			if err == nil {
				_, err = ledger.Commit(ctx, s.store, s.members[0], id, s.now)
			}
			if loyalty.KindOf(err) == loyalty.KindUnavailable {
				busy.Add(1)
				return nil
			}
			return err
		},
	}
	measured.Rate, err = together(contenders, rateLength, func(i int) error { return acts[i%len(acts)](i) })
	measured.Busy = busy.Load()
	return measured, err
}

// together does something again and again on so many goroutines at once, each
// time with another number, for a while.
func together(workers int, length time.Duration, do func(i int) error) (Rate, error) {
	var next atomic.Int64
	var group sync.WaitGroup
	took := make([][]time.Duration, workers)
	failed := make([]error, workers)
	began := time.Now()
	for worker := range workers {
		group.Go(func() {
			for time.Since(began) < length {
				at := time.Now()
				if err := do(int(next.Add(1))); err != nil {
					failed[worker] = err
					return
				}
				took[worker] = append(took[worker], time.Since(at))
			}
		})
	}
	group.Wait()
	elapsed := time.Since(began)
	all := slices.Sorted(slices.Values(slices.Concat(took...)))
	if err := errors.Join(failed...); err != nil || len(all) == 0 {
		return Rate{}, fmt.Errorf("%d done: %w", len(all), err)
	}
	part := func(percent int) float64 { return milliseconds(all[(len(all)-1)*percent/100]) }
	return Rate{PerSecond: float64(len(all)) / elapsed.Seconds(), P50: part(50), P99: part(99)}, nil
}

func milliseconds(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }

// durableFolder is a new folder below build/: the system's own for temporary
// files may be kept in memory, where an fsync costs nothing.
func durableFolder(ctx context.Context) (string, error) {
	root, err := artifact.Root(ctx)
	if err != nil {
		return "", err
	}
	build := filepath.Join(root, "build")
	if err := os.MkdirAll(build, 0o755); err != nil {
		return "", err
	}
	return os.MkdirTemp(build, "bench-")
}
