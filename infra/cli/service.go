package cli

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

type remindersCommands struct {
	List RemindersListCommand `cmd:"" help:"Reminders that are scheduled up to a time."`
}

type operatorsCommands struct {
	List    OperatorsListCommand    `cmd:"" help:"Who may call the API, and when they last did."`
	Add     OperatorsAddCommand     `cmd:"" help:"Name an operator and give them a token."`
	Rotate  OperatorsRotateCommand  `cmd:"" help:"Give an operator a new token (轮换)."`
	Disable OperatorsDisableCommand `cmd:"" help:"Disable an operator for good (停用)."`
}

type queuesCommands struct {
	List    QueuesListCommand    `cmd:"" help:"Every queue and how much is on it."`
	Dead    QueuesDeadCommand    `cmd:"" help:"Messages that a queue gave up on, oldest first."`
	Redrive QueuesRedriveCommand `cmd:"" help:"Deliver a queue's dead messages again."`
}

// RemindersListCommand is `huitou reminders list`.
type RemindersListCommand struct {
	DueBefore  Instant `required:"" placeholder:"TIME" help:"Up to when: 2026-12-01T00:00:00+08:00."`
	Paging     `embed:""`
	Connection `embed:""`
}

// Help is the long help.
func (RemindersListCommand) Help() string {
	return `Examples:

    huitou reminders list --due-before 2026-12-01T00:00:00+08:00

    huitou reminders list --due-before 2026-12-01T00:00:00+08:00 --all --json`
}

// Run lists reminders.
func (c RemindersListCommand) Run(ctx context.Context, console Console) error {
	request := get("v1", "reminders")
	request.query = url.Values{"due_before": {c.DueBefore.Format(time.RFC3339)}}
	return list(ctx, console, c.Connection, c.Paging, request,
		[]string{"DUE AT", "MEMBER", "CATEGORY", "BOUGHT AT", "LEAD DAYS", "STATE", "WHY"},
		func(r shownReminder) []string {
			return []string{r.DueAt, r.MemberID, r.Category, r.BoughtAt, strconv.Itoa(r.Lead), r.state(), r.Why}
		})
}

// QueuesListCommand is `huitou queues list`.
type QueuesListCommand struct {
	Connection `embed:""`
}

// Help is the long help.
func (QueuesListCommand) Help() string {
	return `On AWS the numbers are approximate.

Examples:

    huitou queues list`
}

// Run lists queues.
func (c QueuesListCommand) Run(ctx context.Context, console Console) error {
	type answer struct {
		Items []struct {
			Name     string `json:"name"`
			Waiting  int    `json:"waiting"`
			InFlight int    `json:"in_flight"`
			Dead     int    `json:"dead"`
		} `json:"items"`
	}
	return show(ctx, console, c.Connection, get("v1", "queues"), func(all answer) string {
		table := grid{titles: []string{"QUEUE", "WAITING", "IN FLIGHT", "DEAD"}}
		for _, q := range all.Items {
			table.add(q.Name, strconv.Itoa(q.Waiting), strconv.Itoa(q.InFlight), strconv.Itoa(q.Dead))
		}
		return table.String()
	})
}

// Queue names the queue of a command.
type Queue struct {
	Name string `arg:"" name:"name" help:"The queue, as queues list names it."`
}

// QueuesDeadCommand is `huitou queues dead`.
type QueuesDeadCommand struct {
	Queue      `embed:""`
	Limit      int `default:"50" placeholder:"N" help:"Show so many, at most 100."`
	Connection `embed:""`
}

// Help is the long help.
func (QueuesDeadCommand) Help() string {
	return `A long body is cut short; --json has all of it.

Examples:

    huitou queues dead orders --limit 10`
}

// Run lists dead messages.
func (c QueuesDeadCommand) Run(ctx context.Context, console Console) error {
	if c.Limit < 1 || c.Limit > pageSize {
		return &UsageError{"--limit is 1 to 100"}
	}
	type answer struct {
		Items []struct {
			ID       string `json:"id"`
			Body     string `json:"body"`
			Receives int    `json:"receives"`
			SentAt   string `json:"sent_at"`
		} `json:"items"`
	}
	request := get("v1", "queues", c.Name, "dead")
	request.query = url.Values{"limit": {strconv.Itoa(c.Limit)}}
	return show(ctx, console, c.Connection, request, func(all answer) string {
		table := grid{titles: []string{"SENT AT", "TRIES", "MESSAGE", "BODY"}}
		for _, m := range all.Items {
			table.add(m.SentAt, strconv.Itoa(m.Receives), m.ID, short(m.Body, 100))
		}
		return table.String()
	})
}

// QueuesRedriveCommand is `huitou queues redrive`.
type QueuesRedriveCommand struct {
	Queue      `embed:""`
	Repeat     `embed:""`
	Connection `embed:""`
}

// Help is the long help.
func (QueuesRedriveCommand) Help() string {
	return `Whoever receives a message recognises what it has done before, so a redrive does nothing twice.

Examples:

    huitou queues redrive orders`
}

// Run redrives.
func (c QueuesRedriveCommand) Run(ctx context.Context, console Console) error {
	key, err := c.key()
	if err != nil {
		return err
	}
	type redriven struct {
		Messages int `json:"messages"`
	}
	return show(ctx, console, c.Connection, call{method: http.MethodPost, path: []string{"v1", "queues", c.Name, "redrive"}, key: key},
		func(r redriven) string { return fmt.Sprintf("%d messages go back to the queue\n", r.Messages) })
}

// OpenAPICommand is `huitou openapi`.
type OpenAPICommand struct {
	URL string `name:"url" env:"HUITOU_URL" default:"http://127.0.0.1:8080" help:"Where huitou answers."`
}

// Help is the long help.
func (OpenAPICommand) Help() string {
	return `OpenAPI 3.1, as the huitou at --url serves it. Needs no token.

Examples:

    huitou openapi > openapi.json`
}

// Run prints the document.
func (c OpenAPICommand) Run(ctx context.Context, console Console) error {
	request := get("openapi.json")
	request.public = true
	return show[struct{}](ctx, console, Connection{URL: c.URL, JSON: true}, request, nil)
}
