package ledger_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/huitou/huitou/shared/enrolment"
	"github.com/huitou/huitou/shared/ledger"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/table/embedded"
)

var day0 = time.Date(2026, 11, 1, 10, 0, 0, 0, time.UTC)

var order = loyalty.OrderKey{Channel: "tmall", Shop: "flagship", Order: "1001"}

// book is a brand's table with members in it.
type book struct {
	t      testing.TB
	store  store.Store
	claims int
}

func open(t *testing.T) *book {
	engine := embedded.Memory()
	t.Cleanup(func() { engine.Close() })
	return &book{t: t, store: store.Store{Table: engine}}
}

func (b *book) member(name string) loyalty.MemberID {
	b.t.Helper()
	member, _, err := enrolment.Enrol(b.t.Context(), b.store, enrolment.Request{Identities: []enrolment.Identity{
		{Identity: loyalty.Identity{Kind: loyalty.IdentityOpenID, Channel: "wechat", Value: name}},
	}}, rand.Reader, day0)
	if err != nil {
		b.t.Fatal(err)
	}
	return member
}

func paid(last4 string) points.Fact {
	fact := points.Fact{Kind: points.FactPaid, At: day0, Lines: []points.Line{{ID: "1", Category: "milk-powder", Quantity: 1, Paid: 10_000}}}
	if last4 != "" {
		fact.Proof = &points.Proof{PhoneLast4: last4}
	}
	return fact
}

func (b *book) post(fact points.Fact, now time.Time) {
	b.t.Helper()
	if _, err := ledger.Post(b.t.Context(), b.store, nil, ledger.News{Order: order, Fact: fact}, now); err != nil {
		b.t.Fatal(err)
	}
}

// take keeps a claim as POST /v1/me/orders does.
func (b *book) take(member loyalty.MemberID, last4 string, at time.Time) store.Claim {
	b.t.Helper()
	b.claims++
	claim := store.Claim{Member: member, Order: order, Cause: fmt.Sprint(b.claims), At: at, Proof: points.Proof{PhoneLast4: last4}}
	known, _, err := b.store.ClaimAndFailures(b.t.Context(), member, order, at)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := b.store.Table.Write(b.t.Context(), store.PutClaim(claim, known)); err != nil {
		b.t.Fatal(err)
	}
	return claim
}

func (b *book) claim(claim store.Claim, now time.Time) {
	b.t.Helper()
	if err := ledger.Claim(b.t.Context(), b.store, nil, claim, now); err != nil {
		b.t.Fatal(err)
	}
}

func (b *book) order() *points.Order {
	b.t.Helper()
	log, err := b.store.Log(b.t.Context(), order)
	if err != nil {
		b.t.Fatal(err)
	}
	return points.Replay(order, log)
}

func (b *book) account(member loyalty.MemberID) store.Account {
	b.t.Helper()
	account, err := b.store.Account(b.t.Context(), member)
	if err != nil {
		b.t.Fatal(err)
	}
	return account
}

func (b *book) failures(member loyalty.MemberID) int64 {
	b.t.Helper()
	_, failures, err := b.store.ClaimAndFailures(b.t.Context(), member, order, day0)
	if err != nil {
		b.t.Fatal(err)
	}
	return failures
}

func TestAClaimSettlesOnceNowOrWhenTheOrderComes(t *testing.T) {
	steps := map[string]func(*book, store.Claim){
		"order": func(b *book, _ store.Claim) { b.post(paid("6065"), day0) },
		"claim": func(b *book, claim store.Claim) { b.claim(claim, day0) },
		"told later": func(b *book, _ store.Claim) {
			b.post(paid(""), day0)
			b.post(points.Fact{Kind: points.FactCompleted, At: day0, Proof: &points.Proof{PhoneLast4: "6065"}}, day0)
		},
		"told by a repeat": func(b *book, _ store.Claim) {
			b.post(paid(""), day0)
			b.post(paid("6065"), day0)
		},
		"refund": func(b *book, _ store.Claim) {
			b.post(points.Fact{Kind: points.FactRefunded, At: day0, Refunds: []points.Refund{{ID: "r1", Line: "1", Amount: 2_000}}}, day0)
		},
	}
	for _, test := range [][]string{
		{"order", "claim", "refund"},
		{"claim", "order", "refund"},
		{"refund", "claim", "order"},
		{"claim", "refund", "claim", "order", "order", "claim"},
		{"claim", "told later", "refund"},
		{"told later", "claim", "claim", "refund"},
		{"claim", "told by a repeat", "refund"},
		{"told by a repeat", "claim", "refund", "order"},
	} {
		t.Run(fmt.Sprint(test), func(t *testing.T) {
			b := open(t)
			member := b.member("a")
			claim := b.take(member, "6065", day0)
			for _, step := range test {
				steps[step](b, claim)
			}
			account := b.account(member)
			if want := (points.Balance{Pending: 80}); account.Balance != want {
				t.Errorf("balance %+v, want %+v", account.Balance, want)
			}
			if account.Orders != 1 || account.Bought["milk-powder"].Count != 1 || b.failures(member) != 0 {
				t.Errorf("%d orders, %+v, %d failures", account.Orders, account.Bought, b.failures(member))
			}
			if got := b.order().ClaimOf(member, day0, day0); got != points.ClaimCredited {
				t.Errorf("the claim is %s", got)
			}
		})
	}
}

// A wrong proof, a used order and another's order are one and the same to the
// member, and change nothing but their claim and their counter.
func TestEveryRefusalIsTheSame(t *testing.T) {
	for name, last4 := range map[string]string{"wrong proof": "0000", "another's order, right proof": "6065", "another's order, wrong proof": "1111"} {
		t.Run(name, func(t *testing.T) {
			b := open(t)
			owner, member := b.member("a"), b.member("b")
			b.post(paid("6065"), day0)
			if name != "wrong proof" {
				b.claim(b.take(owner, "6065", day0), day0)
			}
			claim := b.take(member, last4, day0)
			before, accounts := b.order(), []store.Account{b.account(owner), b.account(member)}
			for range 3 { // the queue may deliver it again
				b.claim(claim, day0)
			}
			known, failures, err := b.store.ClaimAndFailures(t.Context(), member, order, day0)
			if err != nil || known.State != points.ClaimRefused || failures != 1 {
				t.Errorf("claim %+v, %d failures, err %v", known, failures, err)
			}
			if b.order().Facts != before.Facts {
				t.Error("the order's log grew")
			}
			if diff := cmp.Diff(accounts, []store.Account{b.account(owner), b.account(member)}); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTheFirstRightClaimThatWaitsWins(t *testing.T) {
	b := open(t)
	wrong, first, second := b.member("a"), b.member("b"), b.member("c")
	for _, claim := range []store.Claim{b.take(wrong, "0000", day0), b.take(first, "6065", day0), b.take(second, "6065", day0)} {
		b.claim(claim, day0)
	}
	b.post(paid("6065"), day0)
	after := b.order()
	if after.Member != first {
		t.Errorf("the order is %s's, want %s's", after.Member, first)
	}
	for _, member := range []loyalty.MemberID{wrong, second} {
		if got := after.ClaimOf(member, day0, day0); got != points.ClaimRefused {
			t.Errorf("a claim that lost is %s", got)
		}
		if balance := b.account(member).Balance; balance != (points.Balance{}) {
			t.Errorf("a claim that lost gave %+v", balance)
		}
	}
}

func TestAClaimWaitsNinetyDays(t *testing.T) {
	for days, want := range map[int]bool{89: true, 90: false} {
		b := open(t)
		member := b.member("a")
		b.claim(b.take(member, "6065", day0), day0)
		now := day0.AddDate(0, 0, days)
		b.post(paid("6065"), now)
		if got := b.order().Member == member; got != want {
			t.Errorf("after %d days theirs: %v", days, got)
		}
		if state := b.order().ClaimOf(member, day0, now); (state == points.ClaimCredited) != want {
			t.Errorf("after %d days the claim is %s", days, state)
		}
	}
}

// Sixty-four members with the right proof, and the order itself, at the same
// instant: one owner, however they meet.
func TestManyClaimsOfOneOrderMakeOneOwner(t *testing.T) {
	b := open(t)
	var claims []store.Claim
	for i := range 64 {
		claims = append(claims, b.take(b.member(fmt.Sprint(i)), "6065", day0))
	}
	var wait sync.WaitGroup
	wait.Go(func() {
		for loyalty.KindOf(b.tryPost()) == loyalty.KindUnavailable { // the queue delivers it again
		}
	})
	for _, claim := range claims {
		wait.Go(func() {
			for {
				err := ledger.Claim(context.Background(), b.store, nil, claim, day0)
				if err == nil {
					return
				}
				if loyalty.KindOf(err) != loyalty.KindUnavailable {
					t.Error(err)
					return
				}
			}
		})
	}
	wait.Wait()
	owner := b.order().Member
	credited := 0
	for _, claim := range claims {
		want := points.Balance{}
		if claim.Member == owner {
			want.Pending, credited = 100, credited+1
		}
		if got := b.account(claim.Member).Balance; got != want {
			t.Errorf("%s has %+v, want %+v", claim.Member, got, want)
		}
	}
	if credited != 1 {
		t.Errorf("%d owners", credited)
	}
}

func (b *book) tryPost() error {
	_, err := ledger.Post(context.Background(), b.store, nil, ledger.News{Order: order, Fact: paid("6065")}, day0)
	return err
}

// cut is a table whose nth write is lost, or its answer.
type cut struct {
	table.Table
	left     int
	answered bool // the write happens, its answer is lost
}

func (c *cut) Write(ctx context.Context, actions ...table.Action) error {
	c.left--
	lost := loyalty.Refuse(loyalty.KindUnavailable, "lost", "")
	switch {
	case c.left != 0:
		return c.Table.Write(ctx, actions...)
	case c.answered:
		if err := c.Table.Write(ctx, actions...); err != nil {
			return err
		}
	}
	return lost
}

func TestACrashBetweenTwoCallsLosesNothing(t *testing.T) {
	for _, answered := range []bool{false, true} {
		for n := 1; n <= 4; n++ {
			b := open(t)
			engine := b.store.Table
			member := b.member("a")
			claim := b.take(member, "6065", day0)
			b.store.Table = &cut{Table: engine, left: n, answered: answered}
			for _, step := range []func() error{
				func() error { return ledger.Claim(t.Context(), b.store, nil, claim, day0) },
				b.tryPost,
				func() error { return ledger.Claim(t.Context(), b.store, nil, claim, day0) },
			} {
				if err := step(); err != nil {
					if err := step(); err != nil {
						t.Fatal(err)
					}
				}
			}
			b.store.Table = engine
			if got := b.account(member); got.Balance != (points.Balance{Pending: 100}) || got.Orders != 1 || b.failures(member) != 0 {
				t.Errorf("write %d lost (answered %v): %+v, %d orders", n, answered, got.Balance, got.Orders)
			}
		}
	}
}

// Strangers can lengthen an order's log only so far.
func TestTheLogHoldsAHundredClaimsAndFiveOfOneMember(t *testing.T) {
	b := open(t)
	for m := range 30 {
		member := b.member(fmt.Sprint(m))
		for i := range 7 {
			b.claim(b.take(member, fmt.Sprintf("%04d", i), day0), day0)
		}
	}
	if got := b.order().Facts; got != 100 {
		t.Errorf("%d facts, want 100", got)
	}
}

// A claim that was written twice, the second time late, does not forget what was
// decided, nor take the place of a newer one.
func TestAClaimThatLandsLateUndoesNothing(t *testing.T) {
	b := open(t)
	member := b.member("a")
	b.post(paid("6065"), day0)
	first := b.take(member, "0000", day0)
	late := store.PutClaim(first, nil)
	land := func(state points.Claim, cause string) {
		t.Helper()
		if err := b.store.Table.Write(t.Context(), late); !store.Refused(err) {
			t.Errorf("the late write is answered with %v", err)
		}
		known, _, err := b.store.ClaimAndFailures(t.Context(), member, order, day0)
		if err != nil || known.State != state || known.Cause != cause {
			t.Errorf("the claim is %+v, %v", known, err)
		}
	}
	b.claim(first, day0)
	land(points.ClaimRefused, first.Cause)
	second := b.take(member, "6065", day0)
	land(points.ClaimWaiting, second.Cause)
	b.claim(second, day0)
	land(points.ClaimCredited, second.Cause)
	if b.order().Member != member {
		t.Error("the second claim was forgotten")
	}
}

// An order that was settled for an owner whom an operator gave, and claimed by
// its buyer after that was undone: their points end as all others do, by rules
// that the fact names.
func TestAClaimOfASettledOrderGivesPointsThatEnd(t *testing.T) {
	b := open(t)
	wrong, buyer := b.member("a"), b.member("b")
	rules := program.Program{Version: 3, EffectiveAt: day0.AddDate(-1, 0, 0), Document: program.Default().Document}
	rules.Points.Expiry = &points.Expiry{Months: 1, EndOf: "month"}
	versions := []program.Program{rules}
	now := day0.AddDate(0, 0, 40)
	for _, fact := range []points.Fact{paid("6065"), bound(points.FactBound, wrong), {Kind: points.FactSettled, At: now}, bound(points.FactUnbound, wrong)} {
		if _, err := ledger.Post(t.Context(), b.store, versions, ledger.News{Order: order, Fact: fact}, now); err != nil {
			t.Fatal(err)
		}
	}
	if err := ledger.Claim(t.Context(), b.store, versions, b.take(buyer, "6065", now), now); err != nil {
		t.Fatal(err)
	}
	want := []points.Lot{{Until: *rules.Points.Expiry.Until(now, rules.Zone()), Left: 100}}
	if diff := cmp.Diff(want, b.account(buyer).Lots); diff != "" {
		t.Error(diff)
	}
	log, err := b.store.Log(t.Context(), order)
	if err != nil || log[len(log)-1].Kind != points.FactClaimed || log[len(log)-1].Program != 3 {
		t.Errorf("%+v, %v", log[len(log)-1], err)
	}
}

// An order that is heard of by what moves no points goes to nobody who was erased
// since they claimed it, or since its owner was looked up.
func TestAnOrderThatMovesNothingIsNotTheErasedMembers(t *testing.T) {
	for name, news := range map[string]points.Fact{
		"completed": {Kind: points.FactCompleted, At: day0},
		"refunded":  {Kind: points.FactRefunded, At: day0, Refunds: []points.Refund{{ID: "r1", Line: "1", Amount: 100}}},
		"cancelled": {Kind: points.FactCancelled, At: day0},
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t)
			member := b.member("a")
			b.claim(b.take(member, "4321", day0), day0)
			erasure := store.Erasure{By: store.Hand{Operator: "wang", At: day0}, Reason: "asked"}
			if err := enrolment.Erase(t.Context(), b.store, member, erasure); err != nil {
				t.Fatal(err)
			}
			news.Proof = &points.Proof{PhoneLast4: "4321"}
			b.post(news, day0)
			b.post(points.Fact{Kind: points.FactClaimed, At: day0, Member: member}, day0) // a message that was on its way
			if owner := b.order().Member; owner != "" {
				t.Errorf("the order is the erased member's, %s", owner)
			}
			b.post(paid("4321"), day0)
			if account := b.account(member); account.Balance != (points.Balance{}) || account.Orders != 0 || b.order().Facts != 3 {
				t.Errorf("%+v", account)
			}
		})
	}
}

// The claims of people who were erased, which their logs keep, stand in nobody's
// way: whatever tells of the buyer makes the order the next claimant's.
func TestAnOrderGoesPastTheClaimsOfErasedMembers(t *testing.T) {
	for name, tell := range map[string]func(*book){
		"paid": func(b *book) { b.post(paid("4321"), day0) },
		"completed": func(b *book) {
			b.post(points.Fact{Kind: points.FactCompleted, At: day0, Proof: &points.Proof{PhoneLast4: "4321"}}, day0)
			b.post(paid("4321"), day0)
		},
		"told by a repeat": func(b *book) {
			b.post(paid(""), day0)
			b.post(paid("4321"), day0)
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t)
			for i := range 10 { // more than a lost race is decided again
				erased := b.member(fmt.Sprint("erased ", i))
				b.claim(b.take(erased, "4321", day0), day0)
				erasure := store.Erasure{By: store.Hand{Operator: "wang", At: day0}, Reason: "asked"}
				if err := enrolment.Erase(t.Context(), b.store, erased, erasure); err != nil {
					t.Fatal(err)
				}
			}
			wrong, right, late := b.member("wrong"), b.member("right"), b.member("late")
			b.claim(b.take(wrong, "0000", day0), day0)
			b.claim(b.take(right, "4321", day0), day0)
			b.claim(b.take(late, "4321", day0), day0)
			tell(b)
			if owner := b.order().Member; owner != right {
				t.Errorf("the order is %q's and not that of %q, who claimed it next", owner, right)
			}
			if account := b.account(right); account.Orders != 1 || account.Balance.Pending == 0 {
				t.Errorf("%+v", account)
			}
		})
	}
}
