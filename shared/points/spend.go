package points

import "github.com/huitou/huitou/shared/loyalty"

// MaxSpend bounds one spending, so that a slip of the keyboard is refused.
const MaxSpend loyalty.Points = 1_000_000_000

// Spend is the entry of points that are set aside to be spent (积分核销): they
// leave what is available at once, so that two purchases never count on the
// same points. id is that of the reservation.
func Spend(id string, amount loyalty.Points) Entry {
	return Entry{ID: "spend:" + id, Kind: EntrySpend, Available: -amount}
}

// Adjust is the entry of an operator's correction (人工调整): a credit pays debt
// first, a debit takes what is available and never more.
func Adjust(id string, amount loyalty.Points, balance Balance) Entry {
	entry := Entry{ID: "adjust:" + id, Kind: EntryAdjust, Available: amount}
	if amount > 0 {
		paid := min(balance.Debt, amount)
		entry.Available, entry.Debt = amount-paid, -paid
	}
	return entry
}

// Return is the entry of points that were set aside and not spent. Like every
// credit they pay debt first.
func Return(id string, amount loyalty.Points, balance Balance) Entry {
	paid := min(balance.Debt, amount)
	return Entry{ID: "return:" + id, Kind: EntryReturn, Available: amount - paid, Debt: -paid}
}
