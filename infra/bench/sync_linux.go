package main

import (
	"os"
	"syscall"
)

// datasync is what the engine calls, too.
func datasync(file *os.File) error {
	for {
		if err := syscall.Fdatasync(int(file.Fd())); err != syscall.EINTR {
			return err
		}
	}
}
