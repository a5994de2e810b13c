// Package statement is a member's account as it is shown: to the member
// themselves and to the brand's operators, in the same words.
package statement

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/coupons"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/store"
)

// Points is what a member has; each part is at least 0 and their balance is
// available + pending − debt.
type Points struct {
	Available loyalty.Points `json:"available" doc:"may be spent now"`
	Pending   loyalty.Points `json:"pending" doc:"becomes available when the return window closes"`
	Debt      loyalty.Points `json:"debt" doc:"taken back beyond what was there; later credits pay it first"`
	Expiring  []Expiring     `json:"expiring" doc:"what will expire, soonest first"`
}

// Expiring is a part of the available points that ends at a time.
type Expiring struct {
	At     time.Time      `json:"at"`
	Points loyalty.Points `json:"points"`
}

// OfPoints shows an account's points at a time. A lot that ended is not shown
// any more, even before settlepoints has written it off.
func OfPoints(account store.Account, now time.Time) Points {
	held := account.Points(now)
	if account.Merged != nil { // what they have counts with another
		held = points.Account{}
	}
	shown := Points{Available: held.Spendable(), Pending: held.Pending, Debt: held.Debt, Expiring: []Expiring{}}
	for _, lot := range held.Lots {
		if lot.Left > 0 && lot.Until.After(now) {
			shown.Expiring = append(shown.Expiring, Expiring{At: lot.Until, Points: lot.Left})
		}
	}
	return shown
}

// Entry is one line of the ledger (积分流水).
type Entry struct {
	ID        string           `json:"id"`
	Kind      points.EntryKind `json:"kind" enum:"earn,claw,settle,unbind,prize,spend,return,adjust,expire,checkin,opening,merge,unmerge"`
	At        time.Time        `json:"at"`
	Available loyalty.Points   `json:"available"`
	Pending   loyalty.Points   `json:"pending"`
	Debt      loyalty.Points   `json:"debt"`
	Lots      []points.Share   `json:"lots,omitempty" doc:"the part of available that ends, by when"`
	Channel   loyalty.Channel  `json:"channel,omitempty"`
	Shop      string           `json:"shop,omitempty"`
	OrderID   string           `json:"order_id,omitempty"`
	LineID    string           `json:"line_id,omitempty"`
	Program   int64            `json:"program_version"`
}

// through lists what the account has and then what its parts have, each as page
// lists it for one member. A page may end before the limit where one of them
// does.
func through[T any](account store.Account, page func(loyalty.MemberID, string) ([]T, string, error), cursor string) ([]T, string, error) {
	members := append([]loyalty.MemberID{account.Member}, account.Parts...)
	at := 0
	if number, rest, found := strings.Cut(cursor, "~"); found {
		n, err := strconv.Atoi(number)
		if err != nil || n < 1 || n >= len(members) {
			return nil, "", loyalty.Invalid("cursor", "invalid_cursor", "the cursor is not one of this list")
		}
		at, cursor = n, rest
	}
	items, next, err := page(members[at], cursor)
	switch {
	case err != nil:
		return nil, "", err
	case next == "" && at+1 < len(members):
		return items, strconv.Itoa(at+1) + "~", nil
	case next != "" && at > 0:
		next = strconv.Itoa(at) + "~" + next
	}
	return items, next, nil
}

// Ledger is one page of the ledger, newest first. limit counts facts; a fact
// of an order with several lines has an entry for each.
func Ledger(ctx context.Context, s store.Store, account store.Account, limit int, cursor string) ([]Entry, string, error) {
	records, next, err := s.History(ctx, account.Member, limit, cursor)
	if err != nil {
		return nil, "", err
	}
	entries := []Entry{}
	for _, record := range records {
		if record.Mirror != nil {
			record.Order = record.Mirror.Order
		}
		for _, e := range record.Entries {
			entries = append(entries, Entry{
				ID: e.ID, Kind: e.Kind, At: record.At,
				Available: e.Available, Pending: e.Pending, Debt: e.Debt, Lots: e.Lots,
				Channel: record.Order.Channel, Shop: record.Order.Shop, OrderID: record.Order.Order, LineID: e.Line,
				Program: record.Program,
			})
		}
	}
	return entries, next, nil
}

// Gifts is one page of what a member is owed with their next order (随单赠品), and
// of those who were merged into them.
func Gifts(ctx context.Context, s store.Store, account store.Account, limit int, cursor string) ([]cards.Gift, string, error) {
	return through(account, func(member loyalty.MemberID, cursor string) ([]cards.Gift, string, error) {
		return s.GiftsOf(ctx, member, limit, cursor)
	}, cursor)
}

// Order is one order in a member's purchase history (购买记录).
type Order struct {
	Channel     loyalty.Channel `json:"channel"`
	Shop        string          `json:"shop"`
	OrderID     string          `json:"order_id"`
	PaidAt      time.Time       `json:"paid_at"`
	CompletedAt *time.Time      `json:"completed_at,omitempty"`
	Cancelled   bool            `json:"cancelled"`
	SettlesAt   *time.Time      `json:"settles_at,omitempty" doc:"when its points stop being pending"`
	Lines       []OrderLine     `json:"lines"`
}

// OrderLine is one line of an order.
type OrderLine struct {
	LineID   string         `json:"line_id"`
	SKU      string         `json:"sku,omitempty"`
	Category string         `json:"category,omitempty"`
	Quantity int64          `json:"quantity"`
	Paid     loyalty.Fen    `json:"paid"`
	Refunded loyalty.Fen    `json:"refunded" doc:"given back, at most what was paid"`
	Returned int64          `json:"returned,omitempty" doc:"units given back, where refunds tell"`
	Excess   loyalty.Fen    `json:"excess,omitempty" doc:"given back beyond what was paid for the line: postage, goodwill; it takes no points"`
	Points   loyalty.Points `json:"points" doc:"held for it now"`
	// Because is what made it earn otherwise than at the program's base rate.
	Because []points.Reason `json:"because,omitempty" doc:"what made it earn more or less than the base rate: member_day, first_order, tier:…, channel:…, category:…, campaign:…, gift, stored_value, shipping, cap_per_order, cap_per_day, history"`
}

// Orders is one page of a member's orders, newest first, each once: where it was
// first credited to its owner of today. limit counts what happened to them, so a
// page may hold fewer orders. The orders of members who were merged into the
// member follow their own.
func Orders(ctx context.Context, s store.Store, account store.Account, limit int, cursor string) ([]Order, string, error) {
	return through(account, func(member loyalty.MemberID, cursor string) ([]Order, string, error) {
		return ordersOf(ctx, s, member, limit, cursor)
	}, cursor)
}

func ordersOf(ctx context.Context, s store.Store, member loyalty.MemberID, limit int, cursor string) ([]Order, string, error) {
	records, next, err := s.History(ctx, member, limit, cursor)
	if err != nil {
		return nil, "", err
	}
	shown := []Order{}
	for _, record := range records {
		if record.Order.Order == "" || !credits(record.Fact) {
			continue
		}
		log, err := s.Log(ctx, record.Order)
		if err != nil {
			return nil, "", err
		}
		order := points.Replay(record.Order, log)
		if order.Member != member || record.Seq != firstCredit(order, log) {
			continue // it left the member since, and may have come back, or is listed elsewhere
		}
		shown = append(shown, ofOrder(order))
	}
	return shown, next, nil
}

func credits(fact points.Fact) bool {
	return slices.ContainsFunc(fact.Entries, func(e points.Entry) bool { return e.Kind == points.EntryEarn })
}

// firstCredit is which fact credited the order first to its owner of today.
func firstCredit(order *points.Order, log []points.Fact) int {
	return order.Since + slices.IndexFunc(log[order.Since-1:], credits)
}

func ofOrder(order *points.Order) Order {
	o := Order{
		Channel: order.Key.Channel, Shop: order.Key.Shop, OrderID: order.Key.Order,
		PaidAt: order.PaidAt, CompletedAt: optional(order.CompletedAt), Cancelled: order.Cancelled,
		SettlesAt: optional(order.SettleAt()), Lines: []OrderLine{},
	}
	for _, p := range order.Purchases() {
		o.Lines = append(o.Lines, OrderLine{
			LineID: p.ID, SKU: p.SKU, Category: p.Category, Quantity: p.Quantity, Paid: p.Paid, Refunded: p.Refunded, Returned: p.Returned, Excess: p.Excess, Points: p.Points, Because: p.Because,
		})
	}
	return o
}

func optional(at time.Time) *time.Time {
	if at.IsZero() {
		return nil
	}
	return &at
}

// Claim is an order that a member claimed (凭单号认领), and what became of it.
type Claim struct {
	Channel loyalty.Channel `json:"channel"`
	Shop    string          `json:"shop"`
	OrderID string          `json:"order_id"`
	At      time.Time       `json:"at" doc:"when it was claimed last"`
	State   points.Claim    `json:"state" enum:"credited,waiting,refused" doc:"waiting: until the order comes, 90 days at most; refused: the proof is wrong, the order another's or the time over, it is not said which"`
}

// Claims is one page of a member's claims. The order's log, not what stood when
// the claim was looked at, says how each stands now.
func Claims(ctx context.Context, s store.Store, member loyalty.MemberID, limit int, cursor string, now time.Time) ([]Claim, string, error) {
	claims, next, err := s.Claims(ctx, member, limit, cursor)
	if err != nil {
		return nil, "", err
	}
	shown := make([]Claim, len(claims))
	for i, claim := range claims {
		log, err := s.Log(ctx, claim.Order)
		if err != nil {
			return nil, "", err
		}
		shown[i] = Claim{
			Channel: claim.Order.Channel, Shop: claim.Order.Shop, OrderID: claim.Order.Order, At: claim.At,
			State: points.Replay(claim.Order, log).ClaimOf(member, claim.At, now),
		}
		if shown[i].State == points.ClaimWaiting && claim.State != points.ClaimWaiting {
			shown[i].State = points.ClaimRefused
		}
	}
	return shown, next, nil
}

// Coupon is one coupon as its owner sees it.
type Coupon struct {
	coupons.Coupon
	Expired bool `json:"expired"`
}

// Coupons is one page of a member's coupons at a time, in no order that means
// anything; those of members who were merged into them follow their own.
func Coupons(ctx context.Context, s store.Store, account store.Account, limit int, cursor string, now time.Time) ([]Coupon, string, error) {
	return through(account, func(member loyalty.MemberID, cursor string) ([]Coupon, string, error) {
		held, next, err := s.Coupons(ctx, member, limit, cursor)
		shown := make([]Coupon, len(held))
		for i, coupon := range held {
			shown[i] = Coupon{Coupon: coupon, Expired: coupon.State == coupons.StateIssued && now.After(coupon.ExpiresAt)}
		}
		return shown, next, err
	}, cursor)
}

// Reminder is what the brand is going to say, or said, or did not say, about
// running out of a category.
type Reminder struct {
	MemberID loyalty.MemberID `json:"member_id"`
	Category string           `json:"category"`
	BoughtAt time.Time        `json:"bought_at" doc:"the purchase it is about"`
	DueAt    time.Time        `json:"due_at" doc:"day and first hour at which it may go out; of one that is postponed, when the cap has room again"`
	// PostponedFrom is nil where the cap has room when the reminder is due.
	PostponedFrom *time.Time `json:"postponed_from,omitempty" doc:"when it was due, where so many messages went to the member that it goes out at due_at instead (防打扰)"`
	LeadDays      int        `json:"lead_days" doc:"days before the goods are used up"`
	Why           string     `json:"why"`
	State         string     `json:"state" enum:"scheduled,sent,skipped"`
	Reason        string     `json:"reason,omitempty" doc:"why it was skipped: opted_out, capped (so many messages that none may leave before the goods are used up), bought_again, too_late, refunded, history, rejected (by the sender), unanswered (by the sender, for a week)"`
	At            *time.Time `json:"at,omitempty" doc:"when it was sent or skipped"`
	// MessageOf is "" where the message was about this category alone, or bears
	// its name.
	MessageOf string `json:"message_of,omitempty" doc:"category that the id of the message names which it was in: one message speaks of all that is due at once"`
}

// Reminders shows an account's reminders, by due date; none where nobody is
// there to be reminded.
func Reminders(account store.Account, rules program.Program, now time.Time) []Reminder {
	shown := []Reminder{}
	zone := rules.Zone()
	if account.Open() != nil {
		return shown
	}
	for _, purchase := range account.Purchases() {
		due, ok := rules.Repurchase.DueAt(purchase.Category, purchase.At, zone)
		if !ok {
			continue
		}
		c := rules.Repurchase.Categories[purchase.Category]
		r := Reminder{
			MemberID: account.Member, Category: purchase.Category, BoughtAt: purchase.At, DueAt: due, LeadDays: c.LeadDays,
			Why: "cycle of the category, counted from the last purchase", State: "scheduled",
		}
		said := account.Reminded[purchase.Category]
		at, useful, _ := rules.Repurchase.RemindAt(purchase, account.Sent, zone)
		if said.Bought.Equal(purchase.At) {
			r.MessageOf = said.First.Category
		}
		switch {
		case purchase.Told && said.Outcome == store.OutcomeSent:
			r.State, r.At = "sent", &said.At
		case purchase.Told:
			r.State, r.At, r.Reason = "skipped", &said.At, said.Outcome
		case rules.Repurchase.TooLate(purchase.Category, purchase.At, now, zone):
			r.State, r.Reason = "skipped", store.OutcomeTooLate
		case !useful && purchase.Begun.IsZero():
			r.State, r.Reason = "skipped", store.OutcomeCapped
		default:
			// No reminder leaves before the call: after a change of the rules it
			// may stand later than they say.
			r.DueAt = rules.Repurchase.Allowed(latest(at, account.RemindAt), zone)
			if at.After(due) {
				r.PostponedFrom = &due
			}
		}
		shown = append(shown, r)
	}
	slices.SortFunc(shown, func(a, b Reminder) int {
		return cmp.Or(a.DueAt.Compare(b.DueAt), cmp.Compare(a.Category, b.Category))
	})
	return shown
}

func latest(one, other time.Time) time.Time {
	if other.After(one) {
		return other
	}
	return one
}
