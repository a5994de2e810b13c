package points

import (
	"time"

	"github.com/huitou/huitou/shared/loyalty"
)

// MaxSpend bounds one spending, so that a slip of the keyboard is refused.
const MaxSpend loyalty.Points = 1_000_000_000

// Spend is the entry of points that are set aside to be spent (积分核销): they
// leave what is available at once, so that two purchases never count on the
// same points. id is that of the reservation. It fails with KindConflict code
// "points_insufficient", and with KindInvalid at /points code "out_of_range" for
// less than 1 point, which would make points out of nothing, and for more than
// MaxSpend.
func Spend(id string, amount loyalty.Points, account Account) (Entry, error) {
	if amount < 1 || amount > MaxSpend {
		return Entry{}, loyalty.Invalid("/points", "out_of_range", "1 to 1000000000 points can be spent at a time")
	}
	entry, rest := account.spend(Entry{ID: "spend:" + id, Kind: EntrySpend}, amount)
	if rest > 0 {
		return Entry{}, insufficient()
	}
	return entry, nil
}

// Prize is the entry of points that a package card gave (包裹卡奖励). Like every
// credit they pay debt first. trigger names the card.
func Prize(trigger string, amount loyalty.Points, until *time.Time, account Account) Entry {
	return account.credit(Entry{ID: "prize:" + trigger, Kind: EntryPrize}, amount, until)
}

// Adjust is the entry of an operator's correction (人工调整): a credit pays debt
// first and ends at until, a debit takes what is available and never more, else
// it fails with KindConflict code "points_insufficient". It fails too as
// CheckAdjustment does.
func Adjust(id string, amount loyalty.Points, until *time.Time, account Account) (Entry, error) {
	if err := CheckAdjustment(amount); err != nil {
		return Entry{}, err
	}
	entry := Entry{ID: "adjust:" + id, Kind: EntryAdjust}
	if amount > 0 {
		return account.credit(entry, amount, until), nil
	}
	entry, rest := account.spend(entry, -amount)
	if rest > 0 {
		return Entry{}, insufficient()
	}
	return entry, nil
}

// CheckAdjustment refuses a correction of nothing, and one of more than MaxSpend
// either way: KindInvalid at /points code "out_of_range".
func CheckAdjustment(amount loyalty.Points) error {
	if amount == 0 || amount > MaxSpend || amount < -MaxSpend {
		return loyalty.Invalid("/points", "out_of_range", "a correction gives or takes 1 to 1000000000 points")
	}
	return nil
}

// Return is the entry of points that were set aside, or spent, and come back: they go
// to the lots that they came from, with the ends they had. Where such a lot ended
// meanwhile they are good until grace. Like every credit they pay debt first,
// those that would end first before the others.
func Return(id string, spent Entry, grace time.Time, account Account) Entry {
	entry := Entry{ID: "return:" + id, Kind: EntryReturn}
	endless := -spent.Available
	for _, share := range spent.Lots {
		endless += share.Points
		until := share.Until
		if !until.After(account.Now) {
			until = grace
		}
		part := account.credit(Entry{}, -share.Points, &until)
		account = account.Plus(part)
		entry.Available, entry.Debt, entry.Lots = entry.Available+part.Available, entry.Debt+part.Debt, append(entry.Lots, part.Lots...)
	}
	return account.credit(entry, endless, nil)
}

func insufficient() error {
	return loyalty.Refuse(loyalty.KindConflict, "points_insufficient", "the member has fewer points available than that")
}
