package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"testing"
	"time"

	"github.com/huitou/huitou/shared/audience/rule"
	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/repurchase"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
)

// Work is what one operation takes of a processor.
type Work struct {
	Nanoseconds float64 `json:"nanoseconds"`
	Allocations float64 `json:"allocations"`
	Bytes       float64 `json:"bytes"`
}

// work is one thing that a processor is kept busy with, without any I/O.
type work struct {
	name   string
	per    int           // operations in one round of the benchmark
	target time.Duration // for one operation; 0 for none
	rounds string        // for counting allocations: enough that warming up does not show
	bench  func(ctx context.Context, b *testing.B) error
}

const ordersInBatch = 10

// works are the operations of PERFORMANCE that have a target.
var works = []work{
	{"order of a batch of 10: decode, decide, build", ordersInBatch, 15 * time.Microsecond, "300x", convertAlone},
	{"order of a batch of 10, through the SDK's client", ordersInBatch, 70 * time.Microsecond, "100x", convertThroughSDK},
	{"order of a batch of 10, engine in memory", ordersInBatch, 0, "300x", convertInMemory},
	{"card MAC check", 1, 300 * time.Nanosecond, "20000x", checkCard},
	{"audience rule on a member in memory", 1, 200 * time.Nanosecond, "20000x", matchRule},
	{"audience: account's item read and matched", 1, 2 * time.Microsecond, "5000x", matchAccount},
	{"reminder planning of a due member", 1, time.Microsecond, "20000x", planReminder},
}

// measureWork runs every benchmark for the time or the number of rounds, three
// times, of which the least counts: whatever else the machine does only adds.
func measureWork(ctx context.Context, length func(work) string) (map[string]Work, error) {
	testing.Init()
	measured := map[string]Work{}
	for _, w := range works {
		if err := flag.Set("test.benchtime", length(w)); err != nil {
			return nil, err
		}
		for range 3 {
			var failed error
			result := testing.Benchmark(func(b *testing.B) {
				if err := w.bench(ctx, b); err != nil {
					failed = err
					b.FailNow()
				}
			})
			if failed != nil {
				return nil, fmt.Errorf("%s: %w", w.name, failed)
			}
			n := float64(result.N * w.per)
			once := Work{float64(result.T.Nanoseconds()) / n, float64(result.MemAllocs) / n, float64(result.MemBytes) / n}
			if least, before := measured[w.name]; !before || once.Nanoseconds < least.Nanoseconds {
				measured[w.name] = once
			}
		}
	}
	return measured, nil
}

func countAllocations(ctx context.Context) (map[string]float64, error) {
	measured, err := measureWork(ctx, func(w work) string { return w.rounds })
	allocations := map[string]float64{}
	for name, w := range measured {
		const tenths = 10 // what a run allocates by the way does not count
		allocations[name] = float64(int(w.Allocations*tenths+0.5)) / tenths
	}
	return allocations, err
}

func checkCard(_ context.Context, b *testing.B) error {
	ring, err := cards.NewKeyring(cards.RootKey{ID: 'K', Secret: [32]byte(shopKey)})
	if err != nil {
		return err
	}
	codec := ring.Codec()
	code, err := codec.Token(cards.Code{KeyID: 'K', Batch: 3, Card: 41})
	if err != nil {
		return err
	}
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if _, err := codec.Parse(code); err != nil {
			return err
		}
	}
	b.StopTimer()
	return nil
}

const benchRule = `consents.marketing and categories["milk-powder"].count >= 1 and aov_fen >= 15000`

// regularAccount is the item of a member who bought once and matches benchRule.
func regularAccount(ctx context.Context) (table.Item, error) {
	s, err := openShop(ctx)
	if err != nil {
		return table.Item{}, err
	}
	err = s.before(s.paid(0, 1, regular))
	items, getErr := s.engine.Get(ctx, table.Strong, table.AccountKey(s.members[0]))
	if err := errors.Join(err, getErr, s.engine.Close()); err != nil {
		return table.Item{}, err
	}
	return *items[0], nil
}

func matchRule(ctx context.Context, b *testing.B) error {
	rule, err := rule.Compile(benchRule)
	if err != nil {
		return err
	}
	item, err := regularAccount(ctx)
	if err != nil {
		return err
	}
	account, err := store.ReadAccount("m", item)
	if err != nil {
		return err
	}
	member := store.AudienceMember(account, dueAt, paidAt.Location())
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if matches, err := rule.Match(member); !matches || err != nil {
			return fmt.Errorf("matches %t: %w", matches, err)
		}
	}
	b.StopTimer()
	return nil
}

func matchAccount(ctx context.Context, b *testing.B) error {
	rule, err := rule.Compile(benchRule)
	if err != nil {
		return err
	}
	item, err := regularAccount(ctx)
	if err != nil {
		return err
	}
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		account, err := store.ReadAccount("m", item)
		if err != nil {
			return err
		}
		if matches, err := rule.Match(store.AudienceMember(account, dueAt, paidAt.Location())); !matches || err != nil {
			return fmt.Errorf("matches %t: %w", matches, err)
		}
	}
	b.StopTimer()
	return nil
}

func planReminder(_ context.Context, b *testing.B) error {
	rules, zone := program.Default().Repurchase, paidAt.Location()
	purchases := []repurchase.Purchase{{Category: regular, At: paidAt}}
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if len(rules.Plan(purchases, nil, dueAt, zone).Due) != 1 {
			return errors.New("it is not due")
		}
	}
	b.StopTimer()
	return nil
}
