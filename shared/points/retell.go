package points

import "github.com/huitou/huitou/shared/loyalty"

// Grant is what one line of an order gives its owner.
type Grant struct {
	Line     // as it is frozen
	Refunded loyalty.Fen
	Given    loyalty.Points // for the purchase
	Held     loyalty.Points // of that, what refunds leave
}

// Retell is what an order gives whoever owns it, line by line, when its log is
// told again with other payments: freeze makes of each, the fact at a position
// of the log, the one that is told instead; granted is what those told before
// it earned. It depends on the order's payments and refunds alone, so
// neither its owners nor the entries of the log count.
func Retell(order loyalty.OrderKey, log []Fact, freeze func(at int, granted loyalty.Points) Fact) []Grant {
	o := Replay(order, nil)
	for i, fact := range log {
		switch fact.Kind {
		case FactPaid:
			fact = freeze(i, o.Granted())
			o.apply(Fact{Kind: FactPaid, At: fact.At, Lines: fact.Lines})
		case FactRefunded, FactCancelled:
			o.apply(Fact{Kind: fact.Kind, At: fact.At, Refunds: fact.Refunds})
		}
	}
	grants := make([]Grant, len(o.lines))
	for i, line := range o.lines {
		grants[i] = Grant{Line: line.Line, Refunded: o.refunded(line), Held: line.Rate.On(o.kept(line))}
	}
	return grants
}
