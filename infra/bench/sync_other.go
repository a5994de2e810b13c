//go:build !linux

package main

import "os"

// datasync is what the engine calls, too.
func datasync(file *os.File) error { return file.Sync() }
