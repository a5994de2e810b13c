package operate

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/coupons"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/rest"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
)

// winnerAnswer is one announced prize that was won (兑奖情况). It names nobody:
// the last digits of a phone stand there as long as their owner agrees to
// marketing, and who was erased is not listed.
type winnerAnswer struct {
	Prize    PrizeBody `json:"prize"`
	Card     int       `json:"card"`
	WonOn    string    `json:"won_on" format:"date" doc:"by the brand's calendar"`
	Phone    string    `json:"phone,omitempty" doc:"masked; absent unless the winner agrees to marketing now"`
	Reserved bool      `json:"reserved,omitempty" doc:"for a phone that is not proved yet"`
}

// announcement is one prize of an arm whose winners are announced.
type announcement struct {
	arm, prize int
	cards.Prize
}

func announced(batch cards.Batch) []announcement {
	var all []announcement
	for i, arm := range batch.Arms {
		for j, prize := range arm.Prizes {
			if batch.Announced(prize) {
				all = append(all, announcement{i, j, prize})
			}
		}
	}
	return all
}

func (f Function) winners(ctx context.Context, in *struct {
	BatchPath
	rest.Paging
	Accept string `header:"Accept" doc:"text/html for a page"`
},
) (*published, error) {
	batch, err := f.publicBatch(ctx, in.ID)
	if prefersHTML(in.Accept) {
		return f.publicPage(ctx, "winners", err, func(rules program.Program) (any, error) { return f.shownWinners(ctx, batch, rules, in.Paging) })
	}
	if err != nil {
		return nil, err
	}
	rules, err := f.rules(ctx)
	if err != nil {
		return nil, err
	}
	list, err := f.listWinners(ctx, batch, rules.Zone(), in.Paging)
	return asDocument(list), err
}

// listWinners looks at so many cards that hold an announced prize, from where
// the cursor says: which they are, the batch's key tells, so that nothing has to
// be written down for them and a page costs half a read unit for each card.
func (f Function) listWinners(ctx context.Context, batch cards.Batch, zone *time.Location, page rest.Paging) (rest.List[winnerAnswer], error) {
	from := 0
	if page.Cursor != "" {
		from, _ = strconv.Atoi(page.Cursor)
		if from < 0 || strconv.Itoa(from) != page.Cursor {
			return rest.List[winnerAnswer]{}, loyalty.Invalid("cursor", "malformed", "a cursor is what next_cursor said")
		}
	}
	draws, err := f.Keys.Draws(batch)
	if err != nil {
		return rest.List[winnerAnswer]{}, err
	}
	var held []int
	place, next := 0, ""
	for _, a := range announced(batch) {
		for n := max(0, from-place); n < a.Quantity && next == ""; n++ {
			if len(held) == page.Limit {
				next = strconv.Itoa(place + n)
				break
			}
			held = append(held, draws.Holder(a.arm, a.prize, n))
		}
		place += a.Quantity
	}
	redemptions, err := f.Store.RedemptionsOf(ctx, batch, held)
	if err != nil {
		return rest.List[winnerAnswer]{}, err
	}
	accounts, err := f.accountsOf(ctx, redemptions)
	if err != nil {
		return rest.List[winnerAnswer]{}, err
	}
	winners := []winnerAnswer{}
	for _, r := range redemptions {
		account := accounts[r.Member]
		if r.Withheld || r.Suspended() || account != nil && account.Erased != nil {
			continue
		}
		winners = append(winners, winnerAnswer{
			Prize: shownPrize(cards.Prize{Award: r.Award}), Card: r.Card + 1, WonOn: r.At.In(zone).Format(time.DateOnly),
			Phone: announcedPhone(account), Reserved: r.Member == "",
		})
	}
	return rest.Page(winners, next), nil
}

// accountsOf are the accounts of those who redeemed; nobody's for a card that
// is reserved.
func (f Function) accountsOf(ctx context.Context, redemptions []store.Redemption) (map[loyalty.MemberID]*store.Account, error) {
	accounts := map[loyalty.MemberID]*store.Account{}
	for _, r := range redemptions {
		if r.Member != "" {
			accounts[r.Member] = nil
		}
	}
	if len(accounts) == 0 {
		return accounts, nil
	}
	members := slices.Sorted(maps.Keys(accounts))
	read, err := f.Store.Accounts(ctx, table.Eventual, members...)
	for i, account := range read {
		accounts[members[i]] = account
	}
	return accounts, err
}

// announcedPhone is the masked phone of a winner who agrees to marketing. One
// who was merged into another member has none: whose number it is, and what they
// agree to, is the other's to say.
func announcedPhone(account *store.Account) string {
	if account == nil || account.Merged != nil || account.Consents[loyalty.ConsentMarketing].IsZero() {
		return ""
	}
	for _, identity := range account.Profile.Identities {
		if identity.Kind == loyalty.IdentityPhone {
			return identity.Shown
		}
	}
	return ""
}

// winnersShown is what winners.html shows.
type winnersShown struct {
	Name, At string
	Prizes   []prizeShown
	Winners  []winnerShown
	More     string // cursor of the next page
}

type winnerShown struct {
	Prize, Phone, On string
	Card             int
	Reserved         bool
}

func (f Function) shownWinners(ctx context.Context, batch cards.Batch, rules program.Program, page rest.Paging) (winnersShown, error) {
	shown := winnersShown{Name: batch.Name, At: f.Clock().In(rules.Zone()).Format("2006-01-02 15:04")}
	templates := map[string]coupons.Template{}
	names := map[PrizeBody]string{}
	for _, a := range announced(batch) {
		if a.Kind == cards.PrizeCoupon {
			if err := f.readTemplate(ctx, templates, batch, a.Text); err != nil {
				return winnersShown{}, err
			}
		}
		prize := describePrize(a.Prize, templates[a.Text])
		prize.Quantity = a.Quantity
		shown.Prizes = append(shown.Prizes, prize)
		names[shownPrize(cards.Prize{Award: a.Award})] = prize.Name
	}
	list, err := f.listWinners(ctx, batch, rules.Zone(), page)
	if err != nil {
		return winnersShown{}, err
	}
	for _, w := range list.Items {
		shown.Winners = append(shown.Winners, winnerShown{names[w.Prize], w.Phone, w.WonOn, w.Card, w.Reserved})
	}
	shown.More = list.NextCursor
	return shown, nil
}
