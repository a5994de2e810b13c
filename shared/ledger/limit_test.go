package ledger_test

import (
	"fmt"
	"testing"

	"github.com/huitou/huitou/shared/ledger"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/store"
)

// Claims that were all taken before one was decided are bounded where they are
// decided: after MaxFailures refused ones a right one is not looked at either.
func TestClaimsThatWereTakenAtOnceGuessNoMoreThanTheLimit(t *testing.T) {
	b := open(t)
	member := b.member("guesser")
	var claims []store.Claim
	for n := range ledger.MaxFailures + 3 {
		key := loyalty.OrderKey{Channel: "tmall", Shop: "flagship", Order: fmt.Sprint("guessed-", n)}
		if _, err := ledger.Post(t.Context(), b.store, nil, ledger.News{Order: key, Fact: paid("6065")}, day0); err != nil {
			t.Fatal(err)
		}
		claim := store.Claim{Member: member, Order: key, Cause: fmt.Sprint(n), At: day0, Proof: points.Proof{PhoneLast4: "0000"}}
		if n >= ledger.MaxFailures {
			claim.Proof.PhoneLast4 = "6065"
		}
		if err := b.store.Table.Write(t.Context(), store.PutClaim(claim, nil)); err != nil {
			t.Fatal(err)
		}
		claims = append(claims, claim)
	}
	for _, claim := range claims {
		b.claim(claim, day0)
		known, failures, err := b.store.ClaimAndFailures(t.Context(), member, claim.Order, day0)
		if err != nil || known.State != points.ClaimRefused || failures > ledger.MaxFailures {
			t.Errorf("claim %s is %s after %d refused ones, %v", claim.Cause, known.State, failures, err)
		}
	}
	if account := b.account(member); account.Orders != 0 || account.Balance != (points.Balance{}) {
		t.Errorf("the guesser has %d orders and %+v", account.Orders, account.Balance)
	}
}
