package points

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
)

// Order is what an order's log adds up to.
type Order struct {
	Key    loyalty.OrderKey
	Member loyalty.MemberID // "" while nobody owns it
	Since  int              // which fact gave it to him, from 1
	// Binding is set while the owner is one whom an operator gave.
	Binding *Binding

	// Currency is that of the first fact that told one, "" while none did.
	Currency string

	PaidAt, CompletedAt time.Time
	Cancelled, Settled  bool

	window  Window
	month   string // in which its growth counts
	lines   []*lineState
	refunds map[[2]string]loyalty.Fen // by refund id and line; nil for none, like the next
	totals  map[string]loyalty.Fen    // by line
	Facts   int                       // how many facts the log holds
	// Heard is which fact made the order known, from 1: the first that is no
	// claim; 0 while there are claims alone.
	Heard   int
	HeardAt time.Time // when that happened

	told    []Proof // of the buyer, by events
	asked   []asked // claims, oldest first
	unbound int     // how often it was taken back from an owner
}

type lineState struct {
	Line
	held   loyalty.Points // what the member holds for it now, net of claws
	until  *time.Time     // the end of the lot it went into; nil for none
	grown  loyalty.Points // growth value held for it
	earned bool           // it has been credited once
	claws  int
}

// Replay folds a log, oldest fact first.
func Replay(key loyalty.OrderKey, log []Fact) *Order {
	o := &Order{Key: key}
	for _, fact := range log {
		o.apply(fact)
		o.post(fact)
	}
	return o
}

// With is the order after one more fact of its log.
func (o *Order) With(fact Fact) *Order {
	next := o.clone()
	next.apply(fact)
	next.post(fact)
	return next
}

// Paid tells whether the order's payment is known.
func (o *Order) Paid() bool { return len(o.lines) > 0 }

// Unknown keeps of a payment's lines those that the log does not know.
func (o *Order) Unknown(lines []Line) []Line {
	return slices.DeleteFunc(slices.Clone(lines), func(line Line) bool { return o.line(line.ID) != nil })
}

// Granted is what the order's lines earned when they were paid, whatever was
// given back since.
func (o *Order) Granted() loyalty.Points {
	var granted loyalty.Points
	for _, line := range o.lines {
		granted += line.Granted()
	}
	return granted
}

// History tells whether the order came as history, with every line that is known
// of it.
func (o *Order) History() bool {
	return o.Paid() && !slices.ContainsFunc(o.lines, func(line *lineState) bool { return !line.History })
}

// SettleAt is when the order's points stop being pending; zero when there is
// nothing to settle.
func (o *Order) SettleAt() time.Time {
	if !o.Paid() || o.Settled || o.Member == "" || o.History() {
		return time.Time{}
	}
	return o.window.settleAt(o.PaidAt, o.CompletedAt)
}

// Pending is what of the order's points and growth value is pending.
func (o *Order) Pending() (points, growth loyalty.Points) {
	if o.SettleAt().IsZero() {
		return 0, 0
	}
	for _, line := range o.lines {
		points += line.held
		growth += line.grown
	}
	return points, growth
}

// Purchase is one line as the purchase history (购买记录) knows it.
type Purchase struct {
	Line
	Refunded loyalty.Fen // so far; the whole of Paid when the order was cancelled
	Points   loyalty.Points
}

// Purchases lists the order's lines.
func (o *Order) Purchases() []Purchase {
	purchases := make([]Purchase, len(o.lines))
	for i, line := range o.lines {
		purchases[i] = Purchase{line.Line, o.refunded(line), line.held}
	}
	return purchases
}

// Decide appends nothing: it returns the fact that the news adds to the log,
// with the entries that follow from it, and false when the news holds nothing
// that the log does not already know.
//
// The news is a Fact without Entries. account is the member's as it stands; it
// decides which lots a claw takes from, how much of it becomes debt and how much
// of a credit pays debt. Where a refund takes more than was paid it fails with KindInvalid code
// "refund_exceeds_paid".
func (o *Order) Decide(news Fact, account Account) (Fact, bool, error) {
	fact, fresh := o.fresh(news)
	if !fresh {
		return Fact{}, false, nil
	}
	next := o.clone()
	next.apply(fact)
	if fact.Kind == FactRefunded {
		if err := next.withinPaid(fact.Refunds); err != nil {
			return Fact{}, false, err
		}
	}
	if fact.Kind == FactUnbound {
		fact.Member = o.Member
		fact.Entries = o.clone().leave(account)
		return fact, true, nil
	}
	fact.Member = next.Member
	if next.Member != "" {
		if fact.Kind != FactAsked {
			fact.Proof = nil // of no use, and the less is kept the better
		}
		fact.Entries = next.entries(fact, account)
	}
	return fact, true, nil
}

// fresh keeps of the news what the log does not know.
func (o *Order) fresh(news Fact) (Fact, bool) {
	switch news.Kind {
	case FactPaid:
		news.Lines = o.Unknown(news.Lines)
		return news, len(news.Lines) > 0
	case FactCompleted:
		return news, o.CompletedAt.IsZero()
	case FactCancelled:
		return news, !o.Cancelled
	case FactRefunded:
		news.Refunds = slices.DeleteFunc(slices.Clone(news.Refunds), func(refund Refund) bool {
			if refund.ID == "" {
				return refund.Amount <= o.totals[refund.Line]
			}
			_, known := o.refunds[[2]string{refund.ID, refund.Line}]
			return known
		})
		return news, len(news.Refunds) > 0
	case FactClaimed:
		return news, o.Member == "" && news.Member != ""
	case FactBound:
		return news, o.Member == "" && news.Member != "" && o.Known()
	case FactUnbound:
		return news, o.Binding != nil && o.Member == news.Member
	case FactTold:
		return news, o.Member == "" && news.Proof != nil && o.adds(*news.Proof)
	case FactAsked:
		fresh := news.Proof != nil && news.Claimant != "" && o.Judge(news.Claimant, *news.Proof, news.At) == ClaimWaiting
		return news, fresh && !o.hasAsked(news.Claimant, *news.Proof, news.At)
	case FactSettled:
		at := o.SettleAt()
		return news, !at.IsZero() && !news.At.Before(at)
	}
	return news, false
}

func (o *Order) apply(fact Fact) {
	o.Facts++
	if o.Heard == 0 && fact.Kind != FactAsked {
		o.Heard, o.HeardAt = o.Facts, fact.At
	}
	o.own(fact)
	if o.Currency == "" {
		o.Currency = fact.Currency
	}
	switch fact.Kind {
	case FactPaid:
		for _, line := range fact.Lines {
			o.lines = append(o.lines, &lineState{Line: line})
		}
		if o.PaidAt.IsZero() {
			o.PaidAt = fact.At
			if fact.Window != nil {
				o.window = *fact.Window
			}
			o.month = fact.Month
		}
	case FactCompleted:
		o.CompletedAt = fact.At
	case FactCancelled:
		o.Cancelled = true
	case FactRefunded:
		if o.refunds == nil {
			o.refunds, o.totals = map[[2]string]loyalty.Fen{}, map[string]loyalty.Fen{}
		}
		for _, refund := range fact.Refunds {
			if refund.ID == "" {
				o.totals[refund.Line] = max(o.totals[refund.Line], refund.Amount)
			} else {
				o.refunds[[2]string{refund.ID, refund.Line}] = refund.Amount
			}
		}
	case FactSettled:
		o.Settled = true
	case FactUnbound:
		for _, line := range o.lines {
			line.earned = false
		}
	}
}

// post takes the fact's own entries into the lines.
func (o *Order) post(fact Fact) {
	for _, entry := range fact.Entries {
		line := o.line(entry.Line)
		if line == nil {
			continue
		}
		line.held += entry.Amount()
		if entry.Growth != nil {
			line.grown += entry.Growth.Pending + entry.Growth.Counting
		}
		switch entry.Kind {
		case EntryEarn:
			line.earned, line.until = true, fact.Until
		case EntrySettle:
			line.until = fact.Until
		case EntryClaw:
			line.claws++
		}
	}
}

// entries is what the fact changes for the member: for each line the distance
// between what he should hold and what he holds.
func (o *Order) entries(fact Fact, account Account) []Entry {
	var entries []Entry
	for _, line := range o.lines {
		if !line.earned {
			granted := line.Granted()
			line.until = fact.Until
			entries, account = o.move(entries, account, line, EntryEarn, granted, line.Growth.On(line.Paid))
		}
		kept := o.kept(line)
		claw, shrink := line.Rate.On(kept)-line.held, line.Growth.On(kept)-line.grown
		if claw != 0 || shrink != 0 {
			entries, account = o.move(entries, account, line, EntryClaw, claw, shrink)
		}
	}
	if fact.Kind == FactSettled {
		for _, line := range o.lines {
			if line.held == 0 && line.grown == 0 {
				continue
			}
			entry := account.credit(Entry{
				ID: o.entryID("settle", line.ID), Kind: EntrySettle, Line: line.ID, Pending: -line.held,
			}, line.held, fact.Until)
			if line.grown != 0 {
				entry.Growth = &Growth{Month: o.month, Pending: -line.grown, Counting: line.grown}
			}
			entries, account = append(entries, entry), account.Plus(entry)
		}
	}
	return entries
}

// leave takes from the owner what he holds for the order, where it is.
func (o *Order) leave(account Account) []Entry {
	var entries []Entry
	for _, line := range o.lines {
		if line.held != 0 || line.grown != 0 {
			entries, account = o.move(entries, account, line, EntryUnbind, -line.held, -line.grown)
		}
	}
	return entries
}

// move credits or takes back points and growth of one line where they are:
// pending until the order is settled, available and counting after.
func (o *Order) move(entries []Entry, account Account, line *lineState, kind EntryKind, delta, growth loyalty.Points) ([]Entry, Account) {
	id := o.entryID(string(kind), line.ID)
	if kind == EntryClaw {
		line.claws++
		id = fmt.Sprintf("%s:%d", id, line.claws)
	}
	entry := Entry{ID: id, Kind: kind, Line: line.ID}
	switch {
	case !o.Settled:
		entry.Pending = delta
	case delta >= 0:
		entry = account.credit(entry, delta, line.until)
	default:
		entry = account.takeBack(entry, -delta, line.until)
	}
	switch {
	case growth == 0:
	case o.Settled:
		entry.Growth = &Growth{Month: o.month, Counting: growth}
	default:
		entry.Growth = &Growth{Month: o.month, Pending: growth}
	}
	line.held += delta
	line.grown += growth
	return append(entries, entry), account.Plus(entry)
}

// kept is what of the money paid for a line was not given back.
func (o *Order) kept(line *lineState) loyalty.Fen { return line.Paid - o.refunded(line) }

// refunded is the money given back on a line. Single refunds and an export's
// running total tell of the same money, so the larger of the two counts; never
// more than was paid.
func (o *Order) refunded(line *lineState) loyalty.Fen {
	if o.Cancelled {
		return line.Paid
	}
	return min(line.Paid, max(o.singles(line.ID), o.totals[line.ID]))
}

func (o *Order) singles(line string) loyalty.Fen {
	var sum loyalty.Fen
	for key, amount := range o.refunds {
		if key[1] == line {
			sum += amount
		}
	}
	return sum
}

func (o *Order) withinPaid(refunds []Refund) error {
	for _, refund := range refunds {
		line := o.line(refund.Line)
		if line != nil && max(o.singles(line.ID), o.totals[line.ID]) > line.Paid {
			return loyalty.Refuse(loyalty.KindInvalid, "refund_exceeds_paid",
				"the refunds of a line add up to more than was paid for it")
		}
	}
	return nil
}

// entryID names an entry by its cause. An owner after the first, whom an
// operator may have given the order, has entries of his own: "earn.2:…".
func (o *Order) entryID(kind, line string) string {
	if o.unbound > 0 {
		kind = fmt.Sprintf("%s.%d", kind, o.unbound+1)
	}
	return kind + ":" + string(o.Key.Channel) + ":" + o.Key.Shop + ":" + o.Key.Order + ":" + line
}

func (o *Order) line(id string) *lineState {
	for _, line := range o.lines {
		if line.ID == id {
			return line
		}
	}
	return nil
}

func (o *Order) clone() *Order {
	next := *o
	next.lines = make([]*lineState, len(o.lines))
	for i, line := range o.lines {
		copied := *line
		next.lines[i] = &copied
	}
	next.refunds, next.totals = maps.Clone(o.refunds), maps.Clone(o.totals)
	return &next
}
