package reference

import "cmp"

// Goods are what a line is of.
type Goods struct {
	SKU, Category string
	Quantity      int64
	Price         int64 // fen for all units, before what was taken off the order as a whole
}

// Purchases are what a member's orders come to (购买记录).
type Purchases struct {
	Orders         int64             // of which something was not given back
	Paid, Refunded int64             // fen
	Bought         map[string]Bought // by category
}

// Bought counts the orders in which goods of a category were kept, and their units.
type Bought struct{ Orders, Quantity int64 }

// PurchasesAfter is the reference model of purchase histories: a sum over the orders that
// are known after a history. A whole's are also those of their parts.
func PurchasesAfter(program []Version, inputs []Input) map[string]Purchases {
	state, all := After(program, inputs), map[string]Purchases{}
	for person, member := range state.Members {
		sum := Purchases{Bought: map[string]Bought{}}
		for _, o := range state.orders {
			if o.owner != nil && (o.owner == member || o.owner.whole == member) {
				sum.add(o)
			}
		}
		all[person] = sum
	}
	return all
}

func (p *Purchases) add(o *order) {
	var paid, left int64
	units := map[string]int64{}
	for id, line := range o.lines {
		kept := max(0, line.Fen-o.back(id))
		if !o.first[Cancelled].IsZero() {
			kept = 0
		}
		paid, left = paid+line.Fen, left+kept
		if category := cmp.Or(line.Category, line.rules.Categories[line.SKU]); category != "" && kept > 0 {
			units[category] += line.Quantity
		}
	}
	p.Paid += paid
	p.Refunded += paid - left
	if left > 0 || paid == 0 && len(o.lines) > 0 && o.first[Cancelled].IsZero() {
		p.Orders++
	}
	for category, quantity := range units {
		p.Bought[category] = Bought{p.Bought[category].Orders + 1, p.Bought[category].Quantity + quantity}
	}
}
