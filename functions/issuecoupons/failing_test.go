package issuecoupons_test

import (
	"testing"

	"github.com/huitou/huitou/shared/coupons"
	"github.com/huitou/huitou/shared/table/crash"
)

// Whatever call to the table fails, the page is not acknowledged, and its next
// delivery gives every member the coupon that is left for them.
func TestAFailedCallIsNotAcknowledged(t *testing.T) {
	budget := coupons.Budget{Quantity: 150}
	for at := 1; ; at++ {
		w := newWorld(t, 130, 3, budget, 0)
		point := &crash.Point{At: at, Lives: true}
		failing := w.function
		failing.Store.Table = point.Table(w.store.Table)
		acknowledged := w.deliver(failing, message(3))
		if point.Calls < at {
			return
		}
		if acknowledged {
			t.Errorf("call %d failed, and the page is acknowledged", at)
		}
		if !w.deliver(w.function, message(3)) {
			t.Errorf("after call %d had failed the next delivery fails", at)
		}
		w.drain()
		if issued := w.check(budget); issued != 130 {
			t.Errorf("after call %d had failed %d members have their coupon, and 130 match", at, issued)
		}
	}
}
