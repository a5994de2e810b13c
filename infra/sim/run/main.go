// Command run is `make sim`: many seeds of the simulator, then the mutants that
// it has to catch.
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/huitou/huitou/infra/sim"
)

func main() {
	seeds := flag.Uint64("seeds", 2000, "how many seeds")
	from := flag.Uint64("from", 1, "the first seed")
	seed := flag.Uint64("seed", 0, "run this seed alone")
	trace := flag.Bool("trace", false, "with -seed: print every step")
	minimise := flag.Bool("minimise", false, "with -seed and -trace: leave out the faults that a violation does not need")
	mutants := flag.Bool("mutants", false, "then plant the mutants and see each caught")
	named := flag.String("mutant", "", "with -mutants: only those whose name holds this")
	flag.Parse()
	ok := true
	switch {
	case *seed != 0:
		ok = one(*seed, *trace, *minimise)
	case *seeds > 0:
		ok = many(*from, *seeds)
	}
	if *mutants {
		ok = sim.HuntMutants(os.Stdout, ".", *named) && ok
	}
	if !ok {
		os.Exit(1)
	}
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

func many(from, seeds uint64) bool {
	summary := sim.Many(from, seeds, false)
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
