package operate_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/refused"
	"github.com/huitou/huitou/shared/store"
)

// keep keeps n inputs for a person, a minute apart, and returns their ids, newest
// first.
func (b *brand) keep(n int, change func(int, *refused.Input)) []string {
	b.t.Helper()
	var ids []string
	for i := range n {
		input := refused.Input{
			Source: "tmall", Reason: refused.Currency, Faults: []loyalty.Field{{Pointer: "/currency", Code: "foreign"}},
			Order: loyalty.OrderKey{Channel: "tmall", Shop: "flagship", Order: fmt.Sprint(i)}, Form: refused.Order, Content: fmt.Sprintf(`{"n":%d}`, i),
		}
		change(i, &input)
		if _, err := b.function.Store.Keep(b.t.Context(), input, now.Add(time.Duration(i-n)*time.Minute)); err != nil {
			b.t.Fatal(err)
		}
		ids = append([]string{input.ID()}, ids...)
	}
	return ids
}

func asKept(int, *refused.Input) {}

type refusedShown struct {
	ID, Source, Reason, Form, State, Content string
	OrderID                                  string `json:"order_id"`
	Count                                    int
	Faults                                   []struct{ Pointer, Code string }
	Retried, Ended                           *struct{ Operator, Reason string }
}

type refusedPage struct {
	Items []refusedShown
	Next  string `json:"next_cursor"`
}

func (b *brand) refusedList(query string) refusedPage {
	b.t.Helper()
	status, body, _ := b.call(request{method: "GET", path: "/v1/refused" + query, token: adminToken})
	var page refusedPage
	if err := json.Unmarshal([]byte(body), &page); err != nil || status != 200 {
		b.t.Fatalf("%d %s %v", status, body, err)
	}
	return page
}

func TestWhatIsKeptIsListedNewestFirstBySourceAndReason(t *testing.T) {
	b := open(t)
	ids := b.keep(25, func(i int, input *refused.Input) {
		if i%5 == 0 {
			input.Source, input.Reason = "youzan", refused.Unreadable
		}
	})
	var listed []string
	cursor := ""
	for {
		page := b.refusedList("?limit=7" + cursor)
		for _, item := range page.Items {
			if item.Content != "" || item.State != "waiting" || item.Count != 1 || len(item.Faults) != 1 {
				t.Errorf("%+v", item)
			}
			listed = append(listed, item.ID)
		}
		if page.Next == "" {
			break
		}
		cursor = "&cursor=" + page.Next
	}
	if strings.Join(listed, " ") != strings.Join(ids, " ") {
		t.Errorf("listed %v, want %v", listed, ids)
	}
	for query, want := range map[string]int{
		"?source=youzan": 5, "?reason=unreadable": 5, "?source=youzan&reason=currency": 0, "?reason=currency&limit=100": 20, "?state=applied": 0, "?source=youzan&limit=3": 3,
	} {
		if page := b.refusedList(query); len(page.Items) != want {
			t.Errorf("%s lists %d, want %d", query, len(page.Items), want)
		}
	}
	status, body, _ := b.call(request{method: "GET", path: "/v1/refused/" + ids[0], token: adminToken})
	var one refusedShown
	if err := json.Unmarshal([]byte(body), &one); err != nil || status != 200 || one.Content != `{"n":24}` || one.OrderID != "24" {
		t.Errorf("%d %s %v", status, body, err)
	}
}

func TestRetryingSaysSoOnTheQueueAndDismissingEndsIt(t *testing.T) {
	b := open(t)
	ids := b.keep(2, asKept)
	for range 2 {
		if status, answer := b.by(adminToken, "/v1/refused/"+ids[0]+"/retry", ""); status != 202 || !strings.Contains(answer, `"retried":{"operator":"admin"`) || !strings.Contains(answer, `"waiting"`) {
			t.Errorf("%d %s", status, answer)
		}
	}
	bodies := b.orders.bodies
	if len(bodies) != 2 || bodies[0] != string(refused.Retry(ids[0])) || bodies[1] != bodies[0] {
		t.Errorf("queued %q", bodies)
	}
	for range 2 {
		if status, answer := b.by(adminToken, "/v1/refused/"+ids[1]+"/dismissal", `{"reason":"补发"}`); status != 200 || !strings.Contains(answer, `"dismissed"`) || !strings.Contains(answer, `"reason":"补发"`) {
			t.Errorf("%d %s", status, answer)
		}
	}
	if page := b.refusedList("?state=dismissed"); len(page.Items) != 1 || page.Items[0].ID != ids[1] || page.Items[0].Ended.Operator != "admin" {
		t.Errorf("dismissed %+v", page)
	}
	if page := b.refusedList(""); len(page.Items) != 1 || page.Items[0].ID != ids[0] {
		t.Errorf("waiting %+v", page)
	}
	_, acts, _ := b.call(request{method: "GET", path: "/v1/audit", token: adminToken})
	for _, act := range []string{`"refused.retry"`, `"refused.dismiss"`, "/v1/refused/" + ids[1] + "/dismissal", `"reason":"补发"`} {
		if !strings.Contains(acts, act) {
			t.Errorf("the audit log does not have %s: %s", act, acts)
		}
	}
}

func TestWhatCannotBeRetriedOrDismissedIsRefusedAndChangesNothing(t *testing.T) {
	b := open(t)
	ids := b.keep(5, func(i int, input *refused.Input) {
		switch i {
		case 1:
			input.Form = refused.Message
		case 2:
			input.Cut = true
		}
	})
	waiting, message, cut, applied, dismissed := ids[4], ids[3], ids[2], ids[1], ids[0]
	for id, state := range map[string]store.RefusedState{applied: store.RefusedApplied, dismissed: store.RefusedDismissed} {
		if err := b.engine.Write(t.Context(), store.EndRefused(id, state, store.Ending{})); err != nil {
			t.Fatal(err)
		}
	}
	_, viewerAnswer := b.post("/v1/operators", "v", `{"name":"v","role":"viewer"}`)
	_, integrationAnswer := b.post("/v1/operators", "i", `{"name":"i","role":"integration"}`)
	viewer, integration := field(t, viewerAnswer, "token"), field(t, integrationAnswer, "token")
	before := b.snapshot(t)
	unknown := strings.Repeat("0", 32)
	for name, test := range map[string]struct {
		token, path, body string
		want              int
	}{
		"a viewer retries":       {viewer, waiting + "/retry", "", 403},
		"an integration retries": {integration, waiting + "/retry", "", 403},
		"a viewer dismisses":     {viewer, waiting + "/dismissal", `{"reason":"because"}`, 403},
		"nobody":                 {"", waiting + "/retry", "", 401},
		"unknown":                {adminToken, unknown + "/retry", "", 404},
		"unknown, dismissed":     {adminToken, unknown + "/dismissal", `{"reason":"because"}`, 404},
		"no id":                  {adminToken, "x%23y/retry", "", 404},
		"a message":              {adminToken, message + "/retry", "", 409},
		"cut":                    {adminToken, cut + "/retry", "", 409},
		"dismissed before":       {adminToken, dismissed + "/retry", "", 409},
		"applied before":         {adminToken, applied + "/dismissal", `{"reason":"because"}`, 409},
		"without a reason":       {adminToken, waiting + "/dismissal", `{}`, 400},
		"a reason of a letter":   {adminToken, waiting + "/dismissal", `{"reason":"x"}`, 400},
		"a long reason":          {adminToken, waiting + "/dismissal", `{"reason":"` + strings.Repeat("x", 257) + `"}`, 400},
	} {
		if status, answer := b.by(test.token, "/v1/refused/"+test.path, test.body); status != test.want {
			t.Errorf("%s: %d %s, want %d", name, status, answer, test.want)
		}
	}
	for path, want := range map[string]int{"/v1/refused?state=eaten": 400, "/v1/refused?reason=because": 400, "/v1/refused/" + unknown: 404} {
		if status, answer, _ := b.call(request{method: "GET", path: path, token: adminToken}); status != want {
			t.Errorf("%s: %d %s, want %d", path, status, answer, want)
		}
	}
	if status, _, _ := b.call(request{method: "GET", path: "/v1/refused", token: viewer}); status != 403 {
		t.Errorf("a viewer reads it: %d", status)
	}
	b.sameAs(before, "a refusal")
	if len(b.orders.bodies) != 0 {
		t.Errorf("queued %q", b.orders.bodies)
	}
	// An input that was applied is applied: asking again is answered as it
	// stands.
	if status, answer := b.by(adminToken, "/v1/refused/"+applied+"/retry", ""); status != 202 || !strings.Contains(answer, `"applied"`) || len(b.orders.bodies) != 0 {
		t.Errorf("%d %s", status, answer)
	}
}

func TestWhatIsKeptEndsByTheClock(t *testing.T) {
	b := open(t)
	ids := b.keep(1, asKept)
	b.function.Clock = func() time.Time { return now.Add(refused.Life) }
	b.Handler = b.function.Handler()
	if page := b.refusedList(""); len(page.Items) != 0 {
		t.Errorf("listed after its end: %+v", page)
	}
	if status, _ := b.by(adminToken, "/v1/refused/"+ids[0]+"/retry", ""); status != 404 {
		t.Errorf("retried after its end: %d", status)
	}
}

func TestDismissalsAtOneMomentEndItOnce(t *testing.T) {
	b := open(t)
	ids := b.keep(1, asKept)
	var wait sync.WaitGroup
	for i := range 6 {
		wait.Go(func() {
			status, answer := b.by(adminToken, "/v1/refused/"+ids[0]+"/dismissal", fmt.Sprintf(`{"reason":"reason %d"}`, i))
			if status != 200 && status != 503 {
				t.Errorf("%d %s", status, answer)
			}
		})
	}
	wait.Wait()
	if page := b.refusedList("?state=dismissed"); len(page.Items) != 1 || page.Items[0].Ended == nil {
		t.Errorf("%+v", page)
	}
}
