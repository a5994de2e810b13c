package redeemcard

import (
	"context"
	"net/http"
	"slices"

	"github.com/huitou/huitou/shared/enrolment"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
)

// viewWithdrawn answers a withdrawal.
const viewWithdrawn view = "withdrawn"

// withdraw takes back (撤回同意) the optional consents that were given with a
// card, for the one who types the phone that redeemed it. The answer is the
// same whether it was that phone or not. A member whom the card made by a
// friend's proof loses those that they have by the card; no consent of a
// member's own follows from what anybody may type: those are withdrawn by their
// token.
func (f *Function) withdraw(r *http.Request, raw string, p *page) error {
	who, wrong, typed, err := f.claimantFromForm(r)
	if err != nil {
		return err
	}
	code, err := f.parse(r, raw, "")
	if err != nil {
		return err
	}
	for range attempts {
		found, err := f.look(r.Context(), table.Strong, code, who, f.Clock())
		if err != nil {
			return err
		}
		p.View = viewWithdrawn
		if slices.Contains(wrong, "phone") {
			p.Phone, p.PhoneError = typed, true
			return &loyalty.Error{Kind: loyalty.KindInvalid, Code: "form_incomplete"}
		}
		if found.Redemption == nil || !wonBy(*found.Redemption, who, "") {
			return nil
		}
		card := *found.Redemption
		card.Consents = slices.DeleteFunc(slices.Clone(card.Consents), func(c loyalty.Consent) bool { return c != loyalty.ConsentMembership })
		if len(card.Consents) == len(found.Redemption.Consents) {
			return nil
		}
		his, err := f.hisConsents(r.Context(), *found.Redemption)
		if err != nil {
			return err
		}
		err = f.Store.Table.Write(r.Context(), append(his, store.ChangeRedemption(code.Code, *found.Redemption, card))...)
		if err == nil {
			f.Log.InfoContext(r.Context(), "consents withdrawn", "batch", found.Batch.ID())
		}
		if !store.Refused(err) {
			return err
		}
	}
	return loyalty.Refuse(loyalty.KindUnavailable, "lost_race", "others wrote at the same time; try again")
}

// hisConsents takes from the card's member the optional consents that they have
// by the card.
func (f *Function) hisConsents(ctx context.Context, card store.Redemption) ([]table.Action, error) {
	if card.Member == "" {
		return nil, nil
	}
	account, err := enrolment.Whole(ctx, f.Store, card.Member)
	if err != nil {
		return nil, err
	}
	var changes []table.Change
	var held []table.Condition
	for _, consent := range card.Consents {
		if given, has := account.Consents[consent]; has && given.Equal(card.At) && consent != loyalty.ConsentMembership {
			changes = append(changes, store.WithdrawConsent(consent, f.Clock())...)
			held = append(held, store.ConsentStands(account, consent))
		}
	}
	if len(changes) == 0 {
		return nil, nil
	}
	return []table.Action{store.UpdateAccount(account.Member, changes, held...)}, nil
}
