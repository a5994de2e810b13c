package embedded

import (
	"os"
	"syscall"
)

// datasync makes the file's content and length durable, without its times.
func datasync(file *os.File) error {
	for {
		if err := syscall.Fdatasync(int(file.Fd())); err != syscall.EINTR {
			return err
		}
	}
}
