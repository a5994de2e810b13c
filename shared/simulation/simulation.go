// Package simulation asks what other rules would have given for the orders of
// a past period (积分规则试算), before anybody makes them the brand's. It freezes
// and folds orders by the very functions by which the ledger does, and changes
// nothing.
package simulation

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/huitou/huitou/shared/census"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/orders"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
)

// Definition says what the figures are, beside them.
const Definition = "Orders paid in the period (from ≤ paid < to) that a member owns now; orders that nobody owns are in no member's history and are not counted. " +
	"then: by the rules in force when each was paid; proposed: as if the document had been in force in the whole period and nowhere else. " +
	"given: points for the purchases; held: what of these the refunds known today leave. Points that were spent or have expired stay counted. " +
	"Where the document asks for the buyer, it is asked with the tier that they have today, and with their orders in the order of their payment. " +
	"Return windows, reminders and everything else in the document change no figure here."

// Asked is the question.
type Asked struct {
	Document program.Document // validated
	From, To time.Time        // half-open: from ≤ paid < to
}

// Points compares the two programs.
type Points struct {
	Then     loyalty.Points `json:"then" doc:"points by the rules in force when it was paid"`
	Proposed loyalty.Points `json:"proposed" doc:"points by the document that was asked about"`
}

// Totals is what orders gave and would have given.
type Totals struct {
	Orders   int64       `json:"orders"`
	Lines    int64       `json:"lines"`
	Paid     loyalty.Fen `json:"paid" doc:"fen, after discounts and before refunds"`
	Refunded loyalty.Fen `json:"refunded" doc:"fen"`
	Given    Points      `json:"given" doc:"for the purchases"`
	Held     Points      `json:"held" doc:"of these, what refunds leave"`
}

// Part is the totals of one category or one channel.
type Part struct {
	Name string `json:"name" doc:"\"\" for lines without a category; \"*\" for all beyond the first 50 names, together"`
	Totals
}

// Members counts whom the rules would have treated otherwise.
type Members struct {
	Looked int64 `json:"looked_at" doc:"members of the brand"`
	Bought int64 `json:"bought" doc:"of these, those with an order in the period"`
	Better int64 `json:"better" doc:"of these, those who would hold more points"`
	Worse  int64 `json:"worse" doc:"of these, those who would hold fewer"`
}

// Example is an order that the change would have changed much.
type Example struct {
	Channel loyalty.Channel `json:"channel"`
	Shop    string          `json:"shop"`
	OrderID string          `json:"order_id"`
	PaidAt  time.Time       `json:"paid_at"`
	Paid    loyalty.Fen     `json:"paid" doc:"fen"`
	Held    Points          `json:"held"`
}

// Result is the answer so far, of everything that was looked at. It grows with
// neither members nor orders.
type Result struct {
	Members    Members   `json:"members"`
	Totals     Totals    `json:"totals"`
	Categories []Part    `json:"categories" doc:"by the category that a line was bought under; an order counts in each of its categories"`
	Channels   []Part    `json:"channels"`
	Examples   []Example `json:"examples" doc:"the orders with the largest difference, at most 5"`
}

const (
	maxParts    = 50
	maxExamples = 5
	otherParts  = "*"
	historyPage = 25 // each may need its order's log
)

// Run goes on with a walk over all members, about so many reads far, and gives
// the sums so far with the cursor of what is left. The walk has no state of its
// own: the cursor holds all, and the answer without one is the whole. It fails
// with KindInvalid code "invalid_cursor" for a cursor of another question.
func Run(ctx context.Context, s store.Store, asked Asked, cursor string, reads int) (result Result, done census.Done, next string, err error) {
	w := walk{store: s, asked: asked, left: reads, rules: program.Program{Document: asked.Document}, zone: asked.Document.Zone()}
	if w.state, err = resume(asked, cursor); err != nil {
		return Result{}, census.Done{}, "", err
	}
	for !w.Ended() && w.left > 0 {
		if err := w.page(ctx); err != nil {
			return Result{}, census.Done{}, "", err
		}
	}
	if !w.Ended() {
		next = census.Cursor(asked, w.state)
	}
	return w.Result, w.Place.Done(), next, nil
}

// walk is one run.
type walk struct {
	store store.Store
	asked Asked
	rules program.Program
	zone  *time.Location
	left  int // reads
	state
}

// page looks at members of the shard until the page or the reads are at their
// end, at least at a part of one.
func (w *walk) page(ctx context.Context) error {
	accounts, next, err := census.Step(ctx, w.store, w.Place, table.Eventual, census.MaxStep)
	w.left -= 2
	if err != nil {
		return err
	}
	for i, account := range accounts {
		if i > 0 && w.left <= 0 {
			return nil
		}
		// Most members of most brands bought nothing; that costs no look at
		// their history.
		if account.Home != "" { // whoever bought anything has one
			whole, err := w.member(ctx, account)
			if err != nil || !whole {
				return err
			}
		}
		w.Members.Looked++
		w.After = account.Member
	}
	w.Place = next
	return nil
}

// member counts a member's orders; false when the reads ended before.
func (w *walk) member(ctx context.Context, account store.Account) (bool, error) {
	if w.Of == nil {
		w.Of = &person{}
		if w.rules.Points.Bonuses.FirstOrder > 0 {
			if err := w.first(ctx, account.Member); err != nil {
				return false, err
			}
		}
	}
	// An order is credited when it is paid or later, but for one whose platform
	// told of it ahead of our clock.
	since := w.asked.From.Add(-orders.MaxAhead)
	for {
		records, next, err := w.store.HistorySince(ctx, account.Member, since, historyPage, w.Of.History)
		w.left--
		if err != nil {
			return false, err
		}
		for _, record := range records {
			if !slices.ContainsFunc(record.Entries, isEarn) {
				continue
			}
			log, err := w.store.Log(ctx, record.Order)
			w.left--
			if err != nil {
				return false, err
			}
			w.order(account, record, log)
		}
		if w.Of.History = next; next == "" {
			break
		}
		if w.left <= 0 {
			return false, nil
		}
	}
	if w.Of.Bought {
		w.Members.Bought++
	}
	switch {
	case w.Of.Difference > 0:
		w.Members.Better++
	case w.Of.Difference < 0:
		w.Members.Worse++
	}
	w.Of = nil
	return true, nil
}

// first finds the member's first order.
func (w *walk) first(ctx context.Context, member loyalty.MemberID) error {
	for cursor := ""; ; {
		records, next, err := w.store.HistorySince(ctx, member, time.Time{}, historyPage, cursor)
		w.left--
		if err != nil {
			return err
		}
		for _, record := range records {
			if slices.ContainsFunc(record.Entries, isEarn) {
				w.Of.First = record.Order
				return nil
			}
		}
		if cursor = next; next == "" {
			return nil
		}
	}
}

func isEarn(entry points.Entry) bool { return entry.Kind == points.EntryEarn }

// order counts an order once: where its owner of today was first credited.
func (w *walk) order(account store.Account, record store.Record, log []points.Fact) {
	order := points.Replay(record.Order, log)
	if order.Member != account.Member || !slices.ContainsFunc(log, w.isAsked) {
		return
	}
	first := slices.IndexFunc(log[order.Since-1:], func(fact points.Fact) bool { return slices.ContainsFunc(fact.Entries, isEarn) })
	if record.Seq != order.Since+first {
		return
	}
	then := points.Retell(record.Order, log, func(at int, _ loyalty.Points) points.Fact { return log[at] })
	proposed := points.Retell(record.Order, log, func(at int, granted loyalty.Points) points.Fact {
		if !w.isAsked(log[at]) {
			return log[at]
		}
		return w.freeze(account, record.Order, log, at, granted)
	})
	whole := Totals{Orders: 1}
	categories := map[string]Totals{}
	for i := range then {
		line := Totals{
			Lines: 1, Paid: then[i].Paid, Refunded: then[i].Refunded,
			Given: Points{then[i].Granted(), proposed[i].Granted()}, Held: Points{then[i].Held, proposed[i].Held},
		}
		whole = whole.plus(line)
		category := categories[then[i].Category].plus(line)
		category.Orders = 1
		categories[then[i].Category] = category
	}
	w.Totals = w.Totals.plus(whole)
	w.Channels = add(w.Channels, string(record.Order.Channel), whole)
	// In the order of the lines, so that the same names are always the first 50.
	for _, grant := range then {
		if category, waits := categories[grant.Category]; waits {
			w.Categories = add(w.Categories, grant.Category, category)
			delete(categories, grant.Category)
		}
	}
	w.Of.Bought = true
	w.Of.Difference += whole.Held.difference()
	w.show(Example{
		Channel: record.Order.Channel, Shop: record.Order.Shop, OrderID: record.Order.Order,
		PaidAt: order.PaidAt, Paid: whole.Paid, Held: whole.Held,
	})
}

// isAsked tells the payments of the period.
func (w *walk) isAsked(fact points.Fact) bool {
	return fact.Kind == points.FactPaid && !fact.At.Before(w.asked.From) && fact.At.Before(w.asked.To)
}

// freeze is the payment at a position of an order's log as the ledger would
// have frozen it: it asks for the buyer where they were known when it was
// recorded, and were not given the order by hand.
func (w *walk) freeze(account store.Account, order loyalty.OrderKey, log []points.Fact, at int, granted loyalty.Points) points.Fact {
	payment := points.Payment{Channel: order.Channel, Zone: w.zone, Granted: granted}
	if log[at].Member == "" || !w.rules.Points.Personal() || points.Replay(order, log[:at]).Binding != nil {
		return w.rules.Freeze(log[at], payment)
	}
	if day := log[at].At.In(w.zone).Format(time.DateOnly); day != w.Of.Day {
		w.Of.Day, w.Of.Earned = day, 0
	}
	payment.Buyer = &points.Buyer{Tier: account.Tier.Level, FirstOrder: w.Of.First == order, Earned: w.Of.Earned}
	frozen := w.rules.Freeze(log[at], payment)
	for _, line := range frozen.Lines {
		w.Of.Earned += line.Granted()
	}
	return frozen
}

func (p Points) plus(q Points) Points { return Points{p.Then + q.Then, p.Proposed + q.Proposed} }

func (p Points) difference() loyalty.Points { return p.Proposed - p.Then }

func (t Totals) plus(u Totals) Totals {
	return Totals{
		Orders: t.Orders + u.Orders, Lines: t.Lines + u.Lines, Paid: t.Paid + u.Paid, Refunded: t.Refunded + u.Refunded,
		Given: t.Given.plus(u.Given), Held: t.Held.plus(u.Held),
	}
}

// add counts under a name, or under that of all others when there is no more
// room for names. Names come from outside, and a cursor must stay small.
func add(parts []Part, name string, totals Totals) []Part {
	find := func(name string) int {
		return slices.IndexFunc(parts, func(p Part) bool { return p.Name == name })
	}
	at := find(name)
	if at < 0 && len(parts) >= maxParts {
		name = otherParts
		at = find(name)
	}
	if at < 0 {
		return append(parts, Part{name, totals})
	}
	parts[at].Totals = parts[at].plus(totals)
	return parts
}

// show keeps the orders with the largest difference.
func (w *walk) show(example Example) {
	if example.Held.difference() == 0 {
		return
	}
	size := func(e Example) loyalty.Points { return max(e.Held.difference(), -e.Held.difference()) }
	w.Examples = append(w.Examples, example)
	slices.SortFunc(w.Examples, func(a, b Example) int {
		return cmp.Or(cmp.Compare(size(b), size(a)), cmp.Compare(a.Channel, b.Channel), cmp.Compare(a.Shop, b.Shop), cmp.Compare(a.OrderID, b.OrderID))
	})
	w.Examples = w.Examples[:min(len(w.Examples), maxExamples)]
}
