package redeemcard

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
)

// review counts a prize that is about to be won with what the same member, or the
// same phone that nobody has proved, won before in the same window; where that is
// a suspicious run the card is held, and the action is its hold. Points are
// counted by the write that gives them to their member, for nothing; the bound
// that refuses it comes back with their account. Every other prize costs a write
// unit. A person whom the card makes a member has no run.
func (f *Function) review(ctx context.Context, code cards.Code, card *store.Redemption, who claimant) ([]table.Action, store.PrizeCount, error) {
	rules, err := f.rules(ctx)
	if err != nil {
		return nil, store.PrizeCount{}, err
	}
	bounds := rules.Cards.Suspects()
	from, window := bounds.Window(card.At)
	count := store.PrizeCount{From: from, Most: bounds.PerPerson}
	var why cards.Suspicion
	switch {
	case card.Award.Kind == cards.PrizeNone || !bounds.Counts():
	case card.Award.Kind == cards.PrizePoints && (card.Member != "" || card.Joined):
		if who.known.Member == card.Member {
			why = bounds.Judge(cards.Run{Cards: count.Counted(who.known)})
		}
		if why == "" {
			return nil, count, nil
		}
	case !card.Joined:
		run := store.PersonRun{Person: "phone " + card.Identity.Value, From: from, Window: window}
		if card.Member != "" {
			run.Person = "member " + string(card.Member)
		}
		why, err = f.Store.CountCard(ctx, run, code, bounds)
	}
	if err != nil || why == "" {
		return nil, store.PrizeCount{}, err
	}
	card.Hold = cards.HoldOpen
	f.Log.InfoContext(ctx, "card held", "batch", code.BatchID(), "why", why)
	return []table.Action{store.PutHold(cards.HoldCard(code, card.Award, card.Member, why, card.At))}, store.PrizeCount{}, nil
}

// The views of a card that is held or void, and of an appeal.
const (
	viewHeld     view = "held"
	viewVoided   view = "voided"
	viewAppealed view = "appealed"
)

// suspended tells a prize that is not told, for it is not given.
func (d draw) suspended() bool { return d.state == stateHeld || d.state == stateVoided }

// showSuspended prepares the page of a card whose prize is not given.
func (f *Function) showSuspended(ctx context.Context, d draw, p *page) error {
	p.View, p.Batch, p.Void = viewHeld, d.batch, d.void
	if d.state == stateVoided {
		p.View = viewVoided
	}
	return f.date(ctx, p, d.at)
}

// appeal takes the appeal (申诉) of who types the phone that redeemed the card.
// The answer is the same whether it was that phone or not.
func (f *Function) appeal(r *http.Request, raw string, p *page) error {
	who, wrong, typed, err := f.claimantFromForm(r)
	if err != nil {
		return err
	}
	wrongPhone := slices.Contains(wrong, "phone")
	if wrongPhone {
		who = claimant{ground: who.ground} // nobody
	}
	if err := f.object(r, raw, who); err != nil {
		return err
	}
	p.View = viewAppealed
	if wrongPhone {
		p.Phone, p.PhoneError = typed, true
		return &loyalty.Error{Kind: loyalty.KindInvalid, Code: "form_incomplete"}
	}
	return nil
}

// Appealed answers an appeal: the same whether the card is the caller's or not.
type Appealed struct {
	Ground cards.Ground `json:"ground" enum:"bought,given,other"`
}

func (f *Function) appealFromJSON(r *http.Request, code string) (Appealed, error) {
	who, err := f.claimant(r)
	if err != nil {
		return Appealed{}, err
	}
	return Appealed{who.ground}, f.object(r, code, who)
}

// object notes the claimant's appeal with the hold of their card, once: a card
// has one appeal, however often it is sent. For anybody else, and for a card
// that is neither held nor void, it does nothing.
func (f *Function) object(r *http.Request, raw string, who claimant) error {
	ctx := r.Context()
	if !slices.Contains(cards.Grounds, who.ground) {
		return loyalty.Invalid("/ground", "unknown", "a ground is bought, given or other")
	}
	code, err := f.parse(r, raw, who.member)
	if err != nil {
		return err
	}
	now := f.Clock().UTC().Truncate(time.Second)
	for range attempts {
		found, err := f.look(ctx, table.Strong, code, who, now)
		if err != nil || found.Redemption == nil || !found.Redemption.Suspended() {
			return err
		}
		his := wonBy(*found.Redemption, who, found.Owner)
		if !his && who.member != "" && found.Redemption.Member == "" {
			his, err = f.owns(ctx, who.member, found.Redemption.Identity)
		}
		if err != nil || !his {
			return err
		}
		was, err := f.Store.HeldCard(ctx, code.Code)
		if err != nil {
			return err
		}
		is := was
		if is.Hold, err = was.Hold.Object(who.ground, now); err != nil || is.Hold == was.Hold {
			return err
		}
		err = f.Store.Table.Write(ctx, store.ChangeHold(was.Hold, is.Hold))
		if err == nil {
			f.Log.InfoContext(ctx, "appeal made", "batch", found.Batch.ID(), "ground", who.ground)
		}
		if !store.Refused(err) {
			return err
		}
	}
	return loyalty.Refuse(loyalty.KindUnavailable, "lost_race", "others wrote at the same time; try again")
}
