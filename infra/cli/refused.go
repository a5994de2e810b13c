package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

type refusedCommands struct {
	List    RefusedListCommand    `cmd:"" help:"What was accepted and cannot be applied."`
	Show    RefusedShowCommand    `cmd:"" help:"One of them, with its content."`
	Retry   RefusedRetryCommand   `cmd:"" help:"Apply it again, after a remedy."`
	Dismiss RefusedDismissCommand `cmd:"" help:"Decide that it is not to be applied."`
}

type shownRefused struct {
	ID      string         `json:"id"`
	Source  string         `json:"source"`
	Reason  string         `json:"reason"`
	Faults  []refusedFault `json:"faults"`
	Channel string         `json:"channel"`
	Shop    string         `json:"shop"`
	OrderID string         `json:"order_id"`
	Form    string         `json:"form"`
	Cut     bool           `json:"cut"`
	Content string         `json:"content"`
	First   string         `json:"first_at"`
	Last    string         `json:"last_at"`
	Count   int            `json:"count"`
	Ends    string         `json:"ends_at"`
	State   string         `json:"state"`
	Retried *handOnOne     `json:"retried"`
	Ended   *handOnOne     `json:"ended"`
}

type refusedFault struct {
	Pointer string `json:"pointer"`
	Code    string `json:"code"`
}

// handOnOne is an operator's act upon a kept input.
type handOnOne struct {
	Operator string `json:"operator"`
	At       string `json:"at"`
	Reason   string `json:"reason"`
}

func (h *handOnOne) String() string {
	if h == nil {
		return ""
	}
	text := "by itself"
	if h.Operator != "" {
		text = "by " + h.Operator
	}
	if h.Reason != "" {
		text += " (" + h.Reason + ")"
	}
	return text + " at " + h.At
}

func (r shownRefused) order() string {
	if r.OrderID == "" {
		return ""
	}
	return r.Channel + " " + r.Shop + " " + r.OrderID
}

func (r shownRefused) faults() string {
	var texts []string
	for _, fault := range r.Faults {
		texts = append(texts, strings.TrimSpace(fault.Pointer+" "+fault.Code))
	}
	return strings.Join(texts, ", ")
}

func (r shownRefused) String() string {
	kept := ""
	if r.Cut {
		kept = "not all of it"
	}
	return facts("refused", r.ID, "state", r.State, "reason", r.Reason, "faults", r.faults(), "source", r.Source, "order", r.order(), "form", r.Form,
		"first", r.First, "last", r.Last, "count", strconv.Itoa(r.Count), "forgotten", r.Ends, "kept", kept,
		"retried", r.Retried.String(), "ended", r.Ended.String(), "content", r.Content)
}

// RefusedListCommand is `huitou refused list`.
type RefusedListCommand struct {
	State      string `default:"waiting" enum:"waiting,applied,dismissed" help:"waiting (for you), applied or dismissed."`
	Source     string `placeholder:"SOURCE" help:"Of this one alone: a channel, wecom, or orders for what is on that queue and tells no channel."`
	Reason     string `placeholder:"REASON" help:"For this one alone: currency, unknown_line, conflict, ambiguous_refund, unreadable or inapplicable."`
	Paging     `embed:""`
	Connection `embed:""`
}

// Help is the long help.
func (RefusedListCommand) Help() string {
	return `What a platform's signature vouches for, or what was accepted, and cannot be applied is kept 30 days for a person, newest first. It may lag behind by a moment.

Examples:

    huitou refused list

    huitou refused list --source youzan --reason unreadable --all --json`
}

// Run lists kept inputs.
func (c RefusedListCommand) Run(ctx context.Context, console Console) error {
	return list(ctx, console, c.Connection, c.Paging, refusedList(c.State, c.Source, c.Reason),
		[]string{"REFUSED", "REASON", "FAULTS", "SOURCE", "ORDER", "LAST", "COUNT"},
		func(r shownRefused) []string {
			return []string{r.ID, r.Reason, r.faults(), r.Source, r.order(), r.Last, strconv.Itoa(r.Count)}
		})
}

func refusedList(state, source, reason string) call {
	request := get("v1", "refused")
	request.query = url.Values{"state": {state}}
	if source != "" {
		request.query.Set("source", source)
	}
	if reason != "" {
		request.query.Set("reason", reason)
	}
	return request
}

// RefusedShowCommand is `huitou refused show`.
type RefusedShowCommand struct {
	ID         string `arg:"" name:"id" help:"As refused list names it."`
	Connection `embed:""`
}

// Help is the long help.
func (RefusedShowCommand) Help() string {
	return `Phones stand in it as tokens.

Examples:

    huitou refused show 0123456789abcdef0123456789abcdef`
}

// Run shows a kept input.
func (c RefusedShowCommand) Run(ctx context.Context, console Console) error {
	return show(ctx, console, c.Connection, get("v1", "refused", c.ID), shownRefused.String)
}

// RefusedRetryCommand is `huitou refused retry`.
type RefusedRetryCommand struct {
	ID         string `arg:"" optional:"" name:"id" help:"As refused list names it."`
	Reason     string `placeholder:"REASON" help:"In place of an id: all that wait for this reason."`
	Connection `embed:""`
}

// Help is the long help.
func (RefusedRetryCommand) Help() string {
	return `It is applied by the way that it came, once however often you ask. What is refused again goes on waiting; refused show tells what became of it.

Examples:

    huitou refused retry 0123456789abcdef0123456789abcdef

  After the program allows another currency:

    huitou refused retry --reason currency`
}

// Run asks for kept inputs to be applied again.
func (c RefusedRetryCommand) Run(ctx context.Context, console Console) error {
	if (c.ID == "") == (c.Reason == "") {
		return &UsageError{"name one id, or --reason"}
	}
	if c.ID != "" {
		again, err := retryOf(c.ID)
		if err != nil {
			return err
		}
		return show(ctx, console, c.Connection, again, shownRefused.String)
	}
	huitou, err := c.open()
	if err != nil {
		return err
	}
	waiting, err := collect(ctx, console, huitou, Paging{All: true, Limit: pageSize}, refusedList("waiting", "", c.Reason))
	if err != nil {
		return err
	}
	asked, passed := 0, 0
	for _, item := range waiting.Items {
		one, err := decode[shownRefused](reply{body: item})
		if err != nil {
			return err
		}
		if one.Cut || one.Form != "order" && one.Form != "youzan" {
			passed++
			continue
		}
		again, err := retryOf(one.ID)
		if err != nil {
			return err
		}
		if _, err := huitou.do(ctx, again); err != nil {
			return fmt.Errorf("%s, after %d: %w", one.ID, asked, err)
		}
		asked++
	}
	return console.text(facts("applied again", strconv.Itoa(asked), "not applicable", strconv.Itoa(passed)))
}

func retryOf(id string) (call, error) {
	key, err := Repeat{}.key()
	return call{method: http.MethodPost, path: []string{"v1", "refused", id, "retry"}, key: key}, err
}

// RefusedDismissCommand is `huitou refused dismiss`.
type RefusedDismissCommand struct {
	ID         string `arg:"" name:"id" help:"As refused list names it."`
	Reason     string `required:"" placeholder:"TEXT" help:"Why it is not to be applied; it stands in the audit log."`
	Repeat     `embed:""`
	Connection `embed:""`
}

// Help is the long help.
func (RefusedDismissCommand) Help() string {
	return `There is no way back; send the event again where it is to count after all.

Examples:

    huitou refused dismiss 0123456789abcdef0123456789abcdef --reason "refunded by hand"`
}

// Run dismisses a kept input.
func (c RefusedDismissCommand) Run(ctx context.Context, console Console) error {
	key, err := c.key()
	if err != nil {
		return err
	}
	body, err := json.Marshal(map[string]string{"reason": c.Reason})
	if err != nil {
		return err
	}
	return show(ctx, console, c.Connection, call{method: http.MethodPost, path: []string{"v1", "refused", c.ID, "dismissal"}, body: body, key: key}, shownRefused.String)
}
