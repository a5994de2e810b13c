package settlepoints_test

import (
	"context"
	"testing"

	"github.com/huitou/huitou/shared/ledger"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/schedule"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table/crash"
)

// Whatever call to the table fails, the tick fails, so that it is fired again; the
// next one settles what is left: orders of members alone and merged.
func TestAFailedCallFailsTheTick(t *testing.T) {
	for at := 1; ; at++ {
		b := open(t)
		for _, member := range []loyalty.MemberID{"m", "whole", "part"} {
			b.enrol(member)
			b.pay(member, string(member), 10, day(0, 10, 0))
		}
		_, err := ledger.Merge(t.Context(), b.store, store.Merge{ID: "x", Into: "whole", Part: "part", By: store.Hand{Operator: "li", At: day(1, 0, 0)}, Reason: "the same"})
		b.must(err)
		point := &crash.Point{At: at, Lives: true}
		failing := b.function()
		failing.Store.Table = point.Table(b.store.Table)
		b.passed(day(31, 10, 0))
		err = failing.Handle(context.Background(), schedule.Tick{Time: day(31, 10, 0)})
		if point.Calls < at {
			if at < 10 {
				t.Fatalf("only %d calls", at)
			}
			return
		}
		if err == nil {
			t.Errorf("call %d failed, and the tick did not", at)
		}
		b.tick(day(31, 10, 0))
		b.expect("m", 10, 0, 0, never)
		b.expect("whole", 20, 0, 0, never)
	}
}
