//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package embedded

import (
	"errors"
	"os"
)

// lockFile refuses: without a lock that dies with its process, two processes
// could write one log.
func lockFile(string) (*os.File, error) {
	return nil, errors.New("a durable table needs a Unix; Memory works everywhere")
}
