package sim

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/orders"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
)

// opening is a line of a file with what members had in an old system (期初余额).
// Several may be of one person, and say the same or not.
type opening struct {
	of     *person
	at     time.Time
	key    string
	brings points.Opening
	joined time.Time // zero: the file does not say
	gives  []loyalty.Consent
}

// drawOpenings lets people bring something along, and lets some lines come again.
func (p *plan) drawOpenings(r *rand.Rand) {
	for range 1 + r.IntN(3) {
		who := p.people[r.IntN(len(p.people))]
		brings := points.Opening{Source: []string{"old", "older"}[r.IntN(2)]}
		for range r.IntN(4) {
			part := points.OpeningPoints{Points: loyalty.Points(10 + r.IntN(400))}
			if r.IntN(3) > 0 {
				until := []time.Time{monthEnds, monthEnds.AddDate(0, 1, 0), monthEnds.AddDate(0, 2, 0), day(20, 18*time.Hour), day(33, 23*time.Hour+59*time.Minute+59*time.Second)}[r.IntN(5)]
				part.Until = &until
			}
			brings.Points = append(brings.Points, part)
		}
		for _, month := range []string{"2025-12", "2026-01"}[r.IntN(3):] {
			brings.Growth = append(brings.Growth, points.OpeningGrowth{Month: month, Growth: loyalty.Points(1 + r.IntN(120))})
		}
		o := opening{of: who, at: p.moment(r, who, who), brings: brings}
		if r.IntN(2) == 0 || len(brings.Points)+len(brings.Growth) == 0 {
			o.joined = dawn.AddDate(-r.IntN(5), 0, -1)
		}
		if r.IntN(3) == 0 {
			o.gives = []loyalty.Consent{loyalty.ConsentMarketing}
		}
		if o.at.After(day(19, 0)) {
			o.at = burst(r, 1)
		}
		for range 1 + r.IntN(3) {
			line := o
			line.key = fmt.Sprint("opening-", len(p.openings))
			p.openings = append(p.openings, &line)
			o.at = o.at.Add([]time.Duration{0, time.Duration(r.IntN(2000)) * time.Millisecond, 20 * time.Hour}[r.IntN(3)])
			if r.IntN(5) == 0 && len(brings.Points) > 0 {
				o.brings.Points = append([]points.OpeningPoints{{Points: 1}}, brings.Points...)
			}
		}
	}
}

// drawImports adds what people bought before the brand came to huitou (历史订单),
// imported at one instant.
func (p *plan) drawImports(r *rand.Rand) {
	at := burst(r, r.IntN(6))
	for i := range 1 + r.IntN(4) {
		o := &order{key: loyalty.OrderKey{Channel: "tmall", Shop: "flagship", Order: fmt.Sprint("history-", i)}, buyer: p.people[r.IntN(len(p.people))], history: true}
		paidAt := dawn.AddDate(0, 0, -[]int{5, 12, 18, 21, 25, 40, 300, 900}[r.IntN(8)]).Add(time.Duration(r.IntN(24)) * time.Hour)
		for l := range 1 + r.IntN(2) {
			o.lines = append(o.lines, orders.Line{
				LineID: fmt.Sprint(l + 1), SKU: "SKU", Category: []string{milk, wipes, "toys"}[r.IntN(3)], Quantity: 1, Paid: loyalty.Fen(101 + r.IntN(20_000)),
			})
		}
		paid := o.tell(orders.TypePaid, paidAt)
		paid.Lines = o.lines
		events := []orders.Event{paid}
		if r.IntN(2) == 0 {
			events = append(events, o.tell(orders.TypeCompleted, paidAt.Add(72*time.Hour)))
		}
		if r.IntN(4) == 0 {
			refund := o.tell(orders.TypeRefunded, paidAt.Add(90*time.Hour))
			refund.RefundID, refund.Lines = "all", []orders.Line{{LineID: "1", Refunded: o.lines[0].Paid}}
			events = append(events, refund)
		}
		for _, event := range events {
			event.History = true
			o.news = append(o.news, &news{of: o, event: event, arrives: at.Add(time.Duration(r.IntN(2000)) * time.Millisecond), twice: r.IntN(3) == 0})
		}
		p.orders = append(p.orders, o)
	}
}

// open brings along what a line says, as the operators' endpoint does.
func (s *simulation) open(o *opening) {
	member := s.memberOf(o.of)
	if member == "" {
		return
	}
	body := map[string]any{"source": o.brings.Source, "points": o.brings.Points, "growth": o.brings.Growth}
	if !o.joined.IsZero() {
		body["joined_at"] = o.joined
	}
	if o.brings.Growth == nil {
		delete(body, "growth")
	}
	if len(o.gives) > 0 {
		body["consents"] = o.gives
	}
	if o.brings.Points == nil {
		body["points"] = []any{}
	}
	s.ask(act{
		what: o.of.name + " brings " + o.brings.Source, method: http.MethodPost, path: func() string { return "/v1/members/" + string(member) + "/points/opening" },
		key: o.key, body: body,
	}, func(status int, answer string) {
		switch {
		case status == http.StatusOK || status == http.StatusCreated:
			if !s.check.brought[[2]string{string(member), o.brings.Source}] && len(o.of.family) == 0 {
				s.violate("I12", "an operator was told of an opening of %s, and there is none", member)
			}
		case status == http.StatusConflict && strings.Contains(answer, "opening_differs"):
			if !s.plan.contradicts(o) {
				s.violate("I12", "the opening of %s differs from one that says the same", member)
			}
		case status == http.StatusConflict || status == http.StatusBadRequest && strings.Contains(answer, "in_the_past"):
		default:
			s.violate("I12", "an opening of %s is answered with %d %s", member, status, answer)
		}
	})
}

// contradicts tells whether another line of a person, or of one who may be he,
// says something else of the same source.
func (p *plan) contradicts(o *opening) bool {
	for _, other := range p.openings {
		if other.of.related(o.of) && other.brings.Source == o.brings.Source && (!reflect.DeepEqual(other.brings, o.brings) || !other.joined.Equal(o.joined) || !slices.Equal(other.gives, o.gives)) {
			return true
		}
	}
	return false
}

// opened holds an opening to what a line brings: it is written once, gives
// that and nothing else, and asks for no message.
func (c *checker) opened(by *invocation, key table.Key, item *table.Item, account *table.Item) {
	if !c.written(key, item) {
		return
	}
	is := document[store.Opening](c.s, item)
	var sum, growth loyalty.Points
	for _, entry := range is.Entries {
		sum += entry.Available - entry.Debt
		if entry.Growth != nil {
			growth += entry.Growth.Counting
		}
	}
	brings := false
	for _, o := range c.s.plan.openings {
		var want, grown loyalty.Points
		for _, part := range o.brings.Points {
			want += part.Points
		}
		for _, part := range o.brings.Growth {
			grown += part.Growth
		}
		brings = brings || o.brings.Source == is.Source && c.s.personOf(is.Member) == o.of && want == sum && grown == growth
	}
	if !brings {
		c.s.violate("I4", "%s brings %d points and %d growth along, and no line says so", is.Member, sum, growth)
	}
	for _, part := range is.Points {
		if part.Until != nil && !part.Until.After(is.At) {
			c.s.violate("I8", "%s brings points along that ended at %s", is.Member, part.Until.In(zone))
		}
	}
	c.brought[[2]string{string(is.Member), is.Source}] = true
	if account != nil {
		if after, err := store.ReadAccount(is.Member, *account); err == nil && !after.RemindAt.Equal(c.account[is.Member].RemindAt) {
			c.s.violate("I24", "an opening of %s asks for a reminder", is.Member)
		}
	}
	c.credit(by, is.Fact)
	c.gifts[is.Member] += sum
}
