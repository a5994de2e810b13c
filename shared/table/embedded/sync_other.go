//go:build !linux

package embedded

import "os"

// datasync makes the file's content and length durable.
func datasync(file *os.File) error { return file.Sync() }
