package orders_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/orders"
)

func TestShares(t *testing.T) {
	for name, test := range map[string]struct {
		discount, shipping, stored loyalty.Fen
		paid                       []loyalty.Fen
		want                       []orders.Share
	}{
		"nothing to spread": {0, 0, 0, []loyalty.Fen{100, 200}, []orders.Share{{}, {}}},
		// ¥10 off ¥99 + ¥199 + ¥0.01 (see loyalty.Allocate): 332 + 668 + 0
		"a discount": {1_000, 0, 0, []loyalty.Fen{9_900, 19_900, 1}, []orders.Share{{Discount: 332}, {Discount: 668}, {}}},
		"the whole":  {300, 0, 0, []loyalty.Fen{100, 200}, []orders.Share{{Discount: 100}, {Discount: 200}}},
		"a gift":     {50, 0, 0, []loyalty.Fen{0, 100}, []orders.Share{{}, {Discount: 50}}},
		// ¥1 + ¥3 after a discount of half; ¥1 of ¥2 from stored value; shipping 1 : 3
		"by what is left": {400, 8, 200, []loyalty.Fen{200, 600}, []orders.Share{{100, 2, 50}, {300, 6, 150}}},
		// goods are paid whole, and 4 of the 8 for shipping
		"stored value for shipping": {0, 8, 804, []loyalty.Fen{200, 600}, []orders.Share{{0, 2, 201}, {0, 6, 603}}},
		"nothing left of one line":  {1, 10, 0, []loyalty.Fen{1, 1}, []orders.Share{{Discount: 1}, {Shipping: 10}}},
		"nothing left to pay":       {10, 5, 5, []loyalty.Fen{5, 5}, []orders.Share{{5, 3, 3}, {5, 2, 2}}},
	} {
		t.Run(name, func(t *testing.T) {
			event := orders.Event{Type: orders.TypePaid, Discount: test.discount, Shipping: test.shipping, StoredValue: test.stored}
			for _, paid := range test.paid {
				event.Lines = append(event.Lines, orders.Line{Paid: paid})
			}
			if diff := cmp.Diff(test.want, event.Shares()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSharesAddUpToTheOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		event := drawEventOf(t, orders.TypePaid)
		var sum orders.Share
		for i, share := range event.Shares() {
			sum = orders.Share{Discount: sum.Discount + share.Discount, Shipping: sum.Shipping + share.Shipping, StoredValue: sum.StoredValue + share.StoredValue}
			left := event.Lines[i].Paid - share.Discount
			if share.Discount < 0 || share.Shipping < 0 || share.StoredValue < 0 || left < 0 || share.StoredValue > left+share.Shipping {
				t.Fatalf("line %d: %+v of %+v", i, share, event.Lines[i])
			}
		}
		if want := (orders.Share{Discount: event.Discount, Shipping: event.Shipping, StoredValue: event.StoredValue}); sum != want {
			t.Fatalf("the shares add up to %+v, not %+v", sum, want)
		}
	})
}
