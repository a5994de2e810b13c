// Package cli is the command line of operators and engineers.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/mattn/go-isatty"
	"github.com/schollz/progressbar/v3"
)

// CLI is all commands.
type CLI struct {
	Members      membersCommands      `cmd:"" help:"Members (会员): enrol, look at, consents."`
	Cards        cardsCommands        `cmd:"" help:"Package cards (包裹卡): create, activate, export for the printing house."`
	Payouts      payoutsCommands      `cmd:"" help:"Red packets on their way (红包兑付)."`
	Gifts        giftsCommands        `cmd:"" help:"Gifts with the next order (随单赠品)."`
	Templates    templatesCommands    `cmd:"" help:"Coupon templates (券模板)."`
	Audiences    audiencesCommands    `cmd:"" help:"Audiences (人群包)."`
	Campaigns    campaignsCommands    `cmd:"" help:"Campaigns (营销活动)."`
	Program      programCommands      `cmd:"" help:"The brand's rules (会员计划)."`
	Reminders    remindersCommands    `cmd:"" help:"Repurchase reminders (回购提醒)."`
	Reports      reportsCommands      `cmd:"" help:"Figures of the whole brand."`
	Orders       ordersCommands       `cmd:"" help:"Orders (订单)."`
	Claims       claimsCommands       `cmd:"" help:"Claims of orders (订单认领)."`
	Adjustments  adjustmentsCommands  `cmd:"" help:"Corrections of points (人工调整)."`
	Reservations reservationsCommands `cmd:"" help:"Points set aside to be spent (积分预扣)."`
	Refused      refusedCommands      `cmd:"" help:"What was accepted and cannot be applied (待人工处理)."`
	Operators    operatorsCommands    `cmd:"" help:"Who may call the API."`
	Audit        AuditCommand         `cmd:"" help:"What operators did (操作日志)."`
	Queues       queuesCommands       `cmd:"" help:"Queues and what they gave up on (死信)."`
	Local        localCommands        `cmd:"" help:"The clock, schedules and outbox of a local process."`
	OpenAPI      OpenAPICommand       `cmd:"" name:"openapi" help:"Print the document that describes the API."`
}

type ordersCommands struct {
	Import  ImportCommand        `cmd:"" help:"Import orders from files that Tmall or Douyin export."`
	Send    OrdersSendCommand    `cmd:"" help:"Send canonical order events from JSON files."`
	Waiting OrdersWaitingCommand `cmd:"" help:"Orders that nobody owns (无主订单)."`
	Show    OrdersShowCommand    `cmd:"" help:"One order: its owner, what it earned and why."`
	Owner   OrdersOwnerCommand   `cmd:"" help:"Who owns an order, and how it came to that."`
	Bind    OrdersBindCommand    `cmd:"" help:"Give an order that nobody owns to a member (人工绑定)."`
	Unbind  OrdersUnbindCommand  `cmd:"" help:"Take back an order that an operator gave."`
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
	// Of unknown length it would have a spinner, whose goroutine races with Finish.
	return progressbar.DefaultSilent(max(most, 0))
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
	exit := -1
	parser, err := newParser(console, func(code int) { exit = code }, kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(console))
	if err != nil {
		return console.fail(err, 2)
	}
	command, err := parser.Parse(arguments)
	if exit >= 0 {
		return exit // --help has printed all there is to say
	}
	if err != nil {
		return console.fail(fmt.Errorf("%w; see %s --help", err, commandOf(err)), 2)
	}
	err = command.Run()
	if _, usage := errors.AsType[*UsageError](err); usage {
		return console.fail(err, 2)
	}
	if err != nil {
		return console.fail(err, 1)
	}
	return 0
}

func newParser(console Console, exit func(int), options ...kong.Option) (*kong.Kong, error) {
	var root CLI
	return kong.New(&root, append(options,
		kong.Name("huitou"),
		kong.Description("The command line of huitou (回头)."),
		kong.Writers(console.Out, console.Err),
		kong.Exit(exit),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
	)...)
}

// commandOf is how far a command line was understood.
func commandOf(err error) string {
	name := "huitou"
	if wrong, ok := errors.AsType[*kong.ParseError](err); ok {
		for _, step := range wrong.Context.Path {
			if step.Command != nil {
				name += " " + step.Command.Name
			}
		}
	}
	return name
}

// fail says why a command ended. The lines of the text are ours, what is in
// them may not be.
func (c Console) fail(err error, code int) int {
	lines := strings.Split(err.Error(), "\n")
	for i, line := range lines {
		lines[i] = printable(line)
	}
	fmt.Fprintln(c.Err, "huitou:", strings.Join(lines, "\n"))
	return code
}

// note tells the user something beside the result.
func (c Console) note(format string, arguments ...any) {
	fmt.Fprintln(c.Err, "huitou:", fmt.Sprintf(format, arguments...))
}
