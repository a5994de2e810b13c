package main

import (
	"fmt"
	"os"
	"syscall"
)

// peakOfEnded is the most memory that a process held that has ended.
func peakOfEnded(state *os.ProcessState) int64 {
	usage, ok := state.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	return usage.Maxrss << 10
}

// pagesOf is how many pages of memory a process had touched when it ended.
func pagesOf(ended *os.ProcessState) int64 {
	if usage, ok := ended.SysUsage().(*syscall.Rusage); ok {
		return usage.Minflt
	}
	return 0
}

// peakOf is the most memory that a running process held since forgetPeak, 0
// where the system does not tell.
func peakOf(process *os.Process) int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", process.Pid))
	if err != nil {
		return 0
	}
	return statusBytes(string(status), "VmHWM")
}

// forgetPeak begins anew; where that is not allowed the peak is that of the
// whole run, which can only look worse.
func forgetPeak(process *os.Process) {
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", process.Pid), []byte("5"), 0)
}
