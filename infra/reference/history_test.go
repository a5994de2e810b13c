package reference_test

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/huitou/huitou/infra/reference"
)

var (
	shanghai = time.FixedZone("CST", 8*60*60)
	dayZero  = time.Date(2026, 11, 1, 0, 0, 0, 0, shanghai)
)

const everything = 1_000_000 // points: more than anybody has

// history is what befalls a brand: what its operator announces and what reaches
// it, both in order of arrival.
type history struct {
	announced []announcement
	inputs    []reference.Input
}

type announcement struct {
	now     time.Time
	version reference.Version
}

// program is that of a history, in the model's order.
func (h history) program() []reference.Version {
	var versions []reference.Version
	for _, a := range slices.Backward(h.announced) {
		versions = append(versions, a.version)
	}
	slices.SortStableFunc(versions, func(a, b reference.Version) int { return b.From.Compare(a.From) })
	return append(versions, shipped())
}

// shipped is the program of program.Default in the model's words, written out.
func shipped() reference.Version {
	return reference.Version{
		Points: 1, PerFen: 100,
		Windows:    map[string]reference.Window{"tmall": {AfterCompletion: 7, AfterPayment: 30}, "douyin": {AfterCompletion: 7, AfterPayment: 30}},
		Categories: map[string]string{"MILK-400": "milk-powder", "MILK-800": "milk-powder"},
	}
}

// octet draws 0 to 255, each as often. rapid's own ranges prefer what is small.
var octet = rapid.Custom(func(t *rapid.T) int {
	n := 0
	for range 8 {
		n *= 2
		if rapid.Bool().Draw(t, "bit") {
			n++
		}
	}
	return n
})

// pen writes histories.
type pen struct{ *rapid.T }

// small draws the lower numbers of a range more often.
func (p pen) small(low, high int, what string) int { return rapid.IntRange(low, high).Draw(p.T, what) }

// even draws all numbers of a range about as often. It may have up to 256.
func (p pen) even(low, high int, what string) int {
	return low + octet.Draw(p.T, what)*(high-low+1)/256
}

// oneIn is true once in so many times.
func (p pen) oneIn(n int, what string) bool { return p.even(1, n, what) == n }

func (p pen) one(what string, in ...string) string { return in[p.even(0, len(in)-1, what)] }

// day is an hour of one of the days, of few hours, so that moments coincide. Lots
// end with months: the first moment of one is drawn more often.
func (p pen) day(low, high int, what string) time.Time {
	if start := dayZero.AddDate(0, p.even(1, 6, "month"), 0); p.oneIn(8, "month starts") && !start.After(dayZero.AddDate(0, 0, high)) {
		return start
	}
	return dayZero.AddDate(0, 0, p.even(low, high, what)).Add(time.Duration(p.even(0, 7, "hour")) * 3 * time.Hour)
}

// draw writes down what befalls one to three people and two to seven orders, which
// they pay within 50 days. Every message arrives after a delay of its own, once
// or more often, so that nothing is in order but announcements, which an
// operator makes before they take effect.
//
// What is rare in life is frequent here: most programs let points end after a
// month or two, so that they end while refunds still come and people are merged,
// and most people are merged, spend what they have, and are parted again.
func draw(t *rapid.T) history {
	p := pen{t}
	h := history{announced: p.announcements()}
	people := []int{1, 2, 2, 3}[p.even(0, 3, "people")]
	for n := range people {
		h.inputs = append(h.inputs, p.joins(strconv.Itoa(n))...)
	}
	for n := range p.even(2, 7, "orders") {
		h.inputs = append(h.inputs, p.order(n, people)...)
	}
	if people > 1 {
		for range p.even(1, 4, "merges") {
			h.inputs = append(h.inputs, p.merge(people)...)
		}
	}
	for range p.even(2, 9, "ticks") {
		h.inputs = append(h.inputs, reference.Input{Kind: reference.Tick, Now: p.day(0, 200, "tick")})
	}
	slices.SortStableFunc(h.inputs, func(a, b reference.Input) int { return a.Now.Compare(b.Now) })
	h.inputs = possible(h.inputs)
	return h
}

func (p pen) announcements() []announcement {
	var all []announcement
	if p.oneIn(8, "as shipped") {
		return all
	}
	for n := range p.even(1, 3, "programs") {
		v := shipped()
		now := p.day(0, 50, "announced").Add(30 * time.Minute)
		v.From = now.AddDate(0, 0, p.even(0, 15, "in"))
		if n == 0 && !p.oneIn(6, "later") {
			now, v.From = dayZero, dayZero
		}
		v.Points, v.PerFen = int64(3-p.small(0, 3, "points fewer")), int64(p.even(50, 300, "per fen"))
		v.Windows["douyin"] = reference.Window{AfterCompletion: p.even(0, 15, "window"), AfterPayment: p.even(0, 40, "window")}
		v.Categories = map[string]string{"MILK-400": p.one("category of", "milk-powder", "diapers")}
		v.Months = p.even(0, 2, "months")
		all = append(all, announcement{now, v})
	}
	slices.SortStableFunc(all, func(a, b announcement) int { return a.now.Compare(b.now) })
	return all
}

// joins is how a person becomes a member, first with some of their identities,
// perhaps, then with all, and what they spend.
func (p pen) joins(person string) []reference.Input {
	var inputs []reference.Input
	all := []string{"tmall:" + person, "douyin:" + person, "phone:" + person}
	names := rapid.SliceOfNDistinct(rapid.SampledFrom(all), 1, 3, rapid.ID[string]).Draw(p.T, "joins with")
	at := p.day(0, 70, "joins")
	for range p.even(1, 2, "enrolments") {
		inputs = append(inputs, reference.Input{Kind: reference.Joined, Now: at, Person: person, Names: names})
		for _, name := range names {
			for range p.even(1, 2, "told") {
				inputs = append(inputs, reference.Input{Kind: reference.Told, Now: at.AddDate(0, 0, p.small(0, 3, "told after")), Names: []string{name}})
			}
		}
		names, at = all, at.AddDate(0, 0, p.even(0, 90, "joins again"))
	}
	for range p.even(0, 3, "spends") {
		spent := reference.Input{Kind: reference.Spent, Now: p.day(10, 150, "spends"), Person: person, Points: int64(p.even(1, 200, "points"))}
		if p.oneIn(2, "spends all") {
			spent.Points = everything
		}
		inputs = append(inputs, spent)
	}
	return inputs
}

// order is one person's, or a stranger's whom nobody knows, and perhaps claimed by
// some.
func (p pen) order(n, people int) []reference.Input {
	var inputs []reference.Input
	buyer, channel := strconv.Itoa(p.even(0, people-1, "buyer")), p.one("channel", "tmall", "douyin")
	nameless, claims := p.oneIn(4, "nameless"), max(0, p.even(-4, 2, "claims"))
	if p.oneIn(8, "stranger") {
		buyer, nameless, claims = "stranger", true, 2
	}
	id, name, phone := fmt.Sprintf("%s-%d", channel, n), channel+":"+buyer, "phone:"+buyer
	send := func(in reference.Input) {
		in.Order, in.Channel = id, channel
		for range max(1, p.even(-3, 3, "copies")) {
			in.Now = in.At.Add(time.Duration(max(0, p.even(-20, 30, "late"))) * 37 * time.Hour)
			in.Names = [][]string{{name}, {name}, {name}, {name, phone}, {phone}, nil}[p.even(0, 5, "names")]
			if nameless && !p.oneIn(5, "named") {
				in.Names = nil
			}
			inputs = append(inputs, in)
		}
	}
	lines, paidAt := p.lines(id), p.day(0, 50, "paid")
	for rest := lines; len(rest) > 0; { // split over several events
		n, at := p.even(1, len(rest), "part"), paidAt
		if len(rest) < len(lines) && p.oneIn(3, "added") { // to an order that may be settled by then
			at = at.AddDate(0, 0, p.even(0, 40, "later"))
		}
		send(reference.Input{Kind: reference.Paid, At: at, Lines: p.discounted(rest[:n])})
		rest = rest[n:]
	}
	if p.oneIn(5, "told again") { // all of it once more, one price told otherwise
		again := slices.Clone(lines)
		again[0].Price += 100
		send(reference.Input{Kind: reference.Paid, At: paidAt, Lines: p.discounted(again)})
	}
	for range max(0, p.even(-1, 2, "completions")) {
		send(reference.Input{Kind: reference.Completed, At: paidAt.AddDate(0, 0, p.even(0, 20, "completed"))})
	}
	if p.oneIn(8, "cancelled") {
		send(reference.Input{Kind: reference.Cancelled, At: paidAt.AddDate(0, 0, p.even(0, 100, "cancelled"))})
	}
	for range p.even(0, 4, "refunds") {
		send(p.refund(lines, paidAt))
	}
	last := slices.MaxFunc(inputs, func(a, b reference.Input) int { return a.Now.Compare(b.Now) }).Now
	claimant := p.even(0, people-1, "claimant")
	for n := range min(people, claims) { // before a claim runs out, after 90 days, everything has arrived
		inputs = append(inputs, reference.Input{
			Kind: reference.Claimed, Now: last.AddDate(0, 0, p.even(-80, 20, "claimed")), Order: id, Channel: channel,
			Person: strconv.Itoa((claimant + n) % people), Proof: channel + ":" + p.one("proof", buyer, buyer, "nobody"),
		})
	}
	return inputs
}

func (p pen) lines(order string) []reference.Line {
	prices := rapid.OneOf(rapid.SampledFrom([]int64{0, 1, 99, 100, 990, 10_000}), rapid.Int64Range(100, 30_000), rapid.Int64Range(9_900, 10_100))
	lines := make([]reference.Line, p.even(1, 4, "lines"))
	for i := range lines {
		lines[i] = reference.Line{ID: fmt.Sprintf("%s/%d", order, i+1), Goods: reference.Goods{
			SKU: p.one("sku", "", "MILK-400", "MILK-800"), Category: p.one("category", "", "milk-powder", "diapers"),
			Quantity: int64(p.small(1, 3, "quantity")), Price: prices.Draw(p.T, "price"),
		}}
	}
	return lines
}

// refund gives one or two lines back in part, as a whole or with more than that.
func (p pen) refund(lines []reference.Line, paidAt time.Time) reference.Input {
	in := reference.Input{Kind: reference.Refunded, At: paidAt.AddDate(0, 0, p.even(0, 150, "refunded")), Refund: p.one("refund", "", "r1", "r2", "r3", "r4")}
	for _, i := range rapid.SliceOfNDistinct(rapid.IntRange(0, len(lines)-1), 1, 2, rapid.ID[int]).Draw(p.T, "refunded lines") {
		price := max(1, lines[i].Price)
		in.Lines = append(in.Lines, reference.Line{ID: lines[i].ID, Fen: rapid.OneOf(
			rapid.Int64Range(1, price), rapid.Int64Range(1, price/10+1), rapid.Just(price/3+1), rapid.SampledFrom([]int64{price, price + 1, price + price/2}),
		).Draw(p.T, "back")})
	}
	return in
}

// discounted takes a discount off the lines in proportion to their prices, which
// leaves what is paid: each part is rounded down, and the fen that are left go to
// those that lost most by it (最大余数法).
func (p pen) discounted(lines []reference.Line) []reference.Line {
	lines = slices.Clone(lines)
	var total, left int64
	for i := range lines {
		lines[i].Fen = lines[i].Price
		total += lines[i].Price
	}
	if total == 0 || !p.oneIn(3, "discount") {
		return lines
	}
	discount := rapid.Int64Range(1, total).Draw(p.T, "off")
	left = discount
	for i := range lines {
		lines[i].Fen -= discount * lines[i].Price / total
		left -= discount * lines[i].Price / total
	}
	lost := func(line reference.Line) int64 { return discount * line.Price % total }
	most := make([]*reference.Line, len(lines))
	for i := range lines {
		most[i] = &lines[i]
	}
	slices.SortStableFunc(most, func(a, b *reference.Line) int { return cmp.Compare(lost(*b), lost(*a)) })
	for _, line := range most[:left] {
		line.Fen--
	}
	return lines
}

// merge merges two people, of whom one may have spent all that they had just
// before, and parts most of them again.
func (p pen) merge(people int) []reference.Input {
	whole := p.even(0, people-1, "whole")
	merged := reference.Input{
		Kind: reference.Merged, Now: p.day(20, 150, "merged"),
		Person: strconv.Itoa(whole), Part: strconv.Itoa((whole + p.even(1, people-1, "part")) % people),
	}
	var inputs []reference.Input
	if p.oneIn(2, "spends before") {
		inputs = append(inputs, reference.Input{Kind: reference.Spent, Now: merged.Now, Person: merged.Part, Points: everything})
	}
	inputs = append(inputs, merged)
	if !p.oneIn(5, "stays") {
		merged.Kind, merged.Now = reference.Parted, merged.Now.AddDate(0, 0, p.even(0, 90, "parted"))
		inputs = append(inputs, merged)
	}
	return inputs
}

// possible leaves out what cannot be done: huitou refuses it, and other tests
// say how.
func possible(inputs []reference.Input) []reference.Input {
	joined, whole := map[string]bool{}, map[string]string{}
	return slices.DeleteFunc(inputs, func(in reference.Input) bool {
		switch in.Kind {
		case reference.Joined:
			joined[in.Person] = true
		case reference.Spent:
			return !joined[in.Person]
		case reference.Claimed:
			return !joined[in.Person] || whole[in.Person] != ""
		case reference.Merged:
			if !joined[in.Person] || !joined[in.Part] || whole[in.Person] != "" || whole[in.Part] != "" {
				return true
			}
			for _, of := range whole {
				if of == in.Part {
					return true
				}
			}
			whole[in.Part] = in.Person
		case reference.Parted:
			if whole[in.Part] != in.Person {
				return true
			}
			delete(whole, in.Part)
		}
		return false
	})
}

// count adds what a history has in it that is rare or awkward, to what was met.
func (h history) count(met map[string]int, after reference.State) {
	met["program"] += len(h.announced)
	for _, excess := range after.Excess {
		met["excess"] += int(min(1, excess))
	}
	for _, conflicts := range after.Conflicts {
		met["conflict"] += conflicts
	}
	paidAt, completed := map[string]time.Time{}, map[string]time.Time{}
	paid, told, joined := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, in := range h.inputs {
		switch in.Kind {
		case reference.Refunded:
			if !paid[in.Order] {
				met["early refund"]++
			}
		case reference.Paid:
			if line := in.Lines[0].ID; told[line] {
				met["repeat"]++
			} else if told[line] = true; paid[in.Order] {
				met["split"]++
			}
			paid[in.Order] = true
			if first, known := paidAt[in.Order]; !known {
				paidAt[in.Order] = in.At
			} else if in.At.After(first) {
				met["late line"]++
			}
		case reference.Completed:
			if before, known := completed[in.Order]; known && !before.Equal(in.At) {
				met["second completion"]++
			}
			completed[in.Order] = in.At
		case reference.Joined:
			if joined[in.Person] {
				met["second identity"]++
			} else if len(paid) > 0 {
				met["late joiner"]++
			}
			joined[in.Person] = true
		case reference.Claimed:
			met["claim"]++
		}
	}
}

func (h history) String() string {
	var all strings.Builder
	line := func(now time.Time, kind string, parts ...any) {
		all.WriteString(now.In(shanghai).Format("2006-01-02 15:04 ") + kind)
		for _, part := range parts {
			if !reflect.ValueOf(part).IsZero() {
				fmt.Fprintf(&all, " %+v", part)
			}
		}
		all.WriteString("\n")
	}
	for _, a := range h.announced {
		line(a.now, "announced", a.version)
	}
	for _, in := range h.inputs {
		line(in.Now, in.Kind, in.At, in.Order, in.Names, in.Proof, in.Refund, in.Lines, in.Person, in.Part, in.Points)
	}
	return all.String()
}
