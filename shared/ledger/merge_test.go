package ledger_test

import (
	"crypto/rand"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/huitou/huitou/shared/ledger"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/table/embedded"
)

// Rules that ask for the buyer read the owner's account beforehand; what the
// order of a part earns is the whole's as well, whichever they are.
func TestAnOrderOfAPartIsTheWholesUnderAnyRules(t *testing.T) {
	for name, change := range map[string]func(*points.Rules){
		"plain":               func(*points.Rules) {},
		"a cap per day":       func(r *points.Rules) { r.CapPerDay = 1_000 },
		"a first order":       first,
		"tiers":               func(r *points.Rules) { r.Bonuses.Tiers = map[string]int64{"gold": 50} },
		"a cap and the first": func(r *points.Rules) { r.CapPerDay = 1_000; first(r) },
	} {
		t.Run(name, func(t *testing.T) {
			versions := rules(change)
			b := open(t)
			whole, part := b.member("whole"), b.member("part")
			b.tell(versions, 1, bought(whole, day0, 10_000))
			hand := store.Hand{Operator: "wang", At: day0}
			if _, err := ledger.Merge(t.Context(), b.store, store.Merge{ID: "1", Into: whole, Part: part, By: hand, Reason: "the same"}); err != nil {
				t.Fatal(err)
			}
			had := b.account(whole).Balance.Pending
			b.tell(versions, 2, bought(part, day0, 20_000))
			b.tell(versions, 2, givenBack("r1", "1", 5_000))
			if theirs, all := b.account(part).Balance, b.account(whole).Balance; theirs != (points.Balance{Pending: 150}) || all != (points.Balance{Pending: had + 150}) {
				t.Errorf("the part has %+v and the whole %+v, of which %d were the part's", theirs, all, had)
			}
			if _, err := ledger.Unmerge(t.Context(), b.store, whole, part, "2", "two persons", hand); err != nil {
				t.Fatal(err)
			}
			if all := b.account(whole); all.Balance != (points.Balance{Pending: had}) || all.Orders != 1 || all.Paid != loyalty.Fen(10_000) {
				t.Errorf("alone again the whole has %+v, and had %d points", all, had)
			}
		})
	}
}

// checks is a store in which a and b check in, and are merged and parted.
type checks struct {
	*testing.T
	store store.Store
}

func openChecks(t *testing.T) checks {
	c := checks{t, store.Store{Table: embedded.Memory()}}
	for _, member := range []loyalty.MemberID{"a", "b"} {
		if err := c.store.Table.Write(t.Context(), store.CreateAccount(member, store.Profile{}, nil, noon)...); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// in checks in on the nth day after the first.
func (c checks) in(member loyalty.MemberID, n int) (points.CheckIn, bool) {
	c.Helper()
	is, fresh, err := ledger.CheckIn(c.Context(), c.store, daily(), member, rand.Text(), noon.AddDate(0, 0, n))
	if err != nil {
		c.Fatalf("%s on day %d: %v", member, n, err)
	}
	return is, fresh
}

func (c checks) merge(id string, n int) {
	c.Helper()
	if _, err := ledger.Merge(c.Context(), c.store, store.Merge{ID: id, Into: "a", Part: "b", By: store.Hand{Operator: "wang", At: noon.AddDate(0, 0, n)}, Reason: "the same"}); err != nil {
		c.Fatal(err)
	}
}

func (c checks) part(id string, n int) {
	c.Helper()
	if _, err := ledger.Unmerge(c.Context(), c.store, "a", "b", id, "two persons", store.Hand{Operator: "wang", At: noon.AddDate(0, 0, n)}); err != nil {
		c.Fatal(err)
	}
}

func (c checks) account(member loyalty.MemberID) store.Account {
	c.Helper()
	account, err := c.store.Account(c.Context(), member)
	if err != nil {
		c.Fatal(err)
	}
	return account
}

func (c checks) expect(what string, got points.CheckIn, fresh, wantFresh bool, streak int64) {
	c.Helper()
	if got.Streak != streak || fresh != wantFresh {
		c.Errorf("%s: %+v, new: %v; want streak %d, new: %v", what, got, fresh, streak, wantFresh)
	}
}

// A merged person checks in once a day, and the longer run of days goes on.
func TestAMergedPersonChecksInOnceADay(t *testing.T) {
	c := openChecks(t)
	for n := range 4 {
		c.in("a", n)
	}
	c.in("b", 4)
	before := c.account("a").CheckIn
	c.merge("x1", 4)
	is, fresh := c.in("a", 4)
	c.expect("the day on which b checked in", is, fresh, false, 5)
	c.part("y1", 4)
	if diff := cmp.Diff(before, c.account("a").CheckIn); diff != "" {
		t.Errorf("apart again: %s", diff)
	}
	c.merge("x2", 4)
	is, fresh = c.in("a", 5)
	c.expect("the day after", is, fresh, true, 6)
	c.part("y2", 5)
	is, fresh = c.in("a", 5)
	c.expect("its own day, apart", is, fresh, false, 1) // day 4 was b's
	is, fresh = c.in("a", 6)
	c.expect("the next day, apart", is, fresh, true, 2)
	is, fresh = c.in("b", 5)
	c.expect("b goes on", is, fresh, true, 2)
}

func TestOfTwoRunsThatDoNotMeetTheLaterOneCounts(t *testing.T) {
	c := openChecks(t)
	for n := range 4 {
		c.in("b", n)
	}
	c.in("a", 6)
	c.merge("x", 6)
	is, fresh := c.in("a", 7)
	c.expect("day 7", is, fresh, true, 2)
}

// Whichever is first: the person has the day once.
func TestACheckInAndAMergeAtOnce(t *testing.T) {
	for range 50 {
		c := openChecks(t)
		c.in("b", 0)
		var wait sync.WaitGroup
		wait.Go(func() { c.merge("x", 1) })
		wait.Go(func() {
			_, _, err := ledger.CheckIn(t.Context(), c.store, daily(), "b", "", noon.AddDate(0, 0, 1))
			if err != nil && code(err) != "member_merged" {
				t.Error(err)
			}
		})
		wait.Wait()
		theirs := c.account("b").CheckIn
		is, fresh := c.in("a", 1)
		c.expect("the whole's day", is, fresh, theirs.Streak == 1, 2)
	}
}

var later = noon.Add(time.Hour)

// Of two acts of one person the later one counts when their accounts are merged,
// and each has their own again afterwards.
func TestTheLatestActOnAConsentWinsInAMerge(t *testing.T) {
	for name, test := range map[string]struct {
		whole, part           []time.Time // given, then withdrawn
		given                 bool
		ownGiven, theirsGiven bool // apart again
	}{
		"withdrawn by the part later":  {[]time.Time{noon}, []time.Time{noon, later}, false, true, false},
		"withdrawn by the whole later": {[]time.Time{noon, later}, []time.Time{noon}, false, false, true},
		"given by the whole later":     {[]time.Time{later}, []time.Time{noon, noon}, true, true, false},
		"given by the part later":      {[]time.Time{noon, noon}, []time.Time{later}, true, false, true},
		"withdrawn by the part alone":  {nil, []time.Time{noon, noon}, false, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			c := openChecks(t)
			for member, acts := range map[loyalty.MemberID][]time.Time{"a": test.whole, "b": test.part} {
				for i, at := range acts {
					changes := []table.Change{store.GiveConsent(loyalty.ConsentMarketing, at)}
					if i == 1 {
						changes = store.WithdrawConsent(loyalty.ConsentMarketing, at)
					}
					if err := c.store.Table.Write(t.Context(), store.UpdateAccount(member, changes)); err != nil {
						t.Fatal(err)
					}
				}
			}
			whole, part := c.account("a"), c.account("b")
			given := func(member loyalty.MemberID) bool {
				_, given := c.account(member).Consents[loyalty.ConsentMarketing]
				return given
			}
			c.merge("x", 1)
			if given("a") != test.given {
				t.Errorf("together: %v", given("a"))
			}
			c.part("y", 2)
			if given("a") != test.ownGiven || given("b") != test.theirsGiven {
				t.Errorf("apart: %v and %v", given("a"), given("b"))
			}
			for _, was := range []store.Account{whole, part} {
				if diff := cmp.Diff(was.Withdrawn, c.account(was.Member).Withdrawn, cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("the withdrawals of %s: %s", was.Member, diff)
				}
			}
		})
	}
}
