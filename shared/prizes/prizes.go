// Package prizes gives what a package card won (发奖), whether its customer
// redeemed it just now or proved that it is theirs.
package prizes

import (
	"context"
	"io"
	"time"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/coupons"
	"github.com/huitou/huitou/shared/enrolment"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
)

// Giver makes the writes that give prizes.
type Giver struct {
	Store  store.Store
	Random io.Reader // for the ids of new members and the codes of coupons
}

// Win is what a card's prize is given by, beside the card.
type Win struct {
	Code  cards.Code
	Batch cards.Batch
	Rules program.Program // whose points they are
	Known store.Account   // the member's account where it had to be looked at
	// By is the identity by which the winner came, where that is not the card's.
	// A winner who is no member yet becomes one by it.
	By    loyalty.Identity
	Since time.Time // points end as if they had come then
	Count store.PrizeCount
	Now   time.Time
}

// Give is what a prize does beside being noted on the card, and makes the
// member who does not exist yet. A reserved prize does nothing. It completes
// the card with the member and their ledger entry. The first action is that of
// their account, where there is one.
func (g Giver) Give(ctx context.Context, win Win, card *store.Redemption) ([]table.Action, error) {
	joins := card.Joined || card.Member == "" && win.By != (loyalty.Identity{})
	if card.Member == "" && !joins {
		return nil, nil
	}
	by := card.Identity
	if win.By != (loyalty.Identity{}) {
		by = win.By
	}
	if joins {
		member, err := enrolment.NewMemberID(g.Random)
		if err != nil {
			return nil, err
		}
		card.Member = member
	}
	account := store.Account{Member: card.Member}
	if win.Known.Member == card.Member {
		account = win.Known
	}
	if card.Award.Kind == cards.PrizePoints {
		card.Program, card.Until = win.Rules.Version, win.Rules.Points.Expiry.Until(win.Since, win.Rules.Zone())
		card.Entries = []points.Entry{points.Prize(card.Trigger(), loyalty.Points(card.Award.Amount), card.Until, account.Points(win.Now))}
	}
	credit, held := store.Credit(card.Entries, account)
	if len(credit) > 0 {
		counted, bounded := win.Count.Change()
		credit, held = append(credit, counted...), append(held, bounded...)
	}
	var actions []table.Action
	switch {
	case joins:
		profile := store.Profile{Identities: []store.ProfileIdentity{{Kind: by.Kind, Channel: by.Channel, Value: by.Value}}}
		actions = store.CreateAccount(card.Member, profile, nil, win.Now)
		for _, consent := range card.Consents {
			credit = append(credit, store.GiveConsent(consent, card.At))
		}
		credit = append(credit, store.Agree(card.Consents, card.Agreed)...)
		// A write names an item once, so the first credit is part of the new
		// account: adding to a counter that is not there is setting it.
		for _, change := range credit {
			actions[0].Item.Attributes[change.Name] = change.Value
		}
		actions = append(actions, store.GiveIdentity(by, card.Member))
	case len(credit) > 0:
		actions = append(actions, store.UpdateAccount(card.Member, credit, append(held, store.Alive())...))
	}
	switch card.Award.Kind {
	case cards.PrizeCoupon:
		coupon, err := g.coupon(ctx, win, *card)
		if err != nil {
			return nil, err
		}
		actions = append(actions, store.PutCoupon(coupon))
	case cards.PrizeRedPacket:
		payout, err := cards.RequestPayout(win.Code, card.Award, card.Member, by, win.Now)
		if err != nil {
			return nil, &loyalty.Error{Kind: loyalty.KindInternal, Code: "prize_not_payable", Cause: err}
		}
		actions = append(actions, store.PutPayout(payout))
	case cards.PrizeGift:
		actions = append(actions, store.PutGift(cards.WinGift(win.Code, card.Award, card.Member, win.Now)))
	}
	return actions, nil
}

// coupon makes the coupon that a card gives. How many there can be was fixed
// with the batch, so a template's budget for campaigns takes no part: a prize
// that was promised on paper is not refused for want of budget. Its terms are
// those that the batch's rules were published with, whatever the template has
// become.
func (g Giver) coupon(ctx context.Context, win Win, card store.Redemption) (coupons.Coupon, error) {
	template, _, err := g.Store.Template(ctx, card.Award.Text)
	if err == nil {
		err = template.Issuable()
	}
	if err != nil {
		if loyalty.KindOf(err) == loyalty.KindUnavailable {
			return coupons.Coupon{}, err
		}
		// The operator who created the batch should have seen to it; the
		// customer can do nothing about it.
		return coupons.Coupon{}, &loyalty.Error{Kind: loyalty.KindInternal, Code: "prize_not_issuable", Cause: err}
	}
	if terms, frozen := win.Batch.TermsOf(template.ID); frozen {
		template.Name, template.Threshold, template.Discount, template.Link = terms.Name, terms.Threshold, terms.Discount, terms.Link
		template.Validity = coupons.Validity{Days: terms.Days, Months: terms.Months}
	}
	code, err := coupons.NewCode(card.Member, g.Random)
	if err != nil {
		return coupons.Coupon{}, err
	}
	return template.Issue(card.Member, card.Trigger(), code, win.Now, win.Rules.Zone()), nil
}
