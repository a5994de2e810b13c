package points

import (
	"cmp"
	"slices"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
)

// Conflict is what an event told otherwise than the log (口径冲突): a line that is
// known with another amount, quantity or kind of goods, or a refund that is known
// with another amount. The first telling stands; this is for a person to look
// at. One of its parts is set, as it was told.
type Conflict struct {
	Line   *Line   `json:"line,omitempty"`
	Refund *Refund `json:"refund,omitempty"`
}

// Equal tells whether two conflicts tell the same.
func (c Conflict) Equal(other Conflict) bool {
	switch {
	case c.Line != nil && other.Line != nil:
		return told(*c.Line) == told(*other.Line)
	case c.Refund != nil && other.Refund != nil:
		return *c.Refund == *other.Refund
	}
	return false
}

// telling is what events tell of a line that must not contradict.
type telling struct {
	id, sku, category string
	quantity          int64
	paid, stored      loyalty.Fen
	gift              bool
}

func told(l Line) telling {
	t := telling{l.ID, l.SKU, l.Category, l.Quantity, l.Paid, l.StoredValue, l.Gift}
	if l.Listed { // the event named none
		t.category = ""
	}
	return t
}

// conflicts is what of the news contradicts the log. A source that names no goods
// contradicts nobody who does.
func (o *Order) conflicts(news Fact) []Conflict {
	var all []Conflict
	if news.Kind == FactPaid {
		for _, line := range news.Lines {
			known := o.line(line.ID)
			if known == nil {
				continue
			}
			was, is := told(known.Line), told(line)
			if was.sku == "" || is.sku == "" {
				was.sku, is.sku = "", ""
			}
			if was.category == "" || is.category == "" {
				was.category, is.category = "", ""
			}
			if was != is {
				all = append(all, Conflict{Line: &Line{
					ID: line.ID, SKU: line.SKU, Category: told(line).category, Quantity: line.Quantity, Paid: line.Paid,
					StoredValue: line.StoredValue, Gift: line.Gift,
				}})
			}
		}
	}
	if news.Kind == FactRefunded {
		for _, refund := range news.Refunds {
			known, is := o.refunds[[2]string{refund.ID, refund.Line}]
			if refund.ID != "" && is && known != refund {
				all = append(all, Conflict{Refund: &refund})
			}
		}
	}
	return all
}

// unknownConflicts keeps those that the log does not hold.
func (o *Order) unknownConflicts(conflicts []Conflict) []Conflict {
	var unknown []Conflict
	for _, conflict := range conflicts {
		if !slices.ContainsFunc(o.Conflicts, conflict.Equal) && !slices.ContainsFunc(unknown, conflict.Equal) {
			unknown = append(unknown, conflict)
		}
	}
	return unknown
}

// Differing keeps of the lines of a payment those that the log knows otherwise, as
// conflicts.
func (o *Order) Differing(lines []Line) []Conflict {
	return o.unknownConflicts(o.conflicts(Fact{Kind: FactPaid, Lines: lines}))
}

// Unmatched lists the refunds of lines that a paid order does not have, by their
// ids and then by line, running totals first.
func (o *Order) Unmatched() []Refund {
	if !o.Paid() {
		return nil // the lines may still be told
	}
	var all []Refund
	for line, refund := range o.totals {
		if refund.Line = line; o.line(line) == nil {
			all = append(all, refund)
		}
	}
	for _, refund := range o.refunds {
		if o.line(refund.Line) == nil {
			all = append(all, refund)
		}
	}
	slices.SortFunc(all, func(a, b Refund) int { return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Line, b.Line)) })
	return all
}

// unknownCodes keeps the discount codes that the log does not hold.
func (o *Order) unknownCodes(codes []string) []string {
	var unknown []string
	for _, code := range codes {
		if !slices.Contains(o.Codes, code) && !slices.Contains(unknown, code) {
			unknown = append(unknown, code)
		}
	}
	return unknown
}

// maxCompletions is how many times of completion the log keeps: a platform that
// tells a new one with each try must not lengthen it for ever.
const maxCompletions = 10

// completes tells whether a completion at a time says anything new: an earlier one
// always does, a later one may be of lines that were paid later.
func (o *Order) completes(at time.Time) bool {
	if slices.ContainsFunc(o.completions, at.Equal) {
		return false
	}
	return len(o.completions) < maxCompletions || at.Before(o.CompletedAt)
}
