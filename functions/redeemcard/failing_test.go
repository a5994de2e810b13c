package redeemcard_test

import (
	"testing"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table/crash"
)

// Whatever call to the table fails, nobody is told that they won or lost; asking
// again gives the prize, once.
func TestAFailedCallIsNoAnswer(t *testing.T) {
	for kind, award := range prizes {
		if kind == cards.PrizeNone {
			continue
		}
		for name, body := range map[string]string{"a newcomer": openid("o-new"), "a member": openid("o-1")} {
			for at := 1; ; at++ {
				b := open(t)
				b.template()
				batch := b.batch(1, cards.FormPlain, award)
				code := b.code(batch, 3)
				b.alreadyMember("o-1")
				point := &crash.Point{At: at, Lives: true}
				b.f.Store = store.Store{Table: point.Table(b.engine)}
				failed := b.redeem(code, nil, body)
				b.f.Store = store.Store{Table: b.engine}
				if point.Calls < at {
					break
				}
				if failed.StatusCode != 503 {
					t.Errorf("%s, %s: call %d failed, and the answer is %d %s", kind, name, at, failed.StatusCode, failed.Body)
				}
				if again := b.redeem(code, nil, body); again.StatusCode != 200 {
					t.Errorf("%s, %s: after call %d had failed the next answer is %d %s", kind, name, at, again.StatusCode, again.Body)
				}
				won, err := b.f.Store.RedemptionsOf(t.Context(), batch, []int{3})
				if err != nil || len(won) != 1 {
					t.Fatalf("%s, %s: after call %d had failed the card is %+v, %v", kind, name, at, won, err)
				}
				if n := b.given(won[0].Member, award); n != 1 {
					t.Errorf("%s, %s: after call %d had failed the prize is given %d times", kind, name, at, n)
				}
			}
		}
	}
}
