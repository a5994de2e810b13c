package cli

import (
	"context"
	"fmt"
	"net/url"
	"time"
)

// AuditCommand is `huitou audit`.
type AuditCommand struct {
	Operator   string   `placeholder:"NAME" help:"What this operator did, and nobody else."`
	Action     string   `placeholder:"NOUN.VERB" help:"This action alone: card-batch.activate."`
	From       *Instant `placeholder:"TIME" help:"At or after this; 30 days before --to when absent."`
	To         *Instant `placeholder:"TIME" help:"Before this, at most 366 days after --from; now when absent."`
	Paging     `embed:""`
	Connection `embed:""`
}

// Help is the long help.
func (AuditCommand) Help() string {
	return `Newest first. Each call that changes something is one row, however often it was repeated. "accepted" was allowed and carried
out, "refused" changed nothing, "failed" may have happened. Only an admin may read it.

Examples:

    huitou audit --limit 20

    huitou audit --operator zhang.wei --from 2026-11-01T00:00:00+08:00 --to 2026-12-01T00:00:00+08:00 --all

    huitou audit --action card-batch.activate --all --json`
}

type shownAct struct {
	At       string `json:"at"`
	Operator string `json:"operator"`
	Role     string `json:"role"`
	Action   string `json:"action"`
	Resource string `json:"resource"`
	Outcome  string `json:"outcome"`
	Status   int    `json:"status"`
	Code     string `json:"code"`
	Reason   string `json:"reason"`
}

// outcome is how the act ended, and by which answer where it did not succeed.
func (a shownAct) outcome() string {
	if a.Status == 0 {
		return a.Outcome
	}
	return fmt.Sprintf("%s: %d %s", a.Outcome, a.Status, a.Code)
}

// Run lists the audit log.
func (c AuditCommand) Run(ctx context.Context, console Console) error {
	request := get("v1", "audit")
	request.query = url.Values{}
	for name, value := range map[string]string{"operator": c.Operator, "action": c.Action} {
		if value != "" {
			request.query.Set(name, value)
		}
	}
	for name, at := range map[string]*Instant{"from": c.From, "to": c.To} {
		if at != nil {
			request.query.Set(name, at.Format(time.RFC3339))
		}
	}
	return list(ctx, console, c.Connection, c.Paging, request,
		[]string{"AT", "OPERATOR", "ROLE", "ACTION", "OUTCOME", "RESOURCE", "REASON"},
		func(a shownAct) []string {
			return []string{a.At, a.Operator, a.Role, a.Action, a.outcome(), a.Resource, a.Reason}
		})
}
