// Command run is `make sim`: many seeds of the simulator, then the mutants that
// it has to catch.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/huitou/huitou/infra/sim"
)

func main() {
	seeds := flag.Uint64("seeds", 2000, "how many seeds")
	from := flag.Uint64("from", 1, "the first of them")
	fresh := flag.Uint64("fresh", 0, "how many seeds more, from where no other commit begins")
	freshFrom := flag.Uint64("fresh-from", 0, "the first of these; 0: as the commit says")
	known := flag.Bool("known", false, "also the seeds that have failed")
	seed := flag.Uint64("seed", 0, "run this seed alone")
	trace := flag.Bool("trace", false, "with -seed: print every step")
	minimise := flag.Bool("minimise", false, "with -seed and -trace: leave out the faults that a violation does not need")
	mutants := flag.Bool("mutants", false, "then plant the mutants and see each caught")
	named := flag.String("mutant", "", "with -mutants: only those whose name holds this")
	flag.Parse()
	ok := true
	if *seed != 0 {
		ok = one(*seed, *trace, *minimise)
	} else {
		plan, err := choose(*from, *seeds, *freshFrom, *fresh, *known)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		ok = many(plan)
	}
	if *mutants {
		ok = sim.HuntMutants(os.Stdout, ".", *named) && ok
	}
	if !ok {
		os.Exit(1)
	}
}

// choose lists the seeds that are to run.
func choose(from, seeds, freshFrom, fresh uint64, known bool) ([]uint64, error) {
	var plan []uint64
	if known {
		failed, err := sim.OnceFailed()
		if err != nil {
			return nil, err
		}
		fmt.Printf("%d seeds that have failed once\n", len(failed))
		plan = append(plan, failed...)
	}
	add := func(from, seeds uint64) {
		if seeds > 0 {
			fmt.Printf("%d seeds from %d\n", seeds, from)
		}
		for n := range seeds {
			plan = append(plan, from+n)
		}
	}
	add(from, seeds)
	if fresh > 0 && freshFrom == 0 {
		commit, err := exec.Command("git", "rev-parse", "HEAD").Output()
		if err != nil {
			return nil, fmt.Errorf("git does not tell the commit, from which the fresh seeds begin; name a first one with -fresh-from: %w", err)
		}
		freshFrom = sim.Fresh(strings.TrimSpace(string(commit)))
		fmt.Printf("fresh seeds of commit %.12s; again with -fresh-from %d\n", commit, freshFrom)
	}
	add(freshFrom, fresh)
	return plan, nil
}

func one(seed uint64, trace, minimise bool) bool {
	result := sim.Run(seed, nil, nil)
	if trace {
		some := result.Injected
		if minimise && result.Violation != nil {
			some = sim.Minimise(result)
		}
		result = sim.Replay(os.Stdout, seed, some)
	}
	fmt.Printf("seed=%d steps=%d commits=%d faults=%d trace-hash=%016x\n", seed, result.Steps, result.Commits, len(result.Injected), result.Hash)
	if result.Violation != nil {
		sim.Report(os.Stdout, result)
		return false
	}
	return true
}

func many(seeds []uint64) bool {
	if len(seeds) == 0 {
		return true
	}
	summary := sim.Each(seeds, false)
	summary.Table(os.Stdout)
	fmt.Println(summary.Line())
	const shown = 5
	for i, failed := range summary.Failed {
		if i == shown {
			fmt.Printf("and %d more seeds\n", len(summary.Failed)-shown)
			break
		}
		sim.Report(os.Stdout, failed)
	}
	for _, kind := range summary.Unmet() {
		fmt.Printf("no seed met the fault %s\n", kind)
	}
	return len(summary.Failed) == 0 && len(summary.Unmet()) == 0
}
