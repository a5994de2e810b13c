package reference_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/huitou/huitou/functions/convertorders"
	"github.com/huitou/huitou/functions/settlepoints"
	"github.com/huitou/huitou/infra/reference"
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

var histories = flag.Int("histories", 2000, "how many histories TestTheLedgerIsTheModel runs")

// The functions that a brand runs and the model answer the same, to the byte,
// after any history.
func TestTheLedgerIsTheModel(t *testing.T) {
	if raceDetector {
		*histories = min(*histories, 200)
	}
	defer rapidChecks(t, strconv.Itoa(*histories))()
	met := map[string]int{}
	began, ran := time.Now(), 0
	rapid.Check(t, func(t *rapid.T) {
		inputs := history(t)
		real := run(t, inputs)
		want := reference.After(shipped(), inputs)
		merges := slices.ContainsFunc(inputs, func(in reference.Input) bool { return in.Kind == reference.Merged })
		for _, m := range slices.Concat(slices.Collect(maps.Values(real.Members)), slices.Collect(maps.Values(want.Members))) {
			if merges {
				m.RemindAt = time.Time{} // nobody reminds a part, and its whole is looked at sooner
			}
			maps.DeleteFunc(m.Lots, func(_ string, lot reference.Lot) bool { return lot == reference.Lot{} })
		}
		got, expected := text(t, real), text(t, want)
		ran++
		count(met, inputs, want)
		if got != expected {
			t.Fatalf("the ledger (+) differs from the model (-):\n%safter\n%s", cmp.Diff(expected, got), told(inputs))
		}
	})
	t.Logf("%d histories in %.1f s agree to the byte; met: %v", ran, time.Since(began).Seconds(), met)
	if *histories < 1000 || testing.Short() {
		return
	}
	if ran < *histories {
		t.Errorf("%d histories ran, not %d", ran, *histories)
	}
	for _, what := range []string{"refused", "early refund", "repeat", "split", "late joiner", "debt", "pending", "available", "program change", "reminder", "lot", "expired", "merged", "parted", "second identity"} {
		if met[what] == 0 {
			t.Errorf("no history met: %s", what)
		}
	}
}

// rapidChecks sets how many cases rapid makes; the result sets it back.
func rapidChecks(t *testing.T, n string) func() {
	setting := flag.Lookup("rapid.checks")
	was := setting.Value.String()
	if err := setting.Value.Set(n); err != nil {
		t.Fatal(err)
	}
	return func() { _ = setting.Value.Set(was) }
}

func count(met map[string]int, inputs []reference.Input, state reference.State) {
	paid, lines, seen := map[string]bool{}, map[string]int{}, map[string]bool{}
	joined := map[string]bool{}
	for _, in := range inputs {
		switch in.Kind {
		case reference.Refunded:
			if !paid[in.Order] {
				met["early refund"]++
			}
		case reference.Paid:
			if key := in.Order + in.Lines[0].ID; seen[key] {
				met["repeat"]++
			} else if seen[key] = true; lines[in.Order] > 0 {
				met["split"]++
			}
			paid[in.Order] = true
			lines[in.Order]++
		case reference.Joined:
			if joined[in.Person] {
				met["second identity"]++
			} else if len(paid) > 0 {
				met["late joiner"]++
			}
			joined[in.Person] = true
		case reference.Program:
			met["program change"]++
		case reference.Merged, reference.Parted:
			if joined[in.Person] && joined[in.From] {
				met[in.Kind]++
			}
		}
	}
	met["refused"] += len(state.Refused)
	for _, m := range state.Members {
		for end, lot := range m.Lots {
			if strings.HasPrefix(end, "pending ") {
				met["pending"]++
				continue
			}
			if lot.Expired > 0 {
				met["expired"]++
			}
			if lot.Left > 0 {
				met["lot"]++
			}
		}
		for what, there := range map[string]bool{"debt": m.Debt > 0, "available": m.Lots["never"].Left > 0, "reminder": !m.RemindAt.IsZero()} {
			if there {
				met[what]++
			}
		}
	}
}

func text(t *rapid.T, of any) string {
	raw, err := json.MarshalIndent(of, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func told(inputs []reference.Input) string {
	var all strings.Builder
	for _, in := range inputs {
		all.WriteString(in.Now.Format("01-02 15:04 ") + in.Kind)
		for _, part := range []any{in.At, in.Channel, in.Order, in.Names, in.Refund, in.Lines, in.Person, in.Points, in.Version} {
			if !reflect.ValueOf(part).IsZero() {
				fmt.Fprintf(&all, " %+v", part)
			}
		}
		all.WriteString("\n")
	}
	return all.String()
}

var (
	shanghai = time.FixedZone("CST", 8*60*60)
	dayZero  = time.Date(2026, 11, 1, 0, 0, 0, 0, shanghai)
)

// shipped is the program of program.Default in the model's words, written out.
func shipped() reference.Version {
	return reference.Version{
		Points: 1, PerFen: 100,
		Windows: map[string]reference.Window{"tmall": {7, 30}, "douyin": {7, 30}},
		Goods:   map[string]string{"MILK-400": "milk-powder", "MILK-800": "milk-powder"},
		Cycles:  map[string]reference.Cycle{"milk-powder": {28, 7}},
		Opens:   9 * time.Hour,
	}
}

// history draws what befalls one to three people and up to six orders in 60
// days. Every message arrives after a delay of its own, once or more often, so
// that nothing is in order but announcements of programs, which an operator
// makes before they take effect.
func history(t *rapid.T) []reference.Input {
	draw := func(low, high int, what string) int { return rapid.IntRange(low, high).Draw(t, what) }
	one := func(what string, in ...string) string { return rapid.SampledFrom(in).Draw(t, what) }
	day := func(low, high int, what string) time.Time {
		return dayZero.AddDate(0, 0, draw(low, high, what)).Add(time.Duration(draw(0, 23, "hour")) * time.Hour)
	}
	var inputs []reference.Input
	for n := range draw(0, 3, "programs") {
		v := shipped()
		announced := day(0, 50, "announced").Add(30 * time.Minute)
		v.From = announced.AddDate(0, 0, draw(0, 15, "in"))
		if n == 0 && draw(0, 1, "from the start") == 1 {
			announced, v.From = dayZero, dayZero
		}
		v.Points, v.PerFen = int64(draw(0, 3, "points")), int64(draw(1, 300, "per fen"))
		v.Windows["douyin"] = reference.Window{AfterCompletion: draw(0, 15, "window"), AfterPayment: draw(0, 40, "window")}
		category := one("cycle of", "milk-powder", "diapers")
		v.Goods = map[string]string{"MILK-400": category}
		v.Cycles = map[string]reference.Cycle{category: {Days: draw(11, 40, "cycle"), Lead: draw(0, 10, "lead")}}
		v.Months = max(0, draw(-1, 2, "months"))
		v.Opens = time.Duration(draw(1, 12, "opens")) * time.Hour
		inputs = append(inputs, reference.Input{Kind: reference.Program, Now: announced, Version: v})
	}
	// rapid draws small numbers more often, so what should be late or frequent
	// is drawn as the distance from its upper end.
	people := draw(1, 3, "people")
	for p := range people {
		person := strconv.Itoa(p)
		all := []string{"tmall:" + person, "douyin:" + person, "phone:" + person}
		names := rapid.SliceOfNDistinct(rapid.SampledFrom(all), 1, 3, rapid.ID[string]).Draw(t, "joins with")
		at := day(0, 70, "joins")
		for range 2 - draw(0, 2, "enrolments fewer") { // first with some of his identities, then with all
			inputs = append(inputs, reference.Input{Kind: reference.Joined, Now: at, Person: person, Names: names})
			for _, name := range names {
				for range draw(1, 2, "told") {
					inputs = append(inputs, reference.Input{Kind: reference.Told, Now: at.AddDate(0, 0, draw(0, 3, "told after")), Names: []string{name}})
				}
			}
			names, at = all, at.AddDate(0, 0, draw(0, 30, "joins again"))
		}
		for range 2 - draw(0, 2, "spends fewer") {
			inputs = append(inputs, reference.Input{Kind: reference.Spent, Now: dayZero.AddDate(0, 0, 110-draw(0, 90, "spends before")), Person: person, Points: int64(300 - draw(0, 299, "spends less"))})
		}
	}
	for o := range draw(1, 6, "orders") {
		buyer, channel := strconv.Itoa(draw(0, people-1, "buyer")), one("channel", "tmall", "douyin")
		paidAt := day(0, 50, "paid")
		send := func(in reference.Input) {
			in.Order, in.Channel = strconv.Itoa(o), channel
			for range max(1, draw(-3, 3, "copies")) {
				in.Now = in.At.Add(time.Duration(max(0, draw(-20, 20, "late"))) * 37 * time.Hour)
				in.Names = nil
				switch draw(0, 5, "names") {
				case 0:
				case 1:
					in.Names = []string{"phone:" + buyer}
				case 2:
					in.Names = []string{channel + ":" + buyer, "phone:" + buyer}
				default:
					in.Names = []string{channel + ":" + buyer}
				}
				inputs = append(inputs, in)
			}
		}
		lines := make([]reference.Line, draw(1, 4, "lines"))
		for i := range lines {
			amount := rapid.OneOf(rapid.SampledFrom([]int64{0, 1, 99, 100, 990, 10_000}), rapid.Int64Range(100, 30_000), rapid.Int64Range(9_900, 10_100)).Draw(t, "amount")
			lines[i] = reference.Line{
				ID: strconv.Itoa(i + 1), SKU: one("sku", "", "MILK-400", "MILK-800"), Category: one("category", "", "milk-powder", "diapers"),
				Quantity: int64(draw(1, 3, "quantity")), Amount: amount,
			}
		}
		for rest := lines; len(rest) > 0; { // split over several events
			n := draw(1, len(rest), "part")
			part := rest[:n:n]
			send(reference.Input{Kind: reference.Paid, At: paidAt, Lines: part})
			rest = rest[n:]
		}
		if draw(0, 5, "told again") == 0 { // all of it once more, one amount told otherwise
			again := slices.Clone(lines)
			again[0].Amount += 100
			send(reference.Input{Kind: reference.Paid, At: paidAt, Lines: again})
		}
		for range max(0, draw(-1, 2, "completions")) {
			send(reference.Input{Kind: reference.Completed, At: paidAt.AddDate(0, 0, draw(0, 20, "completed"))})
		}
		if draw(0, 5, "cancelled") == 0 {
			send(reference.Input{Kind: reference.Cancelled, At: paidAt.AddDate(0, 0, draw(0, 20, "cancelled"))})
		}
		for range draw(0, 5, "refunds") {
			in := reference.Input{Kind: reference.Refunded, At: paidAt.AddDate(0, 0, rapid.SampledFrom([]int{0, 1, 5, 20, 40, 60, 80, 120}).Draw(t, "refunded")), Refund: one("refund", "", "r1", "r2", "r3", "r4")}
			for _, i := range rapid.SliceOfNDistinct(rapid.IntRange(0, len(lines)-1), 1, 2, rapid.ID[int]).Draw(t, "refunded lines") {
				amount := max(1, lines[i].Amount)
				in.Lines = append(in.Lines, reference.Line{ID: lines[i].ID, Amount: rapid.OneOf(
					rapid.Int64Range(1, amount), rapid.Int64Range(1, amount/10+1), rapid.Just(amount/3+1), rapid.SampledFrom([]int64{amount, amount + 1}),
				).Draw(t, "back")})
			}
			send(in)
		}
	}
	if people > 1 {
		for range 3 - draw(0, 3, "merges fewer") {
			whole := draw(0, people-1, "whole")
			in := reference.Input{Kind: reference.Merged, Now: dayZero.AddDate(0, 0, 110-draw(0, 90, "merged before")), Person: strconv.Itoa(whole), From: strconv.Itoa((whole + draw(1, people-1, "part")) % people)}
			inputs = append(inputs, in)
			if draw(0, 2, "stays") == 0 {
				in.Kind, in.Now = reference.Parted, in.Now.AddDate(0, 0, 60-draw(0, 60, "parted before"))
				inputs = append(inputs, in)
			}
		}
	}
	for range 6 - draw(0, 6, "ticks fewer") {
		at := dayZero.AddDate(0, 0, 150-draw(0, 150, "tick before")).Add(time.Duration(draw(0, 23, "hour")) * time.Hour)
		inputs = append(inputs, reference.Input{Kind: reference.Tick, Now: at, At: at})
	}
	slices.SortStableFunc(inputs, func(a, b reference.Input) int { return a.Now.Compare(b.Now) })
	return inputs
}

// brand is the real thing.
type brand struct {
	*rapid.T
	store    store.Store
	convert  convertorders.Function
	settle   settlepoints.Function
	now      time.Time
	people   map[loyalty.MemberID]string
	orders   map[string]loyalty.OrderKey
	version  int64
	reserved int
}

func run(t *rapid.T, inputs []reference.Input) reference.State {
	engine := embedded.Memory()
	defer engine.Close()
	b := &brand{T: t, store: store.Store{Table: engine}, people: map[loyalty.MemberID]string{}, orders: map[string]loyalty.OrderKey{}}
	quiet := slog.New(slog.DiscardHandler)
	b.convert = convertorders.Function{Store: b.store, Clock: func() time.Time { return b.now }, Log: quiet}
	b.settle = settlepoints.Function{Store: b.store, Log: quiet}
	random := rand.NewChaCha8([32]byte{})
	refused := []int{}
	for i, in := range inputs {
		b.now = in.Now
		switch in.Kind {
		case reference.Program:
			b.version++
			b.must(engine.Write(context.Background(), store.PutProgram(b.programOf(in.Version))))
		case reference.Joined:
			request := enrolment.Request{}
			for _, name := range in.Names {
				request.Identities = append(request.Identities, enrolment.Identity{Identity: identity(name)})
			}
			member, _, err := enrolment.Enrol(context.Background(), b.store, request, random, in.Now)
			b.must(err)
			if _, known := b.people[member]; !known {
				b.people[member] = in.Person
			}
		case reference.Told:
			if !b.deliver(enrolment.JoinedMessage(identity(in.Names[0]))) {
				refused = append(refused, i)
			}
		case reference.Tick:
			b.must(b.settle.Handle(context.Background(), schedule.Tick{Time: in.At}))
		case reference.Spent:
			b.spend(in)
		case reference.Merged, reference.Parted:
			b.merge(in, strconv.Itoa(i))
		default:
			if !b.deliver(b.event(in)) {
				refused = append(refused, i)
			}
		}
	}
	return b.state(refused)
}

func (b *brand) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatalf("%v", err)
	}
}

func (b *brand) deliver(body []byte) bool {
	answer, err := b.convert.Handle(context.Background(), events.SQSEvent{Records: []events.SQSMessage{{MessageId: "1", Body: string(body)}}})
	b.must(err)
	return len(answer.BatchItemFailures) == 0
}

// merge merges two members, or undoes it; what cannot be done changes nothing.
func (b *brand) merge(in reference.Input, id string) {
	whole, part, by := b.memberOf(in.Person), b.memberOf(in.From), store.Hand{Operator: "wang", At: in.Now}
	var err error
	switch {
	case whole == "" || part == "":
		return
	case in.Kind == reference.Merged:
		_, err = ledger.Merge(context.Background(), b.store, store.Merge{ID: id, Into: whole, Part: part, By: by, Reason: "one person"})
	default:
		_, err = ledger.Unmerge(context.Background(), b.store, whole, part, id, "two persons", by)
	}
	if kind := loyalty.KindOf(err); kind != loyalty.KindConflict && kind != loyalty.KindInvalid {
		b.must(err)
	}
}

func (b *brand) memberOf(person string) loyalty.MemberID {
	for member, who := range b.people {
		if who == person {
			return member
		}
	}
	return ""
}

// spend takes as much as is available of what is wanted, in two steps.
func (b *brand) spend(in reference.Input) {
	for member, person := range b.people {
		if person != in.Person {
			continue
		}
		account, err := b.store.Account(context.Background(), member)
		b.must(err)
		if account.Merged != nil {
			member = account.Merged.Into
			account, err = b.store.Account(context.Background(), member)
			b.must(err)
		}
		n := min(loyalty.Points(in.Points), account.Points(in.Now).Spendable())
		if n == 0 {
			continue
		}
		wanted := store.Reservation{
			Fact: points.Fact{At: in.Now, Member: member},
			ID:   strconv.Itoa(b.reserved), Points: n, Reason: "exchange", ExpiresAt: in.Now.Add(time.Minute),
		}
		b.reserved++
		_, err = ledger.Reserve(context.Background(), b.store, wanted)
		b.must(err)
		_, err = ledger.Commit(context.Background(), b.store, member, wanted.ID, in.Now)
		b.must(err)
	}
}

func identity(name string) loyalty.Identity {
	channel, value, _ := strings.Cut(name, ":")
	if channel == "phone" {
		return loyalty.Identity{Kind: loyalty.IdentityPhone, Value: value}
	}
	return loyalty.Identity{Kind: loyalty.IdentityBuyer, Channel: loyalty.Channel(channel), Value: value}
}

func (b *brand) programOf(v reference.Version) program.Program {
	p := program.Program{Version: b.version, EffectiveAt: v.From, Document: program.Default().Document}
	p.Points.Rate = points.Rate{Points: loyalty.Points(v.Points), PerFen: loyalty.Fen(v.PerFen)}
	p.Points.Channels = map[loyalty.Channel]points.Window{}
	for channel, window := range v.Windows {
		p.Points.Channels[loyalty.Channel(channel)] = points.Window{AfterCompletionDays: window.AfterCompletion, AfterPaymentDays: window.AfterPayment}
	}
	p.Repurchase.Categories = map[string]repurchase.Category{}
	for category, cycle := range v.Cycles {
		p.Repurchase.Categories[category] = repurchase.Category{CycleDays: cycle.Days, LeadDays: cycle.Lead}
	}
	for sku, name := range v.Goods {
		category := p.Repurchase.Categories[name]
		category.SKUs = append(category.SKUs, sku)
		p.Repurchase.Categories[name] = category
	}
	if v.Months > 0 {
		p.Points.Expiry = &points.Expiry{Months: v.Months, EndOf: "month"}
	}
	p.Repurchase.QuietHours.To = time.Time{}.Add(v.Opens).Format("15:04")
	b.must(p.Validate())
	return p
}

func (b *brand) event(in reference.Input) []byte {
	event := orders.Event{
		Type: orders.Type("order." + in.Kind), Channel: loyalty.Channel(in.Channel), Shop: "flagship", OrderID: in.Order,
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
		switch amount := loyalty.Fen(line.Amount); {
		case in.Kind == reference.Paid:
			of.Paid = amount
		case in.Refund == "":
			of.RefundedTotal = amount
		default:
			of.Refunded = amount
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
func (b *brand) state(refused []int) reference.State {
	state := reference.State{Members: map[string]*reference.Member{}, Points: map[string]map[string]int64{}, Refused: refused}
	sums, pending := map[string]points.Balance{}, map[string]map[string]reference.Lot{}
	for id, key := range b.orders {
		log, err := b.store.Log(context.Background(), key)
		b.must(err)
		state.Points[id] = map[string]int64{}
		for _, fact := range log {
			for _, line := range fact.Lines {
				state.Points[id][line.ID] += 0
			}
			for _, entry := range fact.Entries {
				state.Points[id][entry.Line] += int64(entry.Amount())
				person, lot := b.people[fact.Member], "pending "+id
				if pending[person] == nil {
					pending[person] = map[string]reference.Lot{}
				}
				pending[person][lot] = reference.Lot{Left: pending[person][lot].Left + int64(entry.Pending)}
				sums[b.people[fact.Member]] = sums[b.people[fact.Member]].Plus(entry)
			}
		}
	}
	for member, person := range b.people {
		a, err := b.store.Account(context.Background(), member)
		b.must(err)
		if a.Merged != nil { // its whole holds the same besides
			into := b.people[a.Merged.Into]
			if pending[into] == nil {
				pending[into] = map[string]reference.Lot{}
			}
			maps.Copy(pending[into], pending[person])
		}
	}
	for member, person := range b.people {
		a, err := b.store.Account(context.Background(), member)
		b.must(err)
		sum := sums[person]
		for cursor, more := "", true; more; more = cursor != "" { // what is of no order
			var records []store.Record
			records, cursor, err = b.store.History(context.Background(), member, 100, cursor)
			b.must(err)
			for _, record := range records {
				for _, entry := range record.Entries {
					if record.Order == (loyalty.OrderKey{}) {
						sum = sum.Plus(entry)
					}
				}
			}
		}
		if sum != a.Balance {
			b.Fatalf("the counters of %s are %+v, his entries add up to %+v", person, a.Balance, sum)
		}
		if pending[person] == nil {
			pending[person] = map[string]reference.Lot{}
		}
		m := &reference.Member{
			Lots: pending[person], Debt: int64(a.Balance.Debt),
			Orders: a.Orders, Paid: int64(a.Paid), Refunded: int64(a.Refunded), RemindAt: a.RemindAt.UTC(), Bought: map[string]reference.Bought{},
		}
		endless := int64(a.Balance.Available)
		for _, lot := range a.Lots {
			m.Lots[lot.Until.UTC().Format(time.RFC3339)] = reference.Lot{Left: int64(lot.Left), Expired: int64(lot.Expired)}
			endless -= int64(lot.Left)
		}
		m.Lots["never"] = reference.Lot{Left: endless}
		for _, category := range slices.Sorted(maps.Keys(a.Bought)) {
			if bought := a.Bought[category]; bought.Count != 0 || bought.Quantity != 0 {
				m.Bought[category] = reference.Bought{Purchases: bought.Count, Quantity: bought.Quantity}
			}
		}
		state.Members[person] = m
	}
	return state
}
