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
	goods          bool     // units are left that were not given back
	categories     []string // sorted
	bought         map[string]bought
	other          bought // of no category
}

// bought counts a category's lines that were not given back whole.
type bought struct{ count, quantity int64 }

// kept is 1 for an order that counts, 0 for one that was cancelled or refunded
// whole.
func (h history) kept() int64 {
	if h.paid > 0 && h.refunded < h.paid || h.paid == 0 && h.goods {
		return 1
	}
	return 0
}

func purchases(order *points.Order) history {
	h := history{bought: map[string]bought{}}
	for _, purchase := range order.Counted() {
		h.lines++
		h.paid += purchase.Paid
		h.refunded += purchase.Refunded
		h.goods = h.goods || purchase.Returned < purchase.Quantity
		b, seen := h.bought[purchase.Category]
		if purchase.Category == "" {
			b = h.other
		}
		if purchase.Kept() {
			b.count = 1 // an order is one purchase of a category, however many lines
			b.quantity += purchase.Quantity - purchase.Returned
		}
		if purchase.Category == "" {
			h.other = b
			continue
		}
		if !seen {
			h.categories = append(h.categories, purchase.Category)
		}
		h.bought[purchase.Category] = b
	}
	slices.Sort(h.categories)
	return h
}
