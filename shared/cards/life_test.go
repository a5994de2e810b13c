package cards_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/loyalty"
)

var (
	early    = from.Add(-time.Hour)
	manifest = cards.Manifest{Count: 1000, SHA256: strings.Repeat("0123456789abcdef", 4)}
)

// step is one thing that can be asked of a batch.
type step struct {
	name string
	do   func(b cards.Batch, operator string, now time.Time) (cards.Batch, error)
}

var (
	printing = step{"print", func(b cards.Batch, operator string, now time.Time) (cards.Batch, error) {
		return b.Print(operator, manifest, now)
	}}
	receiving = step{"receive", func(b cards.Batch, operator string, now time.Time) (cards.Batch, error) {
		return b.Receive(operator, manifest, now)
	}}
	activating = step{"activate", func(b cards.Batch, operator string, now time.Time) (cards.Batch, error) {
		return b.Activate(operator, now)
	}}
	freezing = step{"freeze", func(b cards.Batch, operator string, now time.Time) (cards.Batch, error) {
		return b.Freeze(operator, now), nil
	}}
)

func live(t *testing.T, b cards.Batch, steps ...step) cards.Batch {
	t.Helper()
	for i, s := range steps {
		var err error
		if b, err = s.do(b, []string{"li", "wang"}[i%2], early); err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
	}
	return b
}

// Every step in every state: what it leads to, or the code it is refused with;
// a refusal changes nothing.
func TestEveryStepInEveryState(t *testing.T) {
	created := batch()
	states := map[string]cards.Batch{
		"created":  created,
		"approved": live(t, created, activating),
		"printed":  live(t, created, printing),
		"received": live(t, created, printing, receiving),
		"active":   live(t, created, printing, receiving, activating, activating),
		"bare":     live(t, created, activating, activating), // active without a printing house
		"frozen":   live(t, created, freezing),
	}
	for _, c := range []struct {
		state string
		step  step
		want  string // a state, or a code
	}{
		{"created", printing, "printed"},
		{"created", receiving, "batch_not_printed"},
		{"created", activating, "created"},
		{"created", freezing, "frozen"},
		{"approved", printing, "printed"},
		{"approved", receiving, "batch_not_printed"},
		{"approved", activating, "active"},
		{"printed", printing, "printed"},
		{"printed", receiving, "received"},
		{"printed", activating, "batch_not_received"},
		{"printed", freezing, "frozen"},
		{"received", printing, "batch_not_new"},
		{"received", receiving, "received"},
		{"received", activating, "received"},
		{"received", freezing, "frozen"},
		{"active", printing, "batch_not_new"},
		{"active", receiving, "active"}, // the same delivery again
		{"active", activating, "active"},
		{"active", freezing, "frozen"},
		{"bare", printing, "batch_not_new"},
		{"bare", receiving, "batch_not_printed"},
		{"frozen", printing, "batch_frozen"},
		{"frozen", receiving, "batch_frozen"},
		{"frozen", activating, "batch_frozen"},
		{"frozen", freezing, "frozen"},
	} {
		was := states[c.state]
		got, err := c.step.do(was, "wang", early)
		if refusal, ok := errors.AsType[*loyalty.Error](err); ok {
			if refusal.Kind != loyalty.KindConflict || refusal.Code != c.want {
				t.Errorf("%s, %s: %v, want %s", c.state, c.step.name, err, c.want)
			}
			if diff := cmp.Diff(was, got); diff != "" {
				t.Errorf("%s, %s: a refusal changed the batch: %s", c.state, c.step.name, diff)
			}
		} else if err != nil || string(got.State) != c.want {
			t.Errorf("%s, %s: %s, %v, want %s", c.state, c.step.name, got.State, err, c.want)
		}
		if c.step.name == "freeze" {
			continue
		}
		expired, err := c.step.do(was, "wang", to)
		want := "batch_expired"
		if c.state == "frozen" {
			want = "batch_frozen"
		}
		if refusal, ok := errors.AsType[*loyalty.Error](err); !ok || refusal.Kind != loyalty.KindConflict || refusal.Code != want {
			t.Errorf("%s, %s after the window: %v, want %s", c.state, c.step.name, err, want)
		}
		if diff := cmp.Diff(was, expired); diff != "" {
			t.Errorf("%s, %s after the window changed the batch: %s", c.state, c.step.name, diff)
		}
	}
}

func TestStateFollowsTheClock(t *testing.T) {
	active := live(t, batch(), activating, activating)
	if got := active.StateAt(to.Add(-1)); got != cards.StateActive {
		t.Errorf("before the end: %s", got)
	}
	if got := active.StateAt(to); got != cards.StateExpired {
		t.Errorf("at the end: %s", got)
	}
	if got := active.Freeze("li", early).StateAt(to); got != cards.StateFrozen {
		t.Errorf("a frozen batch became %s", got)
	}
}

func TestActivationTakesTwo(t *testing.T) {
	created := batch()
	first := live(t, created, activating)
	if first.State != cards.StateCreated || first.Approved == nil || first.Approved.Operator != "li" {
		t.Fatalf("the first: %+v", first)
	}
	same, err := first.Activate("li", early.Add(time.Minute))
	if diff := cmp.Diff(first, same); err != nil || diff != "" {
		t.Fatalf("the first again: %v %s", err, diff)
	}
	second, err := same.Activate("wang", from)
	if err != nil || second.State != cards.StateActive || second.Activated.Operator != "wang" || second.Approved.Operator != "li" {
		t.Fatalf("the second: %+v, %v", second, err)
	}
	again, err := second.Activate("zhao", from.Add(time.Hour))
	if diff := cmp.Diff(second, again); err != nil || diff != "" {
		t.Errorf("a third: %v %s", err, diff)
	}
	if created.Approved != nil {
		t.Error("Activate changed its receiver")
	}
	if _, err := created.Activate("", early); err == nil {
		t.Error("nobody activated it")
	}
}

func TestAnApprovalOfCardsThatWereNotThereDoesNotCount(t *testing.T) {
	received := live(t, batch(), activating, printing, receiving)
	if received.Approved != nil {
		t.Fatalf("%+v", received.Approved)
	}
	if one, err := received.Activate("wang", early); err != nil || one.State != cards.StateReceived {
		t.Errorf("one operator was enough: %s, %v", one.State, err)
	}
}

func TestTheDeliveryIsHeldAgainstTheManifest(t *testing.T) {
	printed := live(t, batch(), printing)
	other := manifest
	other.SHA256 = strings.Repeat("f", 64)
	few, many := manifest, manifest
	few.Count, many.Count = 990, 1001
	for name, c := range map[string]struct {
		step func() (cards.Batch, error)
		code string
		kind loyalty.Kind
	}{
		"another file": {func() (cards.Batch, error) { return printed.Receive("li", other, early) }, "manifest_differs", loyalty.KindConflict},
		"more cards":   {func() (cards.Batch, error) { return printed.Receive("li", many, early) }, "manifest_differs", loyalty.KindConflict},
		"no cards": {func() (cards.Batch, error) {
			return printed.Receive("li", cards.Manifest{SHA256: manifest.SHA256}, early)
		}, "out_of_range", loyalty.KindInvalid},
		"no hash": {func() (cards.Batch, error) { return printed.Receive("li", cards.Manifest{Count: 1000}, early) }, "malformed", loyalty.KindInvalid},
		"a hash in capitals": {func() (cards.Batch, error) {
			return printed.Print("li", cards.Manifest{1000, strings.Repeat("A", 64)}, early)
		}, "malformed", loyalty.KindInvalid},
		"a part of the batch": {func() (cards.Batch, error) { return printed.Print("li", few, early) }, "not_the_print_run", loyalty.KindInvalid},
	} {
		got, err := c.step()
		refusal, ok := errors.AsType[*loyalty.Error](err)
		if !ok || refusal.Kind != c.kind {
			t.Errorf("%s: %v", name, err)
			continue
		}
		code := refusal.Code
		if len(refusal.Fields) > 0 {
			code = refusal.Fields[0].Code
		}
		if code != c.code {
			t.Errorf("%s: %s, want %s", name, code, c.code)
		}
		if diff := cmp.Diff(printed, got); diff != "" {
			t.Errorf("%s changed the batch: %s", name, diff)
		}
	}
	short, err := printed.Receive("wang", few, from)
	want := &cards.Delivery{Signature: cards.Signature{Operator: "wang", At: from}, Manifest: few}
	if diff := cmp.Diff(want, short.Received); err != nil || diff != "" {
		t.Errorf("fewer cards: %v %s", err, diff)
	}
	if _, err := short.Receive("wang", manifest, from); loyalty.KindOf(err) != loyalty.KindConflict {
		t.Errorf("a second delivery: %v", err)
	}
	again, err := printed.Print("wang", manifest, from)
	if diff := cmp.Diff(printed, again); err != nil || diff != "" {
		t.Errorf("the same file again: %v %s", err, diff)
	}
	another, err := printed.Print("wang", other, from)
	if err != nil || another.Printed.SHA256 != other.SHA256 || another.Printed.Operator != "wang" {
		t.Errorf("another file before the cards came: %+v, %v", another.Printed, err)
	}
}

func TestThePrintingHouseReadsNoCodesOfCardsThatCameBackOrAreActive(t *testing.T) {
	for name, c := range map[string]struct {
		batch cards.Batch
		at    time.Time
		code  string
	}{
		"created":  {batch(), early, ""},
		"printed":  {live(t, batch(), printing), early, ""},
		"bare":     {live(t, batch(), activating, activating), early, "batch_active"}, // the brand printed it itself
		"received": {live(t, batch(), printing, receiving), early, "batch_received"},
		"active":   {live(t, batch(), printing, receiving, activating, activating), early, "batch_received"},
		"frozen":   {batch().Freeze("li", early), early, "batch_frozen"},
		"expired":  {batch(), to, "batch_expired"},
	} {
		code := ""
		if refusal, ok := errors.AsType[*loyalty.Error](c.batch.Readable(c.at)); ok {
			code = refusal.Code
		}
		if code != c.code {
			t.Errorf("%s: %q, want %q", name, code, c.code)
		}
	}
}

func TestABatchThatOpenedStaysOneWhenItIsOver(t *testing.T) {
	first, err := batch().Activate("li", from.Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	active, err := first.Activate("wang", from.Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		batch cards.Batch
		card  int
		at    time.Time
		want  error
	}{
		{"first instant", active, 0, from, nil},
		{"last card", active, 999, from, nil},
		{"at the end", active, 0, to, nil},
		{"frozen", active.Freeze("li", from), 0, from, nil},
		{"frozen and over", active.Freeze("li", from), 0, to, nil},
		{"one second early", active, 0, from.Add(-time.Second), cards.ErrNotFound},
		{"frozen before the first instant", active.Freeze("li", from), 0, from.Add(-time.Second), cards.ErrNotFound},
		{"beyond the print run", active, 1000, from, cards.ErrNotFound},
		{"negative", active, -1, from, cards.ErrNotFound},
		{"created", batch(), 0, from, cards.ErrNotFound},
		{"one consent of two", first, 0, from, cards.ErrNotFound},
		{"frozen before it was active", first.Freeze("li", from), 0, from, cards.ErrNotFound},
		{"over before it was active", first, 0, to, cards.ErrNotFound},
	} {
		if got := c.batch.Opened(c.card, c.at); !errors.Is(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestRedeemableOnlyWhileActiveAndInTheWindow(t *testing.T) {
	active := batch()
	active.State = cards.StateActive
	for _, c := range []struct {
		name  string
		batch cards.Batch
		card  int
		at    time.Time
		want  error
	}{
		{"first instant", active, 0, from, nil},
		{"last instant", active, 999, to.Add(-1), nil},
		{"one second early", active, 0, from.Add(-time.Second), cards.ErrNotFound},
		{"at the end", active, 0, to, cards.ErrNotFound},
		{"beyond the print run", active, 1000, from, cards.ErrNotFound},
		{"negative", active, -1, from, cards.ErrNotFound},
		{"created", batch(), 0, from, cards.ErrNotFound},
		{"printed", live(t, batch(), printing), 0, from, cards.ErrNotFound},
		{"received", live(t, batch(), printing, receiving), 0, from, cards.ErrNotFound},
		{"frozen", active.Freeze("li", from), 0, from, cards.ErrNotFound},
	} {
		if got := c.batch.Redeemable(c.card, c.at); !errors.Is(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	frozen := active.Freeze("li", from)
	if diff := cmp.Diff(frozen, frozen.Freeze("wang", to)); diff != "" {
		t.Errorf("a second freeze: %s", diff)
	}
}
