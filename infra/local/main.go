// Command local is `make run`: the whole stack of template.yaml in one process,
// on durable storage in one folder.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	config, err := readConfig(os.Args[1:], os.Getenv)
	if err == nil {
		err = run(ctx, config, os.Stdout, slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "huitou:", err)
		os.Exit(1)
	}
}
