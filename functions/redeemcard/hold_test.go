package redeemcard_test

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/coupons"
	"github.com/huitou/huitou/shared/enrolment"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	giving "github.com/huitou/huitou/shared/prizes"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/statement"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
)

// withHolds is the program that ships with huitou, but for its holds.
func withHolds(holds cards.Holds) program.Program {
	rules := program.Default()
	section := *rules.Cards
	section.Holds = &holds
	rules.Cards = &section
	return rules
}

// lenient lets one operator void any prize whose worth is known.
func lenient() program.Program {
	rules := withHolds(cards.Holds{VoidLimit: cards.TopPrize})
	rules.Points.AdjustmentLimit = cards.MaxPrizePoints
	return rules
}

// bounds puts a program in force with other holds.
func (b *brand) bounds(holds cards.Holds) {
	b.t.Helper()
	rules := withHolds(holds)
	rules.Version, rules.EffectiveAt = 1, opened.AddDate(0, 0, -1)
	rules.Points.Expiry = &points.Expiry{Months: 12, EndOf: "month"}
	if err := rules.Validate(); err != nil {
		b.t.Fatal(err)
	}
	if err := b.engine.Write(b.t.Context(), store.PutProgram(rules)); err != nil {
		b.t.Fatal(err)
	}
}

// strict lets two prizes of a person pass in a day.
var strict = cards.Holds{WindowHours: 24, PerPerson: 2, PerCarton: 0, Carton: 100, VoidLimit: 5_000}

// many is a batch of so many cards that all give the award.
func (b *brand) many(number, count int, award cards.Award) cards.Batch {
	return b.batch(number, cards.FormPlain, award, func(batch *cards.Batch) {
		batch.Count, batch.Arms[0].Prizes[0].Quantity = count, count
	})
}

func (b *brand) giver() giving.Giver { return giving.Giver{Store: b.f.Store, Random: rand.Reader} }

func (b *brand) hold(code cards.Code) store.HeldCard {
	b.t.Helper()
	held, err := b.f.Store.HeldCard(b.t.Context(), code)
	if err != nil {
		b.t.Fatal(err)
	}
	return held
}

// told is the answer to a redemption.
type told struct {
	Prize      *cards.Award
	State      string
	VoidReason string    `json:"void_reason"`
	Friend     string    `json:"friend_state"`
	RedeemedAt time.Time `json:"redeemed_at"`
}

func (b *brand) answered(response events.APIGatewayV2HTTPResponse) told {
	b.t.Helper()
	var answer told
	if err := json.Unmarshal([]byte(response.Body), &answer); err != nil || response.StatusCode != 200 {
		b.t.Fatalf("%d %s", response.StatusCode, response.Body)
	}
	return answer
}

func (b *brand) alreadyMember(value string) loyalty.MemberID {
	return b.enrol(loyalty.Identity{Kind: loyalty.IdentityOpenID, Channel: "wechat", Value: value})
}

// given is how many of the prizes a member got that all cards of their batch
// give.
func (b *brand) given(member loyalty.MemberID, award cards.Award) (n int) {
	b.t.Helper()
	var err error
	switch award.Kind {
	case cards.PrizePoints:
		n = int(int64(b.account(member).Balance.Available) / award.Amount)
	case cards.PrizeCoupon:
		var held []coupons.Coupon
		held, _, err = b.f.Store.Coupons(b.t.Context(), member, 100, "")
		n = len(held)
	case cards.PrizeGift:
		var gifts []cards.Gift
		gifts, _, err = b.f.Store.GiftsOf(b.t.Context(), member, 100, "")
		n = len(gifts)
	case cards.PrizeRedPacket:
		var payouts []cards.Payout
		payouts, _, err = b.f.Store.Payouts(b.t.Context(), cards.PayoutRequested, 100, "")
		n = len(payouts)
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return n
}

// heldCard is a held card of a member with openid o-1, of a batch whose cards
// give the award; it is card 2.
func (b *brand) heldCard(award cards.Award) (cards.Batch, loyalty.MemberID) {
	b.t.Helper()
	b.bounds(strict)
	member := b.alreadyMember("o-1")
	batch := b.batch(1, cards.FormPlain, award)
	for card, want := range []string{"credited", "credited", "held"} {
		if got := b.answered(b.redeem(b.code(batch, card), nil, openid("o-1"))); got.State != want {
			b.t.Fatalf("card %d: %+v", card, got)
		}
	}
	return batch, member
}

func TestAPrizeBeyondTheBoundIsHeld(t *testing.T) {
	for kind, award := range prizesThatGive {
		b := open(t)
		b.template()
		batch, member := b.heldCard(award)
		code := b.code(batch, 2)
		first := b.answered(b.redeem(code, nil, openid("o-1")))
		if want := (told{State: "held", RedeemedAt: noon.UTC()}); !cmp.Equal(first, want) {
			t.Errorf("%s: told %+v", kind, first)
		}
		held := b.hold(batch.Code(2))
		want := cards.Hold{
			ID: "1-00001-0000002", Batch: "1-00001", Card: 2, Member: member, Award: award, Why: cards.SuspectMany, HeldAt: noon.UTC(),
		}
		if diff := cmp.Diff(want, held.Hold); diff != "" {
			t.Errorf("%s: the hold (-want +got):\n%s", kind, diff)
		}
		if held.Redemption.Award != award || len(held.Redemption.Entries) != 0 || b.given(member, award) != 2 {
			t.Errorf("%s: the prize of a held card was given: %+v", kind, held.Redemption)
		}
		before := b.snapshot()
		if again := b.answered(b.redeem(code, nil, openid("o-1"))); !cmp.Equal(again, first) {
			t.Errorf("%s: a repeat is told %+v", kind, again)
		}
		if other := b.redeem(code, nil, openid("o-2")); other.StatusCode != 409 {
			t.Errorf("%s: somebody else is told %d", kind, other.StatusCode)
		}
		b.unchanged(before, "a repeat")
		for _, message := range b.payouts.bodies {
			if strings.Contains(message, string(batch.Code(2).Bill())) {
				t.Errorf("%s: a held packet is asked for", kind)
			}
		}
	}
}

var prizesThatGive = map[cards.PrizeKind]cards.Award{
	cards.PrizePoints: prizes[cards.PrizePoints], cards.PrizeCoupon: prizes[cards.PrizeCoupon],
	cards.PrizeGift: prizes[cards.PrizeGift], cards.PrizeRedPacket: prizes[cards.PrizeRedPacket],
}

// However many cards one person redeems at once, no more than the bound pass.
func TestParallelRunsPassNoMoreThanTheBound(t *testing.T) {
	for kind, award := range prizesThatGive {
		t.Run(string(kind), func(t *testing.T) {
			b := open(t)
			b.template()
			b.bounds(cards.Holds{WindowHours: 24, PerPerson: 7, PerCarton: 0, Carton: 100})
			member := b.alreadyMember("o-1")
			batch := b.many(1, 64, award)
			states := make([]string, batch.Count)
			var wait sync.WaitGroup
			for card := range batch.Count {
				wait.Go(func() {
					for range 20 { // a credit that lost every race asks again
						response := b.redeem(b.code(batch, card), nil, openid("o-1"))
						if response.StatusCode == 503 {
							continue
						}
						states[card] = b.answered(response).State
						return
					}
				})
			}
			wait.Wait()
			counts := map[string]int{}
			for _, state := range states {
				counts[state]++
			}
			if diff := cmp.Diff(map[string]int{"credited": 7, "held": 57}, counts); diff != "" {
				t.Error(diff)
			}
			if given := b.given(member, award); given != 7 {
				t.Errorf("%d prizes were given", given)
			}
			open, _, err := b.f.Store.Holds(t.Context(), cards.HoldOpen, false, 100, "")
			if err != nil || len(open) != 57 {
				t.Errorf("%d in the queue, %v", len(open), err)
			}
		})
	}
}

// A card counts once with its person, however often they ask for it.
func TestACardCountsOnce(t *testing.T) {
	for kind, award := range prizesThatGive {
		b := open(t)
		b.template()
		b.bounds(strict)
		b.alreadyMember("o-1")
		batch := b.many(1, 10, award)
		var wait sync.WaitGroup
		for range 32 {
			wait.Go(func() { b.redeem(b.code(batch, 0), nil, openid("o-1")) })
		}
		wait.Wait()
		for card, want := range []string{"credited", "credited", "held"} {
			if got := b.answered(b.redeem(b.code(batch, card), nil, openid("o-1"))); got.State != want {
				t.Errorf("%s, card %d: %s, want %s", kind, card, got.State, want)
			}
		}
	}
}

func TestWhichRunsAreHeld(t *testing.T) {
	carton := cards.Holds{WindowHours: 24, PerPerson: 5, PerCarton: 2, Carton: 10}
	for name, test := range map[string]struct {
		holds cards.Holds
		cards []int
		award cards.Award
		move  time.Duration // before the last card
		want  string        // of the last card
		why   cards.Suspicion
	}{
		"as many as pass":              {strict, []int{3, 50}, prizes[cards.PrizePoints], 0, "credited", ""},
		"one more":                     {strict, []int{3, 50, 70}, prizes[cards.PrizePoints], 0, "held", cards.SuspectMany},
		"one more on the next day":     {strict, []int{3, 50, 70}, prizes[cards.PrizePoints], 24 * time.Hour, "credited", ""},
		"one more, in the next window": {strict, []int{3, 50, 70}, prizes[cards.PrizePoints], 12 * time.Hour, "held", cards.SuspectMany},
		"neighbours":                   {carton, []int{3, 4, 5}, prizes[cards.PrizeGift], 0, "held", cards.SuspectCarton},
		"of two cartons":               {carton, []int{8, 9, 10, 11}, prizes[cards.PrizeGift], 0, "credited", ""},
		"no neighbours":                {carton, []int{0, 10, 20, 30, 40}, prizes[cards.PrizeGift], 0, "credited", ""},
		"neighbours that give points":  {carton, []int{3, 4, 5}, prizes[cards.PrizePoints], 0, "credited", ""},
		"no neighbours, but many":      {carton, []int{0, 10, 20, 30, 40, 50}, prizes[cards.PrizeGift], 0, "held", cards.SuspectMany},
		"no bounds":                    {cards.Holds{WindowHours: 1, Carton: 2}, []int{1, 2, 3, 4, 5, 6}, prizes[cards.PrizePoints], 0, "credited", ""},
		"that win nothing":             {strict, []int{1, 2, 3, 4, 5, 6}, prizes[cards.PrizeNone], 0, "credited", ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t)
			b.bounds(test.holds)
			b.alreadyMember("o-1")
			batch := b.many(1, 100, test.award)
			for i, card := range test.cards {
				last := i == len(test.cards)-1
				if last {
					b.at(noon.Add(test.move))
				}
				got := b.answered(b.redeem(b.code(batch, card), nil, openid("o-1")))
				switch {
				case !last && got.State != "credited":
					t.Fatalf("card %d is %s", card, got.State)
				case last && got.State != test.want:
					t.Fatalf("the last card is %s, want %s", got.State, test.want)
				case last && test.why != "":
					if why := b.hold(batch.Code(card)).Hold.Why; why != test.why {
						t.Errorf("held for %s, want %s", why, test.why)
					}
				}
			}
		})
	}
}

// Thousands of customers may stand behind one address of a carrier: the program
// that ships with huitou holds none of them, nor one who buys by the carton.
func TestHonestCustomersAreNotHeld(t *testing.T) {
	b := open(t)
	b.from = "203.0.113.7"
	batch := b.many(1, 1000, cards.Award{Kind: cards.PrizePoints, Amount: 1})
	for card := range 500 {
		body := openid(fmt.Sprint("o-", card))
		if card%2 == 0 {
			body = phone(fmt.Sprintf("138%08d", card))
		}
		if got := b.answered(b.redeem(b.code(batch, card), nil, body)); got.State == "held" {
			t.Fatalf("customer %d behind one address is held", card)
		}
	}
	b.alreadyMember("family")
	for pack := range 12 {
		if got := b.answered(b.redeem(b.code(batch, 600+pack), nil, openid("family"))); got.State != "credited" {
			t.Fatalf("pack %d of a carton is %s", pack, got.State)
		}
	}
}

// Release, void and the winner's own repeats at once: one outcome, told to all,
// and the prize given once or never.
func TestReleaseAndVoidAtOnceHaveOneOutcome(t *testing.T) {
	for kind, award := range prizesThatGive {
		t.Run(string(kind), func(t *testing.T) {
			seen := map[cards.HoldState]int{}
			for round := range 12 {
				b := open(t)
				b.template()
				batch, member := b.heldCard(award)
				batch.Arms[0].Prizes[0].Worth = 900
				b.put(table.DocumentBatch, batch.ID(), batch)
				var mu sync.Mutex
				ends := map[cards.HoldState]bool{}
				var wait sync.WaitGroup
				for i := range 12 {
					wait.Go(func() {
						var hold cards.Hold
						var err error
						switch (i + round) % 3 {
						case 0:
							hold, err = b.giver().Release(t.Context(), batch.Code(2), "li", noon)
						case 1:
							hold, err = b.giver().Void(t.Context(), batch.Code(2), cards.VoidStolen, "wang", lenient(), noon)
						default:
							b.answered(b.redeem(b.code(batch, 2), nil, openid("o-1")))
							return
						}
						switch kind := loyalty.KindOf(err); {
						case err == nil:
							mu.Lock()
							ends[hold.State()] = true
							mu.Unlock()
						case kind != loyalty.KindConflict && kind != loyalty.KindUnavailable:
							t.Errorf("%v", err)
						}
					})
				}
				wait.Wait()
				held := b.hold(batch.Code(2))
				end := held.Hold.State()
				seen[end]++
				if len(ends) != 1 || !ends[end] || held.Redemption.Hold != end {
					t.Fatalf("told %v, the hold is %s, the card %s", ends, end, held.Redemption.Hold)
				}
				effects, state := 2, "voided"
				if end == cards.HoldReleased {
					effects, state = 3, "credited"
				}
				if got := b.given(member, award); got != effects {
					t.Errorf("%s: %d of three prizes were given", end, got)
				}
				if got := b.answered(b.redeem(b.code(batch, 2), nil, openid("o-1"))); got.State != state || (got.Prize != nil) != (effects == 3) {
					t.Errorf("%s: the winner is told %+v", end, got)
				}
			}
			t.Logf("%s: %v", kind, seen)
		})
	}
}

// The time that the review takes is not the customer's: their points end as if
// they had come with the redemption, by the program of that day.
func TestAReleaseGivesWhatTheDayOfTheRedemptionPromised(t *testing.T) {
	b := open(t)
	batch, member := b.heldCard(prizes[cards.PrizePoints])
	changed := program.Default()
	changed.Version, changed.EffectiveAt = 2, noon.Add(time.Hour)
	changed.Points.Expiry = &points.Expiry{Months: 1, EndOf: "month"}
	if err := b.engine.Write(t.Context(), store.PutProgram(changed)); err != nil {
		t.Fatal(err)
	}
	later := noon.AddDate(0, 1, 0)
	if _, err := b.giver().Release(t.Context(), batch.Code(2), "li", later); err != nil {
		t.Fatal(err)
	}
	redeemed := b.hold(batch.Code(2)).Redemption
	until := redeemed.Until
	if redeemed.Program != 1 || until == nil || until.Format("2006-01") != "2027-11" || !redeemed.At.Equal(noon) {
		t.Errorf("version %d, until %v, at %v", redeemed.Program, until, redeemed.At)
	}
	shown := statement.OfPoints(b.account(member), later)
	if shown.Available != 3*8613 || len(shown.Expiring) != 1 || shown.Expiring[0].Points != 3*8613 {
		t.Errorf("the account shows %+v", shown)
	}

	// A review that outlasts them gives points that are good from its end.
	b = open(t)
	batch, member = b.heldCard(prizes[cards.PrizePoints])
	late := noon.AddDate(2, 0, 0)
	if _, err := b.giver().Release(t.Context(), batch.Code(2), "li", late); err != nil {
		t.Fatal(err)
	}
	if shown := statement.OfPoints(b.account(member), late); len(shown.Expiring) != 1 || shown.Expiring[0].Points != 8613 {
		t.Errorf("after a late release: %+v", shown)
	}
}

// Releasing again changes nothing, not even when the points have ended by then.
func TestAReleaseIsMadeOnce(t *testing.T) {
	for kind, award := range prizesThatGive {
		b := open(t)
		b.template()
		batch, member := b.heldCard(award)
		first, err := b.giver().Release(t.Context(), batch.Code(2), "li", noon)
		if err != nil {
			t.Fatal(err)
		}
		before := b.snapshot()
		again, err := b.giver().Release(t.Context(), batch.Code(2), "wang", noon.AddDate(3, 0, 0))
		if diff := cmp.Diff(first, again); diff != "" || err != nil {
			t.Errorf("%s: %s %v", kind, diff, err)
		}
		b.unchanged(before, "releasing again")
		if given := b.given(member, award); given != 3 {
			t.Errorf("%s: %d prizes were given", kind, given)
		}
	}
}

// The entries of the ledger are those that were given, held ones are none.
func TestAHeldPrizeIsInNoLedger(t *testing.T) {
	b := open(t)
	batch, member := b.heldCard(prizes[cards.PrizePoints])
	entries := func() int {
		lines, _, err := statement.Ledger(t.Context(), b.f.Store, b.account(member), 100, "")
		if err != nil {
			t.Fatal(err)
		}
		return len(lines)
	}
	if account := b.account(member); entries() != 2 || account.Turnover.Issued != 2*8613 {
		t.Errorf("%d entries, issued %d", entries(), account.Turnover.Issued)
	}
	if _, err := b.giver().Release(t.Context(), batch.Code(2), "li", noon); err != nil {
		t.Fatal(err)
	}
	if account := b.account(member); entries() != 3 || account.Turnover.Issued != 3*8613 {
		t.Errorf("released: %d entries, issued %d", entries(), account.Turnover.Issued)
	}
}

func TestAHeldCardOfAPhoneThatNobodyProved(t *testing.T) {
	b := open(t)
	b.bounds(strict)
	batch := b.many(1, 10, prizes[cards.PrizePoints])
	for card, want := range []string{"reserved", "reserved", "held"} {
		if got := b.answered(b.redeem(b.code(batch, card), nil, phone("13800000000"))); got.State != want {
			t.Fatalf("card %d: %+v", card, got)
		}
	}
	member := b.enrol(phoneIdentity(t, b.f.PhoneKey, "13800000000"))
	before := b.snapshot()
	if got := b.answered(b.redeem(b.code(batch, 2), b.bearer(member), "")); got.State != "held" {
		t.Errorf("who proves the phone is told %+v", got)
	}
	b.unchanged(before, "proving a held card")
	if hold, err := b.giver().Release(t.Context(), batch.Code(2), "li", noon); err != nil || hold.Member != "" {
		t.Fatalf("%+v %v", hold, err)
	}
	if got := b.answered(b.redeem(b.code(batch, 2), nil, phone("13800000000"))); got.State != "reserved" {
		t.Errorf("released: %+v", got)
	}
	if b.account(member).Balance.Available != 0 {
		t.Error("a reserved prize was given without proof")
	}
	for range 2 {
		if got := b.answered(b.redeem(b.code(batch, 2), b.bearer(member), "")); got.State != "credited" {
			t.Errorf("proved: %+v", got)
		}
	}
	if got := b.account(member).Balance.Available; got != 8613 {
		t.Errorf("%d points", got)
	}
}

func TestAHeldCardOfAMemberWhoWasMergedOrErased(t *testing.T) {
	b := open(t)
	batch, part := b.heldCard(prizes[cards.PrizePoints])
	whole := b.alreadyMember("whole")
	b.merge(whole, part)
	was := b.account(whole).Balance.Available
	hold, err := b.giver().Release(t.Context(), batch.Code(2), "li", noon)
	if err != nil || hold.Member != whole || b.account(whole).Balance.Available != was+8613 {
		t.Errorf("%+v %v, %d points", hold, err, b.account(whole).Balance.Available)
	}
	if got := b.answered(b.redeem(b.code(batch, 2), b.bearer(whole), "")); got.State != "credited" {
		t.Errorf("the whole is told %+v", got)
	}

	b = open(t)
	batch, member := b.heldCard(prizes[cards.PrizePoints])
	if err := enrolment.Erase(t.Context(), b.f.Store, member, store.Erasure{By: store.Hand{Operator: "wang", At: noon}, Reason: "asked"}); err != nil {
		t.Fatal(err)
	}
	before := b.snapshot()
	if _, err := b.giver().Release(t.Context(), batch.Code(2), "li", noon); loyalty.KindOf(err) != loyalty.KindConflict {
		t.Errorf("releasing to nobody: %v", err)
	}
	b.unchanged(before, "releasing to nobody")
	if hold, err := b.giver().Void(t.Context(), batch.Code(2), cards.VoidOwnerLeft, "li", lenient(), noon); err != nil || hold.State() != cards.HoldVoided {
		t.Errorf("%+v %v", hold, err)
	}
}

// The batch's end takes nothing from who redeemed in it.
func TestAHeldCardOfABatchThatIsOver(t *testing.T) {
	b := open(t)
	batch, member := b.heldCard(prizes[cards.PrizePoints])
	batch.State, batch.Frozen = cards.StateFrozen, &cards.Signature{Operator: "li", At: noon}
	b.put(table.DocumentBatch, batch.ID(), batch)
	if got := b.answered(b.redeem(b.code(batch, 2), nil, openid("o-1"))); got.State != "held" {
		t.Errorf("frozen: %+v", got)
	}
	if _, err := b.giver().Release(t.Context(), batch.Code(2), "li", closed.AddDate(0, 1, 0)); err != nil {
		t.Fatal(err)
	}
	if got := b.answered(b.redeem(b.code(batch, 2), nil, openid("o-1"))); got.State != "credited" || b.account(member).Balance.Available != 3*8613 {
		t.Errorf("released: %+v", got)
	}
}

// appealBy sends the page's own form.
func (b *brand) appealBy(code, number, ground, language string) events.APIGatewayV2HTTPResponse {
	b.t.Helper()
	return b.send(b.t.Context(), "POST", "/c/"+code+"?appeal=1&lang="+language, map[string]string{"content-type": "application/x-www-form-urlencoded"},
		url.Values{"phone": {number}, "ground": {ground}}.Encode())
}

func TestThePageOfAHeldCard(t *testing.T) {
	for language, words := range map[string][3]string{
		"zh-CN": {"奖品为您保留", "这张卡已作废", "不再发放"},
		"en":    {"kept for you", "This card was voided", "stolen or lost"},
	} {
		t.Run(language, func(t *testing.T) {
			b := open(t)
			b.bounds(strict)
			b.template()
			batch := b.many(1, 10, prizes[cards.PrizeCoupon])
			for card := range 3 {
				b.form(b.code(batch, card), url.Values{"phone": {"13800000000"}, "consent": consents})
			}
			code := b.code(batch, 2)
			post := func() events.APIGatewayV2HTTPResponse {
				return b.send(t.Context(), "POST", "/c/"+code+"?lang="+language, map[string]string{"content-type": "application/x-www-form-urlencoded"},
					url.Values{"phone": {"13800000000"}, "consent": consents}.Encode())
			}
			check := func(response events.APIGatewayV2HTTPResponse, status int, parts ...string) {
				t.Helper()
				if response.StatusCode != status || len(response.Body) > 60_000 {
					t.Errorf("%d, %d bytes", response.StatusCode, len(response.Body))
				}
				for _, part := range append(parts, program.Default().Brand.Contact) {
					if !strings.Contains(response.Body, part) {
						t.Errorf("the page does not say %q", part)
					}
				}
				for _, secret := range []string{"13800000000", `class="figure`, code[8:20]} {
					if strings.Contains(response.Body, secret) {
						t.Errorf("the page holds %q", secret)
					}
				}
			}
			check(post(), 200, words[0], `id="held"`, `<form id="appeal" method="post"`, `name="ground" value="bought"`)
			check(b.appealBy(code, "13800000000", "bought", language), 200, `class="view-appealed"`)
			if appeal := b.hold(batch.Code(2)).Hold.Appeal; appeal == nil || *appeal != (cards.Appeal{Ground: cards.GroundBought, At: noon.UTC()}) {
				t.Errorf("the appeal is %+v", appeal)
			}
			batch.Terms = []cards.Terms{{Template: "back-20", Discount: 2000}}
			b.put(table.DocumentBatch, batch.ID(), batch)
			if _, err := b.giver().Void(t.Context(), batch.Code(2), cards.VoidStolen, "li", lenient(), noon); err != nil {
				t.Fatal(err)
			}
			check(post(), 200, words[1], words[2], `id="voided"`, `<form id="appeal" method="post"`)
			wrong := b.appealBy(code, "12", "bought", language)
			if wrong.StatusCode != 400 || !strings.Contains(wrong.Body, `id="appeal-error"`) {
				t.Errorf("a wrong phone: %d", wrong.StatusCode)
			}
		})
	}
}

// An appeal is noted once, for who redeemed the card and nobody else; none of
// them is told apart by the answer.
func TestAppeals(t *testing.T) {
	b := open(t)
	batch, member := b.heldCard(prizes[cards.PrizePoints])
	code := b.code(batch, 2)
	appeal := func(header map[string]string, body string) events.APIGatewayV2HTTPResponse {
		all := map[string]string{"content-type": "application/json"}
		for name, value := range header {
			all[name] = value
		}
		return b.send(t.Context(), "POST", "/C/"+code+"/appeal", all, body)
	}
	by := func(identity, ground string) string {
		return strings.TrimSuffix(identity, "}") + `,"ground":"` + ground + `"}`
	}
	before := b.snapshot()
	stranger := appeal(nil, by(openid("o-2"), "given"))
	for name, response := range map[string]events.APIGatewayV2HTTPResponse{
		"a typed phone": b.appealBy(code, "13800000000", "bought", "en"),
		"a stranger":    stranger,
	} {
		if response.StatusCode >= 300 {
			t.Errorf("%s: %d %s", name, response.StatusCode, response.Body)
		}
	}
	for name, test := range map[string]struct {
		response events.APIGatewayV2HTTPResponse
		status   int
	}{
		"no ground":        {appeal(nil, openid("o-1")), 400},
		"another ground":   {appeal(nil, by(openid("o-1"), "because 13800000000")), 400},
		"nobody":           {appeal(nil, `{"ground":"bought"}`), 400},
		"by GET":           {b.send(t.Context(), "GET", "/c/"+code+"/appeal", nil, ""), 405},
		"a form's ground":  {b.appealBy(code, "13800000000", "x", "en"), 400},
		"with redemption":  {b.redeem(code, nil, by(openid("o-1"), "bought")), 400},
		"an unknown card":  {b.send(t.Context(), "POST", "/c/"+code[:33]+"A/appeal", map[string]string{"content-type": "application/json"}, by(openid("o-1"), "bought")), 404},
		"of another's key": {b.send(t.Context(), "POST", "/c/x/appeal", map[string]string{"content-type": "application/json"}, by(openid("o-1"), "bought")), 404},
	} {
		if test.response.StatusCode != test.status {
			t.Errorf("%s: %d %s", name, test.response.StatusCode, test.response.Body)
		}
	}
	b.unchanged(before, "who may not appeal")
	credited := b.send(t.Context(), "POST", "/c/"+b.code(batch, 0)+"/appeal", map[string]string{"content-type": "application/json"}, by(openid("o-1"), "given"))
	if credited.StatusCode != 202 || credited.Body != stranger.Body {
		t.Errorf("an appeal for a card that is not held: %d %s", credited.StatusCode, credited.Body)
	}
	b.unchanged(before, "an appeal for a card that is not held")
	his := appeal(nil, by(openid("o-1"), "given"))
	if his.StatusCode != 202 || his.Body != stranger.Body {
		t.Errorf("%d %s, a stranger is told %s", his.StatusCode, his.Body, stranger.Body)
	}
	if got := b.hold(batch.Code(2)).Hold.Appeal; got == nil || got.Ground != cards.GroundGiven {
		t.Fatalf("the appeal is %+v", got)
	}
	before = b.snapshot()
	for range 3 {
		b.at(noon.Add(time.Hour))
		appeal(nil, by(openid("o-1"), "bought"))
		appeal(b.bearer(member), `{"ground":"other"}`)
	}
	b.unchanged(before, "a second appeal")

	// Those that were appealed against come first.
	if got := b.answered(b.redeem(b.code(batch, 3), nil, openid("o-1"))); got.State != "held" {
		t.Fatal(got)
	}
	listed := func(state cards.HoldState, appealed bool, limit int) (ids []string) {
		for cursor := ""; ; {
			page, next, err := b.f.Store.Holds(t.Context(), state, appealed, limit, cursor)
			if err != nil || len(page) > limit {
				t.Fatal(err, len(page))
			}
			for _, hold := range page {
				ids = append(ids, hold.ID)
			}
			if cursor = next; cursor == "" {
				return ids
			}
		}
	}
	b.at(noon.Add(-time.Hour))
	b.redeem(b.code(batch, 4), nil, openid("o-1"))
	for limit := 1; limit < 4; limit++ {
		if diff := cmp.Diff([]string{"1-00001-0000002", "1-00001-0000004", "1-00001-0000003"}, listed(cards.HoldOpen, false, limit)); diff != "" {
			t.Errorf("%d a page: %s", limit, diff)
		}
	}
	if diff := cmp.Diff([]string{"1-00001-0000002"}, listed(cards.HoldOpen, true, 5)); diff != "" {
		t.Error(diff)
	}
	if _, err := b.giver().Release(t.Context(), batch.Code(2), "li", noon); err != nil {
		t.Fatal(err)
	}
	if got := listed(cards.HoldOpen, true, 5); got != nil {
		t.Errorf("released, and still listed: %v", got)
	}
	if diff := cmp.Diff([]string{"1-00001-0000002"}, listed(cards.HoldReleased, true, 5)); diff != "" {
		t.Error(diff)
	}
	for _, secret := range []string{"138000", "o-1", "because", code[8:20]} {
		if strings.Contains(b.logged.String(), secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
}

// Void and redemption of one free card at once: it is redeemed or void, and who
// is refused owns nothing.
func TestVoidingAFreeCardWhileItIsRedeemed(t *testing.T) {
	seen := map[int]int{}
	for round := range 40 {
		b := open(t)
		b.alreadyMember("o-1")
		batch := b.many(1, 10, prizes[cards.PrizePoints])
		var voided error
		var response events.APIGatewayV2HTTPResponse
		var wait sync.WaitGroup
		wait.Go(func() { response = b.redeem(b.code(batch, 0), nil, openid("o-1")) })
		wait.Go(func() {
			for range 20 * round {
				runtime.Gosched()
			}
			_, voided = b.f.Store.VoidCard(t.Context(), batch.Code(0), store.VoidedCard{Reason: cards.VoidMisprint, By: store.Hand{Operator: "li", At: noon}})
		})
		wait.Wait()
		seen[response.StatusCode]++
		switch {
		case response.StatusCode == 200 && loyalty.KindOf(voided) == loyalty.KindConflict:
		case response.StatusCode == 404 && voided == nil && problemCode(t, response) == "card_not_found":
			page := b.page(b.code(batch, 0))
			if page.StatusCode != 404 || !strings.Contains(page.Body, "申诉") || !strings.Contains(page.Body, program.Default().Brand.Contact) {
				t.Errorf("the page of a voided card: %d", page.StatusCode)
			}
		default:
			t.Fatalf("%d %s, %v", response.StatusCode, response.Body, voided)
		}
	}
	t.Logf("%v", seen)
}
