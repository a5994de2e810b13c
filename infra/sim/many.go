package sim

import (
	_ "embed" // the list of seeds that have failed
	"fmt"
	"io"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Summary is what came of many seeds.
type Summary struct {
	Seeds   uint64
	Steps   int
	Commits int
	Days    float64 // of virtual time
	Faults  [kinds]int
	Hash    uint64   // of all traces, in the order of the seeds
	Failed  []Result // of seeds that violated an invariant, by seed
	Took    time.Duration
}

// Many runs the seeds from first on, see Each.
func Many(first, seeds uint64, stop bool) Summary {
	all := make([]uint64, seeds)
	for n := range all {
		all[n] = first + uint64(n)
	}
	return Each(all, stop)
}

// Each runs the seeds, several at a time; each by itself, so that how many run at
// a time changes nothing. It stops early once a seed has failed when stop is set.
func Each(seeds []uint64, stop bool) Summary {
	began := time.Now()
	results := make([]Result, len(seeds))
	var next atomic.Uint64
	var failed atomic.Bool
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for {
				n := next.Add(1) - 1
				if n >= uint64(len(seeds)) || stop && failed.Load() {
					return
				}
				results[n] = Run(seeds[n], nil, nil)
				if results[n].Violation != nil {
					failed.Store(true)
				}
			}
		})
	}
	workers.Wait()
	summary := Summary{Took: time.Since(began)}
	for _, r := range results {
		if r.Steps == 0 {
			continue // another seed had failed before its turn came
		}
		summary.Seeds++
		summary.Steps += r.Steps
		summary.Commits += r.Commits
		summary.Days += r.Virtual.Hours() / 24
		summary.Hash = mix(summary.Hash, r.Hash)
		for k := range kinds {
			summary.Faults[k] += r.Faults[k]
		}
		if r.Violation != nil {
			summary.Failed = append(summary.Failed, r)
		}
	}
	return summary
}

//go:embed testdata/seeds.txt
var onceFailed string

// OnceFailed are the seeds that have failed, each with what they found. They run
// for ever, though a seed's world changes with what worlds are drawn from: what
// they found is held by tests beside the code.
func OnceFailed() ([]uint64, error) {
	var seeds []uint64
	for line := range strings.Lines(onceFailed) {
		first, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		if first == "" || first == "#" {
			continue
		}
		seed, err := strconv.ParseUint(first, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("testdata/seeds.txt: %w", err)
		}
		seeds = append(seeds, seed)
	}
	return seeds, nil
}

// Fresh is where the seeds of a commit begin that no other commit runs: between
// 2^32 and 2^52, so that they can be read aloud.
func Fresh(commit string) uint64 { return 1<<32 + number(commit)%(1<<52-1<<32) }

// Unmet are the kinds of fault that no seed met.
func (s Summary) Unmet() []Kind {
	return slices.DeleteFunc(allKinds(), func(k Kind) bool { return s.Faults[k] > 0 })
}

// Line is the summary in one line.
func (s Summary) Line() string {
	faults := 0
	for _, n := range s.Faults {
		faults += n
	}
	return fmt.Sprintf("sim: seeds=%d virtual=%.0fd steps=%d commits=%d faults=%d kinds=%d/%d violations=%d trace-hash=%016x seconds=%.1f",
		s.Seeds, s.Days, s.Steps, s.Commits, faults, int(kinds)-len(s.Unmet()), int(kinds), len(s.Failed), s.Hash, s.Took.Seconds())
}

// Table writes how often each kind of fault was met, and which kinds of the
// project's list these paths cannot meet.
func (s Summary) Table(out io.Writer) {
	for _, k := range allKinds() {
		fmt.Fprintf(out, "  %-58s %8d\n", k, s.Faults[k])
	}
	for _, a := range Absent {
		fmt.Fprintf(out, "  %2d %-55s %8s  %s\n", a.Number, a.Name, "-", a.Why)
	}
}

// Report writes what a seed violated, and the fewest faults that still make it
// violate the same.
func Report(out io.Writer, r Result) {
	fmt.Fprintf(out, "seed=%d commit=%d %s: %s (%s)\n", r.Seed, r.Violation.Commit, r.Violation.Invariant, r.Violation.What,
		r.Violation.At.In(zone).Format("01-02 15:04:05.000"))
	fewest := Minimise(r)
	fmt.Fprintf(out, "  with %d of %d faults:\n", len(fewest), len(r.Injected))
	for _, i := range fewest {
		fmt.Fprintf(out, "    %-58s %s\n", i.Kind, i.Where)
	}
	fmt.Fprintf(out, "  go run ./infra/sim/run -seed %d -trace -minimise\n", r.Seed)
}

// Minimise leaves faults out while the seed still violates the same invariant:
// first in large parts, then one by one.
func Minimise(r Result) []Injection {
	kept := r.Injected
	fails := func(some []Injection) bool {
		again := Run(r.Seed, only(some), nil)
		return again.Violation != nil && again.Violation.Invariant == r.Violation.Invariant
	}
	if !fails(kept) {
		return kept
	}
	for part := max(len(kept)/2, 1); ; part /= 2 {
		for from := 0; from < len(kept); {
			rest := slices.Concat(kept[:from], kept[min(from+part, len(kept)):])
			if fails(rest) {
				kept = rest
			} else {
				from += part
			}
		}
		if part <= 1 {
			return kept
		}
	}
}

func only(some []Injection) map[uint64]bool {
	ids := make(map[uint64]bool, len(some))
	for _, i := range some {
		ids[i.ID] = true
	}
	return ids
}

// Replay runs a seed with some of its faults alone and writes the trace.
func Replay(out io.Writer, seed uint64, some []Injection) Result {
	return Run(seed, only(some), out)
}
