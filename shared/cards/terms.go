package cards

import "github.com/huitou/huitou/shared/loyalty"

// AnnounceAbove is the worth above which winners of a prize that shows itself at
// once have to be announced: ¥500 (SAMR order 32, 2020, art. 15 and 16).
const AnnounceAbove loyalty.Fen = 50_000

// Terms are a coupon template's terms as a batch's rules were published with.
// They are copied into the batch when the first of two operators agrees to open
// it: what was promised does not change with the template.
type Terms struct {
	Template  string      `json:"template"`
	Name      string      `json:"name"`
	Threshold loyalty.Fen `json:"threshold,omitempty"` // the order must reach it; 0 for none
	Discount  loyalty.Fen `json:"discount"`
	Days      int         `json:"days,omitempty"` // validity: whole days, or calendar months
	Months    int         `json:"months,omitempty"`
	Link      string      `json:"link,omitempty"` // where it is claimed, for a template of kind link
}

// TermsOf are the frozen terms of a coupon template; false before they are.
func (b Batch) TermsOf(template string) (Terms, bool) {
	for _, terms := range b.Terms {
		if terms.Template == template {
			return terms, true
		}
	}
	return Terms{}, false
}

// WorthOf is what one of the prizes is worth, in fen: a red packet its money, a
// coupon what it takes off at most, everything else what was declared; false
// where nobody declared it.
func (b Batch) WorthOf(p Prize) (loyalty.Fen, bool) {
	worth := p.Worth
	switch p.Kind {
	case PrizeRedPacket:
		worth = max(worth, loyalty.Fen(p.Amount))
	case PrizeCoupon:
		if terms, frozen := b.TermsOf(p.Text); frozen && worth == 0 {
			worth = terms.Discount
		}
	}
	return worth, worth > 0 || p.Kind == PrizeNone
}

// Announced tells whether the winners of a prize have to be announced.
func (b Batch) Announced(p Prize) bool {
	worth, _ := b.WorthOf(p)
	return worth > AnnounceAbove
}
