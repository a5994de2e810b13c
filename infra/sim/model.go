package sim

import (
	"slices"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
)

// logged is the checker's own fold of an order's log.
type logged struct {
	facts     int
	member    loyalty.MemberID
	paid      map[string]loyalty.Fen
	at        map[string]time.Time // when each line was paid
	first     time.Time            // the payment that was told first
	otherwise []points.Conflict
	ended     []time.Time               // completions
	refunds   map[[2]string]loyalty.Fen // by refund id and line
	totals    map[string]loyalty.Fen
	completed bool
	cancelled bool
	bindings  int                  // by operators
	bound     bool                 // the owner is one whom an operator gave
	until     map[string]time.Time // the ends of the lots that the lines' points went into
	earns     map[string]earning
	held      loyalty.Points                      // sum of the entries
	spent     []spent                             // on the order
	most      map[loyalty.MemberID]loyalty.Points // that was ever due to who spent points
	grown     loyalty.Points                      // likewise, growth
}

func newLogged() *logged {
	return &logged{paid: map[string]loyalty.Fen{}, at: map[string]time.Time{}, refunds: map[[2]string]loyalty.Fen{}, totals: map[string]loyalty.Fen{}, until: map[string]time.Time{}, earns: map[string]earning{}, most: map[loyalty.MemberID]loyalty.Points{}}
}

func (l *logged) add(fact points.Fact) {
	l.facts++
	switch {
	case fact.Kind == points.FactUnbound:
		l.member = ""
		clear(l.until)
	case l.member == "" && fact.Kind != points.FactReturned:
		l.member = fact.Member
	}
	switch fact.Kind {
	case points.FactBound:
		l.bindings++
		l.bound = true
	case points.FactUnbound:
		l.bound = false
	}
	for _, line := range fact.Lines {
		l.paid[line.ID], l.at[line.ID] = line.Paid, fact.At
	}
	if len(fact.Lines) > 0 && l.first.IsZero() {
		l.first = fact.At
	}
	l.otherwise = append(l.otherwise, fact.Conflicts...)
	if fact.Kind == points.FactCompleted {
		l.ended = append(l.ended, fact.At)
	}
	for _, refund := range fact.Refunds {
		if refund.ID == "" {
			l.totals[refund.Line] = max(l.totals[refund.Line], refund.Amount)
		} else {
			l.refunds[[2]string{refund.ID, refund.Line}] = refund.Amount
		}
	}
	l.completed = l.completed || fact.Kind == points.FactCompleted
	l.cancelled = l.cancelled || fact.Kind == points.FactCancelled
	if fact.Kind == points.FactReturned {
		return // to who spent them
	}
	for _, entry := range fact.Entries {
		l.held += entry.Available + entry.Pending - entry.Debt + entry.Expired()
		if entry.Growth != nil {
			l.grown += entry.Growth.Pending + entry.Growth.Counting
		}
		if into := entry.Kind == points.EntrySettle || entry.Kind == points.EntryEarn && entry.Pending == 0; into && fact.Until != nil {
			l.until[entry.Line] = *fact.Until
		}
	}
}

// back is the money given back on a line, as far as anybody told.
func (l *logged) back(line string) loyalty.Fen {
	var sum loyalty.Fen
	for key, amount := range l.refunds {
		if key[1] == line {
			sum += amount
		}
	}
	return max(sum, l.totals[line])
}

// points is what the order is worth to its owner: floor(rate × (paid − refunded))
// a line.
func (l *logged) points() loyalty.Points { return l.worth(earning.on) }

// granted is what the lines earned that were told before a payment, whatever was
// given back since.
func (l *logged) granted(payment points.Fact) loyalty.Points {
	var sum loyalty.Points
	for line, paid := range l.paid {
		if !slices.ContainsFunc(payment.Lines, func(of points.Line) bool { return of.ID == line }) {
			sum += l.earns[line].on(paid)
		}
	}
	return sum
}

// growth is likewise what it counts.
func (l *logged) growth() loyalty.Points { return l.worth(earning.growing) }

func (l *logged) worth(of func(earning, loyalty.Fen) loyalty.Points) loyalty.Points {
	var sum loyalty.Points
	for line, paid := range l.paid {
		if left := paid - l.back(line); left > 0 && !l.cancelled && l.member != "" {
			sum += of(l.earns[line], left)
		}
	}
	return sum
}

// expected is how the order must end, by its plan alone. The owner and the rates
// are those of the log, which were held to the plan when they came, and so is which
// of two messages that contradict each other came first.
func (o *order) expected(is *logged) *logged {
	log := newLogged()
	log.member, log.earns = is.member, is.earns
	for _, n := range o.news {
		if !n.kept || is.knows(n) {
			log.add(factOf(n))
		}
	}
	for _, conflict := range is.otherwise {
		switch {
		case conflict.Line != nil:
			log.paid[conflict.Line.ID] = is.paid[conflict.Line.ID]
		case conflict.Refund != nil:
			key := [2]string{conflict.Refund.ID, conflict.Refund.Line}
			log.refunds[key] = is.refunds[key]
		}
	}
	return log
}

// closes is when the return window of a line is over: from the first completion
// on that can be of it.
func (l *logged) closes(line string, window points.Window) time.Time {
	at := l.at[line]
	closes := at.AddDate(0, 0, window.AfterPaymentDays)
	var earliest time.Time
	for _, ended := range l.ended {
		mine := !at.After(l.first) || !ended.Before(at)
		if mine && (earliest.IsZero() || ended.Before(earliest)) {
			earliest, closes = ended, ended.AddDate(0, 0, window.AfterCompletionDays)
		}
	}
	return closes
}

func factOf(n *news) points.Fact {
	fact := points.Fact{Kind: map[string]points.FactKind{
		"order.paid": points.FactPaid, "order.completed": points.FactCompleted, "order.refunded": points.FactRefunded, "order.cancelled": points.FactCancelled,
	}[string(n.event.Type)]}
	for _, line := range n.event.Lines {
		switch fact.Kind {
		case points.FactPaid:
			fact.Lines = append(fact.Lines, points.Line{ID: line.LineID, Paid: line.Paid})
		case points.FactRefunded:
			fact.Refunds = append(fact.Refunds, points.Refund{ID: n.event.RefundID, Line: line.LineID, Amount: max(line.Refunded, line.RefundedTotal)})
		}
	}
	return fact
}

// knows tells whether the log holds the news.
func (l *logged) knows(n *news) bool {
	fact := factOf(n)
	switch fact.Kind {
	case points.FactCompleted:
		return l.completed
	case points.FactCancelled:
		return l.cancelled
	}
	for _, line := range fact.Lines {
		if paid, known := l.paid[line.ID]; !known || paid != line.Paid && !l.contradicted(func(c points.Conflict) bool { return c.Line != nil && c.Line.ID == line.ID && c.Line.Paid == line.Paid }) {
			return false
		}
	}
	for _, refund := range fact.Refunds {
		if refund.ID == "" {
			if l.totals[refund.Line] < refund.Amount {
				return false
			}
		} else if amount, known := l.refunds[[2]string{refund.ID, refund.Line}]; !known || amount != refund.Amount && !l.contradicted(func(c points.Conflict) bool { return c.Refund != nil && *c.Refund == refund }) {
			return false
		}
	}
	return true
}

// contradicted tells whether the log holds such a contradiction, once.
func (l *logged) contradicted(is func(points.Conflict) bool) bool {
	times := 0
	for _, conflict := range l.otherwise {
		if is(conflict) {
			times++
		}
	}
	return times == 1
}

// due is when a purchase's reminder falls due.
func (s *simulation) due(category string, at time.Time) (time.Time, bool) {
	return s.plan.rules.Repurchase.DueAt(category, at, zone)
}
