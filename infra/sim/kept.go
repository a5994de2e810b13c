package sim

import (
	"crypto/md5" // Youzan's signature is MD5
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/orders"
	"github.com/huitou/huitou/shared/orders/youzan"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/refused"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
)

// foreign is the currency of orders that the brand did not think of at first.
const foreign = "HKD"

// youzanApp proves pushes of the simulated platform.
var youzanApp = youzan.App{ClientID: "simulated app", ClientSecret: "simulated secret"}

// review is a look of an operator at what waits for a person (待人工处理).
type review struct {
	number int
	at     time.Time
}

// drawKept adds what cannot be applied when it comes: orders in a currency that
// the program allows later, refunds of a line that there is not, and pushes of a
// platform that cannot be read, or tell of what has not happened yet.
func (p *plan) drawKept(r *rand.Rand) {
	p.allowed = day([]int{4, 9, 14}[r.IntN(3)], 11*time.Hour)
	add := func(o *order, event orders.Event, applies bool) {
		n := &news{of: o, event: event, kept: true, applies: applies, twice: r.IntN(4) == 0}
		n.arrives = event.OccurredAt.Add(time.Duration(r.IntN(5000)) * time.Millisecond)
		if r.IntN(3) == 0 {
			n.arrives = later(n.arrives, p.allowed.Add(time.Duration(r.IntN(6000)-3000)*time.Millisecond))
		}
		if r.IntN(3) == 0 { // the platform tells it once more, days later
			n.again = later(n.arrives, p.allowed).Add(time.Duration(r.IntN(100)) * time.Hour)
		}
		o.news = append(o.news, n)
	}
	abroad := func(o *order, kind orders.Type, at time.Time) orders.Event {
		event := o.tell(kind, at)
		event.Currency = foreign
		return event
	}
	for i := range 1 + r.IntN(3) {
		o := &order{key: loyalty.OrderKey{Channel: "tmall", Shop: "flagship", Order: fmt.Sprint("foreign-", i)}, buyer: p.people[r.IntN(len(p.people))]}
		paidAt := p.allowed.AddDate(0, 0, -r.IntN(4)).Add(-time.Duration(1+r.IntN(5)) * time.Hour)
		never := r.IntN(6) == 0
		if never {
			paidAt = p.allowed.Add(time.Duration(1+r.IntN(50)) * time.Hour)
		}
		for l := range 1 + r.IntN(2) {
			o.lines = append(o.lines, orders.Line{
				LineID: fmt.Sprint(l + 1), SKU: "SKU", Category: []string{milk, wipes, "toys"}[r.IntN(3)], Quantity: 1, Paid: loyalty.Fen(101 + r.IntN(20_000)),
			})
		}
		paid := abroad(o, orders.TypePaid, paidAt)
		paid.Lines = o.lines
		add(o, paid, !never)
		if r.IntN(2) == 0 {
			o.news = append(o.news, &news{of: o, event: o.tell(orders.TypeCompleted, paidAt.Add(30*time.Hour)), arrives: paidAt.Add(31 * time.Hour)})
		}
		for n := range r.IntN(3) {
			line := o.lines[0].LineID
			if n > 0 {
				line = "none"
			}
			refund := abroad(o, orders.TypeRefunded, paidAt.Add(time.Duration(1+r.IntN(40))*time.Hour))
			refund.RefundID = fmt.Sprint("refund-", n)
			refund.Lines = []orders.Line{{LineID: line, Refunded: 1 + loyalty.Fen(r.Int64N(int64(o.lines[0].Paid)))}}
			add(o, refund, !never && n == 0)
		}
		p.orders = append(p.orders, o)
	}
	if r.IntN(2) == 0 {
		p.drawPush(r, 0, "100.00")
	}
	if r.IntN(2) == 0 {
		p.drawPush(r, 1, "a lot")
	}
	for range 1 + r.IntN(3) {
		at := p.allowed.Add([]time.Duration{time.Second, time.Minute, 3 * time.Hour, 50 * time.Hour}[r.IntN(4)] + time.Duration(r.IntN(3000))*time.Millisecond)
		p.reviews = append(p.reviews, review{len(p.reviews), at})
	}
}

// drawPush adds a push of Youzan about a payment of the day after tomorrow, which
// is nothing that an order can say yet.
func (p *plan) drawPush(r *rand.Rand, number int, paid string) {
	o := &order{key: loyalty.OrderKey{Channel: youzan.Channel, Shop: "1000001", Order: fmt.Sprint("E", number)}, buyer: p.people[r.IntN(len(p.people))], phone: true}
	at := p.allowed.Add(time.Duration(r.IntN(48)) * time.Hour).Truncate(time.Second)
	o.lines = []orders.Line{{LineID: "1", Quantity: 1, Paid: 10_000}}
	event := o.tell(orders.TypePaid, at)
	event.Lines = o.lines
	o.news = []*news{{of: o, event: event, arrives: at.Add(-time.Duration(26+r.IntN(20)) * time.Hour), twice: r.IntN(3) == 0, kept: true, applies: paid == "100.00"}}
	message, err := json.Marshal(map[string]any{"full_order_info": map[string]any{
		"order_info": map[string]any{"tid": o.key.Order, "pay_time": at.In(orders.Shanghai).Format(time.DateTime)},
		"buyer_info": map[string]any{"buyer_phone": o.buyer.phone},
		"orders":     []any{map[string]any{"oid": "1", "num": "1", "payment": paid}},
	}})
	if err != nil {
		panic(err) // plain texts
	}
	content := url.QueryEscape(string(message))
	sum := md5.Sum([]byte(youzanApp.ClientID + content + youzanApp.ClientSecret))
	push, err := json.Marshal(map[string]any{
		"client_id": youzanApp.ClientID, "id": o.key.Order, "kdt_id": o.key.Shop, "msg": content, "sign": hex.EncodeToString(sum[:]), "type": "trade_TradePaid",
	})
	if err != nil {
		panic(err)
	}
	o.news[0].push = string(push)
	p.orders = append(p.orders, o)
}

// allowing are the versions of the program by which the brand allows the other
// currency: one in it, and one that goes back to its own at the same instant.
// What was paid in it before is rated by the first.
func (p *plan) allowing() []program.Program {
	if p.allowed.IsZero() {
		return nil
	}
	own := p.at(p.allowed)
	own.EffectiveAt, own.Version = p.allowed, 4
	other := own
	other.Version, other.Currency = 3, foreign
	other.Points.Rate = points.Rate{Points: 2, PerFen: 150}
	return []program.Program{other, own}
}

// in are the rules for what was paid in a currency at a time.
func (p *plan) in(currency string, at time.Time) program.Program {
	if currency == foreign {
		return p.allowing()[0]
	}
	return p.at(at)
}

// reviewKept puts on the agenda what operators do with what is kept, and what the
// platform tells once more.
func (s *simulation) reviewKept() {
	for _, r := range s.plan.reviews {
		s.at(r.at, func() {
			s.listKept(func(ids []string) {
				for _, id := range ids {
					s.decide(r, id)
				}
			})
		})
	}
	for _, o := range s.plan.orders {
		for _, n := range o.news {
			if !n.again.IsZero() {
				s.at(n.again, func() { s.push(n, 1000) })
			}
		}
	}
}

// listKept reads the list of what waits for a person, page by page.
func (s *simulation) listKept(then func(ids []string)) {
	var ids []string
	var page func(cursor string)
	page = func(cursor string) {
		s.ask(act{what: "what waits for a person", method: http.MethodGet, path: func() string {
			return "/v1/refused?state=waiting&limit=7&cursor=" + url.QueryEscape(cursor)
		}}, func(status int, body string) {
			var answer struct {
				Items []struct {
					ID string `json:"id"`
				} `json:"items"`
				Next string `json:"next_cursor"`
			}
			if err := json.Unmarshal([]byte(body), &answer); status != http.StatusOK || err != nil {
				s.violate("I12", "what waits for a person is answered with %d %s", status, body)
				return
			}
			for _, item := range answer.Items {
				ids = append(ids, item.ID)
			}
			if answer.Next == "" {
				then(ids)
				return
			}
			page(answer.Next)
		})
	}
	page("")
}

// decide lets an operator leave an input, have it applied again, or dismiss it;
// now and then twice at once, or while another decides otherwise.
func (s *simulation) decide(r review, id string) {
	key := fmt.Sprint("review-", r.number, "-", id)
	place := []uint64{number("review"), uint64(r.number), number(id)}
	switch choice := mix(append(place, s.seed)...) % 6; choice {
	case 0:
	case 1:
		s.dismissKept(id, key)
	default:
		s.retryKept(id, key)
		s.onlyIf(KeptRetried, id, place, func() {
			s.in(time.Duration(s.rng.IntN(400))*time.Millisecond, func() { s.retryKept(id, key+"'") })
		}, nil)
		s.onlyIf(KeptDismissed, id, place, func() {
			s.check.meanwhile[id] = func() { s.dismissKept(id, key+"-meanwhile") }
		}, nil)
	}
}

// reread lets an operator dismiss an input that is being applied again.
func (v *invocation) reread(keys []table.Key) {
	id := table.RefusedOf(keys[0])
	if does := v.check.meanwhile[id]; does != nil && len(keys) == 2 && kindOf(keys[1]) == contentItem {
		delete(v.check.meanwhile, id)
		v.frozen = time.Duration(v.rng.IntN(400)) * time.Millisecond
		v.in(0, does)
	}
}

func (s *simulation) retryKept(id, key string) {
	s.ask(act{what: "apply " + id + " again", method: http.MethodPost, path: func() string { return "/v1/refused/" + id + "/retry" }, key: key}, func(status int, body string) {
		is := s.check.kept[id]
		gone := is == nil || s.now().Add(clocks).After(is.ends)
		switch {
		case status == http.StatusAccepted && is != nil && (is.state != store.RefusedWaiting || is.applicable()):
			is.retried = true
		case status == http.StatusConflict && strings.Contains(body, "refused_dismissed") && is != nil && is.state == store.RefusedDismissed:
		case status == http.StatusConflict && strings.Contains(body, "refused_not_applicable") && is != nil && !is.applicable():
		case status == http.StatusNotFound && gone:
		default:
			s.violate("I12", "to apply %s again is answered with %d %s", id, status, body)
		}
	})
}

func (s *simulation) dismissKept(id, key string) {
	s.ask(act{
		what: "dismiss " + id, method: http.MethodPost, path: func() string { return "/v1/refused/" + id + "/dismissal" }, key: key, body: map[string]any{"reason": "simulated"},
	}, func(status int, body string) {
		is := s.check.kept[id]
		gone := is == nil || s.now().Add(clocks).After(is.ends)
		switch {
		case status == http.StatusOK && is != nil && is.state == store.RefusedDismissed:
		case status == http.StatusConflict && strings.Contains(body, "refused_applied") && is != nil && is.state == store.RefusedApplied:
		case (status == http.StatusNotFound || status == http.StatusOK) && gone:
		default:
			s.violate("I12", "to dismiss %s is answered with %d %s", id, status, body)
		}
	})
}

// keptInput is what the checker knows of an input that is kept for a person.
type keptInput struct {
	refused.Input
	state   store.RefusedState
	ends    time.Time
	news    *news // whose content it is; nil for none of the plan's
	byRetry bool  // it was applied by an operator's retry
	retried bool  // an operator was told that it will be
}

func (k *keptInput) applicable() bool { return k.Form.Applies() && !k.Cut }

// keepsInput holds I30 to an input that is kept: what an operator decided stays,
// it is listed as what it is, and it does not go before its time.
func (c *checker) keepsInput(key table.Key, item *table.Item) {
	id := table.RefusedOf(key)
	was := c.kept[id]
	if item == nil {
		if was != nil && c.s.now().Before(was.ends) {
			c.s.violate("I26", "an input is kept no longer, and should be until %s", was.ends.In(zone))
		}
		return
	}
	is := &keptInput{Input: document[refused.Input](c.s, item), state: store.RefusedState(item.Text("state")), ends: time.Unix(item.Int(table.ExpiresAttribute), 0)}
	anew := item.Int("n") == 1 && is.state == store.RefusedWaiting // an erasure changes what has ended, too
	began := was == nil || c.s.now().Add(clocks).After(was.ends) && anew
	if !began {
		is.Content, is.news, is.byRetry, is.retried = was.Content, was.news, was.byRetry, was.retried
	}
	switch {
	case began && is.state != store.RefusedWaiting:
		c.s.violate("I30", "an input begins as %s", is.state)
	case !began && was.state != store.RefusedWaiting && was.state != is.state:
		c.s.violate("I30", "an input passes from %s to %s", was.state, is.state)
	case is.state == store.RefusedDismissed && is.byRetry:
		c.s.violate("I30", "an operator dismisses %s of %s, and it was applied again", is.news.event.Type, is.Order.Order)
	}
	if listed := item.Text("mpk"); listed != table.RefusedPK(string(is.state)) {
		c.s.violate("I26", "an input is %s, and listed in %s", is.state, listed)
	}
	if is.state == store.RefusedApplied && is.news != nil {
		if log := c.logs[is.Order]; log == nil || !log.knows(is.news) {
			c.s.violate("I26", "%s of %s counts as applied, and is not", is.news.event.Type, is.Order.Order)
		}
	}
	c.kept[id] = is
}

// keepsContent finds what an input is, and holds that the same is kept once.
func (c *checker) keepsContent(key table.Key, item *table.Item) {
	id := table.RefusedOf(key)
	is := c.kept[id]
	if item == nil || is == nil {
		return
	}
	content := item.Text("doc")
	if is.Content != "" && is.Content != content {
		return // a person was erased out of it
	}
	is.Content = content
	same := is.Source + "#" + string(is.Form) + "#" + content
	if other, known := c.contents[same]; known && other != id && content != "" {
		c.s.violate("I26", "%s of %s is kept twice", is.Form, is.Order.Order)
	}
	c.contents[same] = id
	o := c.s.plan.found(is.Order)
	if o == nil {
		return
	}
	event, err := orders.DecodeQueued([]byte(content))
	for _, n := range o.news {
		switch {
		case is.Form == refused.Youzan && n.push != "":
		case is.Form == refused.Order && err == nil && n.event.Type == event.Type && n.event.RefundID == event.RefundID && n.event.Currency == event.Currency && slices.Equal(n.event.Lines, event.Lines):
		default:
			continue
		}
		is.news = n
		c.keptFor[n] = id
	}
}

// tells tells whether a fact is of one kind with what a kept input says, and says
// all of it: the log may know that by another fact, such as a larger total.
func tells(fact, kept points.Fact) bool {
	return fact.Kind == kept.Kind &&
		!slices.ContainsFunc(kept.Lines, func(line points.Line) bool {
			return !slices.ContainsFunc(fact.Lines, func(told points.Line) bool { return told.ID == line.ID && told.Paid == line.Paid })
		}) &&
		!slices.ContainsFunc(kept.Refunds, func(refund points.Refund) bool {
			return !slices.ContainsFunc(fact.Refunds, func(told points.Refund) bool {
				return told.ID == refund.ID && told.Line == refund.Line && told.Amount == refund.Amount
			})
		})
}

// again notes that a fact came by a retry, of an order of which nothing else was
// at work, and holds that nobody had dismissed it.
func (c *checker) again(by *invocation, record store.Record, log *logged) {
	if by == nil || by.name != convertOrders || slices.ContainsFunc(by.handed, func(m *message) bool { return orderOf(m.body) == record.Order.Order }) {
		return
	}
	for _, is := range c.kept {
		if is.news == nil || is.Order != record.Order || !tells(record.Fact, factOf(is.news)) || !log.knows(is.news) {
			continue
		}
		is.byRetry = true
		if is.state == store.RefusedDismissed {
			c.s.violate("I30", "%s of %s was dismissed, and is applied again", is.news.event.Type, record.Order.Order)
		}
	}
}

// open are the ids of what waits for a person at this moment.
func (c *checker) open() []string {
	var ids []string
	for id, is := range c.kept {
		if is.state == store.RefusedWaiting && c.s.now().Before(is.ends) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// reviewAll holds, at rest, that the list shows exactly what is open; has all of
// it applied again that can be, and holds that it is.
func (s *simulation) reviewAll() {
	listed := func() (ids []string) {
		s.listKept(func(all []string) { ids = all })
		s.drain()
		slices.Sort(ids)
		if open := s.check.open(); !slices.Equal(ids, open) {
			s.violate("I26", "%d inputs wait for a person, and the list shows %d", len(open), len(ids))
		}
		return ids
	}
	for _, id := range listed() {
		s.retryKept(id, "review-all-"+id)
	}
	s.drain()
	for _, id := range listed() {
		if is := s.check.kept[id]; is.retried && is.news != nil && is.news.applies && is.applicable() {
			s.violate("I37", "%s of %s was to be applied again, and waits", is.news.event.Type, is.Order.Order)
		}
	}
}

// finishKept holds I26 to news that could not be applied when it came: it is
// applied by now, or kept for a person, or somebody decided what becomes of it.
func (s *simulation) finishKept(n *news, log *logged) {
	if log.knows(n) {
		return
	}
	id, kept := s.check.keptFor[n]
	switch is := s.check.kept[id]; {
	case !kept:
		s.violate("I26", "%s of %s is accepted, and neither applied nor kept", n.event.Type, n.of.key.Order)
	case is.state == store.RefusedApplied:
		s.violate("I26", "%s of %s counts as applied, and is not", n.event.Type, n.of.key.Order)
	}
}
