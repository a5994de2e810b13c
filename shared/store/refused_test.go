package store_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/orders"
	"github.com/huitou/huitou/shared/refused"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/table/embedded"
)

var (
	refusedAt    = time.Date(2026, 11, 21, 2, 0, 0, 0, time.UTC)
	refusedBuyer = loyalty.Identity{Kind: loyalty.IdentityBuyer, Channel: "tmall", Value: "b-1"}
	refusedPhone = loyalty.Identity{Kind: loyalty.IdentityPhone, Value: "U3uUwOhRg5jSoScaSuBJiv7uO1_f8vtuEtFcYpZV0Gw"}
)

// foreign is an order event that cannot be applied.
func foreign(t *testing.T, order string) refused.Input {
	t.Helper()
	event := orders.Event{
		Type: orders.TypePaid, Channel: "tmall", Shop: "flagship", OrderID: order, OccurredAt: refusedAt, Currency: "USD",
		Buyer: orders.Buyer{ID: refusedBuyer.Value, PhoneToken: refusedPhone.Value, PhoneLast4: "0000"},
		Lines: []orders.Line{{LineID: "1", Quantity: 1, Paid: 100}},
	}
	raw, err := orders.EncodeQueued(event)
	if err != nil {
		t.Fatal(err)
	}
	return refused.Input{
		Source: "tmall", Reason: refused.Currency, Faults: []loyalty.Field{{Pointer: "/currency", Code: "foreign"}}, Order: event.Key(),
		Form: refused.Order, Content: string(raw), Names: event.Identities(),
	}
}

func refusedStore(t *testing.T) store.Store {
	engine := embedded.Memory()
	t.Cleanup(func() { engine.Close() })
	return store.Store{Table: engine}
}

func keep(t *testing.T, s store.Store, input refused.Input, at time.Time) store.Kept {
	t.Helper()
	kept, err := s.Keep(t.Context(), input, at)
	if err != nil {
		t.Fatal(err)
	}
	return kept
}

func waiting(t *testing.T, s store.Store, at time.Time) []store.RefusedInput {
	t.Helper()
	inputs, _, err := s.RefusedInputs(t.Context(), store.RefusedWaiting, 100, "", at)
	if err != nil {
		t.Fatal(err)
	}
	return inputs
}

func TestTheSameContentIsKeptOnceAndCounted(t *testing.T) {
	s := refusedStore(t)
	input := foreign(t, "1001")
	if got := keep(t, s, input, refusedAt); got != store.KeptNew {
		t.Errorf("the first is %s", got)
	}
	again := input
	again.Reason = refused.Unreadable // why does not make it another
	if got := keep(t, s, again, refusedAt.Add(time.Hour)); got != store.KeptAgain {
		t.Errorf("the second is %s", got)
	}
	if err := s.Table.Write(t.Context(), store.KeepRefused(input, refusedAt.Add(2*time.Hour))...); err != nil {
		t.Fatal(err)
	}
	got, err := s.RefusedInput(t.Context(), input.ID(), refusedAt)
	if err != nil {
		t.Fatal(err)
	}
	want := store.RefusedInput{
		ID: input.ID(), Input: input, First: refusedAt, Last: refusedAt.Add(2 * time.Hour), Count: 3, State: store.RefusedWaiting,
		Ends: refusedAt.Add(2*time.Hour + refused.Life),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	listed := waiting(t, s, refusedAt)
	want.Content = ""
	if diff := cmp.Diff([]store.RefusedInput{want}, listed); diff != "" {
		t.Error(diff)
	}
}

func TestKeptInputsAreListedNewestFirstAndFoundByTheirOrder(t *testing.T) {
	s := refusedStore(t)
	for i := range 5 {
		keep(t, s, foreign(t, fmt.Sprint(i)), refusedAt.Add(time.Duration(i)*time.Minute))
	}
	var listed []string
	cursor := ""
	for {
		page, next, err := s.RefusedInputs(t.Context(), store.RefusedWaiting, 2, cursor, refusedAt)
		if err != nil {
			t.Fatal(err)
		}
		for _, input := range page {
			listed = append(listed, input.Order.Order)
		}
		if cursor = next; next == "" {
			break
		}
	}
	if got := strings.Join(listed, " "); got != "4 3 2 1 0" {
		t.Errorf("listed %s", got)
	}
	ids, err := s.RefusedOfOrder(t.Context(), foreign(t, "3").Order)
	if err != nil || len(ids) != 1 || ids[0] != foreign(t, "3").ID() {
		t.Errorf("of the order: %v, %v", ids, err)
	}
	if log, err := s.Log(t.Context(), foreign(t, "3").Order); err != nil || len(log) != 0 {
		t.Errorf("the order's log holds %v, %v", log, err)
	}
}

func TestAnInputIsKeptThirtyDaysByTheClock(t *testing.T) {
	s := refusedStore(t)
	input := foreign(t, "1001")
	keep(t, s, input, refusedAt)
	// Counted, and not kept longer: half of its time is left.
	keep(t, s, input, refusedAt.Add(refused.Life/4))
	end := refusedAt.Add(refused.Life)
	if _, err := s.RefusedInput(t.Context(), input.ID(), end.Add(-time.Second)); err != nil {
		t.Errorf("a second before its end: %v", err)
	}
	// No TTL has cleaned up, and yet it is over.
	if _, err := s.RefusedInput(t.Context(), input.ID(), end); loyalty.KindOf(err) != loyalty.KindNotFound {
		t.Errorf("at its end: %v", err)
	}
	if got := waiting(t, s, end); len(got) != 0 {
		t.Errorf("it is listed after its end: %v", got)
	}
	// It comes again: as new, whatever was decided about it then.
	if err := s.Table.Write(t.Context(), store.EndRefused(input.ID(), store.RefusedDismissed, store.Ending{Reason: "old"})); err != nil {
		t.Fatal(err)
	}
	if got := keep(t, s, input, end); got != store.KeptNew {
		t.Errorf("after its end it is %s", got)
	}
	got := waiting(t, s, end)
	if len(got) != 1 || got[0].Count != 1 || !got[0].First.Equal(end) || got[0].Ended != nil {
		t.Errorf("begun anew: %+v", got)
	}
	// In the second half of its time it is kept as long once more, content and all.
	late := end.Add(refused.Life/2 + time.Hour)
	if got := keep(t, s, input, late); got != store.KeptAgain {
		t.Errorf("late it is %s", got)
	}
	again, err := s.RefusedInput(t.Context(), input.ID(), late.Add(refused.Life-time.Second))
	if err != nil || again.Content != input.Content || again.Count != 2 || !again.First.Equal(end) {
		t.Errorf("%+v, %v", again, err)
	}
	content, err := s.Table.Get(t.Context(), table.Strong, table.RefusedContentKey(input.ID()), table.RefusedOfOrderKey(input.Order, input.ID()), table.RefusedOfIdentityKey(refusedBuyer, input.ID()))
	if err != nil {
		t.Fatal(err)
	}
	for i, item := range content {
		if item == nil || item.Int(table.ExpiresAttribute) != late.Add(refused.Life).Unix() {
			t.Errorf("part %d is cleaned up at %+v", i, item)
		}
	}
}

func TestBeyondAThousandAnHourOnlyTheNumberIsKept(t *testing.T) {
	s := refusedStore(t)
	if err := s.Table.Write(t.Context(), table.Update(table.RefusedHourKey(refusedAt), []table.Change{table.Add("n", refused.MaxAnHour-1)})); err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	outcomes := make(chan store.Kept, 8)
	for i := range 8 {
		wait.Go(func() {
			kept, err := s.Keep(t.Context(), foreign(t, fmt.Sprint(i)), refusedAt)
			if err != nil {
				t.Error(err)
			}
			outcomes <- kept
		})
	}
	wait.Wait()
	close(outcomes)
	count := map[store.Kept]int{}
	for kept := range outcomes {
		count[kept]++
	}
	if count[store.KeptNew] != 1 || count[store.KeptCount] != 7 {
		t.Errorf("outcomes %v", count)
	}
	listed := waiting(t, s, refusedAt)
	if len(listed) != 1 {
		t.Fatalf("%d are kept", len(listed))
	}
	if n, err := s.RefusedThisHour(t.Context(), refusedAt); err != nil || n != refused.MaxAnHour+7 {
		t.Errorf("%d in this hour, %v", n, err)
	}
	// A row that is there is still counted with itself, and the next hour is
	// another.
	var known refused.Input
	for i := range 8 {
		if input := foreign(t, fmt.Sprint(i)); input.ID() == listed[0].ID {
			known = input
		}
	}
	if got := keep(t, s, known, refusedAt.Add(time.Minute)); got != store.KeptAgain {
		t.Errorf("what is there is %s", got)
	}
	if got := keep(t, s, foreign(t, "99"), refusedAt.Add(time.Hour)); got != store.KeptNew {
		t.Errorf("in the next hour it is %s", got)
	}
}

func TestTheSameContentAtTheSameMomentIsOneInput(t *testing.T) {
	s := refusedStore(t)
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			if _, err := s.Keep(t.Context(), foreign(t, "1001"), refusedAt); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if got := waiting(t, s, refusedAt); len(got) != 1 || got[0].Count != 8 {
		t.Errorf("kept %+v", got)
	}
}

func TestNothingIsKeptWhenItsConditionDoesNotHold(t *testing.T) {
	s := refusedStore(t)
	input := foreign(t, "1001")
	missing := table.Check(table.FactKey(input.Order, 1), table.Exists())
	if kept, err := s.Keep(t.Context(), input, refusedAt, missing); !store.Refused(err) {
		t.Errorf("%s, %v", kept, err)
	}
	if got := waiting(t, s, refusedAt); len(got) != 0 {
		t.Errorf("it is kept: %+v", got)
	}
}

// However acts follow each other, the first that ends the waiting is the last.
func TestAnEndedInputStaysAsItEnded(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		s := refusedStore(t)
		input := foreign(t, "1001")
		keep(t, s, input, refusedAt)
		ended := store.RefusedWaiting
		for at := range rapid.IntRange(1, 8).Draw(r, "acts") {
			by := store.Hand{Operator: fmt.Sprint("op-", at), At: refusedAt}
			var act table.Action
			next := ended
			switch rapid.IntRange(0, 4).Draw(r, "act") {
			case 0:
				act, next = store.EndRefused(input.ID(), store.RefusedApplied, store.Ending{Hand: by}), store.RefusedApplied
			case 1:
				act, next = store.EndRefused(input.ID(), store.RefusedDismissed, store.Ending{Hand: by, Reason: "double"}), store.RefusedDismissed
			case 2:
				act = store.RetryRefused(input.ID(), by)
			case 3:
				known, err := s.RefusedInput(t.Context(), input.ID(), refusedAt)
				if err != nil {
					r.Fatal(err)
				}
				act = store.RefuseAgain(known, refused.UnknownLine, nil)
			case 4:
				keep(t, s, input, refusedAt) // comes again
				continue
			}
			err := s.Table.Write(t.Context(), act)
			if wants := ended != store.RefusedWaiting; store.Refused(err) != wants {
				r.Fatalf("in state %s: %v", ended, err)
			}
			if err == nil {
				ended = next
			}
		}
		for _, state := range []store.RefusedState{store.RefusedWaiting, store.RefusedApplied, store.RefusedDismissed} {
			listed, _, err := s.RefusedInputs(t.Context(), state, 10, "", refusedAt)
			if err != nil || (len(listed) == 1) != (state == ended) {
				r.Fatalf("in state %s the list of %s holds %v, %v", ended, state, listed, err)
			}
		}
		if got, err := s.RefusedInput(t.Context(), input.ID(), refusedAt); err != nil || got.State != ended || (got.Ended != nil) != (ended != store.RefusedWaiting) {
			r.Fatalf("%+v, %v", got, err)
		}
	})
}

func TestForgettingAPersonReachesWhatIsKept(t *testing.T) {
	s := refusedStore(t)
	event := foreign(t, "1001")
	push := refused.Input{
		Source: "youzan", Reason: refused.Unreadable, Form: refused.Youzan, Content: `{"buyer_id":"b-1"}`, Names: []loyalty.Identity{refusedBuyer},
	}
	other := foreign(t, "1002")
	other.Names = []loyalty.Identity{{Kind: loyalty.IdentityBuyer, Channel: "tmall", Value: "b-2"}}
	other.Content = strings.ReplaceAll(other.Content, `"b-1"`, `"b-2"`)
	for _, input := range []refused.Input{event, push, other} {
		keep(t, s, input, refusedAt)
	}
	if err := s.ForgetIdentity(t.Context(), refusedBuyer, "m-1"); err != nil {
		t.Fatal(err)
	}
	page, err := s.Table.Scan(t.Context(), table.Scan{Segments: 1, Limit: 1000, Consistency: table.Strong})
	if err != nil {
		t.Fatal(err)
	}
	for _, item := range page.Items {
		if text := fmt.Sprintf("%+v", item); strings.Contains(text, `b-1`) || strings.Contains(text, "1001") && strings.Contains(text, refusedPhone.Value) && !strings.HasPrefix(item.Key.PK, "I#") {
			t.Errorf("the person is still in %s", text)
		}
	}
	kept, err := s.RefusedInput(t.Context(), event.ID(), refusedAt)
	if err != nil {
		t.Fatal(err)
	}
	left, err := orders.DecodeQueued([]byte(kept.Content))
	if err != nil || left.Buyer != (orders.Buyer{}) || left.OrderID != "1001" || len(left.Lines) != 1 || kept.Cut {
		t.Errorf("the event is %+v, %v", left, err)
	}
	if gone, err := s.RefusedInput(t.Context(), push.ID(), refusedAt); err != nil || gone.Content != "" || !gone.Cut || gone.Count != 1 {
		t.Errorf("the push is %+v, %v", gone, err)
	}
	if untouched, err := s.RefusedInput(t.Context(), other.ID(), refusedAt); err != nil || untouched.Content != other.Content || len(untouched.Names) != 1 {
		t.Errorf("another's is %+v, %v", untouched, err)
	}
}

func TestWhatAKeptInputCosts(t *testing.T) {
	s := refusedStore(t)
	input := foreign(t, "1001")
	cost := func(at time.Time) table.Usage {
		var usage table.Usage
		if _, err := s.Keep(table.WithUsage(t.Context(), &usage), input, at); err != nil {
			t.Fatal(err)
		}
		return usage
	}
	// Head, content, the marks of its order and of two names, and the hour, two
	// units each; and one of the index.
	if first := cost(refusedAt); first.WriteUnits > 13 || first.RoundTrips > 2 {
		t.Errorf("the first costs %+v", first)
	}
	if again := cost(refusedAt); again.WriteUnits > 2 {
		t.Errorf("again costs %+v", again)
	}
}

func TestAnUnknownInputIsSaidToBeUnknown(t *testing.T) {
	s := refusedStore(t)
	_, err := s.RefusedInput(t.Context(), strings.Repeat("0", 32), refusedAt)
	if refusal, ok := errors.AsType[*loyalty.Error](err); !ok || refusal.Kind != loyalty.KindNotFound || refusal.Code != "refused_unknown" {
		t.Error(err)
	}
	if err := s.Table.Write(t.Context(), store.RetryRefused(strings.Repeat("0", 32), store.Hand{})); !store.Refused(err) {
		t.Errorf("what is not there is retried: %v", err)
	}
}
