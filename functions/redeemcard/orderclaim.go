package redeemcard

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"unicode"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/claim"
	"github.com/huitou/huitou/shared/identity"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/orders"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/table"
)

// viewClaimed answers a claim of an order.
const viewClaimed view = "claimed"

// claimForm is the page's form for an order (凭单号认领), as it was typed.
type claimForm struct {
	Shop, Order, Proof string
	Wrong              map[string]bool // by field
	Full               bool            // no more claims are taken on this card
}

const (
	maxOrderID = 128
	last4      = 4
)

// claimOrder takes a claim of an order by the page's form. The right to claim is
// told by the card's reference, which the page with the prize holds and no
// other: not whether the visitor has proved who they are. Until that the claim
// waits, and then it becomes the claim of the member who gets the prize; the
// answer is the same either way, and whether there is such an order or the
// proof agrees.
func (f *Function) claimOrder(r *http.Request, raw string, p *page) error {
	form, err := readForm(r)
	if err != nil {
		return err
	}
	ctx := r.Context()
	code, err := f.parse(r, raw, "")
	if err != nil {
		return err
	}
	found, err := f.look(ctx, table.Strong, code, claimant{}, f.Clock())
	if err != nil {
		return err
	}
	if held, err := f.Keys.ParseReference(form.Get("card")); err != nil || held != code.Code || found.Redemption == nil {
		return cards.ErrNotFound
	}
	rules, err := f.rules(ctx)
	if err != nil {
		return err
	}
	p.View, p.Batch, p.Friend = viewClaimed, *found.Batch, form.Get("card")
	p.Claim = claimForm{Shop: form.Get("shop"), Order: form.Get("order"), Proof: form.Get("proof"), Wrong: map[string]bool{}}
	order, proof := p.Claim.read(rules.Brand.Shops)
	if len(p.Claim.Wrong) > 0 {
		return &loyalty.Error{Kind: loyalty.KindInvalid, Code: "form_incomplete"}
	}
	known, err := claim.OnCard(ctx, f.Store, code.Code, order, proof, f.Clock())
	if p.Claim.Full = refusalCode(err) == "too_many_claims"; err != nil {
		return err
	}
	p.Claim = claimForm{}
	f.Log.InfoContext(ctx, "order claimed on a card", "batch", found.Batch.ID())
	return claim.FromCard(ctx, f.Store, code.Code, known, f.Clock(), f.Orders.Send)
}

// read turns what was typed into an order and its proof, and notes which fields
// are wrong.
func (c claimForm) read(shops []program.Shop) (loyalty.OrderKey, points.Proof) {
	at := slices.IndexFunc(shops, func(s program.Shop) bool { return shopValue(s) == c.Shop })
	if at < 0 {
		c.Wrong["shop"] = true
		return loyalty.OrderKey{}, points.Proof{}
	}
	order := loyalty.OrderKey{Channel: shops[at].Channel, Shop: shops[at].Shop, Order: plain(c.Order)}
	if orders.CheckKey(order) != nil {
		c.Wrong["order"] = true
	}
	proof, ok := proofOf(order, c.Proof)
	if !ok {
		c.Wrong["proof"] = true
	}
	return order, proof
}

// shopValue names a shop in the form.
func shopValue(s program.Shop) string { return string(s.Channel) + "/" + s.Shop }

// proofOf reads what only the buyer knows: the last four digits of the order's
// phone, or all of them, else the platform's name of them.
func proofOf(order loyalty.OrderKey, written string) (points.Proof, bool) {
	digits := plain(written)
	if len(digits) == last4 && strings.Trim(digits, "0123456789") == "" {
		return points.Proof{PhoneLast4: digits}, true
	}
	if phone, err := identity.ParsePhone(written); err == nil {
		return points.Proof{PhoneLast4: phone.Last4()}, true
	}
	buyer := strings.TrimSpace(written)
	if identity.IsVirtual(written) || orders.IsMasked(buyer) || !loyalty.IsName(buyer, maxIdentity) {
		return points.Proof{}, false
	}
	return points.Proof{Buyer: points.ProveBuyer(order, buyer)}, true
}

// plain is a number as a keyboard may write it: without spaces, and with no
// full-width letters or digits (全角).
func plain(written string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return -1
		case r >= '！' && r <= '～':
			return r - '！' + '!'
		}
		return r
	}, written)
}

// tellClaims makes the claims that wait on a card those of its member.
func (f *Function) tellClaims(ctx context.Context, code cards.Code) error {
	known, err := f.Store.CardClaims(ctx, code)
	if err != nil {
		return err
	}
	return claim.FromCard(ctx, f.Store, code, known, f.Clock(), f.Orders.Send)
}

// shopChoice is a shop as the form offers it.
type shopChoice struct {
	Value, Name string
	Chosen      bool
}

// Shops are the shops that the form offers, in the page's language.
func (p page) Shops() []shopChoice {
	var choices []shopChoice
	for _, shop := range p.Brand.Shops {
		choice := shopChoice{shopValue(shop), shop.Name, shopValue(shop) == p.Claim.Shop}
		if p.Text.Lang == "en" && shop.NameEN != "" {
			choice.Name = shop.NameEN
		}
		choices = append(choices, choice)
	}
	return choices
}
