// Package reference is the reference model of the points ledger (积分账本): what
// huitou must answer after a history, said as plainly as it can be. It knows no
// storage, log or entries; it keeps the set of what was told of each order and
// works everything out anew from the set. So it does not matter how that was
// shuffled, split or repeated. The order of arrival decides only here:
//
//   - Of two messages that contradict each other about the same thing the
//     first stands. (All payments of one order carry one time, all its names
//     are one person's, and a program is announced before it takes effect.)
//   - A refund is refused when with it more was given back than was paid, as
//     far as is known. One that came before its line is kept, and counts up to
//     what was paid. The set of those that were kept decides the rest.
//   - A tick settles the orders that are due and hold points, by what is known
//     when it fires, and lets go of points whose time is over. A refund before or
//     after it leaves the same points; only the entries differ, which the model
//     therefore does not list.
//   - Spending takes what is available by then, what ends first before the rest.
//   - The date of a reminder is set when a purchase becomes known, unless its
//     goods are used up by then, and stays when they go back: the schedule
//     looks again.
package reference

import "time"

// Kinds of input: what platforms tell of an order, and what else happens.
const (
	Paid, Completed, Cancelled, Refunded = "paid", "completed", "cancelled", "refunded"

	Joined  = "joined"  // Person owns Names from now on (入会)
	Told    = "told"    // orders that wait for one of Names look for their owner
	Program = "program" // an operator announced Version
	Tick    = "tick"    // the settlement schedule fired, standing for At
	Spent   = "spent"   // Person spends Points, or as many as are available
	Merged  = "merged"  // From becomes a part of Person (会员合并)
	Parted  = "parted"  // and a person of his own again
)

// Input is one thing that reached huitou.
type Input struct {
	Kind           string
	Now, At        time.Time // when it arrived, and when it happened
	Channel, Order string
	Names          []string // identities
	Refund         string   // the refund's id; "" where Lines carry running totals
	Lines          []Line
	Person, From   string
	Points         int64
	Version        Version
}

// Line is a part of an order; Amount is the fen paid for all units, or given back.
type Line struct {
	ID, SKU, Category string
	Quantity, Amount  int64
}

// Version is one version of the program (会员计划), in force from a time on.
type Version struct {
	From           time.Time
	Points, PerFen int64             // so many points for each so many fen
	Windows        map[string]Window // by channel
	Goods          map[string]string // category by SKU, for lines that name none
	Cycles         map[string]Cycle  // by category
	Opens          time.Duration     // from midnight to the end of the quiet hours
	Months         int               // for which available points are good, to the month's end; 0 for ever
}

// Window is for how many days points stay pending (待入账).
type Window struct{ AfterCompletion, AfterPayment int }

// Cycle is how many days goods last, and how many before the end to remind.
type Cycle struct{ Days, Lead int }

// State is what huitou must answer.
type State struct {
	Members map[string]*Member
	Points  map[string]map[string]int64 // held for each line of each order
	Refused []int                       // inputs that end as dead letters, by index
}

// Member is one person's account. What is available is what is left of his
// lots, but for those that wait for a return window.
type Member struct {
	Lots                   map[string]Lot // by their end, "never", or "pending " and the order
	Debt                   int64
	Orders, Paid, Refunded int64
	Bought                 map[string]Bought // by category
	RemindAt               time.Time         // the earliest date asked for

	into    string // whose part he is
	parts   int
	covered []share // of his debt, when he became a part
}

// Lot is points that end together: what is left of them, and what expired.
type Lot struct{ Left, Expired int64 }

// Bought counts the orders in which goods of a category were kept.
type Bought struct{ Purchases, Quantity int64 }
