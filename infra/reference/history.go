package reference

import "time"

// The kinds of input: what platforms tell of an order, and what else happens.
const (
	Paid, Completed, Cancelled, Refunded = "paid", "completed", "cancelled", "refunded"

	Claimed = "claimed" // Person claims Order, whose buyer Proof is said to name (凭单号认领)
	Joined  = "joined"  // Names are Person's from now on (入会)
	Told    = "told"    // orders that wait for Names[0] look for their owner
	Spent   = "spent"   // Person spends Points, or as many as are available
	Tick    = "tick"    // the schedule that settles fired
	Merged  = "merged"  // Part becomes a part of Person (会员合并)
	Parted  = "parted"  // and a member of their own again
)

// Input is one thing that reached huitou and could be done: who spends, claims or
// is merged is a member, and but for spending no part of another; who becomes a
// part has none. A member claims an order once, and everything that is told of it
// comes within 90 days. All names that are told of an order are one person's.
type Input struct {
	Kind           string
	Now, At        time.Time // when it arrived, and when it happened
	Order, Channel string
	Names          []string // identities
	Proof          string   // one of them
	Refund         string   // its id; "" where Lines carry running totals
	Lines          []Line
	Person, Part   string
	Points         int64
}

// Line is a part of an order. Its ID is no other's of any order; Fen were paid for
// all its units after every discount, or given back.
type Line struct {
	ID  string
	Fen int64
	Goods
}

// Version is one version of the program (会员计划). It takes effect after it was
// announced.
type Version struct {
	From           time.Time
	Points, PerFen int64             // so many points for each so many fen
	Windows        map[string]Window // by channel
	Months         int               // for which available points are good, to the month's end; 0 for ever
	Categories     map[string]string // of goods that name none, by SKU
}

// Window is for how many days points stay pending (待入账).
type Window struct{ AfterCompletion, AfterPayment int }

// shanghai is how far the brand's clock is ahead of UTC, all year.
const shanghai = 8 * time.Hour
