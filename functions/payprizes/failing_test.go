package payprizes_test

import (
	"testing"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table/crash"
)

// Whatever call to the table fails, the message is not acknowledged, and its next
// delivery ends the bill: paid once.
func TestAFailedCallIsNotAcknowledged(t *testing.T) {
	for at := 1; ; at++ {
		s := open(t)
		point := &crash.Point{At: at, Lives: true}
		s.function.Store = store.Store{Table: point.Table(s.table)}
		failed := s.deliver(message)
		s.function.Store = s.store
		if point.Calls < at {
			return
		}
		if failed != 1 {
			t.Errorf("call %d failed, and the message is acknowledged", at)
		}
		s.now = won.AddDate(0, 0, 1) // the payer is not asked again at once
		if s.deliver(message) != 0 {
			t.Errorf("after call %d had failed the next delivery fails", at)
		}
		s.expect("paid at last", cards.PayoutRequested, cards.PayoutPaying, cards.PayoutPaid)
		if len(s.bank.paid) != 1 {
			t.Errorf("after call %d had failed the bank paid %v", at, s.bank.paid)
		}
	}
}
