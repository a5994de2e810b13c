package points

import (
	"slices"

	"github.com/huitou/huitou/shared/loyalty"
)

// MaxCategories is in how many categories of goods one fact changes a member's
// purchase history. It keeps the write that commits the fact within what one write
// holds, however many lines an order has.
const MaxCategories = 10

// Part is which lines of its order a fact deals with, by their positions from 0,
// where all of them would be too many for one write. The others follow with facts
// of FactContinued, before anything else happens to the order's lines.
type Part struct {
	From int  `json:"from,omitempty"`
	To   int  `json:"to"` // the first that it leaves
	More bool `json:"more,omitempty"`
}

// More tells whether the fact leaves lines to FactContinued.
func (f Fact) More() bool { return f.Part != nil && f.Part.More }

// of are the lines that the part deals with: all for nil.
func (p *Part) of(lines []*lineState) []*lineState {
	if p == nil {
		return lines
	}
	return lines[p.From:p.To]
}

// rest is what the last fact left to do.
type rest struct {
	from    int // the first line
	member  loyalty.MemberID
	leaving bool // the lines leave the member
}

// Behind is the member for whom lines are left to do; "" where there are none.
func (o *Order) Behind() loyalty.MemberID {
	if o.rest == nil {
		return ""
	}
	return o.rest.member
}

// part is which lines a fact deals with, after it and by the order as it was: as
// many as change the history of MaxCategories categories.
func (o *Order) part(fact Fact, was *Order) *Part {
	part := Part{To: len(o.lines)}
	if fact.Kind == FactContinued {
		part.From = was.rest.from
	}
	leaving := fact.Kind == FactUnbound || fact.Kind == FactContinued && was.rest.leaving
	if o.Member == "" && !leaving {
		return nil
	}
	var touched []string
	for i, line := range o.lines[part.From:] {
		now := o.purchase(line)
		stood := line.counted
		changes := leaving || !stood.is || stood.refunded < line.Paid != (now.Refunded < line.Paid) || stood.returned != now.Returned
		if line.Category == "" || !changes || slices.Contains(touched, line.Category) {
			continue
		}
		if len(touched) == MaxCategories {
			part.To, part.More = part.From+i, true
			break
		}
		touched = append(touched, line.Category)
	}
	if part.From == 0 && !part.More {
		return nil
	}
	return &part
}
