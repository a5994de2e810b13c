package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/huitou/huitou/functions/convertorders"
	"github.com/huitou/huitou/functions/issuecoupons"
	"github.com/huitou/huitou/functions/members"
	"github.com/huitou/huitou/functions/operate"
	"github.com/huitou/huitou/functions/payprizes"
	"github.com/huitou/huitou/functions/redeemcard"
	"github.com/huitou/huitou/functions/remindrepurchase"
	"github.com/huitou/huitou/functions/runcampaigns"
	"github.com/huitou/huitou/functions/sendmessages"
	"github.com/huitou/huitou/functions/settlepoints"
	"github.com/huitou/huitou/shared/audience"
	"github.com/huitou/huitou/shared/campaign"
	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/coupons"
	"github.com/huitou/huitou/shared/enrolment"
	"github.com/huitou/huitou/shared/ledger"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/notify"
	"github.com/huitou/huitou/shared/orders"
	"github.com/huitou/huitou/shared/prizes"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/schedule"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/table/embedded"
	"github.com/huitou/huitou/shared/token"
)

// Units is what one operation costs: what DynamoDB bills, and how often it is
// called. Where an invocation does several operations it is their share of the
// whole, the invocation's own reads included.
type Units struct {
	Write float64 `json:"write_units"`
	Read  float64 `json:"read_units"`
	Trips float64 `json:"round_trips"`
}

// operation is one thing that a bill is made of, done by the real functions.
type operation struct {
	name   string
	target float64 // of write units; below 0 for none
	meter  func(*shop) (Units, error)
}

const noTarget = -1

// paidAt is a Sunday noon in the brand's zone; all else is reckoned from it.
var paidAt = time.Date(2026, 11, 1, 12, 0, 0, 0, program.Default().Zone())

const (
	regular   = "milk-powder" // a 28-day cycle and 7 days' lead
	unplanned = "toys"        // no cycle: history without reminders
)

// operations are metered each in a shop of its own.
var operations = slices.Concat(earnings, ladenMembers, spendings)

// earnings are orders, cards, coupons and reminders.
var earnings = []operation{
	{"order credited, a member's first", 6, func(s *shop) (Units, error) {
		return s.delivered(s.paid(0, 1, regular))
	}},
	{"order credited, a further one", 6, func(s *shop) (Units, error) {
		return after(s.before(s.paid(0, 1, regular)), func() (Units, error) { return s.delivered(s.paid(0, 2, regular)) })
	}},
	{"order credited, in a batch of 10", 6, func(s *shop) (Units, error) {
		var first, second [][]byte
		for i := range 10 {
			first, second = append(first, s.paid(i, i, regular)), append(second, s.paid(i, 100+i, regular))
		}
		return after(s.before(first...), func() (Units, error) { return s.delivered(second...) })
	}},
	{"order of nobody, waiting", noTarget, func(s *shop) (Units, error) {
		return s.delivered(s.paid(stranger, 1, regular))
	}},
	{"the same order again", 0, func(s *shop) (Units, error) {
		return after(s.before(s.paid(0, 1, regular)), func() (Units, error) { return s.delivered(s.paid(0, 1, regular)) })
	}},
	{"refund of a line", 6, func(s *shop) (Units, error) {
		refund := s.event(orders.TypeRefunded, 0, 1, orders.Line{LineID: "1", Refunded: 10_000})
		return after(s.before(s.paid(0, 1, regular)), func() (Units, error) { return s.delivered(refund) })
	}},
	{"completion", 6, func(s *shop) (Units, error) {
		completed := s.event(orders.TypeCompleted, 0, 1)
		return after(s.before(s.paid(0, 1, regular)), func() (Units, error) { return s.delivered(completed) })
	}},
	{"settlement of an order", 6, func(s *shop) (Units, error) {
		const due = 40
		return after(s.completed(due, orders.TypePaid, orders.TypeCompleted), func() (Units, error) { return s.settlement(due) })
	}},
	{"settlement of an order that its reminder rides on", noTarget, func(s *shop) (Units, error) {
		const due = 40 // told before it was paid: the return window ends before the reminder is due
		return after(s.completed(due, orders.TypeCompleted, orders.TypePaid), func() (Units, error) { return s.settlement(due) })
	}},
	{"settlement, nothing due", 0, func(s *shop) (Units, error) {
		return s.metered(1, func(ctx context.Context) error {
			return s.settle().Handle(ctx, schedule.Tick{Time: paidAt.AddDate(0, 0, 31)})
		})
	}},
	{"card redeemed for points, known member", 6, func(s *shop) (Units, error) { return s.redeemed(cards.StateActive, 0, http.StatusOK) }},
	{"card redeemed for points, newcomer", noTarget, func(s *shop) (Units, error) { return s.redeemed(cards.StateActive, stranger, http.StatusOK) }},
	{"card redeemed for a coupon, known member", noTarget, func(s *shop) (Units, error) {
		return after(s.store.Table.Write(s.ctx, store.PutTemplate(tenOff, 0)), func() (Units, error) {
			return s.redeemedFor(cards.Award{Kind: cards.PrizeCoupon, Text: tenOff.ID}, cards.StateActive, 0, http.StatusOK)
		})
	}},
	{"card redeemed for a red packet, known member", noTarget, func(s *shop) (Units, error) {
		return s.redeemedFor(packet, cards.StateActive, 0, http.StatusOK)
	}},
	{"card redeemed for a gift, known member", noTarget, func(s *shop) (Units, error) {
		return s.redeemedFor(cards.Award{Kind: cards.PrizeGift, Text: "试用装"}, cards.StateActive, 0, http.StatusOK)
	}},
	{"red packet paid", noTarget, func(s *shop) (Units, error) {
		_, err := s.redeemedFor(packet, cards.StateActive, 0, http.StatusOK)
		return after(err, func() (Units, error) { return s.paidOut(s.queued.take()...) })
	}},
	{"card redeemed again by its winner", 0, func(s *shop) (Units, error) {
		_, err := s.redeemed(cards.StateActive, 0, http.StatusOK)
		return after(err, func() (Units, error) { return s.redeemed(cards.StateActive, 0, http.StatusOK) })
	}},
	{"card of a suspicious run, held", noTarget, func(s *shop) (Units, error) {
		return after(s.busy(0), func() (Units, error) { return s.redeemed(cards.StateActive, 0, http.StatusOK) })
	}},
	{"held card released", noTarget, func(s *shop) (Units, error) {
		err := s.busy(0)
		if err == nil {
			_, err = s.redeemed(cards.StateActive, 0, http.StatusOK)
		}
		return after(err, func() (Units, error) {
			return s.metered(1, func(ctx context.Context) error {
				_, err := prizes.Giver{Store: s.store, Random: s.random}.Release(ctx, cards.Code{KeyID: 'K', Batch: 1}, "bench", s.now)
				return err
			})
		})
	}},
	{"card taken by somebody else", 0, func(s *shop) (Units, error) {
		_, err := s.redeemed(cards.StateActive, 0, http.StatusOK)
		return after(err, func() (Units, error) { return s.redeemed(cards.StateActive, 1, http.StatusConflict) })
	}},
	{"card of a batch not active, refused", 0, func(s *shop) (Units, error) {
		return s.redeemed(cards.StatePrinted, 0, http.StatusNotFound)
	}},
	{"check-in", noTarget, func(s *shop) (Units, error) { return s.checkedIn("a", http.StatusCreated) }},
	{"check-in, the second of a day", noTarget, func(s *shop) (Units, error) {
		_, err := s.checkedIn("a", http.StatusCreated)
		return after(err, func() (Units, error) { return s.checkedIn("b", http.StatusOK) })
	}},
	{"coupon of a campaign, 500 members in a shard", 2, func(s *shop) (Units, error) { return s.campaigned(500, tenOff, "bench") }},
	{"coupon of a second campaign with the template, 500 members in a shard", 2, func(s *shop) (Units, error) {
		twice := tenOff
		twice.Limits = coupons.Limits{PerMember: 2}
		return s.campaigned(500, twice, "before", "bench")
	}},
	{"member at the limit of a template, 500 members in a shard", noTarget, func(s *shop) (Units, error) {
		return s.campaigned(500, tenOff, "before", "bench")
	}},
	{"reminder planned", noTarget, func(s *shop) (Units, error) {
		const due = 40
		return after(s.bought(due, regular), func() (Units, error) { return s.planned(due) })
	}},
	{"reminder sent", 3, func(s *shop) (Units, error) {
		const due = 10
		err := s.completed(due, orders.TypePaid, orders.TypeCompleted)
		return after(err, func() (Units, error) {
			_, err := s.settlement(due)
			return after(err, func() (Units, error) { return s.reminded(due) })
		})
	}},
	{"reminder sent, its order not settled yet", noTarget, func(s *shop) (Units, error) {
		const due = 10
		return after(s.bought(due, regular), func() (Units, error) { return s.reminded(due) })
	}},
	{"two reminders due at once, in one message", 3, func(s *shop) (Units, error) {
		const due = 10
		rules := program.Default()
		rules.Version, rules.EffectiveAt = 2, paidAt.AddDate(0, 0, -1)
		wipes := rules.Repurchase.Categories[regular]
		wipes.SKUs = nil
		rules.Repurchase.Categories["wipes"] = wipes
		if err := s.store.Table.Write(context.Background(), store.PutProgram(rules)); err != nil {
			return Units{}, err
		}
		for i := range due {
			two := s.event(orders.TypePaid, i, i,
				orders.Line{LineID: "1", SKU: "SKU-0400", Category: regular, Quantity: 1, Paid: 39_800},
				orders.Line{LineID: "2", SKU: "SKU-0500", Category: "wipes", Quantity: 1, Paid: 9_800})
			for _, told := range [][]byte{two, s.event(orders.TypeCompleted, i, i)} {
				if err := s.before(told); err != nil {
					return Units{}, err
				}
			}
		}
		_, err := s.settlement(due)
		return after(err, func() (Units, error) { return s.reminded(due) })
	}},
	{"life of a first order, completed", noTarget, func(s *shop) (Units, error) {
		return s.life(map[int]orders.Type{0: orders.TypePaid, 3: orders.TypeCompleted})
	}},
	{"life of a first order, of which no completion is told", noTarget, func(s *shop) (Units, error) {
		return s.life(map[int]orders.Type{0: orders.TypePaid})
	}},
	{"life of a first order, cancelled", noTarget, func(s *shop) (Units, error) {
		return s.life(map[int]orders.Type{0: orders.TypePaid, 1: orders.TypeCancelled})
	}},
	{"life of two orders, completed", noTarget, func(s *shop) (Units, error) {
		return s.life(map[int]orders.Type{0: orders.TypePaid, 3: orders.TypeCompleted}, map[int]orders.Type{14: orders.TypePaid, 17: orders.TypeCompleted})
	}},
	{"two members merged, 20 orders each", noTarget, func(s *shop) (Units, error) { return s.merged(20, false) }},
	{"a merge undone, 20 orders each", noTarget, func(s *shop) (Units, error) {
		_, err := s.merged(20, false)
		return after(err, func() (Units, error) { return s.merged(0, true) })
	}},
	{"order credited, of a merged member", noTarget, func(s *shop) (Units, error) {
		_, err := s.merged(1, false)
		return after(err, func() (Units, error) { return s.delivered(s.paid(1, 1000, regular)) })
	}},
	{"reminders, nothing due", 0, func(s *shop) (Units, error) { return s.planned(0) }},
	{"liability report, of 1,000 members", 0, func(s *shop) (Units, error) { return s.reported("") }},
	{"liability report, reconciled, of 1,000 members", 0, func(s *shop) (Units, error) { return s.reported("&reconcile=true") }},
	{"reminder upkeep of a member's first order", 1, func(s *shop) (Units, error) { return upkeep(s, 0) }},
	{"reminder upkeep of a further order", 1, func(s *shop) (Units, error) { return upkeep(s, 1) }},
}

// upkeep is what an order of a category with a cycle costs more than one of a
// category without, after so many orders before it.
func upkeep(s *shop, earlier int) (Units, error) {
	cost := func(member int, category string) (Units, error) {
		for i := range earlier {
			if err := s.before(s.paid(member, 10*member+i, category)); err != nil {
				return Units{}, err
			}
		}
		return s.delivered(s.paid(member, 10*member+earlier, category))
	}
	with, err := cost(1, regular)
	if err != nil {
		return Units{}, err
	}
	without, err := cost(2, unplanned)
	return Units{with.Write - without.Write, with.Read - without.Read, with.Trips - without.Trips}, err
}

// dueAt is an allowed hour of the day on which the first reminder is due.
var dueAt = paidAt.AddDate(0, 0, 21)

// meterUnits does every operation once.
func meterUnits(ctx context.Context) (map[string]Units, error) {
	metered := map[string]Units{}
	for _, o := range operations {
		s, err := openShop(ctx)
		if err != nil {
			return nil, err
		}
		units, err := o.meter(s)
		if err := errors.Join(err, s.engine.Close()); err != nil {
			return nil, fmt.Errorf("%s: %w", o.name, err)
		}
		metered[o.name] = units
	}
	return metered, nil
}

// stranger is the number of a buyer who is no member.
const stranger = -1

// shop is a brand on the embedded engine in memory, with a program and some
// members. Everything in it is drawn from one seed, so its units are always the
// same.
type shop struct {
	ctx     context.Context
	engine  *embedded.Engine
	store   store.Store
	random  io.Reader
	members []loyalty.MemberID
	keys    *cards.Keyring
	queued  *line
	sent    int
	now     time.Time
}

// line is a queue that keeps what it is given.
type line struct{ bodies [][]byte }

// Send implements queue.Sender.
func (l *line) Send(_ context.Context, bodies ...[]byte) error {
	l.bodies = append(l.bodies, bodies...)
	return nil
}

func (l *line) take() [][]byte {
	bodies := l.bodies
	l.bodies = nil
	return bodies
}

var shopKey = []byte("a key of the bench's shop, 32 bytes and more")

func openShop(ctx context.Context) (*shop, error) { return openShopOn(ctx, embedded.Memory()) }

func openShopOn(ctx context.Context, engine *embedded.Engine) (*shop, error) {
	s := &shop{
		ctx: ctx, engine: engine, store: store.Store{Table: engine}, random: rand.NewChaCha8([32]byte{1}),
		queued: &line{}, now: paidAt.Add(time.Minute),
	}
	rules := program.Default()
	rules.Version, rules.EffectiveAt = 1, paidAt.AddDate(-1, 0, 0)
	if err := engine.Write(ctx, store.PutProgram(rules)); err != nil {
		return nil, err
	}
	for i := range 40 {
		if err := s.enrol(i); err != nil {
			return nil, err
		}
	}
	var err error
	s.keys, err = cards.NewKeyring(cards.RootKey{ID: 'K', Secret: [32]byte(shopKey)})
	return s, err
}

// enrol makes the next member, a buyer of this number.
func (s *shop) enrol(buyer int) error {
	member, _, err := enrolment.Enrol(s.ctx, s.store, enrolment.Request{
		Identities: []enrolment.Identity{{Identity: identity(buyer)}},
		Consents:   []loyalty.Consent{loyalty.ConsentMembership, loyalty.ConsentMarketing},
	}, s.random, paidAt.AddDate(0, 0, -1))
	s.members = append(s.members, member)
	return err
}

func identity(buyer int) loyalty.Identity {
	return loyalty.Identity{Kind: loyalty.IdentityBuyer, Channel: "tmall", Value: fmt.Sprintf("AAEb%012d", 1_000_000+buyer)}
}

var quiet = slog.New(slog.DiscardHandler)

func (s *shop) clock() time.Time { return s.now }

func (s *shop) convert() convertorders.Function {
	return convertorders.Function{Store: s.store, Clock: s.clock, Log: quiet}
}

func (s *shop) settle() settlepoints.Function {
	return settlepoints.Function{Store: s.store, Log: quiet}
}

func (s *shop) send() sendmessages.Function {
	return sendmessages.Function{Store: s.store, Notifier: counter{s}, Clock: s.clock, Log: quiet}
}

// counter is a notify.Notifier that counts.
type counter struct{ *shop }

// Send implements notify.Notifier.
func (c counter) Send(context.Context, notify.Message) error {
	c.sent++
	return nil
}

// metered runs work and divides what it cost among so many operations.
func (s *shop) metered(operations int, work func(context.Context) error) (Units, error) {
	var usage table.Usage
	err := work(table.WithUsage(s.ctx, &usage))
	n := float64(max(1, operations))
	return Units{usage.WriteUnits / n, usage.ReadUnits / n, float64(usage.RoundTrips) / n}, err
}

// after goes on unless what was to happen before failed.
func after(err error, meter func() (Units, error)) (Units, error) {
	if err != nil {
		return Units{}, err
	}
	return meter()
}

// event is one event of the nth order, as receiveorders queues it.
func (s *shop) event(kind orders.Type, buyer, order int, lines ...orders.Line) []byte {
	event := orders.Event{
		Type: kind, Channel: "tmall", Shop: "flagship", OrderID: orderID(order), OccurredAt: s.now.Truncate(time.Hour),
		Currency: "CNY", Buyer: orders.Buyer{ID: identity(buyer).Value, PhoneLast4: "0000"}, Lines: lines,
	}
	if kind == orders.TypeRefunded {
		event.RefundID = "RF-" + event.OrderID
	}
	body, err := orders.EncodeQueued(event)
	if err != nil {
		panic(err) // plain values
	}
	return body
}

func orderID(order int) string { return fmt.Sprintf("2156%015d", order) }

func (s *shop) paid(buyer, order int, category string) []byte {
	return s.event(orders.TypePaid, buyer, order, orders.Line{LineID: "1", SKU: "SKU-0400", Category: category, Quantity: 2, Paid: 39_800})
}

func records(bodies ...[]byte) events.SQSEvent {
	var event events.SQSEvent
	for i, body := range bodies {
		event.Records = append(event.Records, events.SQSMessage{MessageId: fmt.Sprint("message-", i), Body: string(body)})
	}
	return event
}

// delivered is what convertorders needs for each of the bodies of one batch.
func (s *shop) delivered(bodies ...[]byte) (Units, error) {
	return s.metered(len(bodies), func(ctx context.Context) error {
		answer, err := s.convert().Handle(ctx, records(bodies...))
		if err == nil && len(answer.BatchItemFailures) > 0 {
			err = fmt.Errorf("%d of %d messages failed", len(answer.BatchItemFailures), len(bodies))
		}
		return err
	})
}

// before delivers what has to have happened.
func (s *shop) before(bodies ...[]byte) error {
	_, err := s.delivered(bodies...)
	return err
}

// bought gives each of the first n members an order.
func (s *shop) bought(n int, category string) error {
	for i := range n {
		if err := s.before(s.paid(i, i, category)); err != nil {
			return err
		}
	}
	return nil
}

// completed gives each of the first n members an order, of which it tells both
// in this order.
func (s *shop) completed(n int, told ...orders.Type) error {
	for i := range n {
		for _, kind := range told {
			if err := s.before(s.told(kind, i, i)); err != nil {
				return err
			}
		}
	}
	return nil
}

// told is an event of an order of regular.
func (s *shop) told(kind orders.Type, buyer, order int) []byte {
	if kind == orders.TypePaid {
		return s.paid(buyer, order, regular)
	}
	return s.event(kind, buyer, order)
}

// settlement is what settlepoints needs for each of so many orders that were
// completed when they were paid.
func (s *shop) settlement(due int) (Units, error) {
	return s.metered(due, func(ctx context.Context) error {
		return s.settle().Handle(ctx, schedule.Tick{Time: paidAt.AddDate(0, 0, 8)})
	})
}

// reminded is what sendmessages needs for each of so many reminders that are due.
func (s *shop) reminded(due int) (Units, error) {
	if _, err := s.planned(due); err != nil {
		return Units{}, err
	}
	s.now = dueAt
	return s.metered(due, func(ctx context.Context) error { return s.sends(ctx, due) })
}

// sends hands over what is queued, of which so many messages leave.
func (s *shop) sends(ctx context.Context, messages int) error {
	s.sent = 0
	answer, err := s.send().Handle(ctx, records(s.queued.take()...))
	if len(answer.BatchItemFailures) > 0 || s.sent != messages {
		return fmt.Errorf("%d of %d messages were sent: %w", s.sent, messages, err)
	}
	return err
}

// life is all that the orders of a member come to, when 40 members do the same:
// what is told of each, by the day, and what the schedules do until nothing is
// left to be done.
func (s *shop) life(told ...map[int]orders.Type) (Units, error) {
	const members, days = 40, 60
	planner := remindrepurchase.Function{Store: s.store, Messages: s.queued, Log: quiet}
	return s.metered(members, func(ctx context.Context) error {
		for day := range days {
			s.now = paidAt.AddDate(0, 0, day).Add(time.Minute)
			for n, order := range told {
				var bodies [][]byte
				for i := range members {
					if kind, today := order[day]; today {
						bodies = append(bodies, s.told(kind, i, n*members+i))
					}
				}
				if answer, err := s.convert().Handle(ctx, records(bodies...)); err != nil || len(answer.BatchItemFailures) > 0 {
					return fmt.Errorf("%d messages failed: %w", len(answer.BatchItemFailures), err)
				}
			}
			tick := schedule.Tick{Time: s.now}
			if err := errors.Join(s.settle().Handle(ctx, tick), planner.Handle(ctx, tick)); err != nil {
				return err
			}
			if answer, err := s.send().Handle(ctx, records(s.queued.take()...)); err != nil || len(answer.BatchItemFailures) > 0 {
				return fmt.Errorf("%d reminders failed: %w", len(answer.BatchItemFailures), err)
			}
		}
		return nil
	})
}

// planned is what remindrepurchase needs for each of so many due reminders.
func (s *shop) planned(due int) (Units, error) {
	f := remindrepurchase.Function{Store: s.store, Messages: s.queued, Log: quiet}
	return s.metered(due, func(ctx context.Context) error {
		if err := f.Handle(ctx, schedule.Tick{Time: dueAt}); err != nil {
			return err
		}
		if len(s.queued.bodies) != due {
			return fmt.Errorf("%d reminders were planned, %d are due", len(s.queued.bodies), due)
		}
		return nil
	})
}

// merged is what it takes to merge the second member into the first, or to undo
// that, when each bought so often before.
func (s *shop) merged(times int, undo bool) (Units, error) {
	for i := range 2 * times {
		if err := s.before(s.paid(i%2, i, regular)); err != nil {
			return Units{}, err
		}
	}
	by := store.Hand{Operator: "bench", At: s.now}
	return s.metered(1, func(ctx context.Context) error {
		if undo {
			_, err := ledger.Unmerge(ctx, s.store, s.members[0], s.members[1], "undo", "bench", by)
			return err
		}
		_, err := ledger.Merge(ctx, s.store, store.Merge{ID: "merge", Into: s.members[0], Part: s.members[1], By: by, Reason: "bench"})
		return err
	})
}

// packet is ¥1.88.
var packet = cards.Award{Kind: cards.PrizeRedPacket, Amount: 188}

// payerAtOnce pays whatever it is asked to.
type payerAtOnce struct{}

// Pay implements payer.Payer.
func (payerAtOnce) Pay(_ context.Context, order cards.PayoutOrder) (cards.PayoutAnswer, error) {
	return cards.PayoutAnswer{Bill: order.Bill, Amount: order.Amount, Outcome: cards.OutcomePaid, Reference: "bench"}, nil
}

// paidOut is what payprizes needs for each message.
func (s *shop) paidOut(messages ...[]byte) (Units, error) {
	f := payprizes.Function{Store: s.store, Payer: payerAtOnce{}, Clock: s.clock, Log: quiet}
	return s.metered(len(messages), func(ctx context.Context) error {
		answer, err := f.Handle(ctx, records(messages...))
		if err == nil && (len(messages) == 0 || len(answer.BatchItemFailures) > 0) {
			err = fmt.Errorf("%d of %d messages failed", len(answer.BatchItemFailures), len(messages))
		}
		return err
	})
}

// redeemed is redeemedFor points.
func (s *shop) redeemed(state cards.State, buyer, status int) (Units, error) {
	return s.redeemedFor(cards.Award{Kind: cards.PrizePoints, Amount: 888}, state, buyer, status)
}

// busy has a member win points so often today that the next time is held.
func (s *shop) busy(member int) error {
	bounds := program.Default().Cards.Suspects()
	from, _ := bounds.Window(s.now)
	for range bounds.PerPerson {
		changes, conditions := store.PrizeCount{From: from, Most: bounds.PerPerson}.Change()
		if err := s.store.Table.Write(s.ctx, store.UpdateAccount(s.members[member], changes, conditions...)); err != nil {
			return err
		}
	}
	return nil
}

// redeemedFor is what redeemcard needs for the one card of a batch in the state
// when the buyer asks for it and is answered with the status.
func (s *shop) redeemedFor(award cards.Award, state cards.State, buyer, status int) (Units, error) {
	batch := cards.Batch{
		KeyID: "K", Number: 1, Name: "双十一包裹卡", Count: 1, State: state, RulesText: "每张卡限兑一次。",
		ValidFrom: paidAt.AddDate(0, 0, -1), ValidTo: paidAt.AddDate(0, 1, 0),
		Arms: []cards.Arm{{Name: "scratch", Form: cards.FormScratch, Weight: 1, Prizes: []cards.Prize{{
			Award: award, Quantity: 1,
		}}}},
	}
	if _, _, err := s.store.CreateBatch(s.ctx, batch, "bench"); err != nil {
		return Units{}, err
	}
	code, err := s.keys.Codec().Token(batch.Code(0))
	if err != nil {
		return Units{}, err
	}
	f := &redeemcard.Function{
		Store: s.store, Orders: s.queued, Payouts: s.queued, Keys: s.keys, PhoneKey: shopKey, TokenKey: shopKey, Clock: s.clock, Random: s.random, Log: quiet,
	}
	request := events.APIGatewayV2HTTPRequest{
		RawPath: "/c/" + code + "/redemption", Headers: map[string]string{"content-type": "application/json"},
		Body: fmt.Sprintf(`{"identity":{"kind":"buyer","channel":"tmall","value":%q}}`, identity(buyer).Value),
	}
	page := events.APIGatewayV2HTTPRequest{RawPath: "/c/" + code}
	page.RequestContext.HTTP.Method = http.MethodGet
	if _, err := f.Handle(s.ctx, page); err != nil { // what every customer does first
		return Units{}, err
	}
	request.RequestContext.HTTP.Method = http.MethodPost
	return s.metered(1, func(ctx context.Context) error {
		answer, err := f.Handle(ctx, request)
		if err == nil && answer.StatusCode != status {
			err = fmt.Errorf("answered %d %s", answer.StatusCode, answer.Body)
		}
		return err
	})
}

// reported is what operate needs for the liability of 1,000 members with an order
// each, in as many calls as it takes.
func (s *shop) reported(question string) (Units, error) {
	for i := len(s.members); i < 1000; i++ {
		if err := s.enrol(i); err != nil {
			return Units{}, err
		}
	}
	for i := range s.members {
		if err := s.before(s.paid(i, i, regular)); err != nil {
			return Units{}, err
		}
	}
	const admin = "the token of the bench's admin"
	handle := operate.Function{Store: s.store, TokenKey: shopKey, AdminToken: token.Hash(admin), Clock: s.clock, Log: quiet}.Handle()
	return s.metered(1, func(ctx context.Context) error {
		for cursor := ""; ; {
			request := events.APIGatewayV2HTTPRequest{
				RawPath: "/v1/reports/liability", RawQueryString: "limit=2000" + question + "&cursor=" + cursor,
				Headers: map[string]string{"authorization": "Bearer " + admin},
			}
			request.RequestContext.HTTP.Method = http.MethodGet
			answer, err := handle(ctx, request)
			if err != nil {
				return err
			}
			var report struct {
				Members int    `json:"members"`
				Cursor  string `json:"next_cursor"`
			}
			if err := json.Unmarshal([]byte(answer.Body), &report); err != nil || answer.StatusCode != http.StatusOK {
				return fmt.Errorf("answered %d %s", answer.StatusCode, answer.Body)
			}
			if cursor = report.Cursor; cursor == "" {
				if report.Members != len(s.members) {
					return fmt.Errorf("%d of %d members were looked at", report.Members, len(s.members))
				}
				return nil
			}
		}
	})
}

// checkedIn is what members needs for a member's check-in under a key, when it
// is answered with the status: the answer kept under the key costs two of the
// write units and two of the round trips.
func (s *shop) checkedIn(key string, status int) (Units, error) {
	bearer, _, err := token.NewMember(shopKey, s.members[0], s.now)
	if err != nil {
		return Units{}, err
	}
	handle := members.Function{Store: s.store, Orders: s.queued, TokenKey: shopKey, Clock: s.clock, Log: quiet}.Handle()
	request := events.APIGatewayV2HTTPRequest{
		RawPath: "/v1/me/check-ins", Headers: map[string]string{"authorization": "Bearer " + bearer, "idempotency-key": key},
	}
	request.RequestContext.HTTP.Method = http.MethodPost
	return s.metered(1, func(ctx context.Context) error {
		answer, err := handle(ctx, request)
		if err == nil && answer.StatusCode != status {
			err = fmt.Errorf("answered %d %s", answer.StatusCode, answer.Body)
		}
		return err
	})
}

var tenOff = coupons.Template{
	ID: "ten-off", Name: "满199减20", Kind: coupons.KindOwn, Threshold: 19_900, Discount: 2_000,
	Validity: coupons.Validity{Days: 14}, Budget: coupons.Budget{Quantity: 1_000_000},
}

// campaigned is what the last of some campaigns with one template needs for each
// member, from the firing to the last page, when all of its members fall into
// one shard.
func (s *shop) campaigned(members int, template coupons.Template, campaigns ...string) (Units, error) {
	var actions [][]table.Action
	for i := 0; len(actions) < members; i++ {
		member := loyalty.MemberID(fmt.Sprintf("mbench%012d", i))
		if table.RosterKey(member).PK == table.RosterPK(0) {
			actions = append(actions, store.CreateAccount(member, store.Profile{}, nil, paidAt.AddDate(0, 0, -1)))
		}
	}
	actions = append(actions, []table.Action{
		store.PutAudience(audience.Definition{ID: "bench", Rule: "joined_days >= 1 and home == ''"}, 0),
		store.PutTemplate(template, 0),
	})
	for _, one := range actions {
		if err := s.engine.Write(s.ctx, one...); err != nil {
			return Units{}, err
		}
	}
	var units Units
	for _, id := range campaigns {
		var err error
		if units, err = s.launched(members, template, id); err != nil {
			return Units{}, err
		}
	}
	return units, nil
}

// launched is what one of them needs.
func (s *shop) launched(members int, template coupons.Template, id string) (Units, error) {
	err := s.engine.Write(s.ctx, store.PutCampaign(campaign.Campaign{
		ID: id, Audience: "bench", Template: template.ID, Schedule: campaign.Schedule{At: paidAt}, State: campaign.StateActive, CreatedAt: paidAt,
	}, 0))
	if err != nil {
		return Units{}, err
	}
	run := runcampaigns.Function{Store: s.store, Coupons: s.queued, Log: quiet}
	if err := run.Handle(s.ctx, schedule.Tick{Time: paidAt}); err != nil {
		return Units{}, err
	}
	issue := issuecoupons.Function{Store: s.store, Coupons: s.queued, Rand: s.random, Clock: s.clock, Log: quiet}
	pages := [][]byte{s.queued.take()[0]} // the other shards hold a handful
	units, err := s.metered(1, func(ctx context.Context) error {
		for len(pages) > 0 {
			answer, err := issue.Handle(ctx, records(pages...))
			if err != nil || len(answer.BatchItemFailures) > 0 {
				return fmt.Errorf("%d pages failed: %w", len(answer.BatchItemFailures), err)
			}
			pages = s.queued.take()
		}
		return nil
	})
	if err != nil {
		return Units{}, err
	}
	result, err := s.store.CampaignResult(s.ctx, id)
	if err == nil && result.Issued+result.Limited < int64(members) {
		err = fmt.Errorf("%d coupons were issued", result.Issued)
	}
	n := float64(result.Issued + result.Limited) // a few of the shop's other members are in the shard
	return Units{units.Write / n, units.Read / n, units.Trips / n}, err
}
