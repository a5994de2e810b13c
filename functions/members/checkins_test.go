package members_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/huitou/huitou/functions/members"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/token"
)

// visitor is a member who comes at times of their choice.
type visitor struct {
	brand
	id loyalty.MemberID
	at *time.Time
}

func visit(t *testing.T, checkIn *points.CheckInRules) visitor {
	b := open(t)
	rules := program.Default()
	rules.Version, rules.Points.CheckIn = 1, checkIn
	if err := b.store.Table.Write(t.Context(), store.PutProgram(rules)); err != nil {
		t.Fatal(err)
	}
	id, _ := b.member("b-1", 10_000)
	at := now
	f := members.Function{Store: b.store, Orders: b.queue, TokenKey: key, Clock: func() time.Time { return at }, Log: slog.New(slog.DiscardHandler)}
	b.Handler = f.Handler()
	return visitor{b, id, &at}
}

func (v visitor) bearer() string {
	v.t.Helper()
	raw, _, err := token.NewMember(key, v.id, *v.at)
	if err != nil {
		v.t.Fatal(err)
	}
	return raw
}

func (v visitor) checkIn(key string) *httptest.ResponseRecorder {
	v.t.Helper()
	return v.post("/v1/me/check-ins", v.bearer(), key, "")
}

func (v visitor) calendar() string {
	v.t.Helper()
	status, page := v.call("GET", "/v1/me/check-ins", v.bearer())
	if status != http.StatusOK {
		v.t.Fatalf("%d %s", status, page)
	}
	return strings.TrimSpace(page)
}

var twoDays = &points.CheckInRules{Daily: 10, Streak: []points.StreakBonus{{Days: 2, Bonus: 5}}, CycleDays: 2}

func TestAMemberChecksIn(t *testing.T) {
	v := visit(t, twoDays)
	for i, step := range []struct {
		at, key, want string
		status        int
	}{
		{"2026-11-21T23:59:59+08:00", "a", `{"date":"2026-11-21","streak":1,"points":10,"next_bonus":{"streak":2,"points":5}}`, 201},
		{"2026-11-21T23:59:59+08:00", "b", `{"date":"2026-11-21","streak":1,"points":10,"next_bonus":{"streak":2,"points":5}}`, 200},
		{"2026-11-22T00:00:00+08:00", "a", `{"date":"2026-11-21","streak":1,"points":10,"next_bonus":{"streak":2,"points":5}}`, 201}, // the first answer again
		{"2026-11-22T00:00:00+08:00", "c", `{"date":"2026-11-22","streak":2,"points":15,"next_bonus":{"streak":4,"points":5}}`, 201},
		{"2026-11-24T00:00:00+08:00", "d", `{"date":"2026-11-24","streak":1,"points":10,"next_bonus":{"streak":2,"points":5}}`, 201},
	} {
		*v.at, _ = time.Parse(time.RFC3339, step.at)
		answer := v.checkIn(step.key)
		if answer.Code != step.status || strings.TrimSpace(answer.Body.String()) != step.want {
			t.Errorf("step %d: %d %s, want %d %s", i, answer.Code, answer.Body, step.status, step.want)
		}
	}
	if _, ledger := v.call("GET", "/v1/me/points/ledger", v.bearer()); strings.Count(ledger, `"kind":"checkin"`) != 3 || !strings.Contains(ledger, `"id":"checkin:2026-11-24"`) {
		t.Errorf("ledger %s", ledger)
	}
	if _, page := v.call("GET", "/v1/me/points", v.bearer()); !strings.Contains(page, `"available":35,"pending":100`) {
		t.Errorf("points %s", page)
	}
	if answer := v.post("/v1/me/check-ins", v.bearer(), "", ""); answer.Code != http.StatusBadRequest {
		t.Errorf("without an Idempotency-Key: %d %s", answer.Code, answer.Body)
	}
}

func TestTheCalendarOfAMonth(t *testing.T) {
	v := visit(t, twoDays)
	*v.at = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	step := func(name, want string) {
		t.Helper()
		if diff := cmp.Diff(want, v.calendar()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	step("before", `{"today":"2026-11-29","open":true,"checked_in":false,"streak":0,"next_bonus":{"streak":2,"points":5},"items":[]}`)
	v.checkIn("a")
	*v.at = v.at.AddDate(0, 0, 1)
	step("a day later", `{"today":"2026-11-30","open":true,"checked_in":false,"streak":1,"next_bonus":{"streak":2,"points":5},"items":[{"date":"2026-11-29","streak":1,"points":10}]}`)
	v.checkIn("b")
	step("again", `{"today":"2026-11-30","open":true,"checked_in":true,"streak":2,"next_bonus":{"streak":4,"points":5},`+
		`"items":[{"date":"2026-11-29","streak":1,"points":10},{"date":"2026-11-30","streak":2,"points":15}]}`)
	*v.at = v.at.AddDate(0, 0, 1)
	step("a new month", `{"today":"2026-12-01","open":true,"checked_in":false,"streak":2,"next_bonus":{"streak":4,"points":5},"items":[]}`)
	*v.at = v.at.AddDate(0, 0, 1)
	step("a missed day", `{"today":"2026-12-02","open":true,"checked_in":false,"streak":0,"next_bonus":{"streak":2,"points":5},"items":[]}`)
}

func TestABrandWithoutCheckIns(t *testing.T) {
	v := visit(t, nil)
	before, err := v.store.Account(t.Context(), v.id)
	if err != nil {
		t.Fatal(err)
	}
	answer := v.checkIn("a")
	if answer.Code != http.StatusConflict || !strings.Contains(answer.Body.String(), "check_in_closed") {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}
	if page := v.calendar(); page != `{"today":"2026-11-21","open":false,"checked_in":false,"streak":0,"items":[]}` {
		t.Errorf("calendar %s", page)
	}
	after, err := v.store.Account(t.Context(), v.id)
	if diff := cmp.Diff(before, after); err != nil || diff != "" {
		t.Errorf("the refusal changed %s, %v", diff, err)
	}
}

// A good token of a member who was erased checks nobody in.
func TestAnErasedMemberDoesNotCheckIn(t *testing.T) {
	v := visit(t, twoDays)
	if err := v.store.Table.Write(t.Context(), table.Delete(table.AccountKey(v.id))); err != nil {
		t.Fatal(err)
	}
	before := v.snapshot()
	if answer := v.checkIn("a"); answer.Code != http.StatusUnauthorized || !strings.Contains(answer.Body.String(), "token_invalid") {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}
	if status, answer := v.call("GET", "/v1/me/check-ins", v.bearer()); status != http.StatusUnauthorized {
		t.Errorf("%d %s", status, answer)
	}
	if diff := cmp.Diff(before, v.snapshot()); diff != "" {
		t.Error(diff)
	}
}

func TestParallelCheckInsOfOneMember(t *testing.T) {
	v := visit(t, twoDays)
	answers := make(chan *httptest.ResponseRecorder)
	for i := range 64 {
		go func() { answers <- v.checkIn(fmt.Sprint("key-", i)) }()
	}
	made := 0
	for range 64 {
		answer := <-answers
		if answer.Code == http.StatusCreated {
			made++
		} else if answer.Code != http.StatusOK {
			t.Errorf("%d %s", answer.Code, answer.Body)
		}
		if !strings.Contains(answer.Body.String(), `{"date":"2026-11-21","streak":1,"points":10,`) {
			t.Errorf("answer %s", answer.Body)
		}
	}
	account, err := v.store.Account(t.Context(), v.id)
	if err != nil || made != 1 || account.Balance.Available != 10 {
		t.Errorf("%d made, %+v, %v", made, account.Balance, err)
	}
}
