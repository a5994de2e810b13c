// Package liability is what the brand owes its members in points (积分负债), in the
// terms of IFRS 15 B39–B47: outstanding points, what of them is expected to lapse
// (breakage), and what they are worth. It adds up the members' accounts, whose
// counters move in the writes that append to the ledger, and can be asked to read
// the ledger itself and compare.
//
// The counters of what was issued, spent and taken back cost no write unit, as
// they move in an update of the account that happens anyway, and some 30 bytes of
// its item. Of 100,000 members with an order each the accounts take 51,000 read
// units and 2,100 round trips, their histories 100,000 and 100,000 more: so the
// report of every day reads accounts, and the month-end close the ledger too.
//
// What was spent of each single lot is in no account: it would take some 20 bytes
// more for every month in which a member ever spent, for ever. It is in the
// ledger, and so the rates by month are part of the reconciled report alone.
package liability

import (
	"context"
	"maps"
	"math/bits"
	"slices"
	"time"

	"github.com/huitou/huitou/shared/census"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
)

// How many members one call looks at.
const (
	MaxMembers    = 2000
	MaxReconciled = 200 // each costs a look at their history
)

// minEnds is in how many months points must have expired before a rate is
// estimated from it.
const minEnds = 3

const (
	historyPage = 500
	shownApart  = 10
	tries       = 3
)

// Question is what is asked.
type Question struct {
	Reconcile bool `json:"reconcile"` // read the ledger as well, and compare
}

// Totals are the ledger's double entry (复式记账), summed over members.
type Totals struct {
	Issued    loyalty.Points `json:"issued" doc:"points ever earned, won, given by check-ins or by operators (发放); of a member who was merged into another, what was left then. Where a merge was undone, what was taken back while it stood is in issued and in clawed_back of both members"`
	Available loyalty.Points `json:"available" doc:"points that may be spent, and those of ended"`
	Pending   loyalty.Points `json:"pending" doc:"points that become available when return windows close (待入账)"`
	Spent     loyalty.Points `json:"spent" doc:"points spent, or set aside by a reservation that is open, less what came back (核销)"`
	Expired   loyalty.Points `json:"expired" doc:"points written off when they ended, less what refunds took of them since (过期)"`
	Clawed    loyalty.Points `json:"clawed_back" doc:"points taken back: by refunds, with orders that left their member, by operators (扣回)"`
	Debt      loyalty.Points `json:"debt" doc:"points taken back beyond what was there; later credits pay it first (欠扣)"`
}

// Difference is what double entry leaves over; 0 when the books are right.
func (t Totals) Difference() loyalty.Points {
	return t.Issued - (t.Available + t.Pending + t.Spent + t.Expired + t.Clawed - t.Debt)
}

// Outstanding is what the members have, net of what they owe (未兑积分).
func (t Totals) Outstanding() loyalty.Points { return t.Available + t.Pending - t.Debt }

func (t Totals) plus(u Totals) Totals {
	return Totals{
		t.Issued + u.Issued, t.Available + u.Available, t.Pending + u.Pending,
		t.Spent + u.Spent, t.Expired + u.Expired, t.Clawed + u.Clawed, t.Debt + u.Debt,
	}
}

// Month is a calendar month of the brand's zone, "2027-11".
type Month string

// Lapse is what became of the points whose lots ended in a month.
type Lapse struct {
	Spent   loyalty.Points `json:"spent"`
	Expired loyalty.Points `json:"expired"`
}

// Reconciliation compares the accounts with the ledger, member by member.
type Reconciliation struct {
	Facts  int64              `json:"facts"`  // lines of the ledger that were read
	Ledger Totals             `json:"ledger"` // what they add up to
	Differ int64              `json:"differ"` // members whose account is not what their ledger adds up to
	Apart  []loyalty.MemberID `json:"apart"`  // the first of them
	Lapses map[Month]Lapse    `json:"lapses"` // by the month in which the lots ended
}

// Sums is what was found, of all members looked at.
type Sums struct {
	AsOf    time.Time                `json:"as_of"` // when the walk began: lots that end by then have ended
	Members int64                    `json:"members"`
	Erased  Erased                   `json:"erased"` // what of all that follows is of those who were erased
	Totals  Totals                   `json:"totals"`
	Ending  map[Month]loyalty.Points `json:"ending"`  // of what is available, by when it ends
	Ended   loyalty.Points           `json:"ended"`   // of it, whose end has come and that the schedule has not written off
	Lapsed  map[Month]loyalty.Points `json:"expired"` // what expired, by when it ended
	// Ledger is nil unless it was asked for.
	Ledger *Reconciliation `json:"ledger,omitempty"`
}

// Erased is what the sums hold of members who were erased.
type Erased struct {
	Members     int64          `json:"members"`
	Outstanding loyalty.Points `json:"outstanding"`
	Dated       loyalty.Points `json:"dated"` // available until an end to come
	Ended       loyalty.Points `json:"ended"`
	Spent       loyalty.Points `json:"spent"`
	Expired     loyalty.Points `json:"expired"`
}

// state is a walk: its cursor holds it whole. It grows with the months in which
// lots end, not with the members.
type state struct {
	Place census.Place `json:"place"`
	Sums
}

// Walk goes on with the sums over all members, about limit members far (from 1;
// MaxMembers, MaxReconciled where the ledger is read), and gives the sums so far
// with the cursor of what is left, "" at the end. It fails with KindInvalid code
// "invalid_cursor" for a cursor of another question.
func Walk(ctx context.Context, s store.Store, asked Question, cursor string, limit int, zone *time.Location, now time.Time) (Sums, census.Done, string, error) {
	w := walk{store: s, asked: asked, zone: zone, consistency: table.Eventual, state: state{Sums: Sums{
		AsOf: now.UTC(), Ending: map[Month]loyalty.Points{}, Lapsed: map[Month]loyalty.Points{},
	}, Place: census.WithErased}}
	left := min(limit, MaxMembers)
	if asked.Reconcile {
		left = min(limit, MaxReconciled)
		w.consistency = table.Strong
		w.Ledger = &Reconciliation{Apart: []loyalty.MemberID{}, Lapses: map[Month]Lapse{}}
	}
	if cursor != "" {
		whole := census.Resume(cursor, asked, &w.state) && w.Place.GoesWithErased() && w.Ending != nil && w.Lapsed != nil
		if !whole || asked.Reconcile && (w.Ledger == nil || w.Ledger.Lapses == nil) {
			return Sums{}, census.Done{}, "", loyalty.Invalid("cursor", "invalid_cursor", "the cursor does not belong to this report; leave reconcile as it was, or send no cursor")
		}
	}
	for left > 0 && !w.Place.Ended() {
		accounts, next, err := census.Step(ctx, s, w.Place, w.consistency, left)
		if err != nil {
			return Sums{}, census.Done{}, "", err
		}
		for _, account := range accounts {
			if err := w.member(ctx, account); err != nil {
				return Sums{}, census.Done{}, "", err
			}
		}
		w.Place, left = next, left-len(accounts)
	}
	next := ""
	if !w.Place.Ended() {
		next = census.Cursor(asked, w.state)
	}
	return w.Sums, w.Place.Done(), next, nil
}

// walk is one call.
type walk struct {
	store       store.Store
	asked       Question
	zone        *time.Location
	consistency table.Consistency
	state
}

func (w *walk) member(ctx context.Context, account store.Account) error {
	if w.asked.Reconcile {
		read, err := w.reconcile(ctx, account)
		if err != nil {
			return err
		}
		account = read
	}
	own := totals(account.Points(w.AsOf), account.Turnover)
	w.Totals = w.Totals.plus(own)
	if account.Erased == nil {
		w.Members++
	} else {
		w.erased(account, own)
	}
	for _, lot := range account.Lots {
		if lot.Expired != 0 {
			w.Lapsed[w.month(lot.Until)] += lot.Expired
		}
		switch {
		case lot.Left == 0:
		case lot.Until.After(w.AsOf):
			w.Ending[w.month(lot.Until)] += lot.Left
		default:
			w.Ended += lot.Left
		}
	}
	return nil
}

func (w *walk) erased(account store.Account, own Totals) {
	w.Erased.Members++
	w.Erased.Outstanding += own.Outstanding()
	w.Erased.Spent += own.Spent
	w.Erased.Expired += own.Expired
	for _, lot := range account.Lots {
		if lot.Until.After(w.AsOf) {
			w.Erased.Dated += lot.Left
		} else {
			w.Erased.Ended += lot.Left
		}
	}
}

// month is the one in which points were good for the last time.
func (w *walk) month(until time.Time) Month {
	return Month(until.Add(-time.Nanosecond).In(w.zone).Format("2006-01"))
}

func totals(account points.Account, turnover points.Turnover) Totals {
	t := Totals{
		Issued: turnover.Issued, Spent: turnover.Spent, Clawed: turnover.Clawed,
		Available: account.Available, Pending: account.Pending, Debt: account.Debt,
	}
	for _, lot := range account.Lots {
		t.Expired += lot.Expired
	}
	return t
}

// told is what a member's ledger adds up to.
type told struct {
	facts    int64
	account  points.Account
	turnover points.Turnover
	lapses   map[Month]Lapse
}

// reconcile compares an account with its ledger and gives the account that was
// compared. Where they differ both are read again: the history is an index and
// may be behind the account, and what happened in between is in one of the two.
func (w *walk) reconcile(ctx context.Context, account store.Account) (store.Account, error) {
	for attempt := 1; ; attempt++ {
		ledger, err := w.fold(ctx, account.Member)
		if err != nil {
			return account, err
		}
		same := ledger.account.Balance == account.Balance && ledger.turnover == account.Turnover && slices.EqualFunc(held(ledger.account.Lots), held(account.Lots), sameLot)
		if !same && attempt < tries {
			if account, err = w.store.Account(ctx, account.Member); err != nil {
				return account, err
			}
			continue
		}
		if !same {
			if w.Ledger.Differ++; len(w.Ledger.Apart) < shownApart {
				w.Ledger.Apart = append(w.Ledger.Apart, account.Member)
			}
		}
		w.Ledger.Facts += ledger.facts
		w.Ledger.Ledger = w.Ledger.Ledger.plus(totals(ledger.account, ledger.turnover))
		for month, lapse := range ledger.lapses {
			sum := w.Ledger.Lapses[month]
			w.Ledger.Lapses[month] = Lapse{sum.Spent + lapse.Spent, sum.Expired + lapse.Expired}
		}
		return account, nil
	}
}

// fold adds up all entries of a member.
func (w *walk) fold(ctx context.Context, member loyalty.MemberID) (told, error) {
	ledger := told{lapses: map[Month]Lapse{}}
	for cursor := ""; ; {
		records, next, err := w.store.History(ctx, member, historyPage, cursor)
		if err != nil {
			return told{}, err
		}
		for _, record := range records {
			ledger.facts++
			for _, entry := range record.Entries {
				ledger.account = ledger.account.Plus(entry)
				ledger.turnover = ledger.turnover.Plus(entry.Turnover())
				w.lapse(entry, ledger.lapses)
			}
		}
		if cursor = next; next == "" {
			return ledger, nil
		}
	}
}

// lapse counts what an entry says of lots that have ended. Points that came
// back count for the lot that they came back to.
func (w *walk) lapse(entry points.Entry, into map[Month]Lapse) {
	for _, share := range entry.Lots {
		if share.Until.After(w.AsOf) {
			continue
		}
		month := w.month(share.Until)
		lapse := into[month]
		lapse.Expired += share.Expired
		if entry.Kind == points.EntrySpend || entry.Kind == points.EntryReturn {
			lapse.Spent -= share.Points
		}
		if lapse != into[month] {
			into[month] = lapse
		}
	}
}

func held(lots []points.Lot) []points.Lot {
	return slices.DeleteFunc(slices.Clone(lots), func(lot points.Lot) bool { return lot.Left == 0 && lot.Expired == 0 })
}

func sameLot(a, b points.Lot) bool {
	return a.Until.Equal(b.Until) && a.Left == b.Left && a.Expired == b.Expired
}

// share is floor(amount × part ÷ whole), for amounts of at least 0 and a part
// within the whole; 0 of nothing.
func share(amount, part, whole loyalty.Points) loyalty.Points {
	if amount <= 0 || part <= 0 || whole < part {
		return 0
	}
	high, low := bits.Mul64(uint64(amount), uint64(part))
	quotient, _ := bits.Div64(high, low, uint64(whole))
	return loyalty.Points(quotient)
}

// MonthPoints is points of a month.
type MonthPoints struct {
	Month  Month          `json:"month" doc:"in the brand's time zone"`
	Points loyalty.Points `json:"points"`
}

// Breakage is what of the points that have an end is expected to lapse (过期沉淀).
type Breakage struct {
	State       string         `json:"state" enum:"estimated,not_enough_history" doc:"not_enough_history (not enough history yet): points have expired in fewer than 3 months, nothing is estimated, and none is expected to lapse"`
	Months      int            `json:"months" doc:"months in which points have expired"`
	BasisPoints int64          `json:"basis_points" doc:"expired ÷ (expired + spent) of all time in 1/10000, rounded down, of members who were not erased. It errs to the low side, and so the liability to the high one: what was spent of points that never end, or have not ended yet, counts as well, and of what is left of a lot more lapses than of the lot. How far the truth may lie off is shown by the months' own rates, see reconciliation.cohorts"`
	Expected    loyalty.Points `json:"expected" doc:"points of ending × expired ÷ (expired + spent), of members who were not erased, rounded down; pending points and those that never end are not expected to lapse"`
}

// States of Breakage.
const (
	Estimated        = "estimated"
	NotEnoughHistory = "not_enough_history"
)

// Money is what the points are worth.
type Money struct {
	Currency    string       `json:"currency" doc:"the program's"`
	Value       points.Value `json:"value" doc:"the program's points.value_per_point"`
	Outstanding loyalty.Fen  `json:"outstanding" doc:"fen: outstanding × value, as if nothing lapsed; rounded up once, over the total"`
	Liability   loyalty.Fen  `json:"liability" doc:"fen: liability × value; rounded up once, over the total"`
}

// Cohort is what became of points whose lots ended in one month.
type Cohort struct {
	Month Month `json:"month" doc:"in the brand's time zone"`
	Lapse
	BasisPoints int64 `json:"basis_points" doc:"expired ÷ (expired + spent) in 1/10000, rounded down"`
}

// Compared is how accounts and ledger agree.
type Compared struct {
	Facts      int64              `json:"facts" doc:"lines of members' histories that were read"`
	Differ     int64              `json:"differ" doc:"members whose account is not, to the point, what the entries of their ledger add up to, after 3 looks at both; 0 when the books are right. One to whom something happened in that very moment may be among them"`
	Members    []loyalty.MemberID `json:"members" doc:"the first 10 of them"`
	Ledger     Totals             `json:"ledger" doc:"the same totals, added up from the entries of the ledger alone"`
	Difference loyalty.Points     `json:"difference" doc:"outstanding, less what the ledger says of it; 0 when the books are right"`
	Cohorts    []Cohort           `json:"cohorts" doc:"what became of the points whose lots have ended, by the month in which they did: spent, and expired. What a reservation gave back counts for the lot that it came back to"`
}

// Report is the liability of the members looked at. The doc of each figure is
// its definition, in the published document as in every answer.
type Report struct {
	AsOf    time.Time `json:"as_of" doc:"when the walk over the members began"`
	Members int64     `json:"members" doc:"members looked at, without those who were erased"`
	Totals
	Difference    loyalty.Points `json:"difference" doc:"issued − (available + pending + spent + expired + clawed_back − debt): double entry (复式记账); 0 when the books are right"`
	Outstanding   loyalty.Points `json:"outstanding" doc:"available + pending − debt (未兑积分)"`
	Ending        []MonthPoints  `json:"ending" doc:"points of available that have an end after as_of, by the last month in which they are good"`
	NeverEnding   loyalty.Points `json:"never_ending" doc:"points of available that have no end"`
	Ended         loyalty.Points `json:"ended" doc:"points of available whose end had come by as_of and that the schedule has not written off yet: nobody can spend them"`
	ErasedMembers int64          `json:"erased_members" doc:"members looked at who were erased (注销)"`
	Erased        loyalty.Points `json:"erased" doc:"points of outstanding that members have who were erased: they end as the rules say, and nobody can spend them meanwhile. What an erased member owes is taken off, and nobody will pay it"`
	Lapsed        []MonthPoints  `json:"expired_by_month" doc:"expired, by the last month in which the points were good"`
	Breakage      Breakage       `json:"breakage"`
	Liability     loyalty.Points `json:"liability" doc:"outstanding − erased − ended − breakage.expected, all but erased of members who were not, at least 0: points that are expected to be spent (积分负债)"`
	Money         *Money         `json:"money,omitempty" doc:"absent where the program does not say what a point is worth"`
	Reconciled    *Compared      `json:"reconciliation,omitempty" doc:"present where it was asked for"`
}

// Of is the report that the sums make under the rules.
func Of(sums Sums, rules program.Document) Report {
	r := Report{
		AsOf: sums.AsOf, Members: sums.Members, Totals: sums.Totals, Difference: sums.Totals.Difference(), Outstanding: sums.Totals.Outstanding(),
		Ending: byMonth(sums.Ending), Ended: sums.Ended, Lapsed: byMonth(sums.Lapsed), ErasedMembers: sums.Erased.Members, Erased: sums.Erased.Outstanding,
		Breakage: Breakage{State: NotEnoughHistory},
	}
	var dated loyalty.Points
	for _, month := range r.Ending {
		dated += month.Points
	}
	r.NeverEnding = r.Available - r.Ended - dated
	r.Breakage.Months = len(r.Lapsed)
	if r.Breakage.Months >= minEnds {
		expired := r.Expired - sums.Erased.Expired
		gone := expired + r.Spent - sums.Erased.Spent
		r.Breakage.State = Estimated
		r.Breakage.BasisPoints = int64(share(10_000, expired, gone))
		r.Breakage.Expected = share(dated-sums.Erased.Dated, expired, gone)
	}
	r.Liability = max(0, r.Outstanding-r.Erased-(r.Ended-sums.Erased.Ended)-r.Breakage.Expected)
	if value := rules.Points.ValuePerPoint; value != nil {
		r.Money = &Money{rules.Currency, *value, value.Of(r.Outstanding), value.Of(r.Liability)}
	}
	if sums.Ledger != nil {
		r.Reconciled = compared(*sums.Ledger, sums.Totals)
	}
	return r
}

func compared(ledger Reconciliation, accounts Totals) *Compared {
	c := &Compared{
		Facts: ledger.Facts, Differ: ledger.Differ, Members: ledger.Apart, Ledger: ledger.Ledger,
		Difference: accounts.Outstanding() - ledger.Ledger.Outstanding(), Cohorts: []Cohort{},
	}
	for _, month := range slices.Sorted(maps.Keys(ledger.Lapses)) {
		lapse := ledger.Lapses[month]
		c.Cohorts = append(c.Cohorts, Cohort{month, lapse, int64(share(10_000, lapse.Expired, lapse.Expired+lapse.Spent))})
	}
	return c
}

func byMonth(sums map[Month]loyalty.Points) []MonthPoints {
	months := []MonthPoints{}
	for _, month := range slices.Sorted(maps.Keys(sums)) {
		if sums[month] != 0 {
			months = append(months, MonthPoints{month, sums[month]})
		}
	}
	return months
}
