// Package cli is the command line of operators and engineers.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/alecthomas/kong"
	"github.com/mattn/go-isatty"
	"github.com/schollz/progressbar/v3"
)

// CLI is all commands.
type CLI struct {
	Orders struct {
		Import ImportCommand `cmd:"" help:"Import orders from files that Tmall or Douyin export."`
	} `cmd:"" help:"Orders (订单)."`
}

// Console is where a command speaks: results to Out, everything else to Err.
type Console struct {
	Out io.Writer
	Err io.Writer
}

// progress is a bar on Err where that is a terminal, and nothing elsewhere.
func (c Console) progress(most int64, label string) *progressbar.ProgressBar {
	if file, ok := c.Err.(*os.File); ok && isatty.IsTerminal(file.Fd()) {
		return progressbar.NewOptions64(most, progressbar.OptionSetWriter(c.Err), progressbar.OptionSetDescription(label),
			progressbar.OptionShowCount(), progressbar.OptionClearOnFinish(), progressbar.OptionThrottle(100_000_000))
	}
	return progressbar.DefaultSilent(most)
}

// UsageError is a fault in how a command was called; the exit code is 2.
type UsageError struct{ text string }

func (e *UsageError) Error() string { return e.text }

// incompleteError says that not everything was done; the exit code is 1.
type incompleteError struct{ text string }

func (e *incompleteError) Error() string { return e.text }

// Main runs one command line and gives its exit code: 0 done, 1 not or not
// wholly done, 2 wrong usage.
func Main(ctx context.Context, arguments []string, console Console) int {
	var root CLI
	exit := -1
	parser, err := kong.New(&root,
		kong.Name("huitou"),
		kong.Description("The command line of huitou (回头)."),
		kong.Writers(console.Out, console.Err),
		kong.Exit(func(code int) { exit = code }),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(console),
	)
	if err != nil {
		fmt.Fprintln(console.Err, "huitou:", err)
		return 2
	}
	command, err := parser.Parse(arguments)
	if exit >= 0 {
		return exit // --help has printed all there is to say
	}
	if err != nil {
		fmt.Fprintln(console.Err, "huitou:", err)
		return 2
	}
	err = command.Run()
	if usage, ok := errors.AsType[*UsageError](err); ok {
		fmt.Fprintln(console.Err, "huitou:", usage)
		return 2
	}
	if err != nil {
		fmt.Fprintln(console.Err, "huitou:", err)
		return 1
	}
	return 0
}
