package main

import (
	"net/http"
	"testing"
	"time"
)

// A member of the demo brand checks in over two midnights in Shanghai: a point
// a day, and two more on the third in a row.
func TestCheckInsThroughTheWholeStack(t *testing.T) {
	p := start(t, t.TempDir(), empty)
	member := p.member(t, openID("check-in"))
	year, month, date := time.Now().In(shanghai).Date()
	evening := time.Date(year, month, date+1, 23, 0, 0, 0, shanghai)
	type day struct {
		Date           string
		Streak, Points int64
	}
	for n, step := range []struct {
		at     time.Time
		status int
		want   day
	}{
		{evening, http.StatusCreated, day{evening.Format(time.DateOnly), 1, 1}},
		{evening.Add(30 * time.Minute), http.StatusOK, day{evening.Format(time.DateOnly), 1, 1}},
		{evening.Add(time.Hour), http.StatusCreated, day{evening.AddDate(0, 0, 1).Format(time.DateOnly), 2, 1}},
		{evening.Add(25 * time.Hour), http.StatusCreated, day{evening.AddDate(0, 0, 2).Format(time.DateOnly), 3, 3}},
	} {
		p.clock(t, step.at)
		var issued struct{ Token string }
		p.post(t, "/v1/members/"+member+"/tokens", nil).read(t, http.StatusCreated, &issued)
		var got day
		p.do(t, http.MethodPost, "/v1/me/check-ins", operator(issued.Token), nil).read(t, step.status, &got)
		if got != step.want {
			t.Errorf("step %d: %+v, want %+v", n, got, step.want)
		}
		var calendar struct {
			Streak int64
			Items  []day
		}
		p.do(t, http.MethodGet, "/v1/me/check-ins", operator(issued.Token), nil).read(t, http.StatusOK, &calendar)
		if calendar.Streak != got.Streak || len(calendar.Items) == 0 || calendar.Items[len(calendar.Items)-1] != got {
			t.Errorf("step %d: calendar %+v", n, calendar)
		}
	}
	if got := p.balance(t, member); got != (balance{Available: 5}) {
		t.Errorf("the member has %+v", got)
	}
	if ledger := p.ledger(t, member); len(ledger) != 3 {
		t.Errorf("ledger %+v", ledger)
	}
}
