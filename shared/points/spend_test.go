package points_test

import (
	"math"
	"testing"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
)

func TestNothingAndLessCannotBeSpent(t *testing.T) {
	rich := points.Account{Balance: points.Balance{Available: 10 * points.MaxSpend}, Now: time.Unix(0, 0)}
	for _, amount := range []loyalty.Points{0, -1, -100_000, math.MinInt64, points.MaxSpend + 1, math.MaxInt64} {
		entry, err := points.Spend("v", amount, rich)
		if loyalty.KindOf(err) != loyalty.KindInvalid || err == nil || entry.Available != 0 {
			t.Errorf("%d points: %+v, %v", amount, entry, err)
		}
	}
	for _, amount := range []loyalty.Points{1, points.MaxSpend} {
		if entry, err := points.Spend("v", amount, rich); err != nil || entry.Available != -amount {
			t.Errorf("%d points: %+v, %v", amount, entry, err)
		}
	}
}

func TestACorrectionOfNothingOrBeyondItsBoundIsRefused(t *testing.T) {
	rich := points.Account{Balance: points.Balance{Available: 10 * points.MaxSpend}, Now: time.Unix(0, 0)}
	for _, amount := range []loyalty.Points{0, points.MaxSpend + 1, -points.MaxSpend - 1, math.MinInt64, math.MaxInt64} {
		entry, err := points.Adjust("a", amount, nil, rich)
		if loyalty.KindOf(err) != loyalty.KindInvalid || err == nil || entry.Available != 0 {
			t.Errorf("%d points: %+v, %v", amount, entry, err)
		}
	}
	for _, amount := range []loyalty.Points{1, -1, points.MaxSpend, -points.MaxSpend} {
		if entry, err := points.Adjust("a", amount, nil, rich); err != nil || entry.Available != amount {
			t.Errorf("%d points: %+v, %v", amount, entry, err)
		}
	}
}
