package reference_test

import (
	"bytes"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"pgregory.net/rapid"

	"github.com/huitou/huitou/functions/convertorders"
	"github.com/huitou/huitou/functions/settlepoints"
	"github.com/huitou/huitou/infra/reference"
	"github.com/huitou/huitou/shared/claim"
	"github.com/huitou/huitou/shared/enrolment"
	"github.com/huitou/huitou/shared/ledger"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/orders"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/repurchase"
	"github.com/huitou/huitou/shared/schedule"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table/embedded"
)

// brand is the real thing: the functions that a brand runs, on a table in memory.
type brand struct {
	*rapid.T
	store   store.Store
	convert convertorders.Function
	settle  settlepoints.Function
	now     time.Time
	people  map[string]loyalty.MemberID
	orders  map[string]loyalty.OrderKey
	version int64
	log     bytes.Buffer   // of what was kept for a person
	met     map[string]int // how often its entries took which path
}

// run lets a history happen.
func run(t *rapid.T, h history) *brand {
	engine := embedded.Memory()
	t.Cleanup(func() { engine.Close() })
	b := &brand{
		T: t, store: store.Store{Table: engine}, people: map[string]loyalty.MemberID{}, orders: map[string]loyalty.OrderKey{},
		met: map[string]int{},
	}
	quiet := slog.New(slog.DiscardHandler)
	kept := slog.New(slog.NewTextHandler(&b.log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	b.convert = convertorders.Function{Store: b.store, Clock: func() time.Time { return b.now }, Log: kept}
	b.settle = settlepoints.Function{Store: b.store, Log: quiet}
	random := rand.NewChaCha8([32]byte{})
	announced := h.announced
	for i, in := range h.inputs {
		for ; len(announced) > 0 && !announced[0].now.After(in.Now); announced = announced[1:] {
			b.announce(announced[0].version)
		}
		b.now = in.Now
		switch in.Kind {
		case reference.Joined:
			b.join(in, random)
		case reference.Told:
			b.accepted(enrolment.JoinedMessage(identity(in.Names[0])))
		case reference.Tick:
			b.tick()
		case reference.Spent:
			b.spend(in, strconv.Itoa(i))
		case reference.Claimed:
			b.claim(in, strconv.Itoa(i))
		case reference.Merged:
			whole, part := b.people[in.Person], b.people[in.Part]
			_, err := ledger.Merge(b.Context(), b.store, store.Merge{ID: strconv.Itoa(i), Into: whole, Part: part, By: b.operator(), Reason: "one person"})
			b.must(err)
		case reference.Parted:
			_, err := ledger.Unmerge(b.Context(), b.store, b.people[in.Person], b.people[in.Part], strconv.Itoa(i), "two persons", b.operator())
			b.must(err)
		default:
			b.accepted(b.event(in))
		}
	}
	return b
}

func (b *brand) must(err error) {
	if err != nil {
		b.Helper()
		b.Fatalf("%v", err)
	}
}

func (b *brand) operator() store.Hand { return store.Hand{Operator: "wang", At: b.now} }

func (b *brand) account(member loyalty.MemberID) store.Account {
	account, err := b.store.Account(b.Context(), member)
	b.must(err)
	return account
}

// deliver hands a message over as SQS does; false when it is kept for a person.
func (b *brand) deliver(body []byte) bool {
	answer, err := b.convert.Handle(b.Context(), events.SQSEvent{Records: []events.SQSMessage{{MessageId: "1", Body: string(body)}}})
	b.must(err)
	if len(answer.BatchItemFailures) > 0 {
		b.Fatalf("it would come again: %s", body)
	}
	defer b.log.Reset()
	return !strings.Contains(b.log.String(), "input refused")
}

func (b *brand) accepted(body []byte) {
	if !b.deliver(body) {
		b.Fatalf("refused: %s", body)
	}
}

func (b *brand) announce(v reference.Version) {
	b.version++
	p := program.Program{Version: b.version, EffectiveAt: v.From, Document: program.Default().Document}
	p.Points.Rate = points.Rate{Points: loyalty.Points(v.Points), PerFen: loyalty.Fen(v.PerFen)}
	p.Points.Channels = map[loyalty.Channel]points.Window{}
	for channel, window := range v.Windows {
		p.Points.Channels[loyalty.Channel(channel)] = points.Window{AfterCompletionDays: window.AfterCompletion, AfterPaymentDays: window.AfterPayment}
	}
	if v.Months > 0 {
		p.Points.Expiry = &points.Expiry{Months: v.Months, EndOf: "month"}
	}
	p.Repurchase.Categories = map[string]repurchase.Category{}
	for sku, name := range v.Categories {
		p.Repurchase.Categories[name] = repurchase.Category{CycleDays: 28, LeadDays: 7, SKUs: append(p.Repurchase.Categories[name].SKUs, sku)}
	}
	b.must(p.Validate())
	b.must(b.store.Table.Write(b.Context(), store.PutProgram(p)))
}

func (b *brand) join(in reference.Input, random *rand.ChaCha8) {
	request := enrolment.Request{}
	for _, name := range in.Names {
		request.Identities = append(request.Identities, enrolment.Identity{Identity: identity(name)})
	}
	member, created, err := enrolment.Enrol(b.Context(), b.store, request, random, b.now)
	b.must(err)
	if created {
		b.people[in.Person] = member
	}
}

// tick fires the schedule, after which nothing is left in a lot that ended.
func (b *brand) tick() {
	b.must(b.settle.Handle(b.Context(), schedule.Tick{Time: b.now}))
	for person, member := range b.people {
		if ends := b.account(member).Points(b.now).Ends(); !ends.IsZero() && !ends.After(b.now) {
			b.Fatalf("%s still has points of %s after the tick of %s", person, ends, b.now)
		}
	}
}

// spend takes as much as is available of what is wanted, in two steps.
func (b *brand) spend(in reference.Input, id string) {
	account := b.account(b.people[in.Person])
	if account.Merged != nil {
		account = b.account(account.Merged.Into)
	}
	n := min(loyalty.Points(in.Points), account.Points(b.now).Spendable())
	if n == 0 {
		return
	}
	wanted := store.Reservation{
		Fact: points.Fact{At: b.now, Member: account.Member}, ID: id, Points: n, Reason: "exchange", ExpiresAt: b.now.Add(time.Minute),
	}
	_, err := ledger.Reserve(b.Context(), b.store, wanted)
	b.must(err)
	_, err = ledger.Commit(b.Context(), b.store, account.Member, id, b.now)
	b.must(err)
}

func (b *brand) claim(in reference.Input, id string) {
	key := loyalty.OrderKey{Channel: loyalty.Channel(in.Channel), Shop: shop, Order: in.Order}
	b.orders[in.Order] = key
	proof := points.Proof{Buyer: points.ProveBuyer(key, identity(in.Proof).Value)}
	taken, err := claim.Take(b.Context(), b.store, b.people[in.Person], key, proof, id, b.now)
	b.must(err)
	b.accepted(claim.Message(taken))
}

func identity(name string) loyalty.Identity {
	channel, value, _ := strings.Cut(name, ":")
	if channel == "phone" {
		return loyalty.Identity{Kind: loyalty.IdentityPhone, Value: value}
	}
	return loyalty.Identity{Kind: loyalty.IdentityBuyer, Channel: loyalty.Channel(channel), Value: value}
}

const shop = "flagship"

func (b *brand) event(in reference.Input) []byte {
	event := orders.Event{
		Type: orders.Type("order." + in.Kind), Channel: loyalty.Channel(in.Channel), Shop: shop, OrderID: in.Order,
		OccurredAt: in.At, Currency: "CNY", RefundID: in.Refund,
	}
	for _, name := range in.Names {
		if who := identity(name); who.Kind == loyalty.IdentityPhone {
			event.Buyer.PhoneToken = who.Value
		} else {
			event.Buyer.ID = who.Value
		}
	}
	for _, line := range in.Lines {
		of := orders.Line{LineID: line.ID, SKU: line.SKU, Category: line.Category, Quantity: line.Quantity}
		switch {
		case in.Kind == reference.Paid:
			of.Paid = loyalty.Fen(line.Price)
			event.Discount += loyalty.Fen(line.Price - line.Fen)
		case in.Refund == "":
			of.RefundedTotal = loyalty.Fen(line.Fen)
		default:
			of.Refunded = loyalty.Fen(line.Fen)
		}
		event.Lines = append(event.Lines, of)
	}
	b.orders[in.Order] = event.Key()
	raw, err := orders.EncodeQueued(event)
	b.must(err)
	return raw
}

// state reads what the tables say in the model's words. A line's points are the
// sum of the entries in its order's log, and so is every balance.
func (b *brand) state() reference.State {
	state := reference.State{Members: map[string]*reference.Member{}, Points: map[string]int64{}, Excess: map[string]int64{}, Conflicts: map[string]int{}}
	accounts, holders := map[loyalty.MemberID]store.Account{}, map[loyalty.MemberID][]*reference.Member{}
	for person, member := range b.people {
		m := &reference.Member{Pots: reference.Pots{}}
		accounts[member], state.Members[person] = b.account(member), m
		holders[member] = append(holders[member], m)
		for _, part := range accounts[member].Parts { // what is pending of their orders the whole holds besides
			holders[part] = append(holders[part], m)
		}
	}
	sums := map[loyalty.MemberID]points.Balance{}
	for id, key := range b.orders {
		log, err := b.store.Log(b.Context(), key)
		b.must(err)
		order := points.Replay(key, log)
		state.Conflicts[id] = len(order.Conflicts)
		for _, purchase := range order.Purchases() {
			state.Excess[purchase.ID] = int64(purchase.Excess)
		}
		asked := map[loyalty.MemberID]bool{}
		for _, fact := range log {
			switch {
			case fact.Kind == points.FactAsked:
				b.met["claim that waits"]++
				asked[fact.Claimant] = true
			case asked[fact.Member]:
				b.met["claim that was waited for"]++
				clear(asked)
			}
			if fact.Kind == points.FactSettled && fact.Open {
				b.met["late line settled apart"]++
			}
			for _, line := range fact.Lines {
				state.Points[line.ID] += 0
			}
			for _, entry := range fact.Entries {
				b.count(entry)
				state.Points[entry.Line] += int64(entry.Amount())
				sums[fact.Member] = sums[fact.Member].Plus(entry)
				for _, m := range holders[fact.Member] {
					m.Pots["pending "+id] += int64(entry.Pending)
				}
			}
		}
	}
	for person, member := range b.people {
		account, m := accounts[member], state.Members[person]
		b.balance(account, sums[member])
		endless := account.Balance.Available
		for _, lot := range account.Lots { // what was not spent by its end stays in the model's lot
			m.Pots[lot.Until.UTC().Format(time.RFC3339)] = int64(lot.Left + lot.Expired)
			endless -= lot.Left
		}
		m.Pots["endless"], m.Debt = int64(endless), int64(account.Balance.Debt)
	}
	return state
}

// balance holds that an account's counters are the sum of its entries: sum is
// that of the entries in logs of orders.
func (b *brand) balance(account store.Account, sum points.Balance) {
	for cursor, more := "", true; more; more = cursor != "" {
		records, next, err := b.store.History(b.Context(), account.Member, 100, cursor)
		b.must(err)
		cursor = next
		for _, record := range records {
			for _, entry := range record.Entries {
				if record.Order == (loyalty.OrderKey{}) {
					b.count(entry)
					sum = sum.Plus(entry)
				}
			}
		}
	}
	if sum != account.Balance {
		b.Fatalf("the counters of %s are %+v, their entries add up to %+v", account.Member, account.Balance, sum)
	}
}

// count tells which rare paths an entry took.
func (b *brand) count(e points.Entry) {
	met := func(what string, there bool) {
		if there {
			b.met[string(e.Kind)+" "+what]++
		}
	}
	var filled, emptied int
	for _, share := range e.Lots {
		filled += int(min(1, max(0, share.Points)))
		emptied += int(min(1, max(0, -share.Points)))
	}
	b.met[string(e.Kind)]++
	met("making debt", e.Debt > 0)
	met("paying debt", e.Debt < 0)
	met("of ended points", e.Expired() != 0 && e.Kind != points.EntryExpire)
	met("into lots", filled > 0)
	met("from lots", emptied > 0)
	met("from several lots", emptied > 1)
}

// purchases reads the purchase histories.
func (b *brand) purchases() map[string]reference.Purchases {
	all := map[string]reference.Purchases{}
	for person, member := range b.people {
		a := b.account(member)
		p := reference.Purchases{Orders: a.Orders, Paid: int64(a.Paid), Refunded: int64(a.Refunded), Bought: map[string]reference.Bought{}}
		for _, category := range slices.Sorted(maps.Keys(a.Bought)) {
			if bought := a.Bought[category]; bought.Count != 0 || bought.Quantity != 0 {
				p.Bought[category] = reference.Bought{Orders: bought.Count, Quantity: bought.Quantity}
			}
		}
		all[person] = p
	}
	return all
}
