package main

import (
	"net/http"
	"net/url"
	"testing"
	"time"
)

type message struct {
	ID     string    `json:"id"`
	Member string    `json:"member_id"`
	Text   string    `json:"text"`
	At     time.Time `json:"at"`
}

// outbox is what was handed over for a member, newest first.
func (p *process) outbox(t *testing.T, member string) (messages []message) {
	t.Helper()
	cursor := ""
	for {
		var page struct {
			Items []message `json:"items"`
			Next  string    `json:"next_cursor"`
		}
		p.do(t, http.MethodGet, "/_local/outbox?limit=1000"+cursor, nil, nil).read(t, http.StatusOK, &page)
		for _, m := range page.Items {
			if m.Member == member {
				messages = append(messages, m)
			}
		}
		if page.Next == "" {
			return messages
		}
		cursor = "&cursor=" + url.QueryEscape(page.Next)
	}
}

// clock moves the process's clock.
func (p *process) clock(t *testing.T, to time.Time) {
	t.Helper()
	p.do(t, http.MethodPost, "/_local/clock", asJSON, encode(t, map[string]string{"now": instant(to)})).read(t, http.StatusOK, nil)
	p.rest(t)
}

// day is the noon of so many days after another, in the brand's calendar.
func day(zero time.Time, n int) time.Time { return zero.AddDate(0, 0, n) }

// onDay checks that the only message left on day n after zero, between nine in
// the morning and nine in the evening of Shanghai.
func onDay(t *testing.T, who string, messages []message, zero time.Time, n int) {
	t.Helper()
	if len(messages) != 1 {
		t.Errorf("%s: %d messages, want the one of day %d: %+v", who, len(messages), n, messages)
		return
	}
	at := messages[0].At.In(shanghai)
	want := day(zero, n).Format(time.DateOnly)
	if at.Format(time.DateOnly) != want || at.Hour() < 9 || at.Hour() >= 21 || messages[0].Text == "" {
		t.Errorf("%s: the message is of %s, want the daytime of %s", who, at, want)
	}
}

type reminder struct {
	State  string    `json:"state"`
	Reason string    `json:"reason"`
	DueAt  time.Time `json:"due_at"`
}

func (p *process) reminder(t *testing.T, member string) reminder {
	t.Helper()
	all := listed[reminder](t, p, "/v1/members/"+member+"/reminders")
	if len(all) != 1 {
		t.Fatalf("%d reminders: %+v", len(all), all)
	}
	return all[0]
}

// One walk through 45 days, as the schedules meet it: every minute's and
// hour's firing on the way happens.
func TestDaysGoBy(t *testing.T) {
	p := start(t, t.TempDir(), empty)
	now := time.Now().In(shanghai)
	zero := time.Date(now.Year(), now.Month(), now.Day(), 12, 0, 0, 0, shanghai)
	p.clock(t, zero)
	buy := func(who, order string, n int) {
		t.Helper()
		p.order(t, milk(order, who, 19_900, day(zero, n)))
		p.rest(t)
	}
	member := map[string]string{}
	for _, who := range []string{"regular", "again", "withdrawn", "refuser", "silent", "returner", "settler", "unconfirmed"} {
		if who != "silent" {
			member[who] = p.member(t, buyerOf(who))
			continue
		}
		var made struct {
			ID string `json:"member_id"`
		}
		p.post(t, "/v1/members", map[string]any{"identities": []identity{buyerOf(who)}, "consents": []string{"membership"}}).
			read(t, http.StatusCreated, &made)
		member[who] = made.ID
	}
	for who := range member {
		buy(who, "DAY0-"+who, 0)
	}
	if r := p.reminder(t, member["regular"]); r.State != "scheduled" || !r.DueAt.Equal(time.Date(now.Year(), now.Month(), now.Day()+21, 9, 0, 0, 0, shanghai)) {
		t.Errorf("on day 0 the reminder is %+v", r)
	}
	due := listed[reminder](t, p, "/v1/reminders?due_before="+url.QueryEscape(instant(day(zero, 22))))
	if len(due) != len(member) {
		t.Errorf("%d reminders are scheduled, want %d", len(due), len(member))
	}

	p.order(t, completed("DAY0-settler", zero))
	p.rest(t)
	settles := func(who string, want balance) {
		t.Helper()
		if got := p.balance(t, member[who]); got != want {
			t.Errorf("%s on %s: %+v, want %+v", who, now, got, want)
		}
	}
	settles("settler", balance{Pending: 199})
	p.clock(t, day(zero, 6))
	settles("settler", balance{Pending: 199})
	p.clock(t, day(zero, 8))
	settles("settler", balance{Available: 199})
	settles("unconfirmed", balance{Pending: 199})
	if kinds := kindsOf(p.ledger(t, member["settler"])); kinds != "settle earn " {
		t.Errorf("the settler's ledger has %s", kinds)
	}

	p.do(t, http.MethodDelete, "/v1/members/"+member["withdrawn"]+"/consents/marketing", operator(p.token), nil).read(t, http.StatusNoContent, nil)
	p.clock(t, day(zero, 15))
	buy("again", "DAY15-again", 15)
	p.order(t, refundOf("DAY0-returner", "R", 19_900, day(zero, 15)))
	p.rest(t)
	if r := p.reminder(t, member["again"]); !r.DueAt.Equal(time.Date(now.Year(), now.Month(), now.Day()+36, 9, 0, 0, 0, shanghai)) {
		t.Errorf("after the purchase of day 15 the reminder is due %s", r.DueAt)
	}

	p.clock(t, day(zero, 20))
	for who, id := range member {
		if messages := p.outbox(t, id); len(messages) != 0 {
			t.Errorf("%s has a message by day 20: %+v", who, messages)
		}
	}
	p.clock(t, day(zero, 22))
	for _, who := range []string{"regular", "refuser", "settler", "unconfirmed"} {
		onDay(t, who, p.outbox(t, member[who]), zero, 21)
		if r := p.reminder(t, member[who]); r.State != "sent" {
			t.Errorf("%s: the reminder is %+v", who, r)
		}
	}
	for who, reason := range map[string]string{"withdrawn": "opted_out", "silent": "opted_out", "returner": "refunded", "again": ""} {
		if messages := p.outbox(t, member[who]); len(messages) != 0 {
			t.Errorf("%s has %+v", who, messages)
		}
		if r := p.reminder(t, member[who]); reason != "" && (r.State != "skipped" || r.Reason != reason) {
			t.Errorf("%s: the reminder is %+v, want it skipped as %s", who, r, reason)
		}
	}

	// 拒收 by the message itself: nothing follows the next purchase.
	event := "/v1/messages/" + url.PathEscape(p.outbox(t, member["refuser"])[0].ID) + "/events"
	p.post(t, event, map[string]string{"type": "opted_out"}).read(t, http.StatusAccepted, nil)
	buy("refuser", "DAY22-refuser", 22)
	buy("regular", "DAY22-regular", 22)

	p.clock(t, day(zero, 31))
	settles("unconfirmed", balance{Available: 199})
	p.clock(t, day(zero, 45))
	onDay(t, "again", p.outbox(t, member["again"]), zero, 36)
	onDay(t, "refuser", p.outbox(t, member["refuser"]), zero, 21)
	messages := p.outbox(t, member["regular"])
	if len(messages) != 2 {
		t.Fatalf("the regular has %+v", messages)
	}
	onDay(t, "the regular's second", messages[:1], zero, 43)
}

func kindsOf(entries []entry) (kinds string) {
	for _, e := range entries {
		kinds += e.Kind + " "
	}
	return kinds
}

// A rehearsal fires the schedule for a day to come; the clock stays where it is.
func TestRehearsalOfDay21(t *testing.T) {
	p := shared(t)
	now := time.Now().In(shanghai)
	zero := time.Date(now.Year(), now.Month(), now.Day(), 12, 0, 0, 0, shanghai)
	if zero.After(now) {
		zero = zero.AddDate(0, 0, -1)
	}
	member := p.member(t, buyerOf("rehearsal"))
	p.order(t, milk("REHEARSAL-1", "rehearsal", 19_900, zero))
	p.rest(t)
	at := func(n, hour int) time.Time {
		return time.Date(zero.Year(), zero.Month(), zero.Day()+n, hour, 30, 0, 0, shanghai)
	}
	for _, quiet := range []time.Time{at(20, 12), at(21, 3), at(21, 8), at(21, 22)} {
		p.fire(t, "RemindRepurchase", quiet)
		if messages := p.outbox(t, member); len(messages) != 0 {
			t.Fatalf("fired for %s: %+v", quiet, messages)
		}
	}
	for range 3 {
		p.fire(t, "RemindRepurchase", at(21, 10))
	}
	p.fire(t, "RemindRepurchase", at(22, 10))
	onDay(t, "rehearsal", p.outbox(t, member), zero, 21)
	p.post(t, "/v1/messages/"+url.PathEscape("remind:nobody:milk-powder:1")+"/events", map[string]string{"type": "opted_out"}).
		read(t, http.StatusNotFound, nil)
}
