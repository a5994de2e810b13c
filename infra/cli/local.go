package cli

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/huitou/huitou/shared/wecom"
	"github.com/huitou/huitou/shared/wecom/wecomtest"
)

type localCommands struct {
	Schedules LocalSchedulesCommand `cmd:"" help:"The schedules, and what time it is there."`
	Fire      LocalFireCommand      `cmd:"" help:"Fire a schedule."`
	Clock     LocalClockCommand     `cmd:"" help:"Move the clock; schedules that fell between fire."`
	Outbox    LocalOutboxCommand    `cmd:"" help:"The messages that would have been sent, newest first."`
	Friend    LocalFriendCommand    `cmd:"" help:"Call back as WeCom (企业微信) does when somebody becomes a friend, or leaves."`
}

// LocalConnection is where the local process answers; it needs no token.
type LocalConnection struct {
	URL  string `name:"url" env:"HUITOU_URL" default:"http://127.0.0.1:8080" help:"Where the local process answers."`
	JSON bool   `name:"json" help:"Print the API's JSON."`
}

func (c LocalConnection) connection() Connection { return Connection{URL: c.URL, JSON: c.JSON} }

// onlyLocal says so where there is no /_local.
func onlyLocal(err error) error {
	refused, ok := errors.AsType[*problemError](err)
	if ok && refused.status == http.StatusNotFound && refused.code() != "no_such_schedule" {
		return &incompleteError{refused.target + " has no /_local: clock, schedules and outbox are those of a local process alone (make run)"}
	}
	return err
}

func local[T any](ctx context.Context, console Console, connection LocalConnection, c call, text func(T) string) error {
	c.path, c.public, c.patience = append([]string{"_local"}, c.path...), true, leapDeadline
	return onlyLocal(show(ctx, console, connection.connection(), c, text))
}

// leapDeadline is ample for a clock that passes two years of schedules.
const leapDeadline = 10 * time.Minute

// LocalSchedulesCommand is `huitou local schedules`.
type LocalSchedulesCommand struct {
	LocalConnection `embed:""`
}

// Help is the long help.
func (LocalSchedulesCommand) Help() string {
	return `Examples:

    huitou local schedules`
}

// Run lists schedules.
func (c LocalSchedulesCommand) Run(ctx context.Context, console Console) error {
	type answer struct {
		Now       string   `json:"now"`
		Schedules []string `json:"schedules"`
	}
	return local(ctx, console, c.LocalConnection, get(), func(a answer) string {
		pairs := []string{"now", a.Now}
		for _, schedule := range a.Schedules {
			pairs = append(pairs, "schedule", schedule)
		}
		return facts(pairs...)
	})
}

// LocalFireCommand is `huitou local fire`.
type LocalFireCommand struct {
	Schedule        string   `arg:"" name:"schedule" help:"Function/Event, as local schedules names it."`
	Time            *Instant `placeholder:"TIME" help:"As if it were that time; the clock's time when absent."`
	LocalConnection `embed:""`
}

// Help is the long help.
func (LocalFireCommand) Help() string {
	return `Examples:

    huitou local fire RemindRepurchase/Hourly

    huitou local fire SettlePoints/Hourly --time 2026-12-24T09:00:00+08:00`
}

// Run fires.
func (c LocalFireCommand) Run(ctx context.Context, console Console) error {
	function, event, ok := strings.Cut(c.Schedule, "/")
	if !ok {
		return &UsageError{"a schedule is Function/Event; huitou local schedules lists them"}
	}
	request := call{method: http.MethodPost, path: []string{"schedules", function, event}}
	if c.Time != nil {
		request.query = url.Values{"time": {c.Time.Format(time.RFC3339)}}
	}
	type answer struct {
		Fired string `json:"fired"`
		Time  string `json:"time"`
	}
	return local(ctx, console, c.LocalConnection, request, func(a answer) string { return facts("fired", a.Fired, "as at", a.Time) })
}

// LocalClockCommand is `huitou local clock`.
type LocalClockCommand struct {
	Time            *Instant `arg:"" optional:"" name:"time" help:"The new time; the clock runs on from there. Without it the time is shown."`
	LocalConnection `embed:""`
}

// Help is the long help.
func (LocalClockCommand) Help() string {
	return `Examples:

    huitou local clock

    huitou local clock 2026-12-24T09:00:00+08:00`
}

// Run moves the clock.
func (c LocalClockCommand) Run(ctx context.Context, console Console) error {
	type answer struct {
		Now   string `json:"now"`
		Fired *int   `json:"fired"`
	}
	text := func(a answer) string {
		if a.Fired == nil {
			return facts("now", a.Now)
		}
		return facts("now", a.Now, "schedules fired", strconv.Itoa(*a.Fired))
	}
	if c.Time == nil {
		return local(ctx, console, c.LocalConnection, get(), text)
	}
	body, err := json.Marshal(map[string]string{"now": c.Time.Format(time.RFC3339)})
	if err != nil {
		return err
	}
	return local(ctx, console, c.LocalConnection, call{method: http.MethodPost, path: []string{"clock"}, body: body}, text)
}

// LocalOutboxCommand is `huitou local outbox`.
type LocalOutboxCommand struct {
	Paging          `embed:""`
	LocalConnection `embed:""`
}

// Help is the long help.
func (LocalOutboxCommand) Help() string {
	return `Examples:

    huitou local outbox --limit 10`
}

// Run lists messages.
func (c LocalOutboxCommand) Run(ctx context.Context, console Console) error {
	type message struct {
		Member   string `json:"member_id"`
		Kind     string `json:"kind"`
		Category string `json:"category"`
		Channel  string `json:"channel"`
		Text     string `json:"text"`
		At       string `json:"at"`
	}
	request := get("_local", "outbox")
	request.public = true
	return onlyLocal(list(ctx, console, c.connection(), c.Paging, request,
		[]string{"AT", "MEMBER", "KIND", "CATEGORY", "CHANNEL", "TEXT"},
		func(m message) []string { return []string{m.At, m.Member, m.Kind, m.Category, m.Channel, m.Text} }))
}

// LocalFriendCommand is `huitou local friend`.
type LocalFriendCommand struct {
	Contact         string `arg:"" name:"contact" help:"External user id (外部联系人) of the customer; any name will do."`
	State           string `placeholder:"STATE" help:"The State that the friend came with: a card's friend_state, as its redemption answers it."`
	Staff           string `default:"zhangsan" help:"User id of the staff whose friend they are."`
	Left            bool   `help:"The friend removed the staff."`
	LocalConnection `embed:""`
}

// Help is the long help.
func (LocalFriendCommand) Help() string {
	return `The callback is signed and encrypted for the made-up application of the local process, and comes in by the same path as WeCom's own.

Examples:

    huitou local friend wm-liu --state RKYFHDZ2C555KJ7SXWEBQ584C

    huitou local friend wm-liu --left`
}

// Run calls back.
func (c LocalFriendCommand) Run(ctx context.Context, console Console) error {
	huitou, err := c.connection().dial()
	if err != nil {
		return err
	}
	now := time.Now()
	friend := wecomtest.Friend{Change: wecom.ChangeAdd, User: c.Staff, External: c.Contact, State: c.State, WelcomeCode: "demo-" + strconv.FormatInt(now.UnixNano(), 36), At: now}
	if c.Left {
		friend.Change, friend.State, friend.WelcomeCode = wecom.ChangeDeleteFollow, "", ""
	}
	query, body := wecomtest.Demo.Callback(now, "huitou-local", friend.XML(wecomtest.Demo.ID))
	_, err = huitou.do(ctx, call{method: http.MethodPost, path: []string{"hooks", "wecom"}, query: query, body: body, public: true})
	if refused, ok := errors.AsType[*problemError](err); ok && refused.status == http.StatusUnauthorized {
		return &incompleteError{refused.target + " does not take the made-up application's callbacks: those are for a local process alone (make run)"}
	}
	if err != nil {
		return err
	}
	return console.text(facts("contact", c.Contact, "change", friend.Change))
}
