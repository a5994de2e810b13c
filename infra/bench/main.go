// Command bench measures what huitou costs and prints one table: the units and
// round trips of every operation, CPU and allocations, throughput beside its
// floor, and cold starts beside the least that a function can be. The targets
// are those that the project set itself; a row over its target says so.
//
//	go run ./infra/bench           prints all and writes build/bench.json
//	go run ./infra/bench -check    compares the counts with infra/bench/bounds.json
//	go run ./infra/bench -accept   makes this run's counts the bounds
//
// Counts are compared because they are the same on every machine, and of cold
// starts the sizes of binaries and what memory they touch. Times and
// throughput are for reading: compare them within one run only.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
)

func main() {
	check := flag.Bool("check", false, "compare the counts with the committed bounds and fail when one grew")
	accept := flag.Bool("accept", false, "write this run's counts as the bounds")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	switch {
	case *accept:
		err = acceptCounts(ctx)
	case *check:
		err = checkCounts(ctx, os.Stdout)
	default:
		err = report(ctx, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}
