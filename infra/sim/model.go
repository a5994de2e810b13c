package sim

import (
	"time"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
)

// logged is the checker's own fold of an order's log.
type logged struct {
	facts     int
	member    loyalty.MemberID
	paid      map[string]loyalty.Fen
	refunds   map[[2]string]loyalty.Fen // by refund id and line
	totals    map[string]loyalty.Fen
	completed bool
	cancelled bool
	settled   bool
	bindings  int                  // by operators
	bound     bool                 // the owner is one whom an operator gave
	until     map[string]time.Time // the ends of the lots that the lines' points went into
	earns     map[string]earning
	held      loyalty.Points // sum of the entries
	grown     loyalty.Points // likewise, growth
}

func newLogged() *logged {
	return &logged{paid: map[string]loyalty.Fen{}, refunds: map[[2]string]loyalty.Fen{}, totals: map[string]loyalty.Fen{}, until: map[string]time.Time{}, earns: map[string]earning{}}
}

func (l *logged) add(fact points.Fact) {
	l.facts++
	switch {
	case fact.Kind == points.FactUnbound:
		l.member = ""
		clear(l.until)
	case l.member == "":
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
		l.paid[line.ID] = line.Paid
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
	l.settled = l.settled || fact.Kind == points.FactSettled
	for _, entry := range fact.Entries {
		l.held += entry.Available + entry.Pending - entry.Debt + entry.Expired()
		if entry.Growth != nil {
			l.grown += entry.Growth.Pending + entry.Growth.Counting
		}
		if into := entry.Kind == points.EntrySettle || entry.Kind == points.EntryEarn && l.settled; into && fact.Until != nil {
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

// expected is how the order must end, by its plan alone: all news but refunds
// over what was paid, which of them depends on their order of arrival. exact is
// false where there are such. The owner and the rates are those of the log, which
// were held to the plan when they came.
func (o *order) expected(is *logged) (log *logged, exact bool) {
	log, exact = newLogged(), true
	log.member, log.earns = is.member, is.earns
	for _, n := range o.news {
		log.add(factOf(n))
	}
	for line, paid := range log.paid {
		if log.back(line) > paid {
			exact = false
		}
	}
	return log, exact
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
		if paid, known := l.paid[line.ID]; !known || paid != line.Paid {
			return false
		}
	}
	for _, refund := range fact.Refunds {
		if refund.ID == "" {
			if l.totals[refund.Line] < refund.Amount {
				return false
			}
		} else if amount, known := l.refunds[[2]string{refund.ID, refund.Line}]; !known || amount != refund.Amount {
			return false
		}
	}
	return true
}

// refusable tells whether the news is a refund that takes more than was paid,
// given all that the log holds.
func (l *logged) refusable(n *news) bool {
	fact := factOf(n)
	for _, refund := range fact.Refunds {
		paid, known := l.paid[refund.Line]
		back := l.back(refund.Line) + refund.Amount
		if refund.ID == "" {
			back = max(l.back(refund.Line), refund.Amount)
		}
		if known && back > paid {
			return true
		}
	}
	return false
}

// due is when a purchase's reminder falls due.
func (s *simulation) due(category string, at time.Time) (time.Time, bool) {
	return s.plan.rules.Repurchase.DueAt(category, at, zone)
}
