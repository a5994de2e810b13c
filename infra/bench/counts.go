package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/huitou/huitou/infra/smoke/artifact"
)

// Counts are what must not grow unnoticed.
type Counts struct {
	Units       map[string]Units     `json:"units"`
	Allocations map[string]float64   `json:"allocations"` // by one operation
	Starts      map[string]StartCost `json:"starts"`      // cold, of the deployable binaries; none where they do not run
}

// allocationSlack is how much more the allocations may be: the runtime's maps
// and pools make them differ a little from one run to the next.
const allocationSlack = 1.10

// The most by which a start may grow: another version of Go makes a binary a
// little larger, and where the system keeps its files decides how many pages of
// one come at a time. The check finds packages that begin with work.
const (
	bytesSlack = 1.03
	pagesSlack = 1.15
)

func count(ctx context.Context) (Counts, error) {
	units, err := meterUnits(ctx)
	if err != nil {
		return Counts{}, err
	}
	allocations, err := countAllocations(ctx)
	if err != nil || runtime.GOOS != "linux" { // whose the binaries are
		return Counts{Units: units, Allocations: allocations}, err
	}
	measured, err := measureStarts(ctx)
	starts := map[string]StartCost{}
	for name, start := range measured {
		starts[name] = start.StartCost
	}
	return Counts{units, allocations, starts}, err
}

// grown lists what is over its bound, and what is measured or bounded alone.
func grown(is, bound Counts) error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	compare(is.Units, bound.Units, fault, func(name string, is, bound Units) {
		for _, part := range []struct {
			what      string
			is, bound float64
		}{{"write units", is.Write, bound.Write}, {"read units", is.Read, bound.Read}, {"round trips", is.Trips, bound.Trips}} {
			const rounding = 1e-9
			if part.is > part.bound+rounding {
				fault("%s: %g %s, the bound is %g", name, part.is, part.what, part.bound)
			}
		}
	})
	compare(is.Allocations, bound.Allocations, fault, func(name string, is, bound float64) {
		if is > bound*allocationSlack {
			fault("%s: %g allocations, the bound is %g", name, is, bound)
		}
	})
	compare(is.Starts, bound.Starts, fault, func(name string, is, bound StartCost) {
		if float64(is.Bytes) > float64(bound.Bytes)*bytesSlack {
			fault("%s: a binary of %d bytes, the bound is %d", name, is.Bytes, bound.Bytes)
		}
		if is.Pages > bound.Pages*pagesSlack {
			fault("%s: %g pages touched by a cold start, the bound is %g", name, is.Pages, bound.Pages)
		}
	})
	return errors.Join(faults...)
}

func compare[V any](is, bound map[string]V, fault func(string, ...any), each func(name string, is, bound V)) {
	for _, name := range slices.Sorted(maps.Keys(is)) {
		if limit, bounded := bound[name]; bounded {
			each(name, is[name], limit)
		} else {
			fault("%s has no bound; go run ./infra/bench -accept writes one", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(bound)) {
		if _, measured := is[name]; !measured {
			fault("%s has a bound and is not measured any more; go run ./infra/bench -accept strikes it off", name)
		}
	}
}

func boundsFile(ctx context.Context) (string, error) {
	root, err := artifact.Root(ctx)
	return filepath.Join(root, "infra", "bench", "bounds.json"), err
}

func readBounds(ctx context.Context) (Counts, error) {
	var bounds Counts
	path, err := boundsFile(ctx)
	if err != nil {
		return bounds, err
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return bounds, err
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	return bounds, decoder.Decode(&bounds)
}

func checkCounts(ctx context.Context, out io.Writer) error {
	bounds, err := readBounds(ctx)
	if err != nil {
		return err
	}
	counts, err := count(ctx)
	if err != nil {
		return err
	}
	if counts.Starts == nil {
		bounds.Starts = nil
		fmt.Fprintln(out, "bench: cold starts are not compared; the binaries run on Linux alone")
	}
	if err := grown(counts, bounds); err != nil {
		return fmt.Errorf("what an operation costs has grown; where that is wanted, go run ./infra/bench -accept and say why in the change\n%w", err)
	}
	fmt.Fprintf(out, "bench: %d operations within the bounds of infra/bench/bounds.json\n", len(counts.Units)+len(counts.Allocations)+len(counts.Starts))
	return nil
}

func acceptCounts(ctx context.Context) error {
	counts, err := count(ctx)
	if err != nil {
		return err
	}
	path, err := boundsFile(ctx)
	if err != nil {
		return err
	}
	return writeJSON(path, counts)
}

func writeJSON(path string, document any) error {
	raw, err := json.MarshalIndent(document, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(raw, '\n'), 0o644)
}
