package points_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
)

var shanghai = time.FixedZone("Asia/Shanghai", 8*60*60)

// full are rules that use everything: ¥1 a point, milk powder two.
func full() points.Rules {
	return points.Rules{
		Rate:       rate,
		Window:     *window,
		Categories: map[string]points.Rate{"milk-powder": {Points: 2, PerFen: 100}},
		Bonuses: points.Bonuses{
			Channels:   map[loyalty.Channel]int64{"douyin": 50},
			Tiers:      map[string]int64{"gold": 20},
			FirstOrder: 300,
			MemberDay:  points.MemberDay{Days: []int{18}, Percent: 100},
			Campaigns: []points.Campaign{{
				Name: "双11", From: time.Date(2026, 11, 10, 20, 0, 0, 0, shanghai), To: time.Date(2026, 11, 12, 0, 0, 0, 0, shanghai),
				Percent: 25, Categories: []string{"milk-powder"}, Channels: []loyalty.Channel{"tmall", "douyin"},
			}},
		},
	}
}

func nth(day int) time.Time { return time.Date(2026, 11, day, 10, 0, 0, 0, shanghai) }

func TestWhatAnOrderEarns(t *testing.T) {
	yuan := func(n loyalty.Fen) points.Line { return points.Line{ID: "1", Quantity: 1, Paid: n * 100} }
	milk := points.Line{ID: "1", Category: "milk-powder", Quantity: 1, Paid: 39_850}
	with := func(change func(*points.Rules)) points.Rules {
		rules := full()
		change(&rules)
		return rules
	}
	for name, test := range map[string]struct {
		rules   points.Rules
		payment points.Payment
		want    []loyalty.Points
		because string // of each line, "; " between them
	}{
		// 99.99 → 99
		"the base rate":                    {full(), points.Payment{Channel: "tmall", PaidAt: nth(1), Lines: []points.Line{{Paid: 9_999}}}, []loyalty.Points{99}, ""},
		"nothing paid":                     {full(), points.Payment{Channel: "tmall", PaidAt: nth(1), Lines: []points.Line{{Paid: 0}}}, []loyalty.Points{0}, ""},
		"99 fen":                           {full(), points.Payment{Channel: "tmall", PaidAt: nth(1), Lines: []points.Line{{Paid: 99}}}, []loyalty.Points{0}, ""},
		"each line is rounded down itself": {full(), points.Payment{Channel: "tmall", PaidAt: nth(1), Lines: []points.Line{{Paid: 150}, {Paid: 150}}}, []loyalty.Points{1, 1}, "; "},
		// 398.50 × 2 = 797
		"a category": {full(), points.Payment{Channel: "tmall", PaidAt: nth(1), Lines: []points.Line{milk}}, []loyalty.Points{797}, "category:milk-powder"},
		// 99.99 × 2 = 199.98, rounded once; twice 99 would be 198
		"the member day": {full(), points.Payment{Channel: "tmall", PaidAt: nth(18), Lines: []points.Line{{Paid: 9_999}}}, []loyalty.Points{199}, "member_day"},
		// 33.33 × 1.5 = 49.995
		"a channel": {full(), points.Payment{Channel: "douyin", PaidAt: nth(1), Lines: []points.Line{{Paid: 3_333}}}, []loyalty.Points{49}, "channel:douyin"},
		// 398.50 × 2 × 1.25 = 996.25; the other line is not of the category: 10
		"a campaign of a category": {full(), points.Payment{Channel: "tmall", PaidAt: nth(11), Lines: []points.Line{milk, yuan(10)}}, []loyalty.Points{996, 10}, "category:milk-powder campaign:双11; "},
		"a campaign elsewhere":     {full(), points.Payment{Channel: "youzan", PaidAt: nth(11), Lines: []points.Line{milk}}, []loyalty.Points{797}, "category:milk-powder"},
		// 100 × (100 + 50 + 20 + 300 + 100)/100 = 570
		"bonuses add up": {full(), points.Payment{Channel: "douyin", PaidAt: nth(18), Lines: []points.Line{yuan(100)}, Buyer: &points.Buyer{Tier: "gold", FirstOrder: true}}, []loyalty.Points{570}, "channel:douyin tier:gold first_order member_day"},
		"another tier":   {full(), points.Payment{Channel: "tmall", PaidAt: nth(1), Lines: []points.Line{yuan(100)}, Buyer: &points.Buyer{Tier: "silver"}}, []loyalty.Points{100}, ""},
		"nobody's order": {full(), points.Payment{Channel: "tmall", PaidAt: nth(18), Lines: []points.Line{yuan(100)}}, []loyalty.Points{200}, "member_day"},
		// at most 1000 percent: 100 × 11
		"beyond reason": {with(func(r *points.Rules) { r.Bonuses.FirstOrder, r.Bonuses.MemberDay.Percent = 1000, 1000 }), points.Payment{Channel: "tmall", PaidAt: nth(18), Lines: []points.Line{yuan(100)}, Buyer: &points.Buyer{FirstOrder: true}}, []loyalty.Points{1100}, "first_order member_day"},

		"a gift that was free": {full(), points.Payment{Channel: "tmall", PaidAt: nth(18), Lines: []points.Line{yuan(10), {Gift: true}}}, []loyalty.Points{20, 0}, "member_day; gift"},
		"a gift for a price":   {full(), points.Payment{Channel: "tmall", PaidAt: nth(18), Lines: []points.Line{{Gift: true, Paid: 990}}}, []loyalty.Points{0}, "gift"},
		"where gifts earn":     {with(func(r *points.Rules) { r.GiftsEarn = true }), points.Payment{Channel: "tmall", PaidAt: nth(1), Lines: []points.Line{{Gift: true, Paid: 990}}}, []loyalty.Points{9}, ""},

		// 100 − 33.33 = 66.67 → 66
		"stored value":            {full(), points.Payment{Channel: "tmall", PaidAt: nth(1), Lines: []points.Line{{Paid: 10_000, StoredValue: 3_333}}}, []loyalty.Points{66}, "stored_value"},
		"all from stored value":   {full(), points.Payment{Channel: "tmall", PaidAt: nth(1), Lines: []points.Line{{Paid: 10_000, StoredValue: 10_600, Shipping: 600}}}, []loyalty.Points{0}, "stored_value"},
		"where it earns":          {with(func(r *points.Rules) { r.StoredValueEarns = true }), points.Payment{Channel: "tmall", PaidAt: nth(1), Lines: []points.Line{{Paid: 10_000, StoredValue: 3_333}}}, []loyalty.Points{100}, ""},
		"shipping does not earn":  {full(), points.Payment{Channel: "tmall", PaidAt: nth(1), Lines: []points.Line{{Paid: 10_000, Shipping: 600}}}, []loyalty.Points{100}, ""},
		"where shipping earns":    {with(func(r *points.Rules) { r.ShippingEarns = true }), points.Payment{Channel: "tmall", PaidAt: nth(1), Lines: []points.Line{{Paid: 10_000, Shipping: 600}}}, []loyalty.Points{106}, "shipping"},
		"stored value covers it":  {with(func(r *points.Rules) { r.ShippingEarns = true }), points.Payment{Channel: "tmall", PaidAt: nth(1), Lines: []points.Line{{Paid: 10_000, Shipping: 600, StoredValue: 10_200}}}, []loyalty.Points{4}, "shipping stored_value"},
		"shipping of a free line": {with(func(r *points.Rules) { r.ShippingEarns = true }), points.Payment{Channel: "tmall", PaidAt: nth(1), Lines: []points.Line{{Shipping: 600}}}, []loyalty.Points{0}, ""},

		// 100 of 150 + 150 + 300: 25, 25, 50
		"a cap of the order": {
			with(func(r *points.Rules) { r.CapPerOrder = 100 }),
			points.Payment{Channel: "tmall", PaidAt: nth(1), Lines: []points.Line{yuan(150), yuan(150), yuan(300)}},
			[]loyalty.Points{25, 25, 50},
			"cap_per_order; cap_per_order; cap_per_order",
		},
		// 100 of 3 × 100: the first gets what is left
		"a cap by the largest remainder": {
			with(func(r *points.Rules) { r.CapPerOrder = 100 }),
			points.Payment{Channel: "tmall", PaidAt: nth(1), Lines: []points.Line{yuan(100), {Gift: true}, yuan(100), yuan(100)}},
			[]loyalty.Points{34, 0, 33, 33},
			"cap_per_order; gift; cap_per_order; cap_per_order",
		},
		"just the cap":               {with(func(r *points.Rules) { r.CapPerOrder = 100 }), points.Payment{Channel: "tmall", PaidAt: nth(1), Lines: []points.Line{yuan(100)}}, []loyalty.Points{100}, ""},
		"a later part of the order":  {with(func(r *points.Rules) { r.CapPerOrder = 100 }), points.Payment{Channel: "tmall", PaidAt: nth(1), Lines: []points.Line{yuan(90)}, Granted: 70}, []loyalty.Points{30}, "cap_per_order"},
		"an order beyond its cap":    {with(func(r *points.Rules) { r.CapPerOrder = 100 }), points.Payment{Channel: "tmall", PaidAt: nth(1), Lines: []points.Line{yuan(90)}, Granted: 500}, []loyalty.Points{0}, "cap_per_order"},
		"a cap of the day":           {with(func(r *points.Rules) { r.CapPerDay = 100 }), points.Payment{Channel: "tmall", PaidAt: nth(1), Lines: []points.Line{yuan(90)}, Buyer: &points.Buyer{Earned: 30}}, []loyalty.Points{70}, "cap_per_day"},
		"nobody's day":               {with(func(r *points.Rules) { r.CapPerDay = 100 }), points.Payment{Channel: "tmall", PaidAt: nth(1), Lines: []points.Line{yuan(190)}}, []loyalty.Points{190}, ""},
		"both caps, the day's less":  {with(func(r *points.Rules) { r.CapPerOrder, r.CapPerDay = 80, 100 }), points.Payment{Channel: "tmall", PaidAt: nth(1), Lines: []points.Line{yuan(90)}, Buyer: &points.Buyer{Earned: 30}}, []loyalty.Points{70}, "cap_per_day"},
		"both caps, the order's":     {with(func(r *points.Rules) { r.CapPerOrder, r.CapPerDay = 60, 100 }), points.Payment{Channel: "tmall", PaidAt: nth(1), Lines: []points.Line{yuan(90)}, Buyer: &points.Buyer{Earned: 30}}, []loyalty.Points{60}, "cap_per_order"},
		"a cap comes after a bonus":  {with(func(r *points.Rules) { r.CapPerOrder = 150 }), points.Payment{Channel: "tmall", PaidAt: nth(18), Lines: []points.Line{yuan(90)}}, []loyalty.Points{150}, "member_day cap_per_order"},
		"a cap on what was not paid": {with(func(r *points.Rules) { r.CapPerOrder = 1 }), points.Payment{Channel: "tmall", PaidAt: nth(1), Lines: []points.Line{{Paid: 0}, {Paid: 99}}}, []loyalty.Points{0, 0}, "; "},
	} {
		t.Run(name, func(t *testing.T) {
			test.payment.Zone = shanghai
			var got []loyalty.Points
			var because []string
			for _, line := range test.rules.Freeze(test.payment) {
				got = append(got, line.Granted())
				because = append(because, strings.Trim(fmt.Sprint(line.Because), "[]"))
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
			if got := strings.Join(because, "; "); got != test.because {
				t.Errorf("because %q, want %q", got, test.because)
			}
		})
	}
}

// The day and the campaign are those of the moment of payment in the brand's
// zone; a campaign's first moment belongs to it and its last does not.
func TestBoundariesOfDaysAndCampaigns(t *testing.T) {
	at := func(text string) time.Time {
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	for paidAt, want := range map[string]loyalty.Points{
		"2026-11-17T23:59:59+08:00": 200,
		"2026-11-18T00:00:00+08:00": 400,
		"2026-11-17T16:00:00Z":      400, // the same moment
		"2026-11-18T23:59:59+08:00": 400,
		"2026-11-19T00:00:00+08:00": 200,
		"2026-11-18T16:00:00Z":      200,
		"2026-11-10T19:59:59+08:00": 200,
		"2026-11-10T20:00:00+08:00": 250,
		"2026-11-11T23:59:59+08:00": 250,
		"2026-11-12T00:00:00+08:00": 200,
		"2027-02-18T12:00:00+08:00": 400, // every month
	} {
		payment := points.Payment{Channel: "tmall", PaidAt: at(paidAt), Zone: shanghai, Lines: []points.Line{{ID: "1", Category: "milk-powder", Paid: 10_000}}}
		if got := full().Freeze(payment)[0].Granted(); got != want {
			t.Errorf("paid at %s: %d points, want %d", paidAt, got, want)
		}
	}
	newYork, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	payment := points.Payment{Channel: "tmall", PaidAt: at("2026-11-18T00:00:00+08:00"), Zone: newYork, Lines: []points.Line{{ID: "1", Paid: 10_000}}}
	if got := full().Freeze(payment)[0].Granted(); got != 100 {
		t.Errorf("on the 17th in New York: %d points", got)
	}
}

func TestFreezeChangesNothingOfAPlainLine(t *testing.T) {
	lines := []points.Line{{ID: "1", SKU: "A", Quantity: 2, Paid: 10_000, Shipping: 600}}
	was := slices.Clone(lines)
	got := points.Rules{Rate: rate}.Freeze(points.Payment{Channel: "tmall", PaidAt: day0, Zone: time.UTC, Lines: lines})
	if diff := cmp.Diff(was, lines); diff != "" {
		t.Errorf("the argument was written to:\n%s", diff)
	}
	raw, err := json.Marshal(got[0])
	if err != nil {
		t.Fatal(err)
	}
	// Each byte in the log is billed: a plain program adds nothing to it.
	if want := `{"id":"1","sku":"A","quantity":2,"paid":10000,"rate":{"points":1,"per_fen":100},"shipping":600}`; string(raw) != want {
		t.Errorf("got  %s\nwant %s", raw, want)
	}
}

func TestRateOnLargeAmounts(t *testing.T) {
	const largest = 1_000_000_000_000 // fen, of one line
	for _, test := range []struct {
		rate   points.Rate
		amount loyalty.Fen
		want   loyalty.Points
	}{
		{points.Rate{Points: 10_000, PerFen: 1}, largest, 10_000 * largest},
		{points.Rate{Points: 10_000 * 11, PerFen: 1}, largest, 110_000 * largest},
		// the product has 103 bits
		{points.Rate{Points: 10_000_000_000_000_000, PerFen: largest}, largest - 1, 9_999_999_999_990_000},
		{points.Rate{Points: math.MaxInt64, PerFen: 1}, math.MaxInt64, math.MaxInt64},
		{points.Rate{Points: math.MaxInt64, PerFen: 2}, 3, math.MaxInt64},
		{points.Rate{Points: 1, PerFen: 100}, -1, 0},
		{points.Rate{Points: -1, PerFen: 100}, 1_000, 0},
		{points.Rate{Points: 1, PerFen: 0}, 1_000, 0},
		{points.Rate{}, 1_000, 0},
	} {
		if got := test.rate.On(test.amount); got != test.want {
			t.Errorf("%+v on %d: %d, want %d", test.rate, test.amount, got, test.want)
		}
	}
}

// drawRules draws rules that Validate takes.
func drawRules(t *rapid.T) points.Rules {
	percent := rapid.Int64Range(0, 150)
	drawRate := rapid.Custom(func(t *rapid.T) points.Rate {
		return points.Rate{Points: loyalty.Points(rapid.Int64Range(0, 7).Draw(t, "points")), PerFen: loyalty.Fen(rapid.Int64Range(1, 300).Draw(t, "per fen"))}
	})
	rules := points.Rules{
		Rate:       drawRate.Draw(t, "rate"),
		Categories: map[string]points.Rate{"milk-powder": drawRate.Draw(t, "category")},
		Bonuses: points.Bonuses{
			Channels: map[loyalty.Channel]int64{"tmall": percent.Draw(t, "channel")}, Tiers: map[string]int64{"gold": percent.Draw(t, "tier")},
			FirstOrder: percent.Draw(t, "first"), MemberDay: points.MemberDay{Days: []int{18}, Percent: percent.Draw(t, "member day")},
			Campaigns: []points.Campaign{{Name: "c", From: nth(1), To: nth(30), Percent: percent.Draw(t, "campaign"), Categories: []string{"milk-powder"}}},
		},
		StoredValueEarns: rapid.Bool().Draw(t, "stored value"), ShippingEarns: rapid.Bool().Draw(t, "shipping"), GiftsEarn: rapid.Bool().Draw(t, "gifts"),
	}
	if rapid.Bool().Draw(t, "capped") {
		rules.CapPerOrder = loyalty.Points(rapid.Int64Range(0, 500).Draw(t, "per order"))
		rules.CapPerDay = loyalty.Points(rapid.Int64Range(0, 500).Draw(t, "per day"))
	}
	if err := rules.Validate("/points"); err != nil {
		t.Fatal(err)
	}
	return rules
}

func drawPayment(t *rapid.T) points.Payment {
	payment := points.Payment{
		Channel: rapid.SampledFrom([]loyalty.Channel{"tmall", "douyin"}).Draw(t, "channel"), Zone: shanghai,
		PaidAt:  nth(rapid.SampledFrom([]int{2, 18}).Draw(t, "day")),
		Granted: loyalty.Points(rapid.Int64Range(0, 300).Draw(t, "granted")),
	}
	if rapid.Bool().Draw(t, "owned") {
		payment.Buyer = &points.Buyer{
			Tier: rapid.SampledFrom([]string{"", "gold"}).Draw(t, "tier"), FirstOrder: rapid.Bool().Draw(t, "first"),
			Earned: loyalty.Points(rapid.Int64Range(0, 600).Draw(t, "earned")),
		}
	}
	for i := range rapid.IntRange(1, 4).Draw(t, "lines") {
		line := points.Line{ID: fmt.Sprint(i), Quantity: 1, Gift: rapid.IntRange(0, 5).Draw(t, "gift") == 0}
		line.Category = rapid.SampledFrom([]string{"", "milk-powder"}).Draw(t, "category")
		line.Paid = loyalty.Fen(rapid.Int64Range(0, 30_000).Draw(t, "paid"))
		line.Shipping = loyalty.Fen(rapid.Int64Range(0, 600).Draw(t, "shipping"))
		line.StoredValue = loyalty.Fen(rapid.Int64Range(0, int64(line.Paid+line.Shipping)).Draw(t, "stored"))
		payment.Lines = append(payment.Lines, line)
	}
	return payment
}

// exact is what a line earns without caps, in numbers that cannot overflow.
func exact(r points.Rules, p points.Payment, line points.Line) loyalty.Points {
	if line.Gift && !r.GiftsEarn || line.Paid == 0 {
		return 0
	}
	rate, percent := r.Rate, int64(100)
	if line.Category != "" {
		rate, percent = r.Categories[line.Category], percent+r.Bonuses.Campaigns[0].Percent
	}
	if p.PaidAt.Equal(nth(18)) {
		percent += r.Bonuses.MemberDay.Percent
	}
	percent += r.Bonuses.Channels[p.Channel]
	if p.Buyer != nil {
		percent += r.Bonuses.Tiers[p.Buyer.Tier]
		if p.Buyer.FirstOrder {
			percent += r.Bonuses.FirstOrder
		}
	}
	goods, shipping := line.Paid, line.Shipping
	if !r.StoredValueEarns {
		goods, shipping = max(0, line.Paid-line.StoredValue), min(line.Shipping, line.Paid+line.Shipping-line.StoredValue)
	}
	if r.ShippingEarns {
		goods += shipping
	}
	product := new(big.Int).Mul(big.NewInt(int64(rate.Points)*percent), big.NewInt(int64(goods)))
	return loyalty.Points(product.Div(product, big.NewInt(int64(rate.PerFen)*100)).Int64())
}

func sum(lines []points.Line) (total loyalty.Points) {
	for _, line := range lines {
		total += line.Granted()
	}
	return total
}

func TestAFrozenOrderIsExactAndWithinItsCaps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules, payment := drawRules(t), drawPayment(t)
		room := loyalty.Points(math.MaxInt64)
		if rules.CapPerOrder > 0 {
			room = max(0, rules.CapPerOrder-payment.Granted)
		}
		if rules.CapPerDay > 0 && payment.Buyer != nil {
			room = min(room, max(0, rules.CapPerDay-payment.Buyer.Earned))
		}
		lines := rules.Freeze(payment)
		var uncapped loyalty.Points
		for i, line := range payment.Lines {
			want := exact(rules, payment, line)
			uncapped += want
			got := lines[i].Granted()
			if got > want || got < want && sum(lines) < room {
				t.Fatalf("line %d earned %d, without caps %d; room %d: %+v", i, got, want, room, lines[i])
			}
			if full := lines[i].Rate.On(line.Paid); full != got {
				t.Fatalf("the whole line gives %d, not %d", full, got)
			}
		}
		if got := sum(lines); got != min(uncapped, room) {
			t.Fatalf("the order earned %d, want the less of %d and %d", got, uncapped, room)
		}
		// A buyer who pays more never earns less.
		more := payment
		more.Lines = slices.Clone(payment.Lines)
		i := rapid.IntRange(0, len(more.Lines)-1).Draw(t, "dearer")
		more.Lines[i].Paid += loyalty.Fen(rapid.Int64Range(1, 1_000).Draw(t, "by"))
		if sum(rules.Freeze(more)) < sum(lines) {
			t.Fatalf("a dearer order earned less")
		}
		// An order that is told in two parts earns the same in all.
		if cut := rapid.IntRange(0, len(payment.Lines)).Draw(t, "cut"); cut > 0 {
			first, second := payment, payment
			first.Lines, second.Lines = payment.Lines[:cut], payment.Lines[cut:]
			earned := sum(rules.Freeze(first))
			second.Granted += earned
			if payment.Buyer != nil {
				later := *payment.Buyer
				later.Earned += earned
				second.Buyer = &later
			}
			if got := earned + sum(rules.Freeze(second)); got != sum(lines) {
				t.Fatalf("in two parts it earned %d, in one %d", got, sum(lines))
			}
		}
	})
}

// Whatever the rules froze, refunds in any split and sequence leave
// floor(rate × (paid − refunded)) of each line.
func TestRefundsOfAFrozenOrderFollowItsRates(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lines := drawRules(t).Freeze(drawPayment(t))
		news := []points.Fact{{Kind: points.FactPaid, At: day0, Member: "m1", Window: window, Lines: lines}}
		left := map[string]loyalty.Fen{}
		for _, line := range lines {
			left[line.ID] = line.Paid
		}
		for i := range rapid.IntRange(0, 6).Draw(t, "refunds") {
			line := lines[rapid.IntRange(0, len(lines)-1).Draw(t, "line")].ID
			amount := loyalty.Fen(rapid.Int64Range(0, int64(left[line])).Draw(t, "amount"))
			left[line] -= amount
			news = append(news, refund(fmt.Sprint("r", i), line, amount))
		}
		if rapid.Bool().Draw(t, "settled") {
			news = append(news, points.Fact{Kind: points.FactSettled, At: day0.AddDate(0, 0, 40)})
		}
		news = append(news, news[rapid.IntRange(0, len(news)-1).Draw(t, "twice")])
		_, _, balance := ledgerOf(t, points.Balance{}, rapid.Permutation(news).Draw(t, "arrival")...)
		var want loyalty.Points
		for _, line := range lines {
			want += line.Rate.On(left[line.ID])
		}
		if got := balance.Available + balance.Pending - balance.Debt; got != want {
			t.Fatalf("%d points, want %d", got, want)
		}
	})
}

func TestPersonal(t *testing.T) {
	for name, test := range map[string]struct {
		rules points.Rules
		want  bool
	}{
		"plain": {points.Rules{Rate: rate, CapPerOrder: 100, Bonuses: points.Bonuses{
			Channels: map[loyalty.Channel]int64{"tmall": 1}, MemberDay: points.MemberDay{Days: []int{18}, Percent: 100}, Campaigns: full().Bonuses.Campaigns,
		}}, false},
		"tiers":       {points.Rules{Bonuses: points.Bonuses{Tiers: map[string]int64{"gold": 1}}}, true},
		"first order": {points.Rules{Bonuses: points.Bonuses{FirstOrder: 1}}, true},
		"day cap":     {points.Rules{CapPerDay: 1}, true},
	} {
		if got := test.rules.Personal(); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestRulesThatCannotBeApplied(t *testing.T) {
	for pointer, spoil := range map[string]func(*points.Rules){
		"/points/rate/points":                    func(r *points.Rules) { r.Rate.Points = 10_001 },
		"/points/rate/per_fen":                   func(r *points.Rules) { r.Rate.PerFen = 0 },
		"/points/categories":                     func(r *points.Rules) { r.Categories[""] = rate },
		"/points/categories/milk-powder/points":  func(r *points.Rules) { r.Categories["milk-powder"] = points.Rate{Points: -1, PerFen: 1} },
		"/points/categories/milk-powder/per_fen": func(r *points.Rules) { r.Categories["milk-powder"] = points.Rate{Points: 1} },
		"/points/bonuses/channels/douyin":        func(r *points.Rules) { r.Bonuses.Channels["douyin"] = 1001 },
		"/points/bonuses/tiers":                  func(r *points.Rules) { r.Bonuses.Tiers["金"] = 1 },
		"/points/bonuses/tiers/gold":             func(r *points.Rules) { r.Bonuses.Tiers["gold"] = -1 },
		"/points/bonuses/first_order":            func(r *points.Rules) { r.Bonuses.FirstOrder = -1 },
		"/points/bonuses/member_day/percent":     func(r *points.Rules) { r.Bonuses.MemberDay.Percent = 1001 },
		"/points/bonuses/member_day/days/1":      func(r *points.Rules) { r.Bonuses.MemberDay.Days = []int{18, 18} },
		"/points/bonuses/member_day/days/0":      func(r *points.Rules) { r.Bonuses.MemberDay.Days = []int{32} },
		"/points/bonuses/campaigns":              func(r *points.Rules) { r.Bonuses.Campaigns = slices.Repeat(r.Bonuses.Campaigns, 51) },
		"/points/bonuses/campaigns/0/name":       func(r *points.Rules) { r.Bonuses.Campaigns[0].Name = strings.Repeat("双", 41) },
		"/points/bonuses/campaigns/0/to":         func(r *points.Rules) { r.Bonuses.Campaigns[0].To = r.Bonuses.Campaigns[0].From },
		"/points/bonuses/campaigns/0/percent":    func(r *points.Rules) { r.Bonuses.Campaigns[0].Percent = 1001 },
		"/points/cap_per_order":                  func(r *points.Rules) { r.CapPerOrder = -1 },
		"/points/cap_per_day":                    func(r *points.Rules) { r.CapPerDay = 1_000_000_001 },
		"/points/channels/tmall": func(r *points.Rules) {
			r.Channels = map[loyalty.Channel]points.Window{"tmall": {AfterPaymentDays: 366}}
		},
		"/points/window":                     func(r *points.Rules) { r.Window.AfterCompletionDays = -1 },
		"/points/adjustment_limit":           func(r *points.Rules) { r.AdjustmentLimit = -1 },
		"/points/value_per_point/fen":        func(r *points.Rules) { r.ValuePerPoint = &points.Value{PerPoints: 1} },
		"/points/value_per_point/per_points": func(r *points.Rules) { r.ValuePerPoint = &points.Value{Fen: 1, PerPoints: 1_000_000_001} },
	} {
		rules := full()
		spoil(&rules)
		err := rules.Validate("/points")
		refusal, ok := errors.AsType[*loyalty.Error](err)
		if !ok || refusal.Kind != loyalty.KindInvalid || len(refusal.Fields) != 1 || refusal.Fields[0].Pointer != pointer {
			t.Errorf("%s: %v", pointer, err)
		}
	}
	if err := full().Validate("/points"); err != nil {
		t.Error(err)
	}
}
