package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/huitou/huitou/infra/smoke/artifact"
)

// Report is build/bench.json.
type Report struct {
	Machine string             `json:"machine"`
	Go      string             `json:"go"`
	Commit  string             `json:"commit"`
	At      time.Time          `json:"at"`
	Units   map[string]Units   `json:"units"`
	Growth  []Growth           `json:"growth"`
	Work    map[string]Work    `json:"work"`
	Engine  map[string]Rate    `json:"engine"`
	Refused map[string]Refusal `json:"refusals"`
	Member  Contended          `json:"one_member"`
	Orders  Orders             `json:"orders"`
	Exports map[int]Export     `json:"exports"`
	Starts  map[string]Start   `json:"starts"`
}

// workLength is how long each benchmark runs.
const workLength = "500ms"

func report(ctx context.Context, out io.Writer) error {
	r := Report{Machine: machine(), Go: runtime.Version(), Commit: commit(ctx), At: time.Now().UTC().Truncate(time.Second)}
	fmt.Fprintf(out, "%s; %s %s/%s; commit %s\n", r.Machine, r.Go, runtime.GOOS, runtime.GOARCH, r.Commit)
	var err error
	// A process that ends is said to have held what held the one that started it,
	// so this comes before anything that is large.
	if r.Exports, err = measureExports(ctx); err != nil {
		return err
	}
	if r.Units, err = meterUnits(ctx); err != nil {
		return err
	}
	for _, members := range growthSizes {
		rows, err := measureGrowth(ctx, members, growthDue, glances)
		if err != nil {
			return err
		}
		r.Growth = append(r.Growth, rows...)
	}
	if r.Work, err = measureWork(ctx, func(work) string { return workLength }); err != nil {
		return err
	}
	if r.Refused, err = measureRefusals(ctx, refusalCalls); err != nil {
		return err
	}
	if r.Engine, err = measureEngine(ctx); err != nil {
		return err
	}
	if r.Member, err = measureOneMember(ctx); err != nil {
		return err
	}
	if r.Orders, err = measureStack(ctx); err != nil {
		return err
	}
	if r.Starts, err = measureStarts(ctx); err != nil {
		return err
	}
	if err := r.print(out); err != nil {
		return err
	}
	root, err := artifact.Root(ctx)
	if err != nil {
		return err
	}
	path := filepath.Join(root, "build", "bench.json")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return writeJSON(path, r)
}

func (r Report) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(cells ...any) {
		text := make([]string, len(cells))
		for i, cell := range cells {
			text[i] = fmt.Sprint(cell)
		}
		fmt.Fprintln(w, strings.Join(text, "\t")+"\t")
	}
	row("\nUNITS of one operation", "write", "read", "round trips", "target", "")
	for _, o := range operations {
		u := r.Units[o.name]
		target, mark := "-", ""
		if o.target != noTarget {
			target, mark = fmt.Sprintf("%g write", o.target), verdict(u.Write <= o.target)
		}
		row(o.name, number(u.Write), number(u.Read), number(u.Trips), target, mark)
	}
	row("\nDUE WORK, one firing", "members", "write", "read", "round trips", "seconds", "MiB live", "target", "")
	slices.SortStableFunc(r.Growth, func(a, b Growth) int { return strings.Compare(b.Work, a.Work) }) // in the order of a point's life
	for _, g := range r.Growth {
		row(fmt.Sprintf("%s, %d due", g.Work, g.Due), g.Members, number(g.Units.Write), number(g.Units.Read), number(g.Units.Trips),
			number(g.Seconds), number(float64(g.HeapBytes)/(1<<20)), fmt.Sprintf("%d MiB", growthHeap>>20), verdict(g.HeapBytes <= growthHeap))
	}
	row("\nCPU of one operation", "ns", "allocations", "bytes", "target", "")
	for _, one := range works {
		m, target, mark := r.Work[one.name], "-", ""
		if one.target > 0 {
			target, mark = fmt.Sprintf("%d ns", one.target.Nanoseconds()), verdict(m.Nanoseconds <= float64(one.target.Nanoseconds()))
		}
		row(one.name, number(m.Nanoseconds), number(m.Allocations), number(m.Bytes), target, mark)
	}
	row(fmt.Sprintf("\nREFUSED REDEMPTIONS, %d calls each", refusalCalls), "round trips", "median µs", "middle half µs",
		fmt.Sprintf("slower than unknown, at ±%v a trip", spread), "p", fmt.Sprintf("all within %d µs", tellable))
	for i, one := range refusals {
		m := r.Refused[one.name]
		cells := []any{one.name, number(m.Trips), number(m.Median), number(m.Low) + " to " + number(m.High), "-", "-", "-"}
		if i > 0 {
			cells = append(cells[:4], fmt.Sprintf("%.1f %%", m.Slower*100), fmt.Sprintf("%.2f", m.Chance), verdict(alike(r.Refused)))
		}
		row(cells...)
	}
	row("\nONE MACHINE, durable", "per second", "p50 ms", "p99 ms", "target", "")
	for _, writers := range []string{"16 writers", "64 writers"} {
		least, engine := r.Engine["floor, "+writers], r.Engine["engine, "+writers]
		row("map and append log, "+writers, number(least.PerSecond), number(least.P50), number(least.P99), "-", "the floor")
		row("embedded engine, "+writers, number(engine.PerSecond), number(engine.P50), number(engine.P99), "1/4 of it",
			fmt.Sprintf("%.2f, %s", engine.PerSecond/least.PerSecond, verdict(engine.PerSecond >= least.PerSecond/4)))
	}
	row(fmt.Sprintf("orders, refunds and spends of one member, %d at once", contenders), number(r.Member.PerSecond), number(r.Member.P50), number(r.Member.P99), "-",
		fmt.Sprintf("%d told to try again", r.Member.Busy))
	row("orders accepted, 64 clients", number(r.Orders.Accepted.PerSecond), number(r.Orders.Accepted.P50), number(r.Orders.Accepted.P99), "-", "")
	row(fmt.Sprintf("orders credited, whole stack, %.0f µs of CPU each", r.Orders.CPU), number(r.Orders.PerSecond), "", "", fmt.Sprint(stackTarget), verdict(r.Orders.PerSecond >= stackTarget))
	row("\nCARD CODES exported", "per second", "MiB huitou", "MiB stack", "target", "")
	for _, count := range exportSizes {
		e := r.Exports[count]
		row(fmt.Sprintf("%d to a file", count), number(e.PerSecond), mebibytes(e.Client), mebibytes(e.Stack),
			fmt.Sprintf("%s MiB huitou", mebibytes(exportMemory)), verdict(e.Client <= exportMemory))
	}
	row("\nCOLD START, spawn to first GET /next", "CPU ms", "ratio", "wall ms", "target", "", "MB", "target", "")
	for _, name := range slices.Sorted(maps.Keys(r.Starts)) {
		s := r.Starts[name]
		cells := []any{name, number(s.CPU), fmt.Sprintf("%.2f", s.CPURatio), number(s.Wall)}
		if name == hello {
			row(append(cells, "-", "", number(float64(s.Bytes)/1e6), "-", "")...)
			continue
		}
		row(append(cells, fmt.Sprintf("%.1f", s.target), verdict(s.CPURatio <= s.target),
			number(float64(s.Bytes)/1e6), fmt.Sprintf("%d", s.mostBytes/1e6), verdict(s.Bytes <= s.mostBytes))...)
	}
	return w.Flush()
}

// stackTarget is ten times what the slower of the two ledgers of PERFORMANCE
// was measured at; those ran on another day, so it is an order of magnitude.
const stackTarget = 10 * 692

func verdict(kept bool) string {
	if kept {
		return "ok"
	}
	return "OVER"
}

func mebibytes(n int64) string { return number(float64(n) / (1 << 20)) }

func number(n float64) string {
	switch {
	case n == float64(int64(n)) || n >= 1000:
		return fmt.Sprintf("%.0f", n)
	case n >= 10:
		return fmt.Sprintf("%.1f", n)
	}
	return fmt.Sprintf("%.2f", n)
}

// machine names the processor and how many of it there are.
func machine() string {
	name := "an unnamed processor"
	if raw, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(raw)) {
			if key, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(key) == "model name" {
				name = strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("%d × %s", runtime.NumCPU(), name)
}

// commit is what was measured, with a mark for changes on top of it.
func commit(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty", "--abbrev=12").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}
