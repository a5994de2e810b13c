package ledger

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/refused"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
)

// record is what a person reads of an order's contradictions and of refunds that
// name a line which it does not have.
type record struct {
	Channel   loyalty.Channel   `json:"channel"`
	Shop      string            `json:"shop"`
	OrderID   string            `json:"order_id"`
	Conflicts []points.Conflict `json:"conflicts,omitempty"`
	Refunds   []points.Refund   `json:"refunds,omitempty"`
}

// kept keeps for a person what the fact tells that cannot be applied: what
// contradicts the log, and refunds of lines that the paid order does not have. The
// log holds both; a payment that tells of such a line later is not refunded twice.
func kept(key loyalty.OrderKey, before, after *points.Order, fact points.Fact, now time.Time) ([]table.Action, error) {
	var actions []table.Action
	keep := func(reason refused.Reason, told record) error {
		told.Channel, told.Shop, told.OrderID = key.Channel, key.Shop, key.Order
		content, err := json.Marshal(told)
		if err != nil {
			return &loyalty.Error{Kind: loyalty.KindInternal, Code: "record_encode", Cause: err}
		}
		actions = append(actions, store.KeepRefused(refused.Input{
			Source: string(key.Channel), Reason: reason, Order: key, Form: refused.Record, Content: string(content),
		}, now)...)
		return nil
	}
	if len(fact.Conflicts) > 0 {
		if err := keep(refused.Conflict, record{Conflicts: fact.Conflicts}); err != nil {
			return nil, err
		}
	}
	unmatched := before.Unmatched()
	fresh := slices.DeleteFunc(after.Unmatched(), func(refund points.Refund) bool { return slices.Contains(unmatched, refund) })
	if len(fresh) > 0 {
		if err := keep(refused.UnknownLine, record{Refunds: fresh}); err != nil {
			return nil, err
		}
	}
	return actions, nil
}
