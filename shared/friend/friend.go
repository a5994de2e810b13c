// Package friend is the rules of WeCom friends (企业微信好友, 外部联系人): when a
// customer is a friend of the brand's staff, which package card brought them,
// how long they stay (留存), and whether they may still be greeted (欢迎语).
package friend

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/huitou/huitou/shared/localtime"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/strictjson"
)

// Change is what happened between a customer and one of the staff.
type Change string

// The changes.
const (
	Added   Change = "added"   // they became friends (加好友)
	Removed Change = "removed" // the customer removed the staff (客户删除)
	Dropped Change = "dropped" // the staff removed the customer (员工删除)
)

// Event is the body of a queued message: one change as the platform told it.
type Event struct {
	Change      Change    `json:"change"`
	At          time.Time `json:"at"`       // by the platform's clock, to the second
	User        string    `json:"user"`     // of the staff (跟进成员)
	External    string    `json:"external"` // of the customer (外部联系人)
	State       string    `json:"state,omitempty"`
	WelcomeCode string    `json:"welcome_code,omitempty"`
}

// Encode is the queue message's body.
func (e Event) Encode() []byte {
	body, err := json.Marshal(e)
	if err != nil {
		panic(fmt.Sprintf("friend: an event does not encode: %v", err)) // strings and a time of this era
	}
	return body
}

// Decode reads a body that Encode made. Anything else is refused with
// KindInvalid code "friend_malformed", which does not quote it.
func Decode(body []byte) (Event, error) {
	malformed := loyalty.Refuse(loyalty.KindInvalid, "friend_malformed", "the body is no change of a friend")
	var e Event
	if strictjson.Exact(body, &e) != nil {
		return Event{}, malformed
	}
	known := e.Change == Added || e.Change == Removed || e.Change == Dropped
	if !known || e.User == "" || e.External == "" || e.At.IsZero() || !e.At.Equal(e.At.Truncate(time.Second)) {
		return Event{}, malformed
	}
	return e, nil
}

// Card is the package card that brought a friend.
type Card struct {
	Batch string `json:"batch"`
	Card  int    `json:"card"`
	Arm   int    `json:"arm"`
}

// Fact is one line of the log of one customer, written once for each change.
type Fact struct {
	Change Change    `json:"change"`
	At     time.Time `json:"at"`
	User   string    `json:"user"`
	State  string    `json:"state,omitempty"`
	Card   *Card     `json:"card,omitempty"`
	Untied string    `json:"untied,omitempty"` // why a card's State did not count: Untied…
	// Member is whose identity the customer is, or became by this.
	Member loyalty.MemberID `json:"member,omitempty"`
	Prize  Prize            `json:"prize,omitempty"` // of the card that State names, as it is for them
}

// Prize is what adding the staff made of the prize of the card that a State
// names. Its State is given with the prize alone, so whoever comes with it held
// the page of who redeemed the card: that proves a prize which is reserved for a
// typed phone (好友核实), once, to the first who comes.
type Prize string

// The states of a card's prize for a friend.
const (
	PrizeNone     Prize = ""         // there is no card, nothing in it, or nothing is known of whose it is
	PrizeProved   Prize = "proved"   // it was reserved, and is theirs by this
	PrizeBlank    Prize = "blank"    // the same of a card that gives nothing: they are a member by this
	PrizeHis      Prize = "his"      // it was theirs before
	PrizeHeld     Prize = "held"     // the card is theirs by this, and its prize waits for an operator (待审核)
	PrizeTaken    Prize = "taken"    // it is somebody else's
	PrizeWithheld Prize = "withheld" // nobody gets it any more: the batch is frozen, or who it was kept for was erased
)

// Proved tells whether the card became theirs by it.
func (p Prize) Proved() bool { return p == PrizeProved || p == PrizeBlank || p == PrizeHeld }

// Why a State that names a card brought it no friend.
const (
	UntiedTaken      = "card_has_friend" // the card brought somebody else before: its link was passed on
	UntiedUnredeemed = "not_redeemed"    // references are given with the prize, so nobody can have it yet
)

// Tells tells whether the fact is what the event says. The platform gives these
// events no id: two are one when people, time and State are the same.
func (f Fact) Tells(e Event) bool {
	return f.Change == e.Change && f.At.Equal(e.At) && f.User == e.User && f.State == e.State
}

// Stay is a friendship that a card brought.
type Stay struct {
	Card  Card
	Added time.Time
	Ended time.Time // zero while they are a friend
}

// Stays are the friendships that cards brought, in the order of their
// beginning, whatever the order in which the facts became known. A customer is
// a friend of the brand while they are one of anybody's of its staff. A card
// brings them once: coming back later is no second friend.
func Stays(facts []Fact) []Stay {
	ordered := slices.Clone(facts)
	slices.SortStableFunc(ordered, func(a, b Fact) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(rank(a), rank(b)))
	})
	var stays []Stay
	staff := map[string]bool{}
	for _, fact := range ordered {
		if fact.Change == Added {
			staff[fact.User] = true
			if fact.Card != nil && !slices.ContainsFunc(stays, func(s Stay) bool { return s.Card == *fact.Card }) {
				stays = append(stays, Stay{Card: *fact.Card, Added: fact.At})
			}
			continue
		}
		if !staff[fact.User] {
			continue // of a friendship from before anybody told us
		}
		if delete(staff, fact.User); len(staff) > 0 {
			continue
		}
		for i := range stays {
			if stays[i].Ended.IsZero() {
				stays[i].Ended = fact.At
			}
		}
	}
	return stays
}

// rank orders what happened in one second: nobody is removed before they are
// added.
func rank(f Fact) int {
	if f.Change == Added {
		return 0
	}
	return 1
}

// Cohort is the friends whom one arm's cards of a batch brought on one day.
type Cohort struct {
	Batch string
	Arm   int
	Day   string // "2026-11-21" in the brand's time zone
}

// Tally counts a cohort, or what a change adds to it.
type Tally struct {
	Added int64
	// Gone are those who left, by how many whole days they stayed.
	Gone map[int]int64
}

// Difference is what has to be added to the cohorts' tallies for one customer's
// stays to be counted as they are now instead of as they were.
func Difference(was, is []Stay, zone *time.Location) map[Cohort]Tally {
	sum := map[Cohort]Tally{}
	count := func(stays []Stay, n int64) {
		for _, stay := range stays {
			cohort := Cohort{Batch: stay.Card.Batch, Arm: stay.Card.Arm, Day: stay.Added.In(zone).Format(time.DateOnly)}
			tally := sum[cohort]
			if tally.Gone == nil {
				tally.Gone = map[int]int64{}
			}
			tally.Added += n
			if !stay.Ended.IsZero() {
				tally.Gone[stay.days()] += n
			}
			sum[cohort] = tally
		}
	}
	count(is, 1)
	count(was, -1)
	for cohort, tally := range sum {
		for days, n := range tally.Gone {
			if n == 0 {
				delete(tally.Gone, days)
			}
		}
		if tally.Added == 0 && len(tally.Gone) == 0 {
			delete(sum, cohort)
		}
	}
	return sum
}

func (s Stay) days() int { return int(s.Ended.Sub(s.Added) / (24 * time.Hour)) }

// Funnel is what became of the friends of some cohorts.
type Funnel struct {
	Added    int64      `json:"added" doc:"cards that brought a friend"`
	Left     int64      `json:"left" doc:"of those, no friend of any staff any more"`
	Retained []Retained `json:"retained" doc:"who stayed how long"`
}

// Retained is how many stayed for a number of days (留存), of those who were
// added so long ago that all had the time to leave.
type Retained struct {
	Days int   `json:"days"`
	Of   int64 `json:"of" doc:"added on days that are so long over"`
	Kept int64 `json:"kept" doc:"of those, friends for at least so many days"`
}

// retentionDays are after how many days a Funnel tells who stayed.
var retentionDays = []int{1, 7, 30}

// FunnelOf sums cohorts up at a time. The tallies of one cohort may come in
// parts.
func FunnelOf(cohorts []Cohort, tallies []Tally, now time.Time, zone *time.Location) Funnel {
	funnel := Funnel{}
	for _, days := range retentionDays {
		funnel.Retained = append(funnel.Retained, Retained{Days: days})
	}
	for i, tally := range tallies {
		funnel.Added += tally.Added
		for _, n := range tally.Gone {
			funnel.Left += n
		}
		day, err := time.Parse(time.DateOnly, cohorts[i].Day)
		if err != nil {
			continue // no day, so nothing grows ripe
		}
		for j := range funnel.Retained {
			retained := &funnel.Retained[j]
			if now.Before(localtime.Date(day.Year(), day.Month(), day.Day()+1+retained.Days, 0, 0, 0, zone)) {
				continue
			}
			retained.Of += tally.Added
			retained.Kept += tally.Added
			for stayed, n := range tally.Gone {
				if stayed < retained.Days {
					retained.Kept -= n
				}
			}
		}
	}
	return funnel
}

// WelcomeWithin is how long after the event the platform takes a greeting
// (document 92137).
const WelcomeWithin = 20 * time.Second

// Welcome is what became of the greeting.
type Welcome string

// The ends of a greeting. WelcomeDue is the one that is not an end.
const (
	WelcomeNone    Welcome = ""        // the change is not one to greet for
	WelcomeDue     Welcome = "due"     // decided, not known to have left
	WelcomeSent    Welcome = "sent"    // the platform took it
	WelcomeNoCode  Welcome = "no_code" // the platform allows none: the staff have a greeting of their own (管理端欢迎语)
	WelcomeNoText  Welcome = "no_text" // the brand's program has none
	WelcomeLate    Welcome = "late"    // the 20 seconds were over before it was known to have left
	WelcomeRefused Welcome = "refused" // the platform does not take it; they are chatting already, or another application was first
	WelcomeOnce    Welcome = "once"    // they were greeted when the friendship began: it was confirmed by now
)

// Greet decides about the greeting of an event at a time by the platform's
// clock; greeted tells that the same staff greeted them in this friendship.
func Greet(e Event, text string, greeted bool, now time.Time) Welcome {
	switch {
	case e.Change != Added:
		return WelcomeNone
	case greeted:
		return WelcomeOnce
	case e.WelcomeCode == "":
		return WelcomeNoCode
	case text == "":
		return WelcomeNoText
	case now.Sub(e.At) >= WelcomeWithin:
		return WelcomeLate
	}
	return WelcomeDue
}
