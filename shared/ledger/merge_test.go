package ledger_test

import (
	"testing"

	"github.com/huitou/huitou/shared/ledger"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/store"
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
				t.Errorf("the part has %+v and the whole %+v, of which %d were his", theirs, all, had)
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
