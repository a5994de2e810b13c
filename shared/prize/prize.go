// Package prize gives what package cards win (发奖): the one way by which a prize
// becomes a member's, whoever proved that he is the winner.
package prize

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

// Giver gives prizes.
type Giver struct {
	Store  store.Store
	Rules  func(context.Context) (program.Program, error) // in force now; asked where a prize depends on them
	Random io.Reader                                      // for the ids of new members and the codes of coupons
}

// Winner is whose a prize becomes.
type Winner struct {
	Member   loyalty.MemberID // "" for somebody who becomes a member by this
	Identity loyalty.Identity // by which he came; a new member is known by it from now on
	Known    store.Account    // the member's account where it had to be looked at
}

// Give is what a prize does beside being noted on the card, and makes the
// member who does not exist yet, with the consents that were given with the card.
// It completes the card with the member and his ledger entry. The first action
// is about the account where a prize changes that.
func (g Giver) Give(ctx context.Context, code cards.Code, batch cards.Batch, card *store.Redemption, winner Winner, now time.Time) ([]table.Action, error) {
	card.Member = winner.Member
	if winner.Member == "" {
		member, err := enrolment.NewMemberID(g.Random)
		if err != nil {
			return nil, err
		}
		card.Member = member
	}
	account := store.Account{Member: card.Member}
	if winner.Known.Member == card.Member {
		account = winner.Known
	}
	if card.Award.Kind == cards.PrizePoints {
		rules, err := g.Rules(ctx)
		if err != nil {
			return nil, err
		}
		card.Program, card.Until = rules.Version, rules.Points.Expiry.Until(now, rules.Zone())
		card.Entries = []points.Entry{points.Prize(card.Trigger(), loyalty.Points(card.Award.Amount), card.Until, account.Points(now))}
	}
	credit, held := store.Credit(card.Entries, account)
	var actions []table.Action
	switch {
	case winner.Member == "":
		profile := store.Profile{Identities: []store.ProfileIdentity{{
			Kind: winner.Identity.Kind, Channel: winner.Identity.Channel, Value: winner.Identity.Value,
		}}}
		actions = store.CreateAccount(card.Member, profile, nil, now)
		for _, consent := range card.Consents {
			credit = append(credit, store.GiveConsent(consent, card.At))
		}
		// A write names an item once, so the first credit is part of the new
		// account: adding to a counter that is not there is setting it.
		for _, change := range credit {
			actions[0].Item.Attributes[change.Name] = change.Value
		}
		actions = append(actions, store.GiveIdentity(winner.Identity, card.Member))
	case len(credit) > 0:
		actions = append(actions, store.UpdateAccount(card.Member, credit, append(held, store.Alive())...))
	}
	switch card.Award.Kind {
	case cards.PrizeCoupon:
		coupon, err := g.coupon(ctx, batch, *card, now)
		if err != nil {
			return nil, err
		}
		actions = append(actions, store.PutCoupon(coupon))
	case cards.PrizeRedPacket:
		payout, err := cards.RequestPayout(code, card.Award, card.Member, winner.Identity, now)
		if err != nil {
			return nil, &loyalty.Error{Kind: loyalty.KindInternal, Code: "prize_not_payable", Cause: err}
		}
		actions = append(actions, store.PutPayout(payout))
	case cards.PrizeGift:
		actions = append(actions, store.PutGift(cards.WinGift(code, card.Award, card.Member, now)))
	}
	return actions, nil
}

// coupon makes the coupon that a card gives. How many there can be was fixed
// with the batch, so a template's budget for campaigns takes no part: a prize
// that was promised on paper is not refused for want of budget. Its terms are
// those that the batch's rules were published with, whatever the template has
// become.
func (g Giver) coupon(ctx context.Context, batch cards.Batch, card store.Redemption, now time.Time) (coupons.Coupon, error) {
	template, _, err := g.Store.Template(ctx, card.Award.Text)
	if err == nil {
		err = template.Issuable()
	}
	if err != nil {
		if loyalty.KindOf(err) == loyalty.KindUnavailable {
			return coupons.Coupon{}, err
		}
		// Whoever created the batch should have seen to it; the customer can do
		// nothing about it.
		return coupons.Coupon{}, &loyalty.Error{Kind: loyalty.KindInternal, Code: "prize_not_issuable", Cause: err}
	}
	if terms, frozen := batch.TermsOf(template.ID); frozen {
		template.Name, template.Threshold, template.Discount, template.Link = terms.Name, terms.Threshold, terms.Discount, terms.Link
		template.Validity = coupons.Validity{Days: terms.Days, Months: terms.Months}
	}
	rules, err := g.Rules(ctx)
	if err != nil {
		return coupons.Coupon{}, err
	}
	code, err := coupons.NewCode(card.Member, g.Random)
	if err != nil {
		return coupons.Coupon{}, err
	}
	return template.Issue(card.Member, card.Trigger(), code, now, rules.Zone()), nil
}
