package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/huitou/huitou/infra/smoke/artifact"
)

// Start is a binary's cold start: the first quartile of interleaved starts,
// because whatever else the machine does only ever adds, and how many times
// that of the least function of the same run.
type Start struct {
	StartCost
	CPU       float64 `json:"cpu_ms"`
	CPURatio  float64 `json:"cpu_ratio"`
	Wall      float64 `json:"wall_ms"`
	WallRatio float64 `json:"wall_ratio"`

	target    float64 // of CPURatio
	mostBytes int64
}

// StartCost is what of a start can be compared with another run's, however
// busy the machine is: how large the binary is, and how much memory it has
// touched by then, which goes with what it has done.
type StartCost struct {
	Pages float64 `json:"pages"`
	Bytes int64   `json:"bytes"`
}

const (
	spawns = 30
	hello  = "hello-world"
)

// measureStarts starts every deployable binary of this processor's and the
// least function, in turns. Their secrets come over loopback.
func measureStarts(ctx context.Context) (map[string]Start, error) {
	functions, err := artifact.Functions()
	if err != nil {
		return nil, err
	}
	binaries, err := artifact.Build(ctx, functions)
	if err != nil {
		return nil, err
	}
	root, err := artifact.Root(ctx)
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "huitou-bench")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(folder) }() // the system clears it otherwise
	least := filepath.Join(folder, "bootstrap")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-tags", "lambda.norpc", "-ldflags", "-s -w -buildid=", "-o", least, "./infra/bench/hello")
	build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+runtime.GOARCH)
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	binaries[hello] = least
	functions = append(functions, artifact.Function{Name: hello})

	secrets, err := artifact.DrawSecrets("http://127.0.0.1:1")
	if err != nil {
		return nil, err
	}
	cloud, err := artifact.OpenCloud("", secrets.Parameters())
	if err != nil {
		return nil, err
	}
	defer func() { _ = cloud.Close() }() // nobody is connected any more
	cpu, wall, pages := map[string][]float64{}, map[string][]float64{}, map[string][]float64{}
	for range spawns {
		for _, function := range functions {
			start, err := artifact.Spawn(ctx, binaries[function.Name], function.Environment(cloud, ""))
			if err != nil {
				return nil, err
			}
			cpu[function.Name] = append(cpu[function.Name], milliseconds(start.Ended.UserTime()+start.Ended.SystemTime()))
			wall[function.Name] = append(wall[function.Name], milliseconds(start.Wall))
			pages[function.Name] = append(pages[function.Name], float64(pagesOf(start.Ended)))
		}
	}
	starts := map[string]Start{}
	for _, function := range functions {
		file, err := os.Stat(binaries[function.Name])
		if err != nil {
			return nil, err
		}
		start := Start{CPU: quartile(cpu[function.Name]), Wall: quartile(wall[function.Name])}
		start.StartCost = StartCost{quartile(pages[function.Name]), file.Size()}
		start.CPURatio, start.WallRatio = start.CPU/quartile(cpu[hello]), start.Wall/quartile(wall[hello])
		start.target, start.mostBytes = startTarget(function)
		starts[function.Name] = start
	}
	return starts, nil
}

// startTarget is how many times the least function's a start may be, and how
// many bytes a binary may have: by the AWS clients that it links.
func startTarget(function artifact.Function) (ratio float64, bytes int64) {
	clients := map[string]bool{}
	for variable := range function.Variables {
		switch {
		case variable == "TABLE_NAME":
			clients["table"] = true
		case strings.HasSuffix(variable, "_QUEUE_URL"):
			clients["queue"] = true
		case strings.HasSuffix(variable, "_PARAMETER"):
			clients["secrets"] = true
		}
	}
	switch {
	case function.Name == "Operate":
		return 2.3, 12e6
	case len(clients) > 1:
		return 1.9, 12e6
	}
	return 1.6, 9e6
}

func quartile(of []float64) float64 {
	sorted := slices.Sorted(slices.Values(of))
	return sorted[len(sorted)/4]
}
