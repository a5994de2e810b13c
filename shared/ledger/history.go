package ledger

import (
	"slices"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
)

// history is what an order adds to its owner's purchase history; nothing while
// it has no owner.
type history struct {
	lines          int
	paid, refunded loyalty.Fen
	categories     []string // sorted
	bought         map[string]bought
}

// bought counts a category's lines that were not given back whole.
type bought struct{ count, quantity int64 }

func purchases(order *points.Order) history {
	h := history{bought: map[string]bought{}}
	if order.Member == "" {
		return h
	}
	for _, purchase := range order.Purchases() {
		h.lines++
		h.paid += purchase.Paid
		h.refunded += purchase.Refunded
		if purchase.Category == "" {
			continue
		}
		b, seen := h.bought[purchase.Category]
		if !seen {
			h.categories = append(h.categories, purchase.Category)
		}
		if purchase.Refunded < purchase.Paid {
			b.count = 1 // an order is one purchase of a category, however many lines
			b.quantity += purchase.Quantity
		}
		h.bought[purchase.Category] = b
	}
	slices.Sort(h.categories)
	return h
}
