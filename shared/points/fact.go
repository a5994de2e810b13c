package points

import (
	"slices"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
)

// FactKind says what happened to an order.
type FactKind string

// The kinds of fact.
const (
	FactPaid      FactKind = "paid"
	FactCompleted FactKind = "completed"
	FactRefunded  FactKind = "refunded"
	FactCancelled FactKind = "cancelled"
	FactTold      FactKind = "told"      // an event said nothing new but who the buyer is, or a discount code
	FactConflict  FactKind = "conflict"  // an event told otherwise what is known, and nothing else
	FactClaimed   FactKind = "claimed"   // the order got an owner
	FactAsked     FactKind = "asked"     // a member claims the order, and nothing told of the buyer decides yet
	FactBound     FactKind = "bound"     // an operator gave the order an owner (人工绑定)
	FactUnbound   FactKind = "unbound"   // an operator took it back: nobody owns the order
	FactNamed     FactKind = "named"     // an event names the buyer of an order that an operator gave to another
	FactSettled   FactKind = "settled"   // the return window closed
	FactContinued FactKind = "continued" // the rest of a fact that was too large for one write, see Part
	FactSpent     FactKind = "spent"     // a member spent points on the order
	// FactReturned is that points came back: those set aside by a reservation that
	// was not committed, or spent by one that was. In an order's log its Member is
	// who spent them, who owns nothing by it.
	FactReturned FactKind = "returned"
	// Not of an order:
	FactPrize    FactKind = "prize"    // a package card gave it
	FactReserved FactKind = "reserved" // points were set aside to be spent
	FactAdjusted FactKind = "adjusted" // an operator corrected the balance
	FactExpired  FactKind = "expired"  // lots ended
	FactTier     FactKind = "tier"     // the member's tier changed
	FactCheckIn  FactKind = "checkin"  // the member checked in for a day
	FactMerged   FactKind = "merged"   // another member's account was taken in (会员合并)
	FactUnmerged FactKind = "unmerged" // and let go again
	FactOpening  FactKind = "opening"  // the member brought points or growth along from an old system
)

// Fact is one line of an order's log. It is written once and never changed.
type Fact struct {
	Kind    FactKind  `json:"kind"`
	At      time.Time `json:"at"`
	Program int64     `json:"program,omitempty"` // version of the rules it was decided by
	// Currency is ISO 4217, the unit of every amount of FactPaid and FactRefunded;
	// "" where the event told none.
	Currency string           `json:"currency,omitempty"`
	Member   loyalty.MemberID `json:"member,omitempty"`
	// Claimant is the member of FactAsked and FactNamed, who owns nothing by it.
	Claimant loyalty.MemberID `json:"claimant,omitempty"`
	// Proof is what the event told of the buyer, kept only while nobody owns
	// the order, or an operator may take it back; of FactAsked it is what the
	// claimant said.
	Proof *Proof `json:"proof,omitempty"`
	// Operator and Reason are who changed the owner by hand, and why.
	Operator string  `json:"operator,omitempty"`
	Reason   string  `json:"reason,omitempty"`
	Window   *Window `json:"window,omitempty"` // FactPaid: frozen with the rate
	Month    string  `json:"month,omitempty"`  // FactPaid: in which the growth counts, "2026-11"
	// Until is the end of the lot that the points enter which the fact makes
	// available; nil where they never expire.
	Until   *time.Time `json:"until,omitempty"`
	Lines   []Line     `json:"lines,omitempty"` // FactPaid: the lines not known before
	Refunds []Refund   `json:"refunds,omitempty"`
	// Excess are the lines on which more is given back than was paid, where this
	// fact made or raised that.
	Excess []Excess `json:"excess,omitempty"`
	// Conflicts are what the event told otherwise than the log.
	Conflicts []Conflict `json:"conflicts,omitempty"`
	// Codes are the discount codes of the order that were not known before.
	Codes []string `json:"discount_codes,omitempty"`
	// Spent is of FactSpent, and Back of FactReturned in the log of an order.
	Spent *Spending `json:"spent,omitempty"`
	Back  []Back    `json:"back,omitempty"`
	// Open tells that some of the order's points are settled and others pending.
	Open bool `json:"open,omitempty"`
	// Part is set where the fact deals with a part of the order's lines alone.
	Part    *Part   `json:"part,omitempty"`
	Entries []Entry `json:"entries,omitempty"`
}

// History tells whether all lines that the fact tells of came as history.
func (f Fact) History() bool {
	return len(f.Lines) > 0 && !slices.ContainsFunc(f.Lines, func(line Line) bool { return !line.History })
}

// Line is one paid order line.
type Line struct {
	ID       string      `json:"id"`
	SKU      string      `json:"sku,omitempty"`
	Category string      `json:"category,omitempty"`
	Listed   bool        `json:"listed,omitempty"` // the event named no category: a list of SKUs in the rules did
	Quantity int64       `json:"quantity"`
	Paid     loyalty.Fen `json:"paid"`            // net for all units, after every discount, without shipping
	Rate     Rate        `json:"rate"`            // frozen when it was paid, see Rules.Freeze
	Growth   Rate        `json:"growth,omitzero"` // growth value (成长值), likewise

	Gift bool `json:"gift,omitempty"` // came as a gift (赠品), whatever was paid for it
	// History marks what was bought before the brand came to huitou (历史订单). It
	// earns neither points nor growth, whatever the rules say: both are in what
	// the member brought along (see Opening).
	History bool `json:"history,omitempty"`
	// Shipping is the line's share of the shipping (运费), whether it earns or
	// not: other rules may be asked what they would have given.
	Shipping loyalty.Fen `json:"shipping,omitempty"`
	// StoredValue is what of Paid, and beyond it of Shipping, came from stored
	// value (储值).
	StoredValue loyalty.Fen `json:"stored_value,omitempty"`
	// Because says what made Rate another than the program's base rate.
	Because []Reason `json:"because,omitempty"`
}

// Granted is what the line earned when it was paid, whatever was given back
// since.
func (l Line) Granted() loyalty.Points { return l.Rate.On(l.Paid) }

// Refund is money given back on one line: one refund's own amount under its
// ID, or, where ID is "", the line's total so far (an export knows no more).
type Refund struct {
	ID     string      `json:"id,omitempty"`
	Line   string      `json:"line"`
	Amount loyalty.Fen `json:"amount"`
	// Quantity is how many units came back, where the event tells. It changes the
	// purchase history and no points.
	Quantity int64 `json:"quantity,omitempty"`
}

// Excess is what was given back on a line beyond what was paid for it so far:
// postage or goodwill (多退金额).
type Excess struct {
	Line   string      `json:"line"`
	Amount loyalty.Fen `json:"amount"`
}

// EntryKind says what an entry does to the member's points.
type EntryKind string

// The kinds of entry.
const (
	EntryEarn    EntryKind = "earn"
	EntryClaw    EntryKind = "claw" // taken back for a refund (退款扣回)
	EntrySettle  EntryKind = "settle"
	EntryUnbind  EntryKind = "unbind" // left the member with their order
	EntryPrize   EntryKind = "prize"
	EntrySpend   EntryKind = "spend"   // set aside by a reservation (预扣)
	EntryReturn  EntryKind = "return"  // given back by one that was cancelled or ran out, or of what was spent
	EntryAdjust  EntryKind = "adjust"  // by an operator, with a reason (人工调整)
	EntryExpire  EntryKind = "expire"  // what was left when its lot ended (积分过期)
	EntryCheckIn EntryKind = "checkin" // for a day on which they checked in (签到)
	// The points of a member who was merged into this one, and what they took
	// along when that was undone.
	EntryMerge   EntryKind = "merge"
	EntryUnmerge EntryKind = "unmerge"
	EntryOpening EntryKind = "opening" // brought along from an old system (期初余额)
)

// Entry is one line of a member's ledger (积分流水). A member's counters always
// equal the sums over their entries.
type Entry struct {
	ID        string         `json:"id"` // from the cause: "earn:tmall:flagship:1001:1"
	Kind      EntryKind      `json:"kind"`
	Line      string         `json:"line,omitempty"`
	Available loyalty.Points `json:"available,omitempty"`
	Pending   loyalty.Points `json:"pending,omitempty"`
	Debt      loyalty.Points `json:"debt,omitempty"`
	Lots      []Share        `json:"lots,omitempty"` // the part of Available that has an end
	Growth    *Growth        `json:"growth,omitempty"`
}

// Growth is what an entry changes in the growth value (成长值). It is never
// spent; like points it is pending until the return window closes, and counts
// after that, in the month of the purchase.
type Growth struct {
	Month    string         `json:"month"`
	Pending  loyalty.Points `json:"pending,omitempty"`
	Counting loyalty.Points `json:"counting,omitempty"`
}

// Expired is what the entry adds to the points that expired unspent; negative
// where it takes back points that had.
func (e Entry) Expired() loyalty.Points {
	var sum loyalty.Points
	for _, share := range e.Lots {
		sum += share.Expired
	}
	return sum
}

// Amount is what the entry gives or takes, wherever it lies: available, pending,
// expired, or less debt. Over all entries of a member what was earned, given and
// adjusted is what was spent and taken back and what they have (double entry).
func (e Entry) Amount() loyalty.Points { return e.Available + e.Pending - e.Debt + e.Expired() }
