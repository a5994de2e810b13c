package cli

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

type shownHand struct {
	Operator string `json:"operator"`
	At       string `json:"at"`
}

func (h *shownHand) String() string {
	if h == nil {
		return ""
	}
	return h.At + " by " + h.Operator
}

// OperatorsListCommand is `huitou operators list`.
type OperatorsListCommand struct {
	Paging     `embed:""`
	Connection `embed:""`
}

// Help is the long help.
func (OperatorsListCommand) Help() string {
	return `The disabled stand in it too: their names are not given again. The last use is kept to the hour. The token that the stack was deployed with stands in the parameter store, and is rotated there.

Examples:

    huitou operators list --all`
}

// Run lists operators.
func (c OperatorsListCommand) Run(ctx context.Context, console Console) error {
	type operator struct {
		Name     string     `json:"name"`
		Role     string     `json:"role"`
		State    string     `json:"state"`
		Source   string     `json:"source"`
		LastUsed string     `json:"last_used_at"`
		Batches  []string   `json:"batches"`
		Made     *shownHand `json:"made"`
		Disabled *shownHand `json:"disabled"`
	}
	return list(ctx, console, c.Connection, c.Paging, get("v1", "operators"),
		[]string{"OPERATOR", "ROLE", "STATE", "LAST USED", "MADE", "DISABLED", "TOKEN IN", "BATCHES"},
		func(o operator) []string {
			return []string{o.Name, o.Role, o.State, o.LastUsed, o.Made.String(), o.Disabled.String(), strings.ReplaceAll(o.Source, "_", " "), strings.Join(o.Batches, " ")}
		})
}

// OperatorsAddCommand is `huitou operators add`.
type OperatorsAddCommand struct {
	Name       string   `arg:"" name:"name" help:"Stands in the audit log."`
	Role       string   `required:"" enum:"viewer,operator,admin,integration,printer" placeholder:"ROLE" help:"viewer, operator, admin, integration or printer."`
	Batch      []string `sep:"none" placeholder:"BATCH" help:"Of a printer: a card batch whose codes it may read while it prints them. May be given several times; huitou cards print --printer adds others."`
	Repeat     `embed:""`
	Connection `embed:""`
}

// Help is the long help. The key is random on purpose: the token derives from
// it, and a key that others can derive would show it to them.
func (OperatorsAddCommand) Help() string {
	return `The token is shown this once. Only an admin may add operators.

Examples:

    huitou operators add zhang.wei --role operator

    huitou operators add printing-house --role printer --batch K-15379 --json`
}

type shownToken struct {
	Name    string   `json:"name"`
	Role    string   `json:"role"`
	Batches []string `json:"batches"`
	Token   string   `json:"token"`
	Others  string   `json:"others_until"`
}

func (t shownToken) String() string {
	return facts("operator", t.Name, "role", t.Role, "batches", strings.Join(t.Batches, " "), "token", t.Token, "tokens before it are good until", t.Others)
}

// Run adds an operator.
func (c OperatorsAddCommand) Run(ctx context.Context, console Console) error {
	key, err := c.key()
	if err != nil {
		return err
	}
	body, err := json.Marshal(struct {
		Name    string   `json:"name"`
		Role    string   `json:"role"`
		Batches []string `json:"batches,omitempty"`
	}{c.Name, c.Role, c.Batch})
	if err != nil {
		return err
	}
	return show(ctx, console, c.Connection, call{method: http.MethodPost, path: []string{"v1", "operators"}, body: body, key: key}, shownToken.String)
}

// OperatorsRotateCommand is `huitou operators rotate`.
type OperatorsRotateCommand struct {
	Name       string        `arg:"" name:"name" help:"The operator."`
	Overlap    time.Duration `default:"0s" placeholder:"DURATION" help:"So long the tokens before stay good, at most 24h: 15m, 24h. 0s ends them at once."`
	Repeat     `embed:""`
	Connection `embed:""`
}

// Help is the long help.
func (OperatorsRotateCommand) Help() string {
	return `The new token is shown this once. Where a token may be in wrong hands, leave no overlap.

Examples:

    huitou operators rotate zhang.wei

    huitou operators rotate cash-desk --overlap 24h`
}

// Run rotates.
func (c OperatorsRotateCommand) Run(ctx context.Context, console Console) error {
	if c.Overlap < 0 || c.Overlap > 24*time.Hour || c.Overlap%time.Second != 0 {
		return &UsageError{"--overlap is 0s to 24h, in whole seconds"}
	}
	key, err := c.key()
	if err != nil {
		return err
	}
	body, err := json.Marshal(map[string]int64{"overlap_seconds": int64(c.Overlap / time.Second)})
	if err != nil {
		return err
	}
	return show(ctx, console, c.Connection, call{method: http.MethodPost, path: []string{"v1", "operators", c.Name, "rotation"}, body: body, key: key}, shownToken.String)
}

// OperatorsDisableCommand is `huitou operators disable`.
type OperatorsDisableCommand struct {
	Name       string `arg:"" name:"name" help:"The operator."`
	Connection `embed:""`
}

// Help is the long help.
func (OperatorsDisableCommand) Help() string {
	return `Every token of theirs is refused from the next call on, for good. The name stays in the audit log and is not given again.

Examples:

    huitou operators disable zhang.wei`
}

// Run disables.
func (c OperatorsDisableCommand) Run(ctx context.Context, console Console) error {
	huitou, err := c.open()
	if err != nil {
		return err
	}
	if _, err := huitou.do(ctx, call{method: http.MethodDelete, path: []string{"v1", "operators", c.Name}}); err != nil {
		return err
	}
	if c.JSON {
		return console.value(map[string]string{"name": c.Name, "state": "disabled"})
	}
	return console.text(printable(c.Name) + ": disabled\n")
}
