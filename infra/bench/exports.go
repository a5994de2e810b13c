package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/huitou/huitou/infra/smoke/artifact"
)

// Export is a batch's codes made by the local stack and written to a file by
// the command line: signing, HTTP, checks and disk.
type Export struct {
	PerSecond float64 `json:"codes_per_second"`
	Client    int64   `json:"client_peak_bytes"` // of memory, most at one time; 0 where the system does not tell
	Stack     int64   `json:"stack_peak_bytes"`
}

var exportSizes = []int{10_000, 100_000, 1_000_000}

// exportMemory is what PERFORMANCE allows an export.
const exportMemory = 64 << 20

// measureExports exports batches of growing size, each by a process of its own.
func measureExports(ctx context.Context) (exports map[int]Export, err error) {
	folder, err := durableFolder(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	s, stop, err := startStack(ctx, folder)
	if err != nil {
		return nil, err
	}
	defer stop()
	root, err := artifact.Root(ctx)
	if err != nil {
		return nil, err
	}
	program := filepath.Join(folder, "huitou")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", program, "./infra/cli/huitou")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	exports = map[int]Export{}
	for _, count := range exportSizes {
		var made struct{ ID string }
		body := fmt.Sprintf(`{"name":"export %d","count":%d,"arms":[{"name":"a","form":"plain","weight":1,"prizes":[]}],"valid_from":"2026-01-01T00:00:00+08:00","valid_to":"2099-01-01T00:00:00+08:00"}`, count, count)
		if err := s.call(ctx, http.MethodPost, "/v1/card-batches", body, &made); err != nil {
			return nil, err
		}
		if exports[count], err = s.export(ctx, program, made.ID, filepath.Join(folder, made.ID+".csv"), count); err != nil {
			return nil, err
		}
	}
	return exports, nil
}

func (s *localStack) export(ctx context.Context, program, batch, file string, count int) (Export, error) {
	forgetPeak(s.command.Process)
	command := exec.CommandContext(ctx, program, "cards", "export", batch, "--out", file, "--json")
	command.Env = []string{"HUITOU_URL=" + s.url, "HUITOU_OPERATOR_TOKEN=" + s.admin}
	began := time.Now()
	out, err := command.CombinedOutput()
	elapsed := time.Since(began)
	if err != nil || !strings.Contains(string(out), fmt.Sprintf(`"cards": %d`, count)) {
		return Export{}, fmt.Errorf("the export of %d cards: %w: %s", count, err, out)
	}
	return Export{float64(count) / elapsed.Seconds(), peakOfEnded(command.ProcessState), peakOf(s.command.Process)}, os.Remove(file)
}

// statusBytes reads a line of /proc/<pid>/status such as "VmHWM:  5120 kB".
func statusBytes(status, name string) int64 {
	for line := range strings.Lines(status) {
		if value, found := strings.CutPrefix(line, name+":"); found {
			kilobytes, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			if err != nil {
				return 0
			}
			return kilobytes << 10
		}
	}
	return 0
}
