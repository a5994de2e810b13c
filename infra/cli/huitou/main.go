// Command huitou is the command line of operators and engineers.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/huitou/huitou/infra/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first Ctrl-C ends the work in hand cleanly, the second one at once.
	context.AfterFunc(ctx, stop)
	os.Exit(cli.Main(ctx, os.Args[1:], cli.Console{Out: os.Stdout, Err: os.Stderr}))
}
