package main

import (
	"context"
	"fmt"
	"time"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/notify"
	"github.com/huitou/huitou/shared/payer"
)

// demoPayer says that it paid, and moves no money: what it would have paid is in
// the outbox, once for each bill.
type demoPayer struct {
	outbox notify.Notifier
	clock  func() time.Time
}

var _ payer.Payer = demoPayer{}

// Pay implements payer.Payer.
func (p demoPayer) Pay(ctx context.Context, order cards.PayoutOrder) (cards.PayoutAnswer, error) {
	fen := order.Amount.Fen()
	err := p.outbox.Send(ctx, notify.Message{
		ID: "payout:" + string(order.Bill), Member: order.Member, Kind: "payout.requested",
		Text: fmt.Sprintf("红包 ¥%d.%02d（%s，演示，未付款）", fen/100, fen%100, order.Bill), At: p.clock().UTC(),
	})
	if err != nil {
		return cards.PayoutAnswer{}, err
	}
	return cards.PayoutAnswer{Bill: order.Bill, Amount: order.Amount, Outcome: cards.OutcomePaid, Reference: "demo-" + string(order.Bill)}, nil
}
