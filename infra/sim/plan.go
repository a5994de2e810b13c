package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/huitou/huitou/shared/campaign"
	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/coupons"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/orders"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/repurchase"
)

// zone is the brand's.
var zone = time.FixedZone("Asia/Shanghai", 8*60*60)

// dawn is the midnight with which every world begins: late in a month, so that
// what becomes available in it ends, a month later, while faults happen.
var dawn = time.Date(2026, 1, 26, 0, 0, 0, 0, zone)

func day(n int, clock time.Duration) time.Time { return dawn.AddDate(0, 0, n).Add(clock) }

// lastDay is the day on which faults end.
const lastDay = 36

// plan is all that happens to a world from outside: it is drawn before the
// world begins, and the model of how it must end is computed from it alone.
type plan struct {
	rules   program.Program
	later   *program.Program // takes their place; nil in some worlds
	early   bool             // points become available within days
	people  []*person
	crowded bool // the members fall into one shard of a campaign
	orders  []*order
	batch   cards.Batch
	asks    []*ask
	visits  []*visit

	spendings   []*spending
	corrections []*correction
	claims      []*claiming
	bindings    []*binding
	unions      []*union
	openings    []*opening
	erasures    []*erasure
	allowed     time.Time // when the program allows another currency; zero: never
	reviews     []review
	friends     []*friendship
	pageClaims  []*pageClaim
	byHand      [][]*byHand // by card; none in worlds where the payer is left to it
	holds       []heldCard  // by card; none in worlds that hold no cards
	staffed     bool        // operators have names and tokens of their own

	template coupons.Template
	audience string
	campaign campaign.Campaign
	rival    campaign.Campaign // another one with the template; zero: none
	runs     []time.Time       // the campaign's occurrences
	poison   []poison
	frozenAt time.Time // of a race's batch; zero: never
}

// person is somebody who buys, and may join.
type person struct {
	name     string
	buyer    loyalty.Identity
	openID   loyalty.Identity
	phone    string
	consents []loyalty.Consent
	joins    time.Time // zero: there from the beginning
	hurries  bool      // joins while the first order of his is looked at, if that comes first
	stranger bool      // joins by a card or never
	optsOut  time.Time // zero: never
	reacts   reaction  // to his first reminder, while it is on its way
	spends   []time.Time
	holds    *news
	reacted  bool
	joined   bool
	family   []*person // with whom he is ever merged

	member    loyalty.MemberID // who he became first; "" while he is nobody
	forgotten moment           // when an identity of his was nobody's any more; zero: never
	erased    bool
}

// reaction is what a person does at the worst moment.
type reaction int

const (
	staysCalm reaction = iota
	optsOutThen
	buysThen // becomes holds once an order is drawn for it
)

// order is one order and what its platform tells of it.
type order struct {
	key   loyalty.OrderKey
	buyer *person // nil: nobody whom anyone could know
	phone bool    // known by his phone alone
	// history marks what was bought before the brand came to huitou.
	history bool
	lines   []orders.Line
	news    []*news
}

// news is one event of an order.
type news struct {
	of       *order
	event    orders.Event
	arrives  time.Time
	twice    bool // the platform sends it twice at once
	held     bool // until a schedule looks at its buyer, if that comes first
	sending  bool // held until a message to its buyer is at work
	accepted bool
	kept     bool      // may be kept for a person, and not applied
	applies  bool      // can be applied once that is allowed, or its time has come
	again    time.Time // when the platform tells it once more; zero: never
	push     string    // what Youzan sends; "" for an event of ours
}

// ask is one person's wish for one card's prize.
type ask struct {
	number   int
	card     int
	by       *person
	way      way
	at       time.Time
	key      string
	told     []told
	final    bool
	attempts int
	// reference is the card's, once somebody's page with the prize has shown it.
	reference string
}

// way is how somebody says who he is at a card.
type way int

const (
	byOpenID way = iota
	byPhone      // typed and unproved: the prize is reserved
	byToken
)

// told is one answer that reached the person.
type told struct {
	status int
	prize  string
	state  string
}

type poison struct {
	at    time.Time
	queue int
	body  string
}

const (
	milk  = "milk-powder"
	wipes = "wipes"
)

func draw(seed uint64) *plan {
	r := rand.New(rand.NewPCG(seed, 1))
	p := &plan{}
	p.drawRules(r)
	for i := range 1 + r.IntN(3) {
		p.people = append(p.people, drawPerson(r, i))
	}
	late := p.people[len(p.people)-1]
	if len(p.people) > 1 || r.IntN(2) == 0 {
		late.joins, late.hurries = burst(r, r.IntN(3)), r.IntN(2) == 0
	}
	p.crowded = r.IntN(2) == 0
	stranger := drawPerson(r, 9)
	stranger.stranger, stranger.optsOut = true, time.Time{}
	p.people = append(p.people, stranger)
	for i := range 3 + r.IntN(6) {
		o := p.drawOrder(r, i)
		if o.buyer != nil && o.buyer.reacts == buysThen && len(o.news) == 1 {
			o.news[0].held, o.news[0].arrives = true, day(30, 12*time.Hour)
			o.buyer.reacts = staysCalm
			o.buyer.holds = o.news[0]
		}
		p.orders = append(p.orders, o)
	}
	if late.hurries {
		p.drawLonely(late)
	}
	if r.IntN(2) == 0 {
		p.drawReturns(r, p.people[0])
	}
	if r.IntN(2) == 0 {
		p.drawForgotten(p.people[0])
	}
	p.drawCards(r)
	prizes := rand.New(rand.NewPCG(seed, 8))
	if prizes.IntN(2) == 0 {
		p.drawPrizes(prizes)
	}
	if prizes.IntN(2) == 0 {
		p.drawFriends(prizes)
	}
	p.drawCampaign(r)
	p.visits = drawVisits(seed, p.people)
	migration := rand.New(rand.NewPCG(seed, 7))
	unites := migration.IntN(2) == 0
	if unites && migration.IntN(3) > 0 {
		p.drawTwin(migration)
	}
	p.drawLedger(seed)
	if unites {
		p.drawUnions(migration)
	}
	if migration.IntN(3) == 0 {
		p.drawOpenings(migration)
	}
	if migration.IntN(3) == 0 {
		p.drawImports(migration)
	}
	if migration.IntN(3) == 0 {
		p.drawErasures(migration)
	}
	p.drawTellings(rand.New(rand.NewPCG(seed, 21)))
	if r := rand.New(rand.NewPCG(seed, 22)); r.IntN(2) == 0 {
		p.drawNeeds(r)
	}
	p.drawLimits(rand.New(rand.NewPCG(seed, 23)))
	if r := rand.New(rand.NewPCG(seed, 32)); r.IntN(2) == 0 {
		p.drawSpentOn(r)
	}
	if r := rand.New(rand.NewPCG(seed, 31)); r.IntN(2) == 0 {
		p.drawKept(r)
	}
	if r := rand.New(rand.NewPCG(seed, 41)); r.IntN(2) == 0 {
		p.drawHolds(r)
	}
	if r := rand.New(rand.NewPCG(seed, 32)); r.IntN(2) == 0 {
		p.drawPageClaims(r)
	}
	if r := rand.New(rand.NewPCG(seed, 33)); r.IntN(3) == 0 {
		p.drawByHand(r)
	}
	for range r.IntN(3) {
		p.poison = append(p.poison, poison{burst(r, r.IntN(3)), r.IntN(3), []string{
			`{"type":"order.paid"}`, `not JSON`, ``, `{"kind":"repurchase.reminder","member":"nobody"}`, `{"campaign":"none","template":"none","occurrence":"once","shard":3}`,
		}[r.IntN(5)]})
	}
	return p
}

// drawLedger draws the program and what people and operators do to points
// beside buying; some worlds have none of it.
func (p *plan) drawLedger(seed uint64) {
	r := rand.New(rand.NewPCG(seed, 6))
	p.drawProgram(r)
	p.drawSpendings(r)
	if r.IntN(2) == 0 {
		p.drawCorrections(r)
	}
	if r.IntN(2) == 0 {
		p.drawClaims(r)
	}
}

func (p *plan) drawRules(r *rand.Rand) {
	p.rules = program.Default()
	p.rules.Version, p.rules.EffectiveAt = 1, dawn.AddDate(-1, 0, 0)
	p.rules.Points.Rate = []points.Rate{{Points: 1, PerFen: 100}, {Points: 3, PerFen: 200}, {Points: 2, PerFen: 77}}[r.IntN(3)]
	p.rules.Points.CheckIn = checkInRules
	p.rules.Repurchase.Categories = map[string]repurchase.Category{
		milk: {CycleDays: 28, LeadDays: 7}, wipes: {CycleDays: 14, LeadDays: 3},
	}
	p.rules.Repurchase.Cap = repurchase.Cap{Messages: 1 + r.IntN(4), Days: 30}
}

func drawPerson(r *rand.Rand, i int) *person {
	who := &person{
		name:     fmt.Sprint("person-", i),
		buyer:    loyalty.Identity{Kind: loyalty.IdentityBuyer, Channel: "tmall", Value: fmt.Sprint("buyer-", i)},
		openID:   loyalty.Identity{Kind: loyalty.IdentityOpenID, Channel: "wechat", Value: fmt.Sprint("openid-", i)},
		phone:    fmt.Sprint("1380000000", i),
		consents: []loyalty.Consent{loyalty.ConsentMembership},
	}
	if r.IntN(5) > 0 {
		who.consents = append(who.consents, loyalty.ConsentMarketing)
		if r.IntN(3) == 0 {
			// Often at the very hour at which reminders leave.
			who.optsOut = day([]int{11, 12, 13, 21, 22, 23}[r.IntN(6)], 9*time.Hour+5*time.Minute+time.Duration(r.IntN(20_000))*time.Millisecond)
		}
	}
	who.reacts = []reaction{staysCalm, optsOutThen, buysThen, buysThen}[r.IntN(4)]
	for range r.IntN(4) {
		who.spends = append(who.spends, day([]int{10, 12, 14, 34}[r.IntN(4)], 10*time.Hour+20*time.Minute))
	}
	return who
}

// burst is an instant at which much happens at once.
func burst(r *rand.Rand, onDay int) time.Time {
	return day(onDay, 12*time.Hour).Add(time.Duration(r.IntN(400)) * time.Millisecond)
}

func (p *plan) drawOrder(r *rand.Rand, i int) *order {
	o := &order{key: loyalty.OrderKey{Channel: "tmall", Shop: "flagship", Order: fmt.Sprint("order-", i)}}
	switch r.IntN(10) {
	case 0:
	case 1:
		o.buyer, o.phone = p.people[r.IntN(len(p.people))], true
	case 2, 3:
		o.buyer = p.people[len(p.people)-2] // who joins late, if anybody does
	default:
		o.buyer = p.people[r.IntN(len(p.people))]
	}
	paidAt := day(r.IntN(3), time.Duration(8+r.IntN(3))*time.Hour)
	if r.IntN(3) == 0 {
		// A repurchase, often about when a reminder for the last one falls due.
		paidAt = day([]int{9, 11, 13, 21, 22, 23}[r.IntN(6)], 9*time.Hour+time.Duration(r.IntN(600))*time.Second)
	}
	for l := range 1 + r.IntN(2) {
		o.lines = append(o.lines, orders.Line{
			LineID: fmt.Sprint(l + 1), SKU: "SKU", Category: []string{milk, milk, wipes, "toys"}[r.IntN(4)],
			Quantity: int64(1 + r.IntN(3)), Paid: loyalty.Fen(101 + r.IntN(20_000)),
		})
	}
	paid := o.tell(orders.TypePaid, paidAt)
	paid.Lines = o.lines
	o.add(r, paid)
	if r.IntN(3) > 0 {
		o.add(r, o.tell(orders.TypeCompleted, paidAt.Add(time.Duration(12+r.IntN(72))*time.Hour)))
	}
	switch r.IntN(5) {
	case 0, 1:
		o.refund(r, paidAt)
	case 2:
		total := o.tell(orders.TypeRefunded, paidAt.Add(time.Duration(1+r.IntN(200))*time.Hour))
		for _, line := range o.lines {
			total.Lines = append(total.Lines, orders.Line{LineID: line.LineID, RefundedTotal: 1 + loyalty.Fen(r.Int64N(int64(line.Paid)))})
		}
		o.add(r, total)
	case 3:
		if r.IntN(2) == 0 {
			o.add(r, o.tell(orders.TypeCancelled, paidAt.Add(time.Duration(1+r.IntN(100))*time.Hour)))
		}
	}
	return o
}

// drawLonely adds an order of which nothing is heard but its payment, once.
func (p *plan) drawLonely(buyer *person) {
	o := &order{key: loyalty.OrderKey{Channel: "tmall", Shop: "flagship", Order: "lonely"}, buyer: buyer}
	o.lines = []orders.Line{{LineID: "1", SKU: "SKU", Category: "toys", Quantity: 1, Paid: 4_999}}
	paid := o.tell(orders.TypePaid, day(0, 8*time.Hour))
	paid.Lines = o.lines
	o.news = []*news{{of: o, event: paid, arrives: day(0, 8*time.Hour+time.Minute)}}
	p.orders = append(p.orders, o)
}

// drawForgotten adds a purchase that is heard of while the reminder of another
// one is at work.
func (p *plan) drawForgotten(buyer *person) {
	for _, o := range []*order{
		{key: loyalty.OrderKey{Order: "remembered"}, lines: []orders.Line{{LineID: "1", Category: wipes, Quantity: 1, Paid: 2_999}}},
		{key: loyalty.OrderKey{Order: "forgotten"}, lines: []orders.Line{{LineID: "1", Category: milk, Quantity: 1, Paid: 19_999}}},
	} {
		o.key.Channel, o.key.Shop, o.buyer = "tmall", "flagship", buyer
		paid := o.tell(orders.TypePaid, day(0, 8*time.Hour))
		paid.Lines = o.lines
		o.news = []*news{{of: o, event: paid, arrives: day(0, 8*time.Hour+time.Minute)}}
		p.orders = append(p.orders, o)
	}
	last := p.orders[len(p.orders)-1].news[0]
	last.held, last.sending, last.arrives = true, true, day(20, 12*time.Hour)
}

// drawNeeds adds purchases of one person that are used up at about the same time,
// under a cap that has room again before they are.
func (p *plan) drawNeeds(r *rand.Rand) {
	p.rules.Repurchase.Cap = repurchase.Cap{Messages: 1 + r.IntN(2), Days: 1 + r.IntN(7)}
	if p.later != nil {
		p.later.Repurchase.Cap = p.rules.Repurchase.Cap
	}
	buyer := p.people[r.IntN(len(p.people)-1)]
	for i, need := range []struct {
		category string
		onDay    int // with the cycles of drawRules: due on day 21, or two or four days before
	}{{milk, 0}, {wipes, []int{10, 8, 6}[r.IntN(3)]}} {
		at := day(need.onDay, 8*time.Hour)
		o := &order{key: loyalty.OrderKey{Channel: "tmall", Shop: "flagship", Order: fmt.Sprint("need-", i)}, buyer: buyer}
		o.lines = []orders.Line{{LineID: "1", SKU: "SKU", Category: need.category, Quantity: 1, Paid: 4_999}}
		paid := o.tell(orders.TypePaid, at)
		paid.Lines = o.lines
		o.news = []*news{{of: o, event: paid, arrives: at.Add(time.Minute)}}
		p.orders = append(p.orders, o)
	}
}

// drawReturns adds orders whose points are settled and spent before all goods
// are given back at once, and one that is heard of while they are settled.
func (p *plan) drawReturns(r *rand.Rand, buyer *person) {
	meanwhile := &order{key: loyalty.OrderKey{Channel: "tmall", Shop: "flagship", Order: "meanwhile"}, buyer: buyer}
	meanwhile.lines = []orders.Line{{LineID: "1", SKU: "SKU", Category: "toys", Quantity: 1, Paid: 3_999}}
	heard := meanwhile.tell(orders.TypePaid, day(1, 8*time.Hour))
	heard.Lines = meanwhile.lines
	meanwhile.news = []*news{{of: meanwhile, event: heard, arrives: day(34, 12*time.Hour), held: true}}
	p.orders = append(p.orders, meanwhile)
	for i := range 2 {
		o := &order{key: loyalty.OrderKey{Channel: "tmall", Shop: "flagship", Order: fmt.Sprint("returned-", i)}, buyer: buyer}
		o.lines = []orders.Line{{LineID: "1", SKU: "SKU", Category: "toys", Quantity: 1, Paid: loyalty.Fen(5_000 + r.IntN(5_000))}}
		paid := o.tell(orders.TypePaid, day(0, 8*time.Hour))
		paid.Lines = o.lines
		refund := o.tell(orders.TypeRefunded, day(9, 8*time.Hour))
		refund.RefundID = "all"
		refund.Lines = []orders.Line{{LineID: "1", Refunded: o.lines[0].Paid}}
		for _, event := range []orders.Event{paid, o.tell(orders.TypeCompleted, day(0, 20*time.Hour)), refund} {
			o.news = append(o.news, &news{of: o, event: event, arrives: event.OccurredAt})
		}
		o.news[2].held, o.news[2].arrives = true, day(35, 12*time.Hour)
		p.orders = append(p.orders, o)
	}
	buyer.spends = append(buyer.spends, day(10, 10*time.Hour+20*time.Minute))
}

// refund splits a refund in parts, now and then in more than there is.
func (o *order) refund(r *rand.Rand, paidAt time.Time) {
	parts := 1 + r.IntN(3)
	for part := range parts {
		event := o.tell(orders.TypeRefunded, paidAt.Add(time.Duration(1+r.IntN(240))*time.Hour))
		event.RefundID = fmt.Sprint("refund-", part)
		for l, line := range o.lines {
			if l > 0 && r.IntN(2) == 0 {
				continue
			}
			amount := line.Paid / loyalty.Fen(parts)
			switch r.IntN(4) {
			case 0:
				amount = 1 + loyalty.Fen(r.Int64N(int64(amount)))
			case 1:
				if r.IntN(3) == 0 {
					amount = line.Paid
				}
			}
			event.Lines = append(event.Lines, orders.Line{LineID: line.LineID, Refunded: amount})
		}
		o.add(r, event)
	}
}

// drawTellings adds to some orders what platforms tell oddly: a refund with postage
// in it, a payment and a refund told once more with other amounts, and a line that
// was paid after the others.
func (p *plan) drawTellings(r *rand.Rand) {
	for _, o := range p.orders {
		if o.history || len(o.news) == 0 || len(o.lines) == 0 || o.news[0].event.Type != orders.TypePaid {
			continue
		}
		paid := o.news[0].event
		if r.IntN(6) == 0 {
			again := paid
			again.Lines = slices.Clone(paid.Lines)
			again.Lines[0].Paid += 1 + loyalty.Fen(r.IntN(5_000))
			o.add(r, again)
		}
		if r.IntN(5) == 0 {
			late := o.tell(orders.TypePaid, paid.OccurredAt.AddDate(0, 0, 1+r.IntN(20)))
			late.Lines = []orders.Line{{LineID: "late", SKU: "SKU", Category: "toys", Quantity: 1, Paid: loyalty.Fen(101 + r.IntN(9_000))}}
			o.lines = append(slices.Clone(o.lines), late.Lines...)
			o.add(r, late)
		}
		if r.IntN(5) == 0 {
			refund := o.tell(orders.TypeRefunded, paid.OccurredAt.Add(time.Duration(1+r.IntN(240))*time.Hour))
			refund.RefundID = "postage"
			refund.Lines = []orders.Line{{LineID: o.lines[0].LineID, Refunded: o.lines[0].Paid + 1 + loyalty.Fen(r.IntN(2_000))}}
			o.add(r, refund)
			if r.IntN(2) == 0 {
				again := refund
				again.Lines = []orders.Line{{LineID: o.lines[0].LineID, Refunded: 1 + loyalty.Fen(r.IntN(100))}}
				o.add(r, again)
			}
		}
	}
}

func (o *order) tell(kind orders.Type, at time.Time) orders.Event {
	event := orders.Event{Type: kind, Channel: o.key.Channel, Shop: o.key.Shop, OrderID: o.key.Order, OccurredAt: at.UTC(), Currency: "CNY"}
	switch {
	case o.buyer == nil:
	case o.phone:
		event.Buyer.Phone = orders.Phone(o.buyer.phone)
	default:
		event.Buyer.ID = o.buyer.buyer.Value
	}
	return event
}

// add draws when the news arrives: soon, in a burst with others, or late
// (so that refunds overtake payments).
func (o *order) add(r *rand.Rand, event orders.Event) {
	n := &news{of: o, event: event, arrives: event.OccurredAt.Add(time.Duration(r.IntN(5000)) * time.Millisecond), twice: r.IntN(5) == 0}
	local := event.OccurredAt.In(zone)
	switch r.IntN(7) {
	case 0, 1:
		noon := time.Date(local.Year(), local.Month(), local.Day(), 12, 0, 0, r.IntN(400)*int(time.Millisecond), zone)
		if noon.Before(event.OccurredAt) {
			noon = noon.AddDate(0, 0, 1)
		}
		n.arrives = noon
	case 2:
		n.arrives = event.OccurredAt.Add(time.Duration(r.IntN(12*24)) * time.Hour)
	case 3, 4:
		// While a schedule looks at the members.
		at := day(8+2*r.IntN(4), 10*time.Hour+15*time.Minute)
		if r.IntN(2) == 0 {
			at = day([]int{11, 12, 13, 21, 22, 23}[r.IntN(6)], 9*time.Hour+5*time.Minute)
		}
		if at = at.Add(time.Duration(r.IntN(4000)) * time.Millisecond); at.After(event.OccurredAt) {
			n.arrives = at
		}
	case 5:
		n.held, n.arrives = true, later(day(34, 12*time.Hour), n.arrives)
	}
	if event.Type == orders.TypeRefunded && r.IntN(2) == 0 {
		// When the points are settled, and perhaps spent.
		if at := burst(r, []int{15, 35}[r.IntN(2)]); at.After(event.OccurredAt) {
			n.held, n.arrives = false, at
		}
	}
	o.news = append(o.news, n)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (p *plan) drawCards(r *rand.Rand) {
	count := 3 + r.IntN(6)
	p.batch = cards.Batch{
		KeyID: "K", Number: 7, Name: "cards", Count: count, ValidFrom: day(0, 0), ValidTo: day(6, 12*time.Hour), State: cards.StateActive,
		Created:  &cards.Signature{Operator: "a", At: day(0, 0)},
		Approved: &cards.Signature{Operator: "a", At: day(0, 0)}, Activated: &cards.Signature{Operator: "b", At: day(0, 0)},
	}
	prizes := []cards.Prize{{Award: cards.Award{Kind: cards.PrizePoints, Amount: int64(50 + r.IntN(500))}, Quantity: 1 + r.IntN(count-1)}}
	if left := count - prizes[0].Quantity; left > 0 {
		prizes = append(prizes, cards.Prize{Award: cards.Award{Kind: cards.PrizeCoupon, Text: "welcome"}, Quantity: 1 + r.IntN(left)})
	}
	p.batch.Arms = []cards.Arm{{Name: "scratch", Form: cards.FormScratch, Weight: 1, Prizes: prizes}}
	for card := range count {
		at := day(r.IntN(3), 13*time.Hour).Add(time.Duration(r.IntN(300)) * time.Millisecond)
		if r.IntN(3) == 0 {
			at = p.batch.ValidTo.Add(-time.Duration(r.IntN(20_000)) * time.Millisecond)
		}
		for range r.IntN(3) {
			p.ask(r, card, p.people[r.IntN(len(p.people))], at.Add(time.Duration(r.IntN(2000))*time.Millisecond))
		}
	}
}

func (p *plan) ask(r *rand.Rand, card int, by *person, at time.Time) *ask {
	a := &ask{number: len(p.asks), card: card, by: by, at: at, way: []way{byOpenID, byOpenID, byOpenID, byPhone, byToken}[r.IntN(5)]}
	if by.stranger && a.way == byToken {
		a.way = byOpenID
	}
	a.key = fmt.Sprint("key-", a.number)
	p.asks = append(p.asks, a)
	return a
}

func (p *plan) drawCampaign(r *rand.Rand) {
	p.template = coupons.Template{
		ID: "coupon", Name: "coupon", Kind: coupons.KindOwn, Threshold: 10_000, Discount: 1_000, Validity: coupons.Validity{Days: 30},
	}
	if r.IntN(2) == 0 {
		p.template.Budget.Quantity = int64(1 + r.IntN(3))
	} else {
		p.template.Budget.Amount = loyalty.Fen(1_000*(1+r.IntN(3)) + r.IntN(999))
	}
	p.audience = []string{"true", "orders >= 1", "consents.marketing"}[r.IntN(3)]
	p.campaign = campaign.Campaign{
		ID: "campaign", Audience: "audience", Template: "coupon", State: campaign.StateActive, CreatedAt: day(0, 0),
		Holdout: []int{0, 0, 0, 30}[r.IntN(4)],
	}
	p.runs = []time.Time{day(1, 10*time.Hour)}
	if r.IntN(3) == 0 {
		p.campaign.Schedule.Cron, p.campaign.Schedule.Until = "0 10 * * *", day(2, 10*time.Hour)
		p.runs = []time.Time{day(0, 10*time.Hour), day(1, 10*time.Hour), day(2, 10*time.Hour)}
	} else {
		p.campaign.Schedule.At = p.runs[0]
	}
}

// found is the order of a key.
func (p *plan) found(key loyalty.OrderKey) *order {
	at := slices.IndexFunc(p.orders, func(o *order) bool { return o.key == key })
	if at < 0 {
		return nil
	}
	return p.orders[at]
}
