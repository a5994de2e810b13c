package sim

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/orders"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/tiers"
)

// memberDay is the day of the month on which the simulated brand gives more:
// the second of every world.
const memberDay = 27

// drawProgram completes the rules: for how long points are good, tiers, what
// comes on top of the rate, caps; and, in some worlds, the version that takes
// their place in the middle of a month.
func (p *plan) drawProgram(r *rand.Rand) {
	rules := &p.rules.Points
	rules.AdjustmentLimit = []loyalty.Points{0, 100}[r.IntN(2)]
	if months := r.IntN(4); months > 0 {
		rules.Expiry = &points.Expiry{Months: min(months, 2), EndOf: "month"}
		rules.ReturnGraceDays = []int{0, 3, 10}[r.IntN(3)]
	}
	if r.IntN(3) == 0 { // so that points become available in the first month
		p.early = true
		rules.Window = points.Window{AfterCompletionDays: 1 + r.IntN(3), AfterPaymentDays: 3 + r.IntN(4)}
		if rules.Expiry != nil {
			p.drawPart(r, p.people[0], "ended", 35)
		}
	}
	if r.IntN(3) > 0 {
		p.rules.Tiers = &tiers.Rules{
			Growth: tiers.Growth{Points: 1, PerFen: 100}, Window: tiers.Window{Kind: tiers.WindowRolling, Months: []int{1, 2, 2}[r.IntN(3)]},
			Demotion: []tiers.Demotion{tiers.DemoteAtOnce, tiers.DemoteOneLevel}[r.IntN(2)],
		}
		growth := loyalty.Points(0)
		for _, level := range []string{"silver", "gold", "black"}[:1+r.IntN(3)] {
			growth += loyalty.Points(20 + r.IntN(80))
			p.rules.Tiers.Levels = append(p.rules.Tiers.Levels, tiers.Level{ID: level, Name: level, Growth: growth})
		}
	}
	if p.rules.Tiers != nil && rules.Expiry == nil { // nothing else keeps the refunds apart
		for _, who := range p.people {
			if !who.stranger && who.joins.IsZero() && len(who.spends) == 0 {
				p.drawPart(r, who, "sinking-1", 20)
				p.drawPart(r, who, "sinking-2", 20)
				break
			}
		}
	}
	p.drawBonuses(r)
	if r.IntN(2) == 0 {
		return
	}
	later := p.rules
	later.Version = 2
	later.EffectiveAt = day([]int{2, 9, 11}[r.IntN(3)], 9*time.Hour+time.Duration(r.IntN(300))*time.Second)
	later.Points.Rate = points.Rate{Points: loyalty.Points(1 + r.IntN(5)), PerFen: loyalty.Fen(50 + r.IntN(100))}
	later.Points.Categories = nil
	if r.IntN(2) == 0 {
		later.Points.Bonuses = points.Bonuses{}
	}
	p.later = &later
}

// drawPart adds an order of which parts are given back at once, when its points
// have long been settled and perhaps have ended.
func (p *plan) drawPart(r *rand.Rand, buyer *person, name string, onDay int) {
	o := &order{key: loyalty.OrderKey{Channel: "tmall", Shop: "flagship", Order: name}, buyer: buyer}
	o.lines = []orders.Line{{LineID: "1", SKU: "SKU", Category: "toys", Quantity: 1, Paid: loyalty.Fen(5_000 + r.IntN(5_000))}}
	paid := o.tell(orders.TypePaid, day(0, 8*time.Hour))
	paid.Lines = o.lines
	for _, event := range []orders.Event{paid, o.tell(orders.TypeCompleted, day(0, 20*time.Hour))} {
		o.news = append(o.news, &news{of: o, event: event, arrives: event.OccurredAt})
	}
	for part := range loyalty.Fen(2) {
		refund := o.tell(orders.TypeRefunded, day(9, 8*time.Hour))
		refund.RefundID = fmt.Sprint("part-", part)
		refund.Lines = []orders.Line{{LineID: "1", Refunded: o.lines[0].Paid / (part + 2)}}
		o.news = append(o.news, &news{of: o, event: refund, arrives: day(onDay, 12*time.Hour).Add(time.Duration(r.IntN(60)) * time.Millisecond)})
	}
	p.orders = append(p.orders, o)
}

func (p *plan) drawBonuses(r *rand.Rand) {
	rules := &p.rules.Points
	if r.IntN(4) == 0 {
		rules.Categories = map[string]points.Rate{milk: {Points: 7, PerFen: 300}}
	}
	bonuses := &rules.Bonuses
	if r.IntN(3) == 0 {
		bonuses.MemberDay = points.MemberDay{Days: []int{memberDay}, Percent: 100}
	}
	if r.IntN(4) == 0 {
		bonuses.Channels = map[loyalty.Channel]int64{"tmall": 33}
	}
	if r.IntN(4) == 0 {
		bonuses.FirstOrder = 50
	}
	if r.IntN(4) == 0 {
		bonuses.Tiers = map[string]int64{"silver": 10, "gold": 25}
	}
	if r.IntN(4) == 0 {
		rules.CapPerOrder = loyalty.Points(20 + r.IntN(150))
	}
	if r.IntN(4) == 0 {
		rules.CapPerDay = loyalty.Points(50 + r.IntN(250))
	}
}

// programs are the versions that there are from the beginning: the second is
// announced long before it takes effect.
func (p *plan) programs() []program.Program {
	versions := []program.Program{p.rules}
	if p.later != nil {
		versions = append(versions, *p.later)
	}
	return append(versions, p.allowing()...)
}

// at are the rules for what happened at a time.
func (p *plan) at(when time.Time) program.Program {
	if p.later != nil && !when.Before(p.later.EffectiveAt) {
		return *p.later
	}
	return p.rules
}

// earning is by what a line earns: floor(points × what is left of it / per).
type earning struct{ points, per, growth, growthPer int64 }

func (e earning) on(left loyalty.Fen) loyalty.Points {
	if left <= 0 {
		return 0
	}
	return loyalty.Points(e.points * int64(left) / e.per)
}

func (e earning) growing(left loyalty.Fen) loyalty.Points {
	if left <= 0 || e.growthPer == 0 {
		return 0
	}
	return loyalty.Points(e.growth * int64(left) / e.growthPer)
}

// earnings is by what the lines of a payment must earn, from the plan's rules
// alone but for what depends on the member at that moment: whether he got the
// bonus of his tier or first order, and what a day's cap left, is taken from the
// log and held to bounds of its own (see personal). earlier is what the order's
// payments before it earned, which makes the room under its cap smaller.
func (p *plan) earnings(channel loyalty.Channel, fact points.Fact, earlier loyalty.Points) map[string]earning {
	rules := p.in(fact.Currency, fact.At)
	earns := map[string]earning{}
	granted := make([]loyalty.Points, len(fact.Lines))
	var total loyalty.Points
	for i, line := range fact.Lines {
		if line.History { // what it gave, somebody brings along
			earns[line.ID] = earning{per: 1}
			continue
		}
		rate := rules.Points.Rate
		if own, has := rules.Points.Categories[line.Category]; has {
			rate = own
		}
		percent := 100 + rules.Points.Bonuses.Channels[channel]
		if rules.Points.Bonuses.MemberDay.Percent > 0 && fact.At.In(zone).Day() == memberDay {
			percent += rules.Points.Bonuses.MemberDay.Percent
		}
		for _, reason := range line.Because {
			if tier, is := strings.CutPrefix(string(reason), "tier:"); is {
				percent += rules.Points.Bonuses.Tiers[tier]
			}
			if reason == points.ReasonFirstOrder {
				percent += rules.Points.Bonuses.FirstOrder
			}
		}
		e := earning{points: int64(rate.Points) * percent, per: int64(rate.PerFen) * 100}
		if rules.Tiers != nil {
			e.growth, e.growthPer = int64(rules.Tiers.Growth.Points), int64(rules.Tiers.Growth.PerFen)
		}
		earns[line.ID] = e
		granted[i] = e.on(line.Paid)
		total += granted[i]
	}
	capped := rules.Points.CapPerOrder > 0
	most := max(0, rules.Points.CapPerOrder-earlier)
	if !capped {
		most = total
	}
	for i, part := range spread(most, granted, total) {
		line := fact.Lines[i]
		e := earns[line.ID]
		if slices.Contains(line.Because, points.ReasonCapPerDay) {
			part = min(part, line.Granted())
		} else if total <= most {
			continue
		}
		if granted[i] > 0 {
			e.points, e.per = int64(part), int64(line.Paid)
		}
		earns[line.ID] = e
	}
	return earns
}

// spread cuts what lines earn to the most that they may earn together, by the
// largest remainder.
func spread(most loyalty.Points, granted []loyalty.Points, total loyalty.Points) []loyalty.Points {
	parts := slices.Clone(granted)
	if total <= most {
		return parts
	}
	left, lost := most, make([]int, len(parts))
	for i := range parts {
		parts[i] = most * granted[i] / total
		left, lost[i] = left-parts[i], i
	}
	slices.SortStableFunc(lost, func(a, b int) int {
		return cmp.Compare(most*granted[b]%total, most*granted[a]%total)
	})
	for _, i := range lost[:left] {
		parts[i]++
	}
	return parts
}

// reached is the tier that so much growth gives.
func (p *plan) reached(growth map[string]loyalty.Points, now time.Time) string {
	if p.rules.Tiers == nil {
		return ""
	}
	first := time.Date(now.In(zone).Year(), now.In(zone).Month(), 1, 0, 0, 0, 0, zone)
	var counting loyalty.Points
	for back := range p.rules.Tiers.Window.Months {
		counting += growth[first.AddDate(0, -back, 0).Format("2006-01")]
	}
	reached := ""
	for _, level := range p.rules.Tiers.Levels {
		if counting >= level.Growth {
			reached = level.ID
		}
	}
	return reached
}
