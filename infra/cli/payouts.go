package cli

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"

	"github.com/huitou/huitou/shared/loyalty"
)

type payoutsCommands struct {
	List     PayoutsListCommand     `cmd:"" help:"Red packets in a state."`
	Show     PayoutsShowCommand     `cmd:"" help:"One red packet, with the evidence of each step."`
	Ask      PayoutsAskCommand      `cmd:"" help:"Ask the payer again now (立即重新请款)."`
	Resolve  PayoutsResolveCommand  `cmd:"" help:"End a red packet by hand (人工处理); two operators have to."`
	Withdraw PayoutsWithdrawCommand `cmd:"" help:"Withdraw what was proposed by hand."`
}

type shownPayout struct {
	Bill     string         `json:"bill"`
	Batch    string         `json:"batch"`
	Card     int            `json:"card"`
	MemberID string         `json:"member_id"`
	Amount   loyalty.Fen    `json:"amount"`
	State    string         `json:"state"`
	Asked    int            `json:"asked"`
	AskedAt  string         `json:"asked_at"`
	NextAsk  string         `json:"next_ask"`
	Said     string         `json:"said"`
	Steps    []payoutStep   `json:"steps"`
	Proposed *shownProposal `json:"proposed"`
}

type payoutStep struct {
	State     string `json:"state"`
	At        string `json:"at"`
	By        string `json:"by"`
	Approved  string `json:"approved"`
	Reference string `json:"reference"`
	Code      string `json:"code"`
	Reason    string `json:"reason"`
}

type shownProposal struct {
	State     string `json:"state"`
	Reference string `json:"reference"`
	Reason    string `json:"reason"`
	Operator  string `json:"operator"`
	At        string `json:"at"`
}

func (p *shownProposal) String() string {
	if p == nil {
		return ""
	}
	end := p.State
	if p.Reference != "" {
		end += " as " + p.Reference
	}
	return end + ", by " + p.Operator + " at " + p.At + ": " + p.Reason
}

// wonAt is when the card gave it.
func (p shownPayout) wonAt() string {
	if len(p.Steps) == 0 {
		return ""
	}
	return p.Steps[0].At
}

func (p shownPayout) String() string {
	text := facts("bill", p.Bill, "amount", money(p.Amount), "state", p.State, "member", p.MemberID,
		"card", p.Batch+", no. "+strconv.Itoa(p.Card), "times asked", strconv.Itoa(p.Asked), "last", p.AskedAt, "next", p.NextAsk,
		"payer said", p.Said, "proposed", p.Proposed.String())
	table := grid{titles: []string{"STATE", "AT", "BY", "AGREED", "REFERENCE", "WHY"}}
	for _, step := range p.Steps {
		table.add(step.State, step.At, step.By, step.Approved, step.Reference, or(step.Reason, step.Code))
	}
	return text + table.String()
}

// PayoutsListCommand is `huitou payouts list`.
type PayoutsListCommand struct {
	State      string `default:"paying" enum:"requested,paying,paid,failed_final" help:"requested (nobody was asked yet), paying (what the payer did is not known), paid or failed_final."`
	Paging     `embed:""`
	Connection `embed:""`
}

// Help is the long help.
func (PayoutsListCommand) Help() string {
	return `Those of one state, oldest first in each of its partitions. It may lag behind by a moment.

Examples:

    huitou payouts list

    huitou payouts list --state failed_final --all --json`
}

// Run lists payouts.
func (c PayoutsListCommand) Run(ctx context.Context, console Console) error {
	request := get("v1", "payouts")
	request.query = url.Values{"state": {c.State}}
	return list(ctx, console, c.Connection, c.Paging, request,
		[]string{"BILL", "STATE", "AMOUNT", "MEMBER", "WON AT", "ASKED", "NEXT ASK", "PAYER SAID"},
		func(p shownPayout) []string {
			return []string{p.Bill, p.State, money(p.Amount), p.MemberID, p.wonAt(), strconv.Itoa(p.Asked), p.NextAsk, p.Said}
		})
}

// Payout names the payout of a command.
type Payout struct {
	Bill string `arg:"" name:"bill" help:"Its bill, such as HTK000070000003."`
}

func (p Payout) path(more ...string) []string {
	return append([]string{"v1", "payouts", p.Bill}, more...)
}

// PayoutsShowCommand is `huitou payouts show`.
type PayoutsShowCommand struct {
	Payout     `embed:""`
	Connection `embed:""`
}

// Help is the long help.
func (PayoutsShowCommand) Help() string {
	return `Examples:

    huitou payouts show HTK000070000003`
}

// Run shows a payout.
func (c PayoutsShowCommand) Run(ctx context.Context, console Console) error {
	return show(ctx, console, c.Connection, get(c.path()...), shownPayout.String)
}

// PayoutsAskCommand is `huitou payouts ask`.
type PayoutsAskCommand struct {
	Payout     `embed:""`
	Repeat     `embed:""`
	Connection `embed:""`
}

// Help is the long help.
func (PayoutsAskCommand) Help() string {
	return `The payer is asked by itself, ever more seldom, up to once a day. This asks at once, under the same bill and for the same amount: nothing can be paid twice by it.

Examples:

    huitou payouts ask HTK000070000003`
}

// Run has the payer asked.
func (c PayoutsAskCommand) Run(ctx context.Context, console Console) error {
	key, err := c.key()
	if err != nil {
		return err
	}
	return show(ctx, console, c.Connection, call{method: http.MethodPost, path: c.path("ask"), key: key}, shownPayout.String)
}

// PayoutsResolveCommand is `huitou payouts resolve`.
type PayoutsResolveCommand struct {
	Payout     `embed:""`
	Paid       string `placeholder:"REFERENCE" help:"It was paid: the payer's own number."`
	Failed     bool   `help:"Nothing was paid under this bill, and nothing will be."`
	Reason     string `required:"" placeholder:"TEXT" help:"Stands in the payout's record for ever: name no person in it."`
	Repeat     `embed:""`
	Connection `embed:""`
}

// Help is the long help.
func (PayoutsResolveCommand) Help() string {
	return `The first operator proposes, and the payer is not asked meanwhile; a second, different one agrees by the same command. Look in the payer's books first: what ended stays so.

Examples:

    huitou payouts resolve HTK000070000003 --paid 4200001234 --reason "paid in the merchant console"

    huitou payouts resolve HTK000070000003 --failed --reason "account closed, customer told"`
}

// Run resolves a payout.
func (c PayoutsResolveCommand) Run(ctx context.Context, console Console) error {
	if (c.Paid != "") == c.Failed {
		return &UsageError{"give --paid with the payer's number, or --failed"}
	}
	key, err := c.key()
	if err != nil {
		return err
	}
	resolution := map[string]string{"state": "failed_final", "reason": c.Reason}
	if c.Paid != "" {
		resolution["state"], resolution["reference"] = "paid", c.Paid
	}
	raw, err := json.Marshal(resolution)
	if err != nil {
		return err
	}
	return show(ctx, console, c.Connection, call{method: http.MethodPost, path: c.path("resolution"), body: raw, key: key}, func(p shownPayout) string {
		if p.Proposed == nil {
			return p.String()
		}
		return p.String() + "\nNot ended yet: a second operator has to run the same command.\n"
	})
}

// PayoutsWithdrawCommand is `huitou payouts withdraw`.
type PayoutsWithdrawCommand struct {
	Payout     `embed:""`
	Connection `embed:""`
}

// Help is the long help.
func (PayoutsWithdrawCommand) Help() string {
	return `The payer is asked again from then on.

Examples:

    huitou payouts withdraw HTK000070000003`
}

// Run withdraws a proposal.
func (c PayoutsWithdrawCommand) Run(ctx context.Context, console Console) error {
	return show(ctx, console, c.Connection, call{method: http.MethodDelete, path: c.path("resolution")}, shownPayout.String)
}
