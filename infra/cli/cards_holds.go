package cli

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
)

type shownHold struct {
	ID       string        `json:"id"`
	Batch    string        `json:"batch"`
	Card     int           `json:"card"`
	MemberID string        `json:"member_id"`
	Prize    prizeDocument `json:"prize"`
	Why      string        `json:"why"`
	HeldAt   string        `json:"held_at"`
	State    string        `json:"state"`
	Appeal   *shownAppeal  `json:"appeal"`
	Proposed *holdDecision `json:"proposed"`
	Decided  *holdDecision `json:"decided"`
}

type shownAppeal struct {
	Ground string `json:"ground"`
	At     string `json:"at"`
}

func (a *shownAppeal) String() string {
	if a == nil {
		return ""
	}
	return a.Ground + " at " + a.At
}

type holdDecision struct {
	State    string `json:"state"`
	Reason   string `json:"reason"`
	Operator string `json:"operator"`
	Approved string `json:"approved"`
	At       string `json:"at"`
}

func (d *holdDecision) String() string {
	if d == nil {
		return ""
	}
	text := d.State
	if d.Reason != "" {
		text += " (" + d.Reason + ")"
	}
	text += " by " + d.Operator
	if d.Approved != "" {
		text += " and " + d.Approved
	}
	return text + " at " + d.At
}

// prize is what the card won, in one word or two.
func (h shownHold) prize() string {
	if value := h.Prize.value(); value != "" {
		return h.Prize.Kind + " " + value
	}
	return h.Prize.Kind
}

func (h shownHold) String() string {
	return facts("hold", h.ID, "card", h.Batch+", no. "+strconv.Itoa(h.Card), "state", h.State, "prize", h.prize(), "member", h.MemberID,
		"why", h.Why, "held at", h.HeldAt, "appeal", h.Appeal.String(), "proposed", h.Proposed.String(), "decided", h.Decided.String())
}

// CardsHoldsCommand is `huitou cards holds`.
type CardsHoldsCommand struct {
	State      string `default:"open" enum:"open,released,voided" help:"open (waits for you), released or voided."`
	Appealed   bool   `help:"Those alone whose customer appealed."`
	Paging     `embed:""`
	Connection `embed:""`
}

// Help is the long help.
func (CardsHoldsCommand) Help() string {
	return `Cards of suspicious runs, whose prizes wait for an operator: those appealed against first, then the others, each oldest first. It may lag behind by a moment.

Examples:

    huitou cards holds

    huitou cards holds --state voided --appealed`
}

// Run lists held cards.
func (c CardsHoldsCommand) Run(ctx context.Context, console Console) error {
	request := get("v1", "card-holds")
	request.query = url.Values{"state": {c.State}, "appealed": {strconv.FormatBool(c.Appealed)}}
	return list(ctx, console, c.Connection, c.Paging, request,
		[]string{"HOLD", "STATE", "PRIZE", "MEMBER", "WHY", "HELD AT", "APPEAL", "PROPOSED"},
		func(h shownHold) []string {
			return []string{h.ID, h.State, h.prize(), h.MemberID, h.Why, h.HeldAt, h.Appeal.String(), h.Proposed.String()}
		})
}

// CardsReleaseCommand is `huitou cards release`.
type CardsReleaseCommand struct {
	ID         string `arg:"" name:"hold" help:"The hold, such as K-00007-0000003."`
	Repeat     `embed:""`
	Connection `embed:""`
}

// Help is the long help.
func (CardsReleaseCommand) Help() string {
	return `The prize is given as the redemption would have given it, once.

Examples:

    huitou cards release K-00007-0000003`
}

// Run releases a card.
func (c CardsReleaseCommand) Run(ctx context.Context, console Console) error {
	key, err := c.key()
	if err != nil {
		return err
	}
	return show(ctx, console, c.Connection, call{method: http.MethodPost, path: []string{"v1", "card-holds", c.ID, "release"}, key: key}, shownHold.String)
}

// CardsVoidCommand is `huitou cards void`.
type CardsVoidCommand struct {
	ID         string `arg:"" name:"hold-or-batch" help:"The hold of a card; or the batch of one that nobody has redeemed."`
	Card       int    `arg:"" optional:"" name:"card" help:"With a batch: the card's number in it, from 1."`
	Reason     string `required:"" enum:"stolen,unbought,returned,leaked,misprint,erased" help:"stolen, unbought (taken without the goods), returned, leaked, misprint or erased. The customer is told it in words."`
	Repeat     `embed:""`
	Connection `embed:""`
}

// Help is the long help.
func (CardsVoidCommand) Help() string {
	return `There is no way back, and the prize goes to nobody else. A held card of a dear prize takes two operators: the second runs the same command.

Examples:

    huitou cards void K-00007-0000003 --reason stolen

  The fourth card of a batch, before anybody redeems it:

    huitou cards void K-00007 4 --reason misprint`
}

type voidedCard struct {
	Batch    string `json:"batch"`
	Card     int    `json:"card"`
	Reason   string `json:"reason"`
	Operator string `json:"operator"`
	At       string `json:"at"`
}

func (v voidedCard) String() string {
	return facts("card", v.Batch+", no. "+strconv.Itoa(v.Card), "voided", v.Reason+", by "+v.Operator+" at "+v.At)
}

// Run voids a card.
func (c CardsVoidCommand) Run(ctx context.Context, console Console) error {
	if c.Card < 0 {
		return &UsageError{"a card's number is 1 or more"}
	}
	key, err := c.key()
	if err != nil {
		return err
	}
	body, err := json.Marshal(map[string]string{"reason": c.Reason})
	if err != nil {
		return err
	}
	void := call{method: http.MethodPost, path: []string{"v1", "card-holds", c.ID, "void"}, body: body, key: key}
	if c.Card > 0 {
		void.path = Batch{c.ID}.path("cards", strconv.Itoa(c.Card), "void")
		return show(ctx, console, c.Connection, void, voidedCard.String)
	}
	return show(ctx, console, c.Connection, void, func(h shownHold) string {
		if h.State != "open" {
			return h.String()
		}
		return h.String() + "\nNot void yet: a second operator has to run the same command.\n"
	})
}
