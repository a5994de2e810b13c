package welcomefriends

import (
	"context"
	"slices"
	"time"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/claim"
	"github.com/huitou/huitou/shared/enrolment"
	"github.com/huitou/huitou/shared/friend"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/prizes"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
)

// prove says what the first friend of a card proves. Its State is given with the
// prize, to whoever redeemed the card and to nobody else: they held that page.
// So the friend is the winner of a prize that is reserved for a typed phone, and
// becomes a member by it unless they are one; the phone stays unproved and is
// not theirs. A card that was won by a member or an identity gives that member
// the contact; one that was reserved and has gone to the phone's owner since
// gives nobody's contact to anybody, for the page may have been a stranger's.
func (f Function) prove(ctx context.Context, rules program.Program, code cards.Code, look store.CardFriendLook, external string, fact *friend.Fact) (actions []table.Action, err error) {
	card := *look.Redemption
	switch {
	case card.Suspended():
		return nil, nil // an operator decides; no page gives its State away meanwhile
	case card.Member == "":
		return f.claim(ctx, rules, code, card, look.Owner, external, fact)
	case look.Owner == "" && card.Identity.Kind != loyalty.IdentityPhone:
		return f.link(ctx, card, external, fact)
	}
	fact.Prize, err = f.standing(ctx, card, look.Owner)
	return nil, err
}

// standing is what the card's prize is for a contact who proves nothing by it,
// and whose identity is owner's.
func (f Function) standing(ctx context.Context, card store.Redemption, owner loyalty.MemberID) (friend.Prize, error) {
	switch {
	case card.Suspended(), card.Member == "", card.Award.Kind == cards.PrizeNone:
		return friend.PrizeNone, nil
	case owner == "":
		return friend.PrizeTaken, nil
	}
	account, err := enrolment.Whole(ctx, f.Store, owner)
	switch {
	case err != nil:
		return friend.PrizeNone, err
	case account.Includes(card.Member), owner == card.Member:
		return friend.PrizeHis, nil
	}
	return friend.PrizeTaken, nil
}

// claim makes a reserved prize the contact's. Date and prize stay those of the
// redemption; by which rules it is given is decided now, as for the owner of the
// phone who comes with their token. In a frozen batch the prize stays where it
// is and, while a proof from before the freeze may be on its way, is marked so
// that none lands after the "no".
func (f Function) claim(ctx context.Context, rules program.Program, code cards.Code, reserved store.Redemption, owner loyalty.MemberID, external string, fact *friend.Fact) ([]table.Action, error) {
	if reserved.Withheld || reserved.Identity == (loyalty.Identity{}) {
		fact.Prize = friend.PrizeWithheld
		return nil, nil
	}
	batch, err := f.Store.Batch(ctx, code.BatchID())
	if err != nil {
		return nil, err
	}
	now := f.Clock().UTC().Truncate(time.Second)
	if batch.State == cards.StateFrozen {
		fact.Prize = friend.PrizeWithheld
		if !batch.Settling(now) {
			return nil, nil
		}
		withheld := reserved
		withheld.Withheld = true
		return []table.Action{store.ChangeRedemption(code, reserved, withheld)}, nil
	}
	card := reserved
	win := prizes.Win{Code: code, Batch: batch, Rules: rules, By: store.WeComIdentity(external), Since: now, Now: now}
	if owner != "" {
		account, err := enrolment.Whole(ctx, f.Store, owner)
		if err != nil {
			return nil, err
		}
		if account.Open() != nil {
			return nil, nil // erased a moment ago; who they are then, they are to nobody
		}
		card.Member, win.Known = account.Member, account
	}
	hold, err := f.review(ctx, rules, code, &card)
	if err != nil {
		return nil, err
	}
	if card.Suspended() { // the card is the member's, and its prize waits
		card.Award = cards.Award{Kind: cards.PrizeNone}
	}
	given, err := prizes.Giver{Store: f.Store, Random: f.Random}.Give(ctx, win, &card)
	if err != nil {
		return nil, err
	}
	card.Award = reserved.Award
	fact.Member = card.Member
	switch {
	case card.Suspended():
		fact.Prize = friend.PrizeHeld
	case card.Award.Kind == cards.PrizeNone:
		fact.Prize = friend.PrizeBlank
	default:
		fact.Prize = friend.PrizeProved
	}
	return slices.Concat([]table.Action{store.ChangeRedemption(code, reserved, card)}, hold, given), nil
}

// review counts a prize with those that the same member won or proved before, so
// that a person who types many phones and brings all the cards as one friend is
// held like one who redeems them in person. It holds the card where that is a
// suspicious run; a member whom the card makes one has none.
func (f Function) review(ctx context.Context, rules program.Program, code cards.Code, card *store.Redemption) ([]table.Action, error) {
	bounds := rules.Cards.Suspects()
	if card.Member == "" || card.Award.Kind == cards.PrizeNone || card.Suspended() || !bounds.Counts() {
		return nil, nil
	}
	now := f.Clock()
	run := store.PersonRun{Person: "member " + string(card.Member)}
	run.From, run.Window = bounds.Window(now)
	why, err := f.Store.CountCard(ctx, run, code, bounds)
	if err != nil || why == "" || card.Hold != "" {
		return nil, err
	}
	card.Hold = cards.HoldOpen
	return []table.Action{store.PutHold(cards.HoldCard(code, card.Award, card.Member, why, now.UTC().Truncate(time.Second)))}, nil
}

// link gives the contact's identity to the member who won the card.
func (f Function) link(ctx context.Context, card store.Redemption, external string, fact *friend.Fact) ([]table.Action, error) {
	account, err := enrolment.Whole(ctx, f.Store, card.Member)
	if loyalty.KindOf(err) == loyalty.KindNotFound || account.Erased != nil {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	fact.Member = account.Member
	if card.Award.Kind != cards.PrizeNone {
		fact.Prize = friend.PrizeHis
	}
	identity := store.WeComIdentity(external)
	profile := account.Profile
	profile.Identities = append(slices.Clone(profile.Identities), store.ProfileIdentity{Kind: identity.Kind, Channel: identity.Channel, Value: identity.Value})
	changes, held := store.ChangeProfile(account.Profile, profile)
	return []table.Action{
		store.GiveIdentity(identity, account.Member),
		store.UpdateAccount(account.Member, changes, append(held, store.Alive())...),
	}, nil
}

// follow does what a prize that was proved brings with it: the member's red
// packet is asked to be paid, and orders that were claimed on the card's page
// are claimed for them. All of it is harmless to repeat.
func (f Function) follow(ctx context.Context, change friend.Event, record store.FriendRecord) error {
	if !record.Prize.Proved() {
		return nil
	}
	code, err := f.Keys.ParseReference(change.State)
	if err != nil {
		return err
	}
	card, err := f.Store.CardClaims(ctx, code)
	if err != nil {
		return err
	}
	if card.Redemption.Award.Kind == cards.PrizeRedPacket && !card.Redemption.Suspended() {
		if err := f.Payouts.Send(ctx, code.Bill().Message()); err != nil {
			return err
		}
	}
	return claim.FromCard(ctx, f.Store, code, card, f.Clock(), f.Orders.Send)
}
