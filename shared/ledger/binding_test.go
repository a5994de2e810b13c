package ledger_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/huitou/huitou/shared/ledger"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/table/embedded"
)

func bound(kind points.FactKind, member loyalty.MemberID) points.Fact {
	return points.Fact{Kind: kind, At: day0, Member: member, Operator: "wang", Reason: "shown on the phone"}
}

func TestABindingMovesTheOrderAndItsUndoTakesItBack(t *testing.T) {
	settled := points.Fact{Kind: points.FactSettled, At: day0.AddDate(0, 0, 40)}
	refund := points.Fact{Kind: points.FactRefunded, At: day0, Refunds: []points.Refund{{ID: "r1", Line: "1", Amount: 2_000}}}
	for name, test := range map[string]struct {
		between []points.Fact
		spent   int64
		left    points.Balance // of the first owner, once it is taken back
		second  points.Balance // of the next
	}{
		"pending":          {nil, 0, points.Balance{}, points.Balance{Pending: 100}},
		"refunded":         {[]points.Fact{refund}, 0, points.Balance{}, points.Balance{Pending: 80}},
		"settled":          {[]points.Fact{settled}, 0, points.Balance{}, points.Balance{Available: 100}},
		"settled, refund":  {[]points.Fact{settled, refund}, 0, points.Balance{}, points.Balance{Available: 80}},
		"settled and used": {[]points.Fact{settled}, 70, points.Balance{Debt: 70}, points.Balance{Available: 100}},
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t)
			first, second := b.member("a"), b.member("b")
			b.post(paid(""), day0)
			b.post(bound(points.FactBound, first), day0)
			for _, fact := range test.between {
				b.post(fact, fact.At)
			}
			b.spend(first, test.spent)
			b.post(bound(points.FactBound, second), day0) // it has an owner
			for range 2 {
				b.post(bound(points.FactUnbound, first), day0)
			}
			left := b.account(first)
			if left.Balance != test.left || left.Orders != 0 || left.Paid != 0 || left.Refunded != 0 || left.Bought["milk-powder"].Count != 0 || left.Bought["milk-powder"].Quantity != 0 {
				t.Errorf("the first owner is left with %+v", left)
			}
			if b.order().Member != "" {
				t.Error("the order still has an owner")
			}
			b.post(bound(points.FactBound, second), day0)
			got := b.account(second)
			if got.Balance != test.second || got.Orders != 1 || got.Bought["milk-powder"].Count != 1 {
				t.Errorf("the second owner has %+v", got)
			}
			log, err := b.store.Log(t.Context(), order)
			if err != nil {
				t.Fatal(err)
			}
			if rebound := log[len(log)-1].Entries; len(rebound) == 0 || rebound[0].ID != "earn.2:tmall:flagship:1001:1" || rebound[0].Available+rebound[0].Pending != 100 {
				t.Errorf("the second owner earned %+v", rebound)
			}
			byHand := 0
			for _, fact := range log {
				if fact.Operator == "wang" && fact.Reason != "" {
					byHand++
				}
			}
			if byHand != 3 {
				t.Errorf("the log tells of %d acts of the operator, want 3", byHand)
			}
		})
	}
}

// spend takes available points away as a purchase with points does.
func (b *book) spend(member loyalty.MemberID, n int64) {
	b.t.Helper()
	if n == 0 {
		return
	}
	err := b.store.Table.Write(b.t.Context(), store.UpdateAccount(member, []table.Change{table.Add("available", -n)}, table.AtLeast("available", n)))
	if err != nil {
		b.t.Fatal(err)
	}
}

func TestOnlyABindingIsUndone(t *testing.T) {
	b := open(t)
	member := b.member("a")
	b.post(bound(points.FactBound, member), day0)
	if b.order().Facts != 0 {
		t.Fatal("an order that nobody heard of was bound")
	}
	b.post(paid("6065"), day0)
	b.claim(b.take(member, "6065", day0), day0)
	before := b.order().Facts
	b.post(bound(points.FactUnbound, member), day0)
	if b.order().Member != member || b.order().Facts != before {
		t.Error("a claim of the member's own was undone")
	}
}

// An operator's decision ends the claims that waited: undoing it gives the order
// to nobody.
func TestAClaimThatWaitedIsOverOnceTheOrderWasBound(t *testing.T) {
	b := open(t)
	claimant, owner := b.member("a"), b.member("b")
	b.claim(b.take(claimant, "6065", day0), day0)
	b.post(paid(""), day0)
	b.post(bound(points.FactBound, owner), day0)
	b.post(bound(points.FactUnbound, owner), day0)
	b.post(points.Fact{Kind: points.FactCompleted, At: day0, Proof: &points.Proof{PhoneLast4: "6065"}}, day0)
	if got := b.order(); got.Member != "" || got.ClaimOf(claimant, day0, day0) != points.ClaimRefused {
		t.Errorf("owner %q, the claim is %s", got.Member, got.ClaimOf(claimant, day0, day0))
	}
	b.claim(b.take(claimant, "6065", day0.Add(time.Hour)), day0.Add(time.Hour))
	if got := b.order().Member; got != claimant {
		t.Errorf("claimed again, the order is %q's", got)
	}
}

// Whatever events, claims, bindings and their undoing come in whatever order,
// every member's counters are the sums over their entries, and an order's
// points are with its owner alone.
func TestCountersFollowTheLogsWhoeverOwnsTheOrders(t *testing.T) {
	t.Parallel()
	outer := t
	rapid.Check(t, func(t *rapid.T) {
		engine := embedded.Memory()
		defer engine.Close()
		b := &book{t: outer, store: store.Store{Table: engine}}
		var members []loyalty.MemberID
		spent := map[loyalty.MemberID]loyalty.Points{}
		for _, name := range []string{"a", "b", "c"} {
			members = append(members, b.member(name))
		}
		keys := []loyalty.OrderKey{order, {Channel: "tmall", Shop: "flagship", Order: "1002"}}
		given := map[string]loyalty.Fen{}
		for step := range rapid.IntRange(1, 30).Draw(t, "steps") {
			key := rapid.SampledFrom(keys).Draw(t, "order")
			member := rapid.SampledFrom(members).Draw(t, "member")
			fact := points.Fact{At: day0, Operator: "wang", Reason: "asked", Member: member}
			now := day0
			switch kind := rapid.SampledFrom([]string{"paid", "second", "refund", "cancel", "complete", "settle", "claim", "wrong", "bind", "bind", "unbind", "unbind", "spend"}).Draw(t, "kind"); kind {
			case "paid":
				fact = paid("6065")
			case "second":
				fact = points.Fact{Kind: points.FactPaid, At: day0, Lines: []points.Line{{ID: "2", Category: "toys", Quantity: 3, Paid: 7_777}}}
			case "refund":
				amount := loyalty.Fen(rapid.Int64Range(0, int64(7_777-given[key.Order])).Draw(t, "amount"))
				given[key.Order] += amount
				fact = points.Fact{Kind: points.FactRefunded, At: day0, Refunds: []points.Refund{{ID: fmt.Sprint("r", step), Line: rapid.SampledFrom([]string{"1", "2"}).Draw(t, "line"), Amount: amount}}}
			case "cancel":
				fact = points.Fact{Kind: points.FactCancelled, At: day0}
			case "complete":
				fact = points.Fact{Kind: points.FactCompleted, At: day0}
			case "settle":
				now = day0.AddDate(0, 0, 60)
				fact = points.Fact{Kind: points.FactSettled, At: now}
			case "bind":
				fact.Kind = points.FactBound
			case "unbind":
				fact.Kind = points.FactUnbound
			case "claim", "wrong":
				b.claims++
				claim := store.Claim{Member: member, Order: key, Cause: fmt.Sprint(b.claims), At: day0.Add(time.Duration(step) * time.Second), Proof: points.Proof{PhoneLast4: map[string]string{"claim": "6065", "wrong": "0000"}[kind]}}
				known, _, err := b.store.ClaimAndFailures(t.Context(), member, key, claim.At)
				if err != nil {
					t.Fatal(err)
				}
				if err := engine.Write(t.Context(), store.PutClaim(claim, known)); err != nil {
					t.Fatal(err)
				}
				b.claim(claim, day0)
				fact.Kind = ""
			case "spend":
				if account := b.account(member); account.Balance.Available > 0 {
					n := rapid.Int64Range(1, int64(account.Balance.Available)).Draw(t, "points")
					b.spend(member, n)
					spent[member] += loyalty.Points(n)
				}
				fact.Kind = ""
			}
			if fact.Kind != "" {
				if _, err := ledger.Post(t.Context(), b.store, nil, ledger.News{Order: key, Fact: fact}, now); err != nil {
					t.Fatal(err)
				}
			}
			b.reconcile(t, keys, members, spent)
		}
	})
}

func (b *book) reconcile(t *rapid.T, keys []loyalty.OrderKey, members []loyalty.MemberID, spent map[loyalty.MemberID]loyalty.Points) {
	sums, want := map[loyalty.MemberID]points.Balance{}, map[loyalty.MemberID]store.Account{}
	ids := map[string]bool{}
	for _, key := range keys {
		log, err := b.store.Log(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		net := map[loyalty.MemberID]loyalty.Points{}
		for _, fact := range log {
			for _, entry := range fact.Entries {
				if ids[entry.ID] {
					t.Fatalf("entry %s stands twice", entry.ID)
				}
				ids[entry.ID] = true
				sums[fact.Member] = sums[fact.Member].Plus(entry)
				net[fact.Member] += entry.Available + entry.Pending - entry.Debt
			}
		}
		folded := points.Replay(key, log)
		var due loyalty.Points
		owner := want[folded.Member]
		if purchases := folded.Purchases(); len(purchases) > 0 {
			var paid, refunded loyalty.Fen
			for _, p := range purchases {
				paid, refunded = paid+p.Paid, refunded+p.Refunded
				due += p.Rate.On(p.Paid - p.Refunded)
			}
			if refunded < paid { // the others count no more
				owner.Orders++
			}
			owner.Paid, owner.Refunded = owner.Paid+paid, owner.Refunded+refunded
		}
		want[folded.Member] = owner
		for _, member := range members {
			expect := loyalty.Points(0)
			if member == folded.Member {
				expect = due
			}
			if net[member] != expect {
				t.Fatalf("order %s gave %s %d points, want %d; owner %s", key.Order, member, net[member], expect, folded.Member)
			}
		}
	}
	for _, member := range members {
		account := b.account(member)
		balance := account.Balance
		balance.Available += spent[member]
		if balance != sums[member] {
			t.Fatalf("%s has %+v, their entries add up to %+v", member, balance, sums[member])
		}
		if account.Balance.Available < 0 || account.Balance.Pending < 0 || account.Balance.Debt < 0 {
			t.Fatalf("below zero: %+v", account.Balance)
		}
		if account.Orders != want[member].Orders || account.Paid != want[member].Paid || account.Refunded != want[member].Refunded {
			t.Fatalf("%s counts %d orders, %d paid, %d refunded; want %+v", member, account.Orders, account.Paid, account.Refunded, want[member])
		}
	}
}
