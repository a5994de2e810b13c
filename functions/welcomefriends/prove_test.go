package welcomefriends_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	mathrand "math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"github.com/huitou/huitou/functions/redeemcard"
	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/claim"
	"github.com/huitou/huitou/shared/enrolment"
	"github.com/huitou/huitou/shared/friend"
	"github.com/huitou/huitou/shared/identity"
	"github.com/huitou/huitou/shared/ledger"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/prizes"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/table/crash"
	"github.com/huitou/huitou/shared/token"
)

const typed = "13800138000"

var (
	phoneKey = []byte("phone-key-phone-key-phone-key-32")
	tokenKey = []byte("member-token-key-of-32-bytes-at-least")

	hundred = cards.Award{Kind: cards.PrizePoints, Amount: 100}
	packet  = cards.Award{Kind: cards.PrizeRedPacket, Amount: 188}
	gift    = cards.Award{Kind: cards.PrizeGift, Text: "试用装一份"}
	nothing = cards.Award{Kind: cards.PrizeNone}
)

// post is a queue that keeps what is put on it.
type post struct {
	mu     sync.Mutex
	bodies []string
}

func (p *post) Send(_ context.Context, bodies ...[]byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, body := range bodies {
		p.bodies = append(p.bodies, string(body))
	}
	return nil
}

// shop is a brand that also has the page behind its cards.
type shop struct {
	*brand
	page            *redeemcard.Function
	orders, payouts *post
}

func openShop(t *testing.T) *shop {
	t.Helper()
	s := &shop{brand: open(t), orders: &post{}, payouts: &post{}}
	s.function.Orders, s.function.Payouts, s.function.Random = s.orders, s.payouts, rand.Reader
	s.page = &redeemcard.Function{
		Store: s.store, Orders: s.orders, Payouts: s.payouts, Keys: s.ring, PhoneKey: phoneKey, TokenKey: tokenKey,
		Clock: func() time.Time { return s.now }, Random: rand.Reader, Log: slog.New(slog.DiscardHandler),
	}
	return s
}

// batch opens the batch of the fixtures' card: ten cards that give the award.
func (s *shop) batch(award cards.Award) cards.Batch {
	s.Helper()
	signed := &cards.Signature{Operator: "li", At: began.AddDate(0, 0, -1)}
	batch := cards.Batch{
		KeyID: "K", Number: card.Batch, Name: "双十一", Count: 10, State: cards.StateActive, Approved: signed, Activated: signed,
		ValidFrom: began.AddDate(0, 0, -1), ValidTo: began.AddDate(0, 1, 0), RulesText: "每张卡限兑一次。",
		Arms: []cards.Arm{{Name: "a", Form: cards.FormPlain, Weight: 1, Prizes: []cards.Prize{{Award: award, Quantity: 10}}}},
	}
	s.keep(batch)
	return batch
}

func (s *shop) keep(batch cards.Batch) {
	s.Helper()
	raw, err := json.Marshal(batch)
	if err != nil {
		s.Fatal(err)
	}
	s.write(table.Put(table.Item{
		Key: table.DocumentKey(table.DocumentBatch, batch.ID()), Attributes: map[string]table.Value{"doc": table.String(string(raw))},
	}))
}

// scan redeems a card with a body, or a member's token.
func (s *shop) scan(code cards.Code, body string, member loyalty.MemberID) events.APIGatewayV2HTTPResponse {
	s.Helper()
	text, err := s.ring.Codec().Token(code)
	if err != nil {
		s.Fatal(err)
	}
	event := events.APIGatewayV2HTTPRequest{RawPath: "/c/" + text + "/redemption", Body: body, Headers: map[string]string{"content-type": "application/json"}}
	if member != "" {
		raw, _, err := token.NewMember(tokenKey, member, s.now)
		if err != nil {
			s.Fatal(err)
		}
		event.Headers["authorization"] = "Bearer " + raw
	}
	event.RequestContext.HTTP.Method = "POST"
	answer, err := s.page.Handle(context.Background(), event)
	if err != nil {
		s.Error(err)
	}
	return answer
}

// reserve types a phone on the card's page.
func (s *shop) reserve(code cards.Code) string {
	s.Helper()
	answer := s.scan(code, fmt.Sprintf(`{"identity":{"kind":"phone","value":%q},"consents":["membership","marketing"]}`, typed), "")
	if answer.StatusCode != 200 {
		s.Fatalf("the phone is answered %d %s", answer.StatusCode, answer.Body)
	}
	return answer.Body
}

func (s *shop) phone() loyalty.Identity {
	s.Helper()
	phone, err := identity.ParsePhone(typed)
	if err != nil {
		s.Fatal(err)
	}
	known, err := phone.Identity(phoneKey)
	if err != nil {
		s.Fatal(err)
	}
	return known
}

func (s *shop) member(identities ...loyalty.Identity) loyalty.MemberID {
	s.Helper()
	request := enrolment.Request{}
	for _, known := range identities {
		request.Identities = append(request.Identities, enrolment.Identity{Identity: known})
	}
	member, _, err := enrolment.Enrol(s.Context(), s.store, request, rand.Reader, began)
	if err != nil {
		s.Fatal(err)
	}
	return member
}

func (s *shop) account(member loyalty.MemberID) store.Account {
	s.Helper()
	account, err := s.store.Account(s.Context(), member)
	if err != nil {
		s.Fatal(err)
	}
	return account
}

func (s *shop) redeemed(code cards.Code) store.Redemption {
	s.Helper()
	look, err := s.store.CardClaims(s.Context(), code)
	if err != nil || look.Redemption == nil {
		s.Fatalf("%+v, %v", look, err)
	}
	return *look.Redemption
}

// all is every item of the table, to show that nothing changed.
func (s *shop) all(prefixes ...string) map[table.Key]string {
	s.Helper()
	page, err := s.store.Table.Scan(s.Context(), table.Scan{Segments: 1, Limit: 1000, Consistency: table.Strong})
	if err != nil || page.Next != "" {
		s.Fatal(page.Next, err)
	}
	found := map[table.Key]string{}
	for _, item := range page.Items {
		if slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(item.Key.PK, p) }) {
			found[item.Key] = fmt.Sprint(item.Attributes)
		}
	}
	return found
}

func (s *shop) fact() friend.Fact {
	s.Helper()
	log := s.records()
	return log[len(log)-1].Fact
}

// A friend who comes with a reserved card's State becomes a member and gets the
// prize, each kind by the rules of a redemption; whoever typed the phone learns
// nothing of it, and the phone stays nobody's.
func TestAFriendProvesAReservedPrize(t *testing.T) {
	for _, award := range []cards.Award{hundred, packet, gift, nothing} {
		t.Run(string(award.Kind), func(t *testing.T) {
			s := openShop(t)
			s.batch(award)
			reserved := s.reserve(card)
			if !strings.Contains(reserved, `"state":"reserved"`) || !strings.Contains(reserved, s.reference(card)) {
				t.Fatalf("the phone is answered %s", reserved)
			}
			redeemedAt := s.now
			s.now = s.now.Add(time.Minute)
			event := s.added()
			event.At = s.now.Add(-2 * time.Second)
			s.tell(event)

			member := s.owner()
			account := s.account(member)
			want := store.Profile{Identities: []store.ProfileIdentity{{Kind: loyalty.IdentityWeCom, Channel: "wecom", Value: external}}}
			if diff := cmp.Diff(want, account.Profile); diff != "" || !account.JoinedAt.Equal(s.now) {
				t.Errorf("they joined at %s with (-want +got):\n%s", account.JoinedAt, diff)
			}
			if diff := cmp.Diff(map[loyalty.Consent]time.Time{loyalty.ConsentMembership: redeemedAt, loyalty.ConsentMarketing: redeemedAt}, account.Consents); diff != "" {
				t.Errorf("their consents (-want +got):\n%s", diff)
			}
			proved, news := friend.PrizeProved, greeting+"\n"+program.Default().Brand.WelcomePrize
			if award == nothing {
				proved, news = friend.PrizeBlank, greeting
			}
			if fact := s.fact(); fact.Prize != proved || fact.Member != member || fact.Card == nil || *fact.Card != (friend.Card{Batch: tied.Batch, Card: 3}) {
				t.Errorf("the fact is %+v", fact)
			}
			if len(s.platform.taken) != 1 || s.platform.taken[0].Text != news || s.platform.taken[0].Member != member {
				t.Errorf("they are greeted with %+v", s.platform.taken)
			}
			if got := s.redeemed(card); got.Member != member || !got.At.Equal(redeemedAt) || got.Joined || got.Identity != s.phone() {
				t.Errorf("the card is %+v", got)
			}
			if owners, err := s.store.Owners(t.Context(), s.phone()); err != nil || owners[0] != "" {
				t.Errorf("the phone is %q's, %v", owners[0], err)
			}
			if got := s.reserve(card); got != reserved {
				t.Errorf("who typed the phone gets %s, want %s", got, reserved)
			}
			s.given(award, member)
			s.expect("proved", 1, 0, 1)
			for _, canary := range []string{external, string(member), s.reference(card), typed} {
				if strings.Contains(s.log.String(), canary) {
					t.Errorf("%q is in the log: %s", canary, &s.log)
				}
			}
		})
	}
}

// given demands that the member has the award, once.
func (s *shop) given(award cards.Award, member loyalty.MemberID) {
	s.Helper()
	balance := points.Balance{}
	if award.Kind == cards.PrizePoints {
		balance.Available = loyalty.Points(award.Amount)
		if got := s.redeemed(card); got.Program != 1 || len(got.Entries) != 1 {
			s.Errorf("the entry is %+v of version %d", got.Entries, got.Program)
		}
	}
	if got := s.account(member).Balance; got != balance {
		s.Errorf("%s has %+v, want %+v", member, got, balance)
	}
	payout, err := s.store.Payout(s.Context(), card)
	if isPacket := award.Kind == cards.PrizeRedPacket; isPacket != (err == nil) || isPacket &&
		(payout.Member != member || payout.Recipient != store.WeComIdentity(external) || !slices.Contains(s.payouts.bodies, string(card.Bill().Message()))) {
		s.Errorf("the payout is %+v, %v; asked for %q", payout, err, s.payouts.bodies)
	}
	gifts, _, err := s.store.GiftsOf(s.Context(), member, 10, "")
	if err != nil || (award.Kind == cards.PrizeGift) != (len(gifts) == 1) {
		s.Errorf("the gifts are %+v, %v", gifts, err)
	}
}

// The owner of the contact's identity gets the prize: a member as they are, the whole
// of a part, who keeps it when they are parted, and nobody who was erased.
func TestAFriendWhoIsSomebodyProvesAReservedPrize(t *testing.T) {
	t.Run("a member", func(t *testing.T) {
		s := openShop(t)
		s.batch(hundred)
		s.reserve(card)
		member := s.member(store.WeComIdentity(external))
		s.tell(s.added())
		s.given(hundred, member)
		if account := s.account(member); len(account.Profile.Identities) != 1 || len(account.Consents) != 0 {
			t.Errorf("consents of a page are not a known member's: %+v", account)
		}
	})
	t.Run("a part", func(t *testing.T) {
		s := openShop(t)
		s.batch(hundred)
		s.reserve(card)
		part, whole := s.member(store.WeComIdentity(external)), s.member(loyalty.Identity{Kind: loyalty.IdentityOpenID, Value: "o-whole"})
		by := store.Hand{Operator: "li", At: began}
		merge := store.Merge{Into: whole, Part: part, ID: "m-1", By: by, Reason: "the same person"}
		if _, err := ledger.Merge(t.Context(), s.store, merge); err != nil {
			t.Fatal(err)
		}
		s.tell(s.added())
		if s.fact().Member != whole {
			t.Errorf("the fact is %+v", s.fact())
		}
		s.given(hundred, whole)
		if _, err := ledger.Unmerge(t.Context(), s.store, whole, part, "m-2", "they are two", by); err != nil {
			t.Fatal(err)
		}
		s.given(hundred, whole)
		if got := s.account(part).Balance; got != (points.Balance{}) {
			t.Errorf("the part has %+v", got)
		}
	})
	t.Run("erased", func(t *testing.T) {
		s := openShop(t)
		s.batch(hundred)
		s.reserve(card)
		gone := s.member(store.WeComIdentity(external))
		erase := func() {
			t.Helper()
			if err := enrolment.Erase(t.Context(), s.store, gone, store.Erasure{By: store.Hand{Operator: "li", At: began}, Reason: "asked for"}); err != nil {
				t.Fatal(err)
			}
		}
		erase()
		s.tell(s.added())
		if s.owner() == gone || s.owner() == "" || s.account(gone).Balance != (points.Balance{}) {
			t.Errorf("the contact is %q's", s.owner())
		}
		s.given(hundred, s.owner())
		gone = s.owner()
		erase()
		again := s.added()
		again.At = again.At.Add(time.Second)
		s.tell(again, s.added())
		if got := s.redeemed(card); got.Member != gone || s.owner() != "" || s.fact().Untied != friend.UntiedTaken || s.fact().Prize != friend.PrizeTaken {
			t.Errorf("when the one who proved it was erased: %+v, %+v", got, s.fact())
		}
	})
}

// The first who proves the reserved prize has it; the other is told so, and
// nothing of them moves.
func TestTheFirstProofWins(t *testing.T) {
	t.Run("the friend", func(t *testing.T) {
		s := openShop(t)
		s.batch(hundred)
		s.reserve(card)
		owner := s.member(s.phone())
		s.tell(s.added())
		before := s.all("C#", "M#", "I#")
		if got := s.scan(card, "", owner); got.StatusCode != 409 {
			t.Errorf("the phone's owner is answered %d %s", got.StatusCode, got.Body)
		}
		if diff := cmp.Diff(before, s.all("C#", "M#", "I#")); diff != "" {
			t.Errorf("a refusal changed (-before +after):\n%s", diff)
		}
		s.given(hundred, s.owner())
	})
	t.Run("the owner", func(t *testing.T) {
		s := openShop(t)
		s.batch(hundred)
		s.reserve(card)
		owner := s.member(s.phone())
		if got := s.scan(card, "", owner); got.StatusCode != 200 {
			t.Fatalf("the phone's owner is answered %d %s", got.StatusCode, got.Body)
		}
		before := s.all("M#", "I#")
		s.tell(s.added())
		// They held the page, and need not be the phone's owner for all that.
		if fact := s.fact(); fact.Prize != friend.PrizeTaken || fact.Member != "" || s.owner() != "" {
			t.Errorf("the fact is %+v, the contact is %q's", fact, s.owner())
		}
		if diff := cmp.Diff(before, s.all("M#", "I#")); diff != "" {
			t.Errorf("a refusal changed (-before +after):\n%s", diff)
		}
		if want := greeting + "\n" + program.Default().Brand.WelcomeTaken; s.platform.taken[0].Text != want {
			t.Errorf("they are greeted with %q", s.platform.taken[0].Text)
		}
		s.expect("second", 1, 0, 1)
	})
	t.Run("the owner, who is the friend", func(t *testing.T) {
		s := openShop(t)
		s.batch(hundred)
		s.reserve(card)
		owner := s.member(s.phone(), store.WeComIdentity(external))
		if got := s.scan(card, "", owner); got.StatusCode != 200 {
			t.Fatalf("%d %s", got.StatusCode, got.Body)
		}
		s.tell(s.added())
		if fact := s.fact(); fact.Prize != friend.PrizeHis || fact.Member != owner {
			t.Errorf("the fact is %+v", fact)
		}
		s.brand.expect("theirs before", 1, 0, 1)
	})
	t.Run("a friend before them", func(t *testing.T) {
		s := openShop(t)
		s.batch(hundred)
		s.reserve(card)
		other := s.added()
		other.External, other.WelcomeCode = "wmBBBB", "WELCOME-CODE-B"
		s.tell(s.added())
		before := s.all("C#", "M#", "I#")
		s.tell(other)
		if diff := cmp.Diff(before, s.all("C#", "M#", "I#")); diff != "" {
			t.Errorf("a link that was passed on changed (-before +after):\n%s", diff)
		}
		if got := s.platform.taken[1]; got.Text != greeting+"\n"+program.Default().Brand.WelcomeTaken || got.Member != "" {
			t.Errorf("they are greeted with %+v", got)
		}
	})
}

// A batch that is over still gives what was won in time; a frozen one does not,
// and nothing that was decided before the freeze lands after the "no".
func TestProofInABatchThatEnded(t *testing.T) {
	frozenAt := began.Add(time.Hour)
	for name, c := range map[string]struct {
		at     time.Time
		freeze bool
		prize  friend.Prize
		marked bool
	}{
		"over":               {began.AddDate(0, 2, 0), false, friend.PrizeProved, false},
		"just frozen":        {frozenAt.Add(time.Minute), true, friend.PrizeWithheld, true},
		"frozen and settled": {frozenAt.Add(cards.SettlingTime), true, friend.PrizeWithheld, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := openShop(t)
			batch := s.batch(hundred)
			s.reserve(card)
			owner := s.member(s.phone())
			if c.freeze {
				s.keep(batch.Freeze("li", frozenAt))
			}
			s.now = c.at
			event := s.added()
			event.At = c.at.Add(-time.Second)
			s.tell(event, event)
			if got := s.redeemed(card); s.fact().Prize != c.prize || got.Withheld != c.marked || (got.Member != "") != (c.prize == friend.PrizeProved) {
				t.Errorf("the card is %+v, the fact %+v", got, s.fact())
			}
			if c.prize != friend.PrizeWithheld {
				return
			}
			if s.owner() != "" || s.platform.taken[0].Text != greeting+"\n"+program.Default().Brand.WelcomeTaken {
				t.Errorf("the contact is %q's; %+v", s.owner(), s.platform.taken)
			}
			if got := s.scan(card, "", owner); got.StatusCode != 404 {
				t.Errorf("the phone's owner is answered %d %s", got.StatusCode, got.Body)
			}
		})
	}
	t.Run("withheld from the owner", func(t *testing.T) {
		s := openShop(t)
		batch := s.batch(hundred)
		s.reserve(card)
		owner := s.member(s.phone())
		s.keep(batch.Freeze("li", s.now))
		if got := s.scan(card, "", owner); got.StatusCode != 404 {
			t.Fatalf("%d %s", got.StatusCode, got.Body)
		}
		s.keep(batch) // as an instance sees it that read it before the freeze
		s.tell(s.added())
		if s.fact().Prize != friend.PrizeWithheld || s.owner() != "" {
			t.Errorf("the fact is %+v", s.fact())
		}
	})
	t.Run("kept for somebody who was erased", func(t *testing.T) {
		s := openShop(t)
		s.batch(hundred)
		s.reserve(card)
		owner := s.member(s.phone())
		if err := enrolment.Erase(t.Context(), s.store, owner, store.Erasure{By: store.Hand{Operator: "li", At: began}, Reason: "asked for"}); err != nil {
			t.Fatal(err)
		}
		s.tell(s.added())
		if s.fact().Prize != friend.PrizeWithheld || s.owner() != "" {
			t.Errorf("the fact is %+v", s.fact())
		}
	})
}

func TestWithdrawnConsentsAreNotGiven(t *testing.T) {
	s := openShop(t)
	s.batch(hundred)
	s.reserve(card)
	was := s.redeemed(card)
	is := was
	is.Consents = []loyalty.Consent{loyalty.ConsentMembership}
	s.write(store.ChangeRedemption(card, was, is))
	s.tell(s.added())
	if got := slices.Collect(maps.Keys(s.account(s.owner()).Consents)); !slices.Equal(got, []loyalty.Consent{loyalty.ConsentMembership}) {
		t.Errorf("they have given %v", got)
	}
}

// A consent that was ticked on the page is withdrawn on the page, also when it
// has become a member's; one that they gave themselves since is theirs.
func TestAConsentOfThePageIsWithdrawnThere(t *testing.T) {
	withdraw := func(s *shop) {
		t.Helper()
		text, err := s.ring.Codec().Token(card)
		if err != nil {
			t.Fatal(err)
		}
		event := events.APIGatewayV2HTTPRequest{RawPath: "/c/" + text, RawQueryString: "withdraw=1", Body: "phone=" + typed, Headers: map[string]string{"content-type": "application/x-www-form-urlencoded"}}
		event.RequestContext.HTTP.Method = "POST"
		if answer, err := s.page.Handle(t.Context(), event); err != nil || answer.StatusCode != 200 {
			t.Fatalf("%d %v", answer.StatusCode, err)
		}
	}
	for name, c := range map[string]struct {
		own  bool
		want []loyalty.Consent
	}{
		"of the page": {false, []loyalty.Consent{loyalty.ConsentMembership}},
		"their own":   {true, []loyalty.Consent{loyalty.ConsentMarketing, loyalty.ConsentMembership}},
	} {
		s := openShop(t)
		s.batch(hundred)
		s.reserve(card)
		s.tell(s.added())
		if c.own {
			s.write(store.UpdateAccount(s.owner(), store.WithdrawConsent(loyalty.ConsentMarketing, s.now)))
			s.write(store.UpdateAccount(s.owner(), []table.Change{store.GiveConsent(loyalty.ConsentMarketing, s.now.Add(time.Hour))}))
		}
		withdraw(s)
		withdraw(s)
		if got := slices.Sorted(maps.Keys(s.account(s.owner()).Consents)); !slices.Equal(got, c.want) {
			t.Errorf("%s: they have given %v, want %v", name, got, c.want)
		}
		if got := s.redeemed(card).Consents; !slices.Equal(got, []loyalty.Consent{loyalty.ConsentMembership}) {
			t.Errorf("%s: the card says %v", name, got)
		}
	}
}

// One friend may bring several cards: each gives them its prize, and they are
// one member.
func TestOneFriendBringsSeveralCards(t *testing.T) {
	s := openShop(t)
	s.batch(hundred)
	for i := range 3 {
		code := cards.Code{KeyID: 'K', Batch: card.Batch, Card: i}
		s.reserve(code)
		event := s.added()
		event.State, event.User, event.WelcomeCode = s.reference(code), fmt.Sprint("staff-", i), fmt.Sprint("CODE-", i)
		s.tell(event, event)
	}
	if got := s.account(s.owner()).Balance; got != (points.Balance{Available: 300}) {
		t.Errorf("three cards of 100 give %+v", got)
	}
	s.expect("three cards", 3, 0, 3)
}

// A person who types many phones and brings all the cards as one friend is held
// like one who redeems them in person: the cards are theirs, and their prizes
// wait for an operator.
func TestAFriendWithTooManyCardsWaits(t *testing.T) {
	s := openShop(t)
	s.batch(packet)
	rules := program.Default()
	rules.Version, rules.EffectiveAt, rules.Brand.Welcome = 2, began.Add(-time.Hour), greeting
	rules.Cards.Holds = &cards.Holds{WindowHours: 24, PerPerson: 2, Carton: 100}
	s.write(store.PutProgram(rules))
	last := cards.Code{KeyID: 'K', Batch: card.Batch, Card: 4}
	for i := range 4 {
		code := cards.Code{KeyID: 'K', Batch: card.Batch, Card: i + 1}
		phone := fmt.Sprintf(`{"identity":{"kind":"phone","value":"1380013800%d"}}`, i)
		if answer := s.scan(code, phone, ""); answer.StatusCode != 200 || !strings.Contains(answer.Body, `"reserved"`) {
			t.Fatalf("card %d: %s", i, answer.Body)
		}
		event := s.added()
		event.State, event.User, event.WelcomeCode = s.reference(code), fmt.Sprint("staff-", i), fmt.Sprint("CODE-", i)
		s.tell(event, event)
	}
	if got := s.redeemed(last); got.Member != s.owner() || got.Hold != cards.HoldOpen || got.Award != packet || s.fact().Prize != friend.PrizeHeld {
		t.Errorf("the fourth card is %+v, the fact %+v", got, s.fact())
	}
	if _, err := s.store.Payout(t.Context(), last); loyalty.KindOf(err) != loyalty.KindNotFound || len(s.payouts.bodies) == 0 || slices.Contains(s.payouts.bodies, string(last.Bill().Message())) {
		t.Errorf("its packet: %v; asked for %q", err, s.payouts.bodies)
	}
	if got := s.platform.taken[3].Text; got != greeting {
		t.Errorf("they are greeted with %q", got)
	}
	s.expect("four cards", 4, 0, 4)
	if _, err := (prizes.Giver{Store: s.store, Random: rand.Reader}).Release(t.Context(), last, "li", s.now); err != nil {
		t.Fatal(err)
	}
	if payout, err := s.store.Payout(t.Context(), last); err != nil || payout.Member != s.owner() {
		t.Errorf("released: %+v, %v", payout, err)
	}
}

// The life of a friend in every order, each event twice: one member, one prize.
func TestAProofInAnyOrder(t *testing.T) {
	var permute func(done, rest []friend.Event)
	outer := openShop(t)
	confirmed := outer.added()
	confirmed.At, confirmed.WelcomeCode = began.Add(time.Hour), ""
	lives := 0
	permute = func(done, rest []friend.Event) {
		for i := range rest {
			others := append(slices.Clone(rest[:i]), rest[i+1:]...)
			permute(append(slices.Clone(done), rest[i]), others)
		}
		if len(rest) > 0 {
			return
		}
		lives++
		s := openShop(t)
		s.batch(hundred)
		s.reserve(card)
		s.now = began.AddDate(0, 0, 10)
		s.tell(done...)
		s.tell(done...)
		s.given(hundred, s.owner())
		if got := s.redeemed(card).Member; got != s.owner() {
			t.Errorf("%v: the card is %q's, the contact %q's", done, got, s.owner())
		}
	}
	permute(nil, []friend.Event{outer.added(), confirmed, ended(friend.Removed, began.AddDate(0, 0, 3)), {Change: friend.Added, At: began.AddDate(0, 0, 5), User: "lisi", External: external}})
	if lives != 24 {
		t.Errorf("%d lives", lives)
	}
}

// jostled lets others run before each call of a table, as often as chance has it.
type jostled struct{ table.Table }

func jostle() {
	for range mathrand.IntN(8) {
		runtime.Gosched()
	}
}

func (j jostled) Get(ctx context.Context, c table.Consistency, keys ...table.Key) ([]*table.Item, error) {
	jostle()
	return j.Table.Get(ctx, c, keys...)
}

func (j jostled) Write(ctx context.Context, actions ...table.Action) error {
	jostle()
	return j.Table.Write(ctx, actions...)
}

// Friends with the same State and the owner of the phone, all at once: one of
// them has the card and the prize, whoever is told "yours" is that one, and
// whoever is told "no" is not.
func TestProofsRaceForOneCard(t *testing.T) {
	won := map[string]int{}
	for range 200 {
		s := openShop(t)
		s.function.Log = slog.New(slog.DiscardHandler)
		s.function.Store = store.Store{Table: jostled{s.store.Table}}
		s.page.Store = s.function.Store
		s.batch(hundred)
		s.reserve(card)
		owner := s.member(s.phone())
		contacts := []string{"wm-0", "wm-1", "wm-2"}
		var group sync.WaitGroup
		statuses := make([]int, 2)
		for i := range statuses {
			group.Go(func() {
				for statuses[i] == 0 || statuses[i] == 503 {
					statuses[i] = s.scan(card, "", owner).StatusCode
				}
			})
		}
		for i, contact := range contacts {
			for range 2 {
				group.Go(func() {
					event := s.added()
					event.External, event.WelcomeCode = contact, fmt.Sprint("CODE-", i)
					message := events.SQSEvent{Records: []events.SQSMessage{{MessageId: "id", Body: string(event.Encode())}}}
					for { // as the queue does
						answer, err := s.function.Handle(context.Background(), message)
						if err != nil {
							t.Error(err)
						}
						if err != nil || len(answer.BatchItemFailures) == 0 {
							return
						}
					}
				})
			}
		}
		group.Wait()
		holder := s.redeemed(card).Member
		winners := 0
		for _, contact := range contacts {
			log, err := s.store.Friend(t.Context(), contact)
			if err != nil || len(log) != 1 {
				t.Fatalf("%s: %+v, %v", contact, log, err)
			}
			yes := log[0].Prize == friend.PrizeProved
			if yes != (log[0].Member == holder && holder != "") || !yes && log[0].Prize != friend.PrizeTaken && log[0].Prize != friend.PrizeNone {
				t.Errorf("%s: %+v, and the card is %q's", contact, log[0], holder)
			}
			if yes {
				winners++
				won["a friend"]++
			}
		}
		if statuses[0] != statuses[1] || (statuses[0] == 200) != (holder == owner) || statuses[0] != 200 && statuses[0] != 409 {
			t.Errorf("the owner is answered %v, and the card is %q's", statuses, holder)
		}
		if statuses[0] == 200 {
			winners++
			won["the owner"]++
		}
		if winners != 1 {
			t.Errorf("%d winners", winners)
		}
		sum := loyalty.Points(0)
		for key := range s.all("M#") {
			if member, ok := table.MemberOfAccount(key); ok {
				sum += s.account(member).Balance.Available
			}
		}
		if sum != 100 {
			t.Errorf("%d points were given", sum)
		}
	}
	if won["a friend"] == 0 || won["the owner"] == 0 {
		t.Errorf("no race: %v", won)
	}
	t.Logf("won by: %v", won)
}

type shakyPost struct {
	*post
	*crash.Point
}

func (s shakyPost) Send(ctx context.Context, bodies ...[]byte) error {
	return s.Around(func() error { return s.post.Send(ctx, bodies...) })
}

// A crash at each call of a proof, before or after it took effect, and the queue
// delivers again: one member, one prize, and what waited on the card is told.
func TestACrashWhileAPrizeIsProved(t *testing.T) {
	order := loyalty.OrderKey{Channel: "tmall", Shop: "flagship", Order: "T-1"}
	for _, crashed := range []crash.Point{{}, {After: true}, {Lives: true}} {
		after := crashed.After
		for at := 1; ; at++ {
			s := openShop(t)
			s.batch(packet)
			s.reserve(card)
			if _, err := claim.OnCard(t.Context(), s.store, card, order, points.Proof{PhoneLast4: "6065"}, s.now); err != nil {
				t.Fatal(err)
			}
			stop := &crash.Point{At: at, After: after, Lives: crashed.Lives}
			s.function.Store = store.Store{Table: stop.Table(s.store.Table)}
			s.function.Notifier = shakyPlatform{s.platform, stop}
			s.function.Orders, s.function.Payouts = shakyPost{s.orders, stop}, shakyPost{s.payouts, stop}
			event := events.SQSEvent{Records: []events.SQSMessage{{MessageId: "id", Body: string(s.added().Encode())}}}
			answer, err := s.function.Handle(t.Context(), event)
			if stop.Calls < at {
				if at < 14 {
					t.Fatalf("only %d calls", at)
				}
				break
			}
			if crashed.Lives && err == nil && len(answer.BatchItemFailures) == 0 {
				t.Errorf("call %d failed, and the message is acknowledged", at)
			}
			stop.At = 0
			stop.Revive()
			s.tell(s.added())
			member := s.owner()
			s.given(packet, member)
			claims, _, err := s.store.Claims(t.Context(), member, 10, "")
			if err != nil || len(claims) != 1 || claims[0].Order != order {
				t.Errorf("call %d, after %t: their claims are %+v, %v", at, after, claims, err)
			}
			for _, body := range s.orders.bodies {
				if body != string(claim.Message(claims[0])) {
					t.Errorf("call %d, after %t: told of %s", at, after, body)
				}
			}
			if len(s.orders.bodies) == 0 || len(s.platform.taken) != 1 || len(s.records()) != 1 {
				t.Errorf("call %d, after %t: %q, %d greetings, %d facts", at, after, s.orders.bodies, len(s.platform.taken), len(s.records()))
			}
		}
	}
}

// TestUnitsOfAProof keeps what a proof costs where it is.
func TestUnitsOfAProof(t *testing.T) {
	for name, c := range map[string]struct {
		award cards.Award
		known bool
		want  table.Usage
	}{
		"points, a new member":   {award: hundred, want: table.Usage{ReadUnits: 8, WriteUnits: 18, RoundTrips: 7}},
		"points, a member":       {award: hundred, known: true, want: table.Usage{ReadUnits: 9, WriteUnits: 16, RoundTrips: 9}},
		"red packet, new member": {award: packet, want: table.Usage{ReadUnits: 8, WriteUnits: 21, RoundTrips: 7}},
	} {
		s := openShop(t)
		s.batch(c.award)
		s.reserve(card)
		if c.known {
			s.member(store.WeComIdentity(external))
		}
		var usage table.Usage
		event := events.SQSEvent{Records: []events.SQSMessage{{MessageId: "id", Body: string(s.added().Encode())}}}
		if _, err := s.function.Handle(table.WithUsage(t.Context(), &usage), event); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %g write units, %g read units, %d round trips", name, usage.WriteUnits, usage.ReadUnits, usage.RoundTrips)
		if usage != c.want {
			t.Errorf("%s: %+v, want %+v", name, usage, c.want)
		}
	}
}

// While an operator looks at a card, and after they voided it, no friend makes
// its prize anybody's.
func TestAFriendProvesNothingOfAHeldCard(t *testing.T) {
	for _, state := range []cards.HoldState{cards.HoldOpen, cards.HoldVoided} {
		s := openShop(t)
		s.batch(packet)
		s.reserve(card)
		was := s.redeemed(card)
		held := was
		held.Hold = state
		s.write(store.ChangeRedemption(card, was, held))
		before := s.all("C#", "Y#")
		s.tell(s.added())
		if got := s.redeemed(card); got.Member != "" || got.Hold != state || s.fact().Prize != friend.PrizeNone || len(s.payouts.bodies) != 0 {
			t.Errorf("%s: the card is %+v, the fact %+v", state, got, s.fact())
		}
		after := s.all("Y#")
		if len(after) != 0 || before[table.CardKey(card.BatchID(), int64(card.Card))] != s.all("C#")[table.CardKey(card.BatchID(), int64(card.Card))] {
			t.Errorf("%s: %v", state, after)
		}
	}
}
