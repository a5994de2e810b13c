package friend_test

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/huitou/huitou/shared/friend"
	"github.com/huitou/huitou/shared/loyalty"
)

var (
	zone  = time.FixedZone("CST", 8*60*60)
	began = time.Date(2026, 11, 21, 10, 0, 0, 0, zone)
	card  = friend.Card{Batch: "K-00007", Card: 3, Arm: 1}
)

func event() friend.Event {
	return friend.Event{Change: friend.Added, At: began.UTC(), User: "zhangsan", External: "wo1", State: "R", WelcomeCode: "C"}
}

func TestEventRoundTrip(t *testing.T) {
	body := event().Encode()
	want := `{"change":"added","at":"2026-11-21T02:00:00Z","user":"zhangsan","external":"wo1","state":"R","welcome_code":"C"}`
	if diff := cmp.Diff(want, string(body)); diff != "" {
		t.Errorf("the body (-want +got):\n%s", diff)
	}
	got, err := friend.Decode(body)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(event(), got); diff != "" {
		t.Errorf("decoded (-want +got):\n%s", diff)
	}
}

func TestDecodeRefuses(t *testing.T) {
	good := string(event().Encode())
	for name, body := range map[string]string{
		"empty": "", "null": "null", "a list": "[]", "truncated": good[:len(good)-1], "trailing": good + "{}",
		"unknown field": strings.Replace(good, "{", `{"phone":"13800000000",`, 1),
		"another":       strings.Replace(good, `"added"`, `"13800000000"`, 1),
		"no staff":      strings.Replace(good, "zhangsan", "", 1),
		"nobody":        strings.Replace(good, "wo1", "", 1),
		"no time":       strings.Replace(good, "2026-11-21T02:00:00Z", "0001-01-01T00:00:00Z", 1),
		"a fraction":    strings.Replace(good, "02:00:00Z", "02:00:00.5Z", 1),
	} {
		got, err := friend.Decode([]byte(body))
		if loyalty.KindOf(err) != loyalty.KindInvalid || got != (friend.Event{}) || strings.Contains(err.Error(), "138") {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(event().Encode())
	f.Add([]byte(`{"change":"removed","at":"2026-11-21T02:00:00Z","user":"u","external":"e"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := friend.Decode(body)
		if err != nil {
			return
		}
		again, err := friend.Decode(got.Encode())
		if err != nil || !again.At.Equal(got.At) {
			t.Fatalf("%+v reads back as %+v, %v", got, again, err)
		}
		if again.At = got.At; again != got {
			t.Fatalf("%+v reads back as %+v", got, again)
		}
	})
}

func TestTells(t *testing.T) {
	fact := friend.Fact{Change: friend.Added, At: began, User: "zhangsan", State: "R"}
	if !fact.Tells(event()) {
		t.Error("the same is not the same")
	}
	for name, change := range map[string]func(*friend.Event){
		"change": func(e *friend.Event) { e.Change = friend.Removed },
		"time":   func(e *friend.Event) { e.At = e.At.Add(time.Second) },
		"staff":  func(e *friend.Event) { e.User = "lisi" },
		"state":  func(e *friend.Event) { e.State = "" },
	} {
		other := event()
		if change(&other); fact.Tells(other) {
			t.Errorf("another %s is the same", name)
		}
	}
	// A code is new with each delivery, and says nothing new.
	if other := event(); !fact.Tells(friend.Event{Change: other.Change, At: other.At, User: other.User, State: other.State}) {
		t.Error("without a code it is another")
	}
}

func after(days, hours int) time.Time {
	return began.AddDate(0, 0, days).Add(time.Duration(hours) * time.Hour)
}

func fact(change friend.Change, at time.Time, user string, cards ...friend.Card) friend.Fact {
	f := friend.Fact{Change: change, At: at, User: user}
	if len(cards) > 0 {
		f.Card = &cards[0]
	}
	return f
}

func TestStays(t *testing.T) {
	other := friend.Card{Batch: "K-00007", Card: 4}
	for name, test := range map[string]struct {
		facts []friend.Fact
		want  []friend.Stay
	}{
		"nothing":                {},
		"no card":                {facts: []friend.Fact{fact(friend.Added, began, "a"), fact(friend.Removed, after(1, 0), "a")}},
		"a friend":               {facts: []friend.Fact{fact(friend.Added, began, "a", card)}, want: []friend.Stay{{Card: card, Added: began}}},
		"who left":               {facts: []friend.Fact{fact(friend.Added, began, "a", card), fact(friend.Removed, after(1, 0), "a")}, want: []friend.Stay{{card, began, after(1, 0)}}},
		"who was dropped":        {facts: []friend.Fact{fact(friend.Added, began, "a", card), fact(friend.Dropped, after(1, 0), "a")}, want: []friend.Stay{{card, began, after(1, 0)}}},
		"told the other way":     {facts: []friend.Fact{fact(friend.Removed, after(1, 0), "a"), fact(friend.Added, began, "a", card)}, want: []friend.Stay{{card, began, after(1, 0)}}},
		"in one second":          {facts: []friend.Fact{fact(friend.Removed, began, "a"), fact(friend.Added, began, "a", card)}, want: []friend.Stay{{card, began, began}}},
		"confirmed later":        {facts: []friend.Fact{fact(friend.Added, began, "a", card), fact(friend.Added, after(0, 1), "a", card)}, want: []friend.Stay{{Card: card, Added: began}}},
		"back again":             {facts: []friend.Fact{fact(friend.Added, began, "a", card), fact(friend.Removed, after(1, 0), "a"), fact(friend.Added, after(2, 0), "a", card)}, want: []friend.Stay{{card, began, after(1, 0)}}},
		"another still has them": {facts: []friend.Fact{fact(friend.Added, began, "a", card), fact(friend.Added, began, "b"), fact(friend.Removed, after(1, 0), "a")}, want: []friend.Stay{{Card: card, Added: began}}},
		"nobody has them":        {facts: []friend.Fact{fact(friend.Added, began, "a", card), fact(friend.Added, began, "b"), fact(friend.Removed, after(1, 0), "a"), fact(friend.Removed, after(2, 0), "b")}, want: []friend.Stay{{card, began, after(2, 0)}}},
		"a stranger leaves":      {facts: []friend.Fact{fact(friend.Removed, began, "old"), fact(friend.Added, after(1, 0), "a", card)}, want: []friend.Stay{{Card: card, Added: after(1, 0)}}},
		"two cards": {
			facts: []friend.Fact{fact(friend.Added, began, "a", card), fact(friend.Added, after(1, 0), "b", other), fact(friend.Removed, after(2, 0), "a"), fact(friend.Removed, after(3, 0), "b")},
			want:  []friend.Stay{{card, began, after(3, 0)}, {other, after(1, 0), after(3, 0)}},
		},
	} {
		if diff := cmp.Diff(test.want, friend.Stays(test.facts)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestCountsFollowTheFacts adds up the differences of facts that become known
// in any order: what is counted is what all of them say.
func TestCountsFollowTheFacts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		facts := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) friend.Fact {
			f := fact(
				rapid.SampledFrom([]friend.Change{friend.Added, friend.Added, friend.Removed, friend.Dropped}).Draw(t, "change"),
				after(rapid.IntRange(0, 5).Draw(t, "days"), rapid.IntRange(0, 23).Draw(t, "hours")),
				rapid.SampledFrom([]string{"a", "b"}).Draw(t, "user"))
			if f.Change == friend.Added && rapid.Bool().Draw(t, "by card") {
				f.Card = &friend.Card{Batch: "K-00007", Card: rapid.IntRange(0, 1).Draw(t, "card")}
			}
			return f
		}), 0, 8).Draw(t, "facts")
		sum := map[friend.Cohort]friend.Tally{}
		var known []friend.Fact
		for _, next := range facts {
			was := friend.Stays(known)
			known = append(known, next)
			for cohort, tally := range friend.Difference(was, friend.Stays(known), zone) {
				total := friend.Tally{Added: sum[cohort].Added + tally.Added, Gone: maps.Clone(sum[cohort].Gone)}
				for days, n := range tally.Gone {
					if total.Gone == nil {
						total.Gone = map[int]int64{}
					}
					if total.Gone[days] += n; total.Gone[days] == 0 {
						delete(total.Gone, days)
					}
				}
				if sum[cohort] = total; total.Added == 0 && len(total.Gone) == 0 {
					delete(sum, cohort)
				}
			}
		}
		want := friend.Difference(nil, friend.Stays(known), zone)
		for cohort, tally := range want {
			left := int64(0)
			for days, n := range tally.Gone {
				if left += n; days < 0 || n < 0 {
					t.Fatalf("%d gone after %d days", n, days)
				}
			}
			if left > tally.Added || tally.Added > 2 {
				t.Fatalf("%d of %d left", left, tally.Added)
			}
			if len(tally.Gone) == 0 {
				tally.Gone = nil
				want[cohort] = tally
			}
		}
		for cohort, tally := range sum {
			if len(tally.Gone) == 0 {
				tally.Gone = nil
				sum[cohort] = tally
			}
		}
		if diff := cmp.Diff(want, sum); diff != "" {
			t.Fatalf("the counts (-all facts +differences):\n%s", diff)
		}
	})
}

func TestFunnel(t *testing.T) {
	day := func(d int) friend.Cohort {
		return friend.Cohort{Batch: "K-00007", Day: after(d, 0).Format(time.DateOnly)}
	}
	cohorts := []friend.Cohort{day(0), day(0), day(7), day(29)}
	tallies := []friend.Tally{
		{Added: 10, Gone: map[int]int64{0: 1, 1: 1, 6: 1, 7: 1, 29: 1, 30: 1}}, {Added: 5}, {Added: 3, Gone: map[int]int64{0: 2}}, {Added: 4, Gone: map[int]int64{0: 1}},
	}
	now := time.Date(2026, 12, 22, 0, 0, 0, 0, zone) // 30 days after the end of the first day
	want := friend.Funnel{Added: 22, Left: 9, Retained: []friend.Retained{
		{Days: 1, Of: 22, Kept: 18}, // 18 of 22: 1, 2 and 1 left within a day
		{Days: 7, Of: 18, Kept: 13}, // the last cohort is not ripe; 3 and 2 left
		{Days: 30, Of: 15, Kept: 10},
	}}
	if diff := cmp.Diff(want, friend.FunnelOf(cohorts, tallies, now, zone)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	want.Retained[0], want.Retained[2] = friend.Retained{Days: 1, Of: 18, Kept: 15}, friend.Retained{Days: 30}
	if diff := cmp.Diff(want, friend.FunnelOf(cohorts, tallies, now.Add(-time.Second), zone)); diff != "" {
		t.Errorf("a second before (-want +got):\n%s", diff)
	}
}

func TestGreet(t *testing.T) {
	removed, bare := event(), event()
	removed.Change, bare.WelcomeCode = friend.Removed, ""
	for name, test := range map[string]struct {
		event   friend.Event
		text    string
		greeted bool
		now     time.Time
		want    friend.Welcome
	}{
		"at once":          {event(), "hello", false, began, friend.WelcomeDue},
		"our clock behind": {event(), "hello", false, began.Add(-time.Minute), friend.WelcomeDue},
		"the last moment":  {event(), "hello", false, began.Add(20*time.Second - 1), friend.WelcomeDue},
		"too late":         {event(), "hello", false, began.Add(20 * time.Second), friend.WelcomeLate},
		"no code":          {bare, "hello", false, began, friend.WelcomeNoCode},
		"no text":          {event(), "", false, began, friend.WelcomeNoText},
		"they left":        {removed, "hello", false, began, friend.WelcomeNone},
		"once is enough":   {event(), "hello", true, began, friend.WelcomeOnce},
	} {
		if got := friend.Greet(test.event, test.text, test.greeted, test.now); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}
