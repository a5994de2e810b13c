package payprizes_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/huitou/huitou/functions/payprizes"
	"github.com/huitou/huitou/functions/settlepoints"
	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/schedule"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/table/embedded"
)

var (
	won    = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	card   = cards.Code{KeyID: 'K', Batch: 7, Card: 3}
	openid = loyalty.Identity{Kind: loyalty.IdentityOpenID, Channel: "wx-app-1", Value: "openid-canary"}
)

const winner = loyalty.MemberID("mwinner")

// bank is the brand's payout service: it pays a bill once, and says what became
// of it however often it is asked. Its line to us can fail on either side.
type bank struct {
	orders []cards.PayoutOrder // as they were asked for
	paid   map[cards.Bill]loyalty.Fen
	failed map[cards.Bill]bool

	lost    bool // the request never arrives
	mute    bool // the answer never arrives
	panics  bool // the process dies with the answer on the line
	slow    bool // it takes the order and pays later
	refuses bool // the order fails for good, unless it was paid
	garbled func(cards.PayoutAnswer) cards.PayoutAnswer
}

func (b *bank) Pay(_ context.Context, order cards.PayoutOrder) (cards.PayoutAnswer, error) {
	if b.lost {
		return cards.PayoutAnswer{}, loyalty.Refuse(loyalty.KindUnavailable, "receiver_unavailable", "")
	}
	b.orders = append(b.orders, order)
	answer := cards.PayoutAnswer{Bill: order.Bill, Amount: order.Amount, Outcome: cards.OutcomePaid, Reference: "bank-" + string(order.Bill)}
	_, paid := b.paid[order.Bill]
	switch {
	case paid:
	case b.failed[order.Bill], b.refuses:
		b.failed[order.Bill] = true
		answer.Outcome, answer.Reference, answer.Code = cards.OutcomeFailed, "", "ACCOUNT_CLOSED"
	case b.slow:
		answer.Outcome, answer.Reference = cards.OutcomeAccepted, ""
	default:
		b.paid[order.Bill] = order.Amount.Fen()
	}
	if b.panics {
		panic("died")
	}
	if b.mute {
		return cards.PayoutAnswer{}, loyalty.Refuse(loyalty.KindUnavailable, "payer_unclear", "")
	}
	if b.garbled != nil {
		answer = b.garbled(answer)
	}
	return answer, nil
}

// outage is a table that can be down.
type outage struct {
	table.Table
	down bool
}

func (o *outage) Write(ctx context.Context, actions ...table.Action) error {
	if o.down {
		return loyalty.Refuse(loyalty.KindUnavailable, "throttled", "")
	}
	return o.Table.Write(ctx, actions...)
}

// shop is the function with everything around it.
type shop struct {
	rapid.TB
	function payprizes.Function
	table    *outage
	store    store.Store
	bank     *bank
	now      time.Time
	queued   [][]byte
	log      bytes.Buffer
}

func (s *shop) Send(_ context.Context, bodies ...[]byte) error {
	s.queued = append(s.queued, bodies...)
	return nil
}

func open(t rapid.TB) *shop {
	s := &shop{TB: t, table: &outage{Table: embedded.Memory()}, bank: &bank{paid: map[cards.Bill]loyalty.Fen{}, failed: map[cards.Bill]bool{}}, now: won}
	s.store = store.Store{Table: s.table}
	s.function = payprizes.Function{Store: s.store, Payer: s.bank, Clock: func() time.Time { return s.now }, Log: slog.New(slog.NewJSONHandler(&s.log, nil))}
	payout, err := cards.RequestPayout(card, cards.Award{Kind: cards.PrizeRedPacket, Amount: 188}, winner, openid, won)
	if err == nil {
		err = s.table.Write(context.Background(), store.PutPayout(payout))
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// deliver hands messages over in one batch and returns how many failed.
func (s *shop) deliver(bodies ...[]byte) int {
	var event events.SQSEvent
	for i, body := range bodies {
		event.Records = append(event.Records, events.SQSMessage{MessageId: fmt.Sprint("id-", i), Body: string(body)})
	}
	answer, err := s.function.Handle(context.Background(), event)
	if err != nil {
		s.Fatal(err)
	}
	return len(answer.BatchItemFailures)
}

// sweep is the hourly look at what is open, and what follows from it.
func (s *shop) sweep() int {
	f := settlepoints.Function{Store: s.store, Payouts: s, Log: slog.New(slog.DiscardHandler)}
	if err := f.Handle(context.Background(), schedule.Tick{Time: s.now}); err != nil {
		s.Fatal(err)
	}
	found := len(s.queued)
	if found > 0 {
		s.deliver(s.queued...)
	}
	s.queued = nil
	return found
}

func (s *shop) payout() cards.Payout {
	payout, err := s.store.Payout(context.Background(), card)
	if err != nil {
		s.Fatal(err)
	}
	return payout
}

func states(p cards.Payout) (all []cards.PayoutState) {
	for _, step := range p.Steps {
		all = append(all, step.State)
	}
	return all
}

func (s *shop) expect(name string, want ...cards.PayoutState) {
	if diff := cmp.Diff(want, states(s.payout())); diff != "" {
		s.Errorf("%s: states (-want +got):\n%s", name, diff)
	}
}

var message = card.Bill().Message()

func TestAPacketIsPaid(t *testing.T) {
	s := open(t)
	if s.deliver(message, message) != 0 || s.deliver(message) != 0 {
		t.Fatalf("failed:\n%s", &s.log)
	}
	s.expect("paid", cards.PayoutRequested, cards.PayoutPaying, cards.PayoutPaid)
	amount, err := cards.NewPacket(188)
	if err != nil {
		t.Fatal(err)
	}
	want := []cards.PayoutOrder{{Bill: "HTK000070000003", Amount: amount, Currency: "CNY", Member: winner, Recipient: &openid, Reason: "card:K-00007:3"}}
	if diff := cmp.Diff(want, s.bank.orders, cmp.Comparer(func(a, b cards.Packet) bool { return a == b })); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	last := s.payout().Steps[2]
	if last.Reference != "bank-HTK000070000003" || last.By != cards.ByPayer || !last.At.Equal(won) {
		t.Errorf("the evidence is %+v", last)
	}
	s.now = won.AddDate(1, 0, 0)
	if n := s.sweep(); n != 0 || len(s.bank.orders) != 1 {
		t.Errorf("a payout that ended is asked for again: %d, %v", n, s.bank.orders)
	}
	for _, canary := range []string{"openid-canary", string(winner), string(card.Bill()), "bank-HTK"} {
		if strings.Contains(s.log.String(), canary) {
			t.Errorf("%q is in the log:\n%s", canary, &s.log)
		}
	}
}

// A checklist's first lines: an unknown outcome, a time-out after paying and a
// "not found" ask again under the same bill, and never earlier than due.
func TestAnUnknownOutcomeIsAskedAgainUnderTheSameBill(t *testing.T) {
	for name, fault := range map[string]func(*bank){
		"the request is lost": func(b *bank) { b.lost = true },
		"the answer is lost":  func(b *bank) { b.mute = true },
		"the process dies":    func(b *bank) { b.panics = true },
		"it is accepted":      func(b *bank) { b.slow = true },
		"an answer about another bill": func(b *bank) {
			b.garbled = func(a cards.PayoutAnswer) cards.PayoutAnswer { a.Bill = "HTK000070000004"; return a }
		},
		"an answer in yuan": func(b *bank) {
			b.garbled = func(a cards.PayoutAnswer) cards.PayoutAnswer { a.Amount = cards.Packet{}; return a }
		},
		"paid without a number": func(b *bank) {
			b.garbled = func(a cards.PayoutAnswer) cards.PayoutAnswer { a.Reference = ""; return a }
		},
		"not found": func(b *bank) {
			b.garbled = func(a cards.PayoutAnswer) cards.PayoutAnswer { a.Outcome = "not_found"; return a }
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			fault(s.bank)
			s.deliver(message)
			s.expect("at first", cards.PayoutRequested, cards.PayoutPaying)
			asked := s.payout().Asked
			s.deliver(message, message) // redelivered, doubled: not due
			if s.payout().Asked != asked {
				t.Errorf("asked %d times at once", s.payout().Asked)
			}
			for range 6 {
				s.now = s.payout().NextAsk
				s.sweep()
			}
			s.expect("still", cards.PayoutRequested, cards.PayoutPaying)
			*s.bank = bank{paid: s.bank.paid, failed: s.bank.failed, orders: s.bank.orders}
			s.now = s.payout().NextAsk
			s.sweep()
			s.expect("in the end", cards.PayoutRequested, cards.PayoutPaying, cards.PayoutPaid)
			for _, order := range s.bank.orders {
				if order.Bill != card.Bill() || order.Amount.Fen() != 188 {
					t.Errorf("asked for %+v", order)
				}
			}
		})
	}
}

func TestAFailureIsFinalWithEvidence(t *testing.T) {
	s := open(t)
	s.bank.refuses = true
	s.deliver(message)
	s.bank.refuses = false
	s.now = won.AddDate(0, 1, 0)
	s.sweep()
	s.deliver(message)
	s.expect("failed", cards.PayoutRequested, cards.PayoutPaying, cards.PayoutFailed)
	if last := s.payout().Steps[2]; last.Code != "ACCOUNT_CLOSED" || len(s.bank.orders) != 1 {
		t.Errorf("the evidence is %+v after %d asks", last, len(s.bank.orders))
	}
}

// The message of a redemption can be lost with the process that was to send it.
func TestALostMessageIsFound(t *testing.T) {
	s := open(t)
	if n := s.sweep(); n != 1 {
		t.Fatalf("%d found", n)
	}
	s.expect("found", cards.PayoutRequested, cards.PayoutPaying, cards.PayoutPaid)
}

// While operators look into a payout nobody else pays it; what they agree on
// stands, under the same bill.
func TestByHandAndBySweeperPayOnce(t *testing.T) {
	s := open(t)
	s.bank.lost = true
	s.deliver(message)
	change := func(decide func(cards.Payout) (cards.Payout, error)) error {
		_, err := s.store.ChangePayout(t.Context(), card, decide)
		return err
	}
	resolve := func(operator string) error {
		return change(func(p cards.Payout) (cards.Payout, error) {
			return p.Resolve(cards.Resolution{State: cards.PayoutPaid, Reference: "by-hand-1", Reason: "paid in the merchant console", Operator: operator, At: s.now})
		})
	}
	s.bank.lost = false
	if err := resolve("li"); err != nil {
		t.Fatal(err)
	}
	s.now = won.AddDate(0, 0, 2)
	if s.sweep(); len(s.bank.orders) != 0 {
		t.Fatalf("the sweeper asked for what an operator pays: %v", s.bank.orders)
	}
	if err := resolve("li"); err != nil || s.payout().State() != cards.PayoutPaying {
		t.Fatalf("one operator alone: %s, %v", s.payout().State(), err)
	}
	if err := resolve("wang"); err != nil {
		t.Fatal(err)
	}
	s.expect("by hand", cards.PayoutRequested, cards.PayoutPaying, cards.PayoutPaid)
	if last := s.payout().Steps[2]; last.By != "li" || last.Approved != "wang" || last.Reference != "by-hand-1" {
		t.Errorf("the evidence is %+v", last)
	}
	s.deliver(message)
	if s.sweep(); len(s.bank.orders) != 0 {
		t.Errorf("asked for afterwards: %v", s.bank.orders)
	}
}

// A payer who contradicts the record changes nothing, and is heard of.
func TestAContradictionIsLogged(t *testing.T) {
	s := open(t)
	s.bank.garbled = func(a cards.PayoutAnswer) cards.PayoutAnswer {
		for _, operator := range []string{"li", "wang"} { // while the payer is at it, after a minute
			if _, err := s.store.ChangePayout(t.Context(), card, func(p cards.Payout) (cards.Payout, error) {
				return p.Resolve(cards.Resolution{State: cards.PayoutFailed, Reason: "account closed", Operator: operator, At: s.now.Add(2 * time.Minute)})
			}); err != nil {
				t.Error(err)
			}
		}
		return a
	}
	if s.deliver(message) != 0 {
		t.Error("the message comes again for ever")
	}
	s.expect("by hand", cards.PayoutRequested, cards.PayoutPaying, cards.PayoutFailed)
	if !strings.Contains(s.log.String(), `"msg":"payer contradicts"`) {
		t.Errorf("the log is\n%s", &s.log)
	}
}

func TestPoisonFails(t *testing.T) {
	s := open(t)
	for _, body := range []string{"", "null", "{}", `{"type":"payout.due","bill":"HTK00007000003"}`, `{"type":"x","bill":"HTK000070000003"}`, `{"type":"payout.due","bill":"HTK000070000004"}`} {
		if s.deliver([]byte(body), message) != 1 {
			t.Errorf("%q did not fail alone", body)
		}
	}
	s.expect("beside it", cards.PayoutRequested, cards.PayoutPaying, cards.PayoutPaid)
}

// Whatever happens on the way, each card has one bill with one amount at the
// bank, steps are only appended, and when the faults stop the record says what
// the bank says (I21, I23, I30, I37).
func TestOneBillWhateverHappens(t *testing.T) {
	endings := map[cards.PayoutState]int{}
	rapid.Check(t, func(t *rapid.T) {
		s := open(t)
		known := s.payout().Steps
		for range rapid.IntRange(1, 25).Draw(t, "events") {
			fault := rapid.IntRange(0, 9).Draw(t, "fault")
			*s.bank = bank{
				orders: s.bank.orders, paid: s.bank.paid, failed: s.bank.failed,
				lost: fault == 1, mute: fault == 2, panics: fault == 3, slow: fault == 4, refuses: fault == 5,
			}
			if fault == 6 {
				s.bank.garbled = func(a cards.PayoutAnswer) cards.PayoutAnswer { a.Outcome = cards.OutcomeAccepted; return a }
			}
			if fault == 7 {
				s.bank.garbled = func(a cards.PayoutAnswer) cards.PayoutAnswer { s.table.down = true; return a }
			}
			s.table.down = fault == 8
			switch rapid.IntRange(0, 2).Draw(t, "event") {
			case 0:
				s.deliver(message)
			case 1:
				s.deliver(message, message)
			case 2:
				s.sweep()
			}
			s.table.down = false
			s.now = s.now.Add(time.Duration(rapid.IntRange(0, 2000).Draw(t, "minutes")) * time.Minute)
			is := s.payout().Steps
			if len(is) < len(known) || !slices.Equal(is[:len(known)], known) {
				t.Fatalf("steps were %+v, are %+v", known, is)
			}
			known = is
		}
		*s.bank = bank{orders: s.bank.orders, paid: s.bank.paid, failed: s.bank.failed}
		for range 3 {
			s.now = s.now.Add(48 * time.Hour)
			s.sweep()
		}
		for _, order := range s.bank.orders {
			if order.Bill != card.Bill() || order.Amount.Fen() != 188 || order.Member != winner {
				t.Fatalf("asked for %+v", order)
			}
		}
		if len(s.bank.paid)+len(s.bank.failed) != 1 {
			t.Fatalf("paid %v, failed %v", s.bank.paid, s.bank.failed)
		}
		want := cards.PayoutFailed
		if s.bank.paid[card.Bill()] == 188 {
			want = cards.PayoutPaid
		}
		if got := s.payout().State(); got != want {
			t.Fatalf("the record says %s, the bank %s", got, want)
		}
		endings[want]++
	})
	if endings[cards.PayoutPaid] == 0 || endings[cards.PayoutFailed] == 0 {
		t.Errorf("endings: %v", endings)
	}
	t.Logf("endings %v", endings)
}

// The records of prizes are kept for good.
func TestARecordDoesNotExpire(t *testing.T) {
	s := open(t)
	gift := cards.WinGift(card, cards.Award{Kind: cards.PrizeGift, Text: "试用装"}, winner, won)
	if err := s.table.Write(t.Context(), store.PutGift(gift)); err != nil {
		t.Fatal(err)
	}
	s.deliver(message)
	page, err := s.table.Scan(t.Context(), table.Scan{Segments: 1, Limit: 1000, Consistency: table.Strong})
	if err != nil || len(page.Items) != 2 {
		t.Fatalf("%d items, %v", len(page.Items), err)
	}
	for _, item := range page.Items {
		if item.Has(table.ExpiresAttribute) {
			t.Errorf("%v expires", item.Key)
		}
	}
	for range 2 {
		err := s.table.Write(t.Context(), store.PutGift(gift))
		if _, refused := errors.AsType[*table.ConditionError](err); !refused {
			t.Errorf("a card gave a second gift: %v", err)
		}
	}
}
