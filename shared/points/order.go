package points

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
)

// Order is what an order's log adds up to.
type Order struct {
	Key    loyalty.OrderKey
	Member loyalty.MemberID // "" while nobody owns it
	Since  int              // which fact gave it to the member, from 1
	// Binding is set while the owner is one whom an operator gave.
	Binding *Binding

	// Currency is that of the first fact that told one, "" while none did.
	Currency string

	PaidAt      time.Time // of the payment that was told first
	CompletedAt time.Time // the earliest completion, whichever was told first
	Cancelled   bool
	Codes       []string   // discount codes that events told of, in that order
	Conflicts   []Conflict // what events told otherwise than the log, in that order

	lines       []*lineState
	refunds     map[[2]string]Refund // by refund id and line; nil for none, like the next
	totals      map[string]Refund    // by line
	completions []time.Time          // earliest first
	Facts       int                  // how many facts the log holds
	// Heard is which fact made the order known, from 1: the first that is no claim
	// and tells of no points that were spent; 0 while there is none.
	Heard   int
	HeardAt time.Time // when that happened

	told    []Proof            // of the buyer, by events
	asked   []asked            // claims, oldest first
	named   []loyalty.MemberID // see FactNamed
	unbound int                // how often it was taken back from an owner
	spent   []spent            // points, by members, oldest first
	rest    *rest              // nil unless the last fact left lines to do
}

type lineState struct {
	Line
	paidAt    time.Time
	window    Window
	month     string         // in which its growth counts
	settledBy int            // which fact settled it, from 1; 0 while it is pending
	held      loyalty.Points // what the member holds for it now, net of claws
	until     *time.Time     // the end of the lot it went into; nil for none
	grown     loyalty.Points // growth value held for it
	earned    bool           // it has been credited once
	claws     int
	counted   counted
}

// counted is how a line stands in its owner's purchase history.
type counted struct {
	is       bool // it stands there at all
	refunded loyalty.Fen
	returned int64
}

func (l *lineState) settled() bool { return l.settledBy > 0 }

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

// SettleAt is when the first of the order's points stop being pending; zero when
// there is nothing to settle.
func (o *Order) SettleAt() time.Time { return o.SettleAfter(time.Time{}) }

// SettleAfter is when the first of the order's points stop being pending after a
// time; zero for never.
func (o *Order) SettleAfter(at time.Time) time.Time {
	var first time.Time
	for _, line := range o.lines {
		closes := o.closes(line)
		if closes.After(at) && (first.IsZero() || closes.Before(first)) {
			first = closes
		}
	}
	return first
}

// closes is when the return window of a line is over; zero where it has nothing to
// settle. Each line has its own: one that was paid after the others (补单) is not
// confirmed by a completion from before its payment.
func (o *Order) closes(line *lineState) time.Time {
	if o.Member == "" || line.settled() || line.History {
		return time.Time{}
	}
	var completed time.Time
	for _, at := range o.completions {
		if !line.paidAt.After(o.PaidAt) || !at.Before(line.paidAt) {
			completed = at
			break
		}
	}
	return line.window.settleAt(line.paidAt, completed)
}

// Pending is what of the order's points and growth value is pending.
func (o *Order) Pending() (points, growth loyalty.Points) {
	for _, line := range o.lines {
		if !line.settled() {
			points += line.held
			growth += line.grown
		}
	}
	return points, growth
}

// Due is the part of the pending points whose return window is over at a time.
func (o *Order) Due(at time.Time) loyalty.Points {
	var due loyalty.Points
	for _, line := range o.lines {
		if closes := o.closes(line); !closes.IsZero() && !closes.After(at) {
			due += line.held
		}
	}
	return due
}

// Settled tells whether any of the order's points were settled, so that what
// comes now may be available at once.
func (o *Order) Settled() bool {
	return slices.ContainsFunc(o.lines, (*lineState).settled)
}

// open tells whether points of the order are settled while others are not.
func (o *Order) open() bool {
	return o.Settled() && slices.ContainsFunc(o.lines, func(line *lineState) bool { return !line.settled() && !line.History })
}

// Purchase is one line as the purchase history (购买记录) knows it.
type Purchase struct {
	Line
	Refunded loyalty.Fen // so far, at most Paid; the whole of it when the order was cancelled
	Returned int64       // units that refunds told of, at most Quantity; all of them when the order was cancelled
	// Excess is what refunds gave back beyond Paid: postage or goodwill
	// (多退金额). It takes no points, and a person may want to see it.
	Excess loyalty.Fen
	Points loyalty.Points
}

// Kept tells whether the customer kept any of the goods.
func (p Purchase) Kept() bool { return p.Refunded < p.Paid && p.Returned < p.Quantity }

// Purchases lists the order's lines.
func (o *Order) Purchases() []Purchase {
	purchases := make([]Purchase, len(o.lines))
	for i, line := range o.lines {
		purchases[i] = o.purchase(line)
	}
	return purchases
}

func (o *Order) purchase(line *lineState) Purchase {
	return Purchase{line.Line, o.refunded(line), o.returned(line), o.excess(line), line.held}
}

// Counted lists the lines that stand in the owner's purchase history, as they
// stand there: none while nobody owns the order.
func (o *Order) Counted() []Purchase {
	all := make([]Purchase, 0, len(o.lines))
	for _, line := range o.lines {
		if line.counted.is {
			all = append(all, Purchase{Line: line.Line, Refunded: line.counted.refunded, Returned: line.counted.returned, Points: line.held})
		}
	}
	return all
}

// Decide appends nothing: it returns the fact that the news adds to the log,
// with the entries that follow from it, and false when the news holds nothing
// that the log does not already know.
//
// The news is a Fact without Entries. account is the member's as it stands; it
// decides which lots a claw takes from, how much of it becomes debt and how much
// of a credit pays debt. Nothing is refused for its amount: what a refund gives
// back beyond what was paid for a line is recorded in the fact as its Excess.
func (o *Order) Decide(news Fact, account Account) (Fact, bool, error) {
	fact, fresh := o.fresh(news)
	if !fresh {
		return Fact{}, false, nil
	}
	next := o.clone()
	next.apply(fact)
	fact.Part, fact.Excess, fact.Open = next.part(fact, o), next.exceeding(o), next.open()
	switch {
	case fact.Kind == FactUnbound:
		fact.Member = o.Member
		fact.Entries = o.clone().leave(fact.Part, account)
		return fact, true, nil
	case fact.Kind == FactContinued:
		fact.Member = o.rest.member
	default:
		fact.Member = next.Member
	}
	if fact.Member == "" {
		return fact, true, nil
	}
	if fact.Kind != FactAsked && (next.Binding == nil || fact.Kind == FactBound) {
		fact.Proof = nil // of no use, and the less is kept the better
	}
	if fact.Kind == FactContinued && o.rest.leaving {
		before := o.clone()
		before.unbound-- // the entries are of the owner before
		fact.Entries = before.leave(fact.Part, account)
	} else {
		fact.Entries = next.entries(fact, account)
	}
	return fact, true, nil
}

// fresh keeps of the news what the log does not know.
func (o *Order) fresh(news Fact) (Fact, bool) {
	news.Conflicts = o.unknownConflicts(append(slices.Clone(news.Conflicts), o.conflicts(news)...))
	news.Codes = o.unknownCodes(news.Codes)
	conflicts := len(news.Conflicts) > 0
	switch news.Kind {
	case FactPaid:
		if news.Lines = o.Unknown(news.Lines); len(news.Lines) == 0 {
			news.Kind, news.Window, news.Month = FactConflict, nil, ""
		}
		return news, len(news.Lines) > 0 || conflicts
	case FactCompleted:
		return news, o.completes(news.At)
	case FactCancelled:
		return news, !o.Cancelled
	case FactRefunded:
		news.Refunds = slices.DeleteFunc(slices.Clone(news.Refunds), func(refund Refund) bool {
			if refund.ID == "" {
				known := o.totals[refund.Line]
				return refund.Amount <= known.Amount && refund.Quantity <= known.Quantity
			}
			_, known := o.refunds[[2]string{refund.ID, refund.Line}]
			return known
		})
		if len(news.Refunds) == 0 {
			news.Kind = FactConflict
		}
		return news, len(news.Refunds) > 0 || conflicts
	case FactConflict:
		return news, conflicts
	case FactClaimed:
		return news, o.Member == "" && news.Member != ""
	case FactBound:
		return news, o.Member == "" && news.Member != "" && o.Known()
	case FactUnbound:
		return news, o.Binding != nil && o.Member == news.Member
	case FactNamed:
		return news, o.Binding != nil && news.Claimant != "" && news.Claimant != o.Member && !slices.Contains(o.named, news.Claimant)
	case FactTold:
		if o.Member != "" && o.Binding == nil || news.Proof == nil || !o.adds(*news.Proof) {
			news.Proof = nil
		}
		return news, news.Proof != nil || len(news.Codes) > 0
	case FactAsked:
		fresh := news.Proof != nil && news.Claimant != "" && o.Judge(news.Claimant, *news.Proof, news.At) == ClaimWaiting
		return news, fresh && !o.hasAsked(news.Claimant, *news.Proof, news.At)
	case FactSettled:
		at := o.SettleAt()
		return news, !at.IsZero() && !news.At.Before(at)
	case FactContinued:
		return news, o.rest != nil
	}
	return news, false
}

func (o *Order) apply(fact Fact) {
	o.Facts++
	if o.Heard == 0 && fact.Kind != FactAsked && fact.Kind != FactSpent && fact.Kind != FactReturned {
		o.Heard, o.HeardAt = o.Facts, fact.At
	}
	o.own(fact)
	o.spend(fact)
	if o.Currency == "" {
		o.Currency = fact.Currency
	}
	o.Codes = append(slices.Clip(o.Codes), fact.Codes...)
	o.Conflicts = append(slices.Clip(o.Conflicts), fact.Conflicts...)
	switch fact.Kind {
	case FactPaid:
		window := Window{}
		if fact.Window != nil {
			window = *fact.Window
		}
		for _, line := range fact.Lines {
			o.lines = append(o.lines, &lineState{Line: line, paidAt: fact.At, window: window, month: fact.Month})
		}
		if o.PaidAt.IsZero() {
			o.PaidAt = fact.At
		}
	case FactCompleted:
		o.completions = append(slices.Clip(o.completions), fact.At)
		slices.SortFunc(o.completions, time.Time.Compare)
		o.CompletedAt = o.completions[0]
	case FactCancelled:
		o.Cancelled = true
	case FactRefunded:
		if o.refunds == nil {
			o.refunds, o.totals = map[[2]string]Refund{}, map[string]Refund{}
		}
		for _, refund := range fact.Refunds {
			if refund.ID == "" {
				known := o.totals[refund.Line]
				known.Amount, known.Quantity = max(known.Amount, refund.Amount), max(known.Quantity, refund.Quantity)
				o.totals[refund.Line] = known
			} else {
				o.refunds[[2]string{refund.ID, refund.Line}] = refund
			}
		}
	case FactSettled:
		for _, line := range o.lines {
			if closes := o.closes(line); line.History || !closes.IsZero() && !closes.After(fact.At) {
				line.settledBy = o.Facts
			}
		}
	case FactUnbound:
		for _, line := range o.lines {
			line.earned = false
		}
	}
}

// post takes the fact's own entries into the lines.
func (o *Order) post(fact Fact) {
	if fact.Kind == FactSpent || fact.Kind == FactReturned {
		return // of points that its lines did not earn; what was left to do still is
	}
	leaving := fact.Kind == FactUnbound || fact.Kind == FactContinued && o.rest.leaving
	for _, line := range fact.Part.of(o.lines) {
		line.counted = counted{}
		if !leaving && o.Member != "" {
			line.counted = counted{true, o.refunded(line), o.returned(line)}
		}
	}
	if o.rest = nil; fact.More() {
		o.rest = &rest{from: fact.Part.To, member: fact.Member, leaving: leaving}
	}
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
// between what they should hold and what they hold.
func (o *Order) entries(fact Fact, account Account) []Entry {
	var entries []Entry
	for _, line := range fact.Part.of(o.lines) {
		pending := !line.settled() || line.settledBy == o.Facts // what the fact itself settles is pending until below
		if !line.earned {
			granted := line.Granted()
			line.until = fact.Until
			entries, account = o.move(entries, account, line, EntryEarn, granted, line.Growth.On(line.Paid), pending)
		}
		kept := o.kept(line)
		claw, shrink := line.Rate.On(kept)-line.held, line.Growth.On(kept)-line.grown
		if claw != 0 || shrink != 0 {
			entries, account = o.move(entries, account, line, EntryClaw, claw, shrink, pending)
		}
	}
	if fact.Kind != FactSettled {
		return entries
	}
	for _, line := range o.lines {
		if line.settledBy != o.Facts || line.held == 0 && line.grown == 0 {
			continue
		}
		entry := account.credit(Entry{
			ID: o.entryID(EntrySettle, line.ID), Kind: EntrySettle, Line: line.ID, Pending: -line.held,
		}, line.held, fact.Until)
		if line.grown != 0 {
			entry.Growth = &Growth{Month: line.month, Pending: -line.grown, Counting: line.grown}
		}
		entries, account = append(entries, entry), account.Plus(entry)
	}
	return entries
}

// leave takes from the owner what they hold for a part of the order, where it is.
func (o *Order) leave(part *Part, account Account) []Entry {
	var entries []Entry
	for _, line := range part.of(o.lines) {
		if line.held != 0 || line.grown != 0 {
			entries, account = o.move(entries, account, line, EntryUnbind, -line.held, -line.grown, !line.settled())
		}
	}
	return entries
}

// move credits or takes back points and growth of one line where they are:
// pending, or available and counting.
func (o *Order) move(entries []Entry, account Account, line *lineState, kind EntryKind, delta, growth loyalty.Points, pending bool) ([]Entry, Account) {
	id := o.entryID(kind, line.ID)
	if kind == EntryClaw {
		line.claws++
		id = loyalty.JoinID(id, strconv.Itoa(line.claws))
	}
	entry := Entry{ID: id, Kind: kind, Line: line.ID}
	switch {
	case pending:
		entry.Pending = delta
	case delta >= 0:
		entry = account.credit(entry, delta, line.until)
	default:
		entry = account.takeBack(entry, -delta, line.until)
	}
	switch {
	case growth == 0:
	case pending:
		entry.Growth = &Growth{Month: line.month, Pending: growth}
	default:
		entry.Growth = &Growth{Month: line.month, Counting: growth}
	}
	line.held += delta
	line.grown += growth
	return append(entries, entry), account.Plus(entry)
}

// kept is what of the money paid for a line was not given back.
func (o *Order) kept(line *lineState) loyalty.Fen { return line.Paid - o.refunded(line) }

// refunded is the money given back on a line, never more than was paid.
func (o *Order) refunded(line *lineState) loyalty.Fen {
	if o.Cancelled {
		return line.Paid
	}
	return max(0, min(line.Paid, o.back(line.ID)))
}

// excess is what was given back on a line beyond what was paid for it.
func (o *Order) excess(line *lineState) loyalty.Fen {
	return max(0, o.back(line.ID)-max(0, line.Paid))
}

// back is all the money that refunds told of a line. Single refunds and an
// export's running total tell of the same money, so the larger of the two counts.
func (o *Order) back(line string) loyalty.Fen {
	var singles loyalty.Fen
	for key, refund := range o.refunds {
		if key[1] == line {
			singles += min(max(0, refund.Amount), math.MaxInt64-singles)
		}
	}
	return max(singles, o.totals[line].Amount)
}

// returned is likewise the units of a line that were given back.
func (o *Order) returned(line *lineState) int64 {
	if o.Cancelled {
		return line.Quantity
	}
	var singles int64
	for key, refund := range o.refunds {
		if key[1] == line.ID {
			singles += min(max(0, refund.Quantity), math.MaxInt64-singles)
		}
	}
	return max(0, min(line.Quantity, max(singles, o.totals[line.ID].Quantity)))
}

// exceeding lists the lines on which more went back beyond what was paid than in
// the order as it was.
func (o *Order) exceeding(was *Order) []Excess {
	var all []Excess
	for _, line := range o.lines {
		var before loyalty.Fen
		if known := was.line(line.ID); known != nil {
			before = was.excess(known)
		}
		if now := o.excess(line); now > before {
			all = append(all, Excess{line.ID, now})
		}
	}
	return all
}

// entryID names an entry by its cause. An owner after the first, whom an
// operator may have given the order, has entries of their own: "earn.2:…".
func (o *Order) entryID(kind EntryKind, line string) string {
	if o.unbound > 0 {
		kind += EntryKind("." + strconv.Itoa(o.unbound+1))
	}
	return loyalty.JoinID(string(kind), string(o.Key.Channel), o.Key.Shop, o.Key.Order, line)
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
