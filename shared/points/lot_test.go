package points_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
)

var (
	ends     = func(month time.Month) time.Time { return time.Date(2027, month+1, 1, 0, 0, 0, 0, shanghai).UTC() }
	jan, feb = ends(time.January), ends(time.February)
)

// purse has 10 points that end with January, 20 that end with February, and 30
// for ever.
func purse(now time.Time) points.Account {
	return points.Account{
		Balance: points.Balance{Available: 60},
		Lots:    []points.Lot{{Until: jan, Left: 10}, {Until: feb, Left: 20}},
		Now:     now,
	}
}

func TestExpiryEndsWithTheMonthOrTheYearInTheBrandsZone(t *testing.T) {
	at := func(text string) time.Time {
		parsed, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return parsed
	}
	for _, test := range []struct {
		expiry    points.Expiry
		at, until string
	}{
		{points.Expiry{Months: 12, EndOf: "month"}, "2026-11-21T10:00:00+08:00", "2027-12-01T00:00:00+08:00"},
		{points.Expiry{Months: 12, EndOf: "month"}, "2026-11-30T15:59:59Z", "2027-12-01T00:00:00+08:00"},
		{points.Expiry{Months: 12, EndOf: "month"}, "2026-11-30T16:00:00Z", "2028-01-01T00:00:00+08:00"},
		{points.Expiry{Months: 3, EndOf: "month"}, "2026-11-30T10:00:00+08:00", "2027-03-01T00:00:00+08:00"},
		{points.Expiry{Months: 1, EndOf: "year"}, "2026-11-21T10:00:00+08:00", "2027-01-01T00:00:00+08:00"},
		{points.Expiry{Months: 2, EndOf: "year"}, "2026-11-21T10:00:00+08:00", "2028-01-01T00:00:00+08:00"},
		{points.Expiry{Months: 12, EndOf: "year"}, "2026-12-31T23:59:59+08:00", "2028-01-01T00:00:00+08:00"},
		{points.Expiry{Months: 24, EndOf: "year"}, "2026-12-31T16:00:00Z", "2030-01-01T00:00:00+08:00"},
	} {
		if got := test.expiry.Until(at(test.at), shanghai); !got.Equal(at(test.until)) {
			t.Errorf("%+v from %s ends %s, not %s", test.expiry, test.at, got.In(shanghai), test.until)
		}
	}
	if got := (*points.Expiry)(nil).Until(at("2026-11-21T10:00:00+08:00"), shanghai); got != nil {
		t.Errorf("no expiry ends %s", got)
	}
}

func TestSpendingTakesWhatEndsFirst(t *testing.T) {
	for name, test := range map[string]struct {
		amount loyalty.Points
		now    time.Time
		want   []points.Share
	}{
		"of the first":             {7, day0, []points.Share{{Until: jan, Points: -7}}},
		"and of the second":        {25, day0, []points.Share{{Until: jan, Points: -10}, {Until: feb, Points: -15}}},
		"at last what never ends":  {45, day0, []points.Share{{Until: jan, Points: -10}, {Until: feb, Points: -20}}},
		"not what ended":           {25, jan, []points.Share{{Until: feb, Points: -20}}},
		"a second before it ended": {25, jan.Add(-time.Second), []points.Share{{Until: jan, Points: -10}, {Until: feb, Points: -15}}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := points.Spend("v1", test.amount, purse(test.now))
			if err != nil {
				t.Fatal(err)
			}
			want := points.Entry{ID: "spend:v1", Kind: points.EntrySpend, Available: -test.amount, Lots: test.want}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	for _, account := range []points.Account{purse(day0), purse(jan)} {
		if _, err := points.Spend("v1", account.Spendable()+1, account); loyalty.KindOf(err) != loyalty.KindConflict {
			t.Errorf("more than is spendable: %v", err)
		}
	}
}

func TestWhatComesBackGoesToItsOwnLots(t *testing.T) {
	spent, err := points.Spend("v1", 45, purse(day0))
	if err != nil {
		t.Fatal(err)
	}
	grace := jan.AddDate(0, 0, 7)
	for name, test := range map[string]struct {
		debt loyalty.Points
		now  time.Time
		want points.Entry
	}{
		"in time":         {0, day0, points.Entry{Available: 45, Lots: []points.Share{{Until: jan, Points: 10}, {Until: feb, Points: 20}}}},
		"after its end":   {0, jan, points.Entry{Available: 45, Lots: []points.Share{{Until: grace, Points: 10}, {Until: feb, Points: 20}}}},
		"pays debt first": {12, day0, points.Entry{Available: 33, Debt: -12, Lots: []points.Share{{Until: feb, Points: 18}}}},
		"all to debt":     {100, day0, points.Entry{Debt: -45}},
	} {
		t.Run(name, func(t *testing.T) {
			account := purse(day0).Plus(spent)
			account.Debt, account.Now = test.debt, test.now
			test.want.ID, test.want.Kind = "return:v1", points.EntryReturn
			if diff := cmp.Diff(test.want, points.Return("v1", spent, grace, account)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A refund takes from the lot that the order's points went into, also what
// expired of it: whether the refund or the end of the lot comes first leaves
// the member the same.
func TestARefundAndTheEndOfALotCommute(t *testing.T) {
	order := paid(points.Line{ID: "1", Quantity: 1, Paid: 10_000})
	settled := points.Fact{Kind: points.FactSettled, At: day0.AddDate(0, 0, 30), Until: &jan}
	for _, spent := range []loyalty.Points{0, 40, 100, 120} {
		for _, back := range []loyalty.Fen{2_500, 10_000} {
			var ended [2]points.Account
			for i, first := range []string{"refund", "end"} {
				// 50 points of another lot are there besides.
				account := points.Account{Balance: points.Balance{Available: 50}, Lots: []points.Lot{{Until: feb, Left: 50}}, Now: day0}
				var log []points.Fact
				post := func(news points.Fact) {
					fact, fresh, err := points.Replay(key, log).Decide(news, account)
					if err != nil || !fresh {
						t.Fatal(fresh, err)
					}
					log = append(log, fact)
					for _, entry := range fact.Entries {
						account = account.Plus(entry)
					}
				}
				post(order)
				post(settled)
				if spent > 0 {
					entry, err := points.Spend("v", spent, account)
					if err != nil {
						t.Fatal(err)
					}
					account = account.Plus(entry)
				}
				end := func() {
					account.Now = jan
					for _, entry := range account.Expire(1) {
						account = account.Plus(entry)
					}
				}
				if first == "end" {
					end()
				}
				post(refund("r1", "1", back))
				if first == "refund" {
					end()
				}
				ended[i] = account
			}
			if diff := cmp.Diff(ended[0], ended[1]); diff != "" {
				t.Errorf("%d spent, %d fen back: refund first (-), end first (+):\n%s", spent, back, diff)
			}
		}
	}
}

// Whatever befalls it, an account is never below zero anywhere, its lots are a
// part of what is available, and what was given is what it has and what left
// it (I6, I7, I8).
func TestNothingIsLostBetweenLots(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		account := points.Account{Now: day0}
		logs := map[loyalty.OrderKey][]points.Fact{}
		spends := map[string]points.Entry{}
		var given, spent, clawed, expired loyalty.Points
		perLot := map[time.Time]loyalty.Points{}
		take := func(entries ...points.Entry) {
			for _, entry := range entries {
				switch entry.Kind {
				case points.EntryEarn, points.EntryPrize, points.EntryAdjust:
					given += entry.Amount()
				case points.EntrySpend, points.EntryReturn:
					spent -= entry.Amount()
				case points.EntryClaw:
					clawed -= entry.Amount()
				}
				expired += entry.Expired()
				account = account.Plus(entry)
				for _, share := range entry.Lots {
					if share.Points > 0 {
						perLot[share.Until] += share.Points
					}
				}
			}
			if account.Available < 0 || account.Pending < 0 || account.Debt < 0 {
				t.Fatalf("below zero: %+v after %+v", account.Balance, entries)
			}
			var lots loyalty.Points
			for _, lot := range account.Lots {
				lots += lot.Left
				if lot.Left < 0 || lot.Expired < 0 || lot.Left+lot.Expired > perLot[lot.Until] {
					t.Fatalf("lot %+v of %d after %+v", lot, perLot[lot.Until], entries)
				}
			}
			if lots > account.Available {
				t.Fatalf("lots hold %d of %d", lots, account.Available)
			}
			if has := account.Available + account.Pending - account.Debt; given != has+spent+expired+clawed {
				t.Fatalf("given %d, has %d, spent %d, expired %d, clawed %d", given, has, spent, expired, clawed)
			}
		}
		post := func(order loyalty.OrderKey, news points.Fact) {
			fact, fresh, err := points.Replay(order, logs[order]).Decide(news, account)
			if err == nil && fresh {
				logs[order] = append(logs[order], fact)
				take(fact.Entries...)
			}
		}
		until := func() *time.Time {
			return (&points.Expiry{Months: rapid.IntRange(1, 4).Draw(t, "months"), EndOf: "month"}).Until(account.Now, shanghai)
		}
		for n := range rapid.IntRange(1, 40).Draw(t, "steps") {
			account.Now = account.Now.Add(time.Duration(rapid.IntRange(0, 900).Draw(t, "hours")) * time.Hour)
			amount := loyalty.Points(rapid.IntRange(1, 200).Draw(t, "amount"))
			order := loyalty.OrderKey{Channel: "tmall", Order: strconv.Itoa(rapid.IntRange(1, 3).Draw(t, "order"))}
			switch rapid.SampledFrom([]string{"paid", "settled", "refunded", "spent", "returned", "prize", "adjusted", "ended"}).Draw(t, "what") {
			case "paid":
				news := paid(points.Line{ID: strconv.Itoa(n), Quantity: 1, Paid: loyalty.Fen(amount) * 100})
				news.At, news.Until = account.Now, until()
				post(order, news)
			case "settled":
				post(order, points.Fact{Kind: points.FactSettled, At: account.Now, Until: until()})
			case "refunded":
				for _, line := range points.Replay(order, logs[order]).Purchases() {
					post(order, refund(fmt.Sprint("r", n), line.ID, min(line.Paid, loyalty.Fen(amount)*50)))
				}
			case "spent":
				spent := min(amount, account.Spendable())
				if spent < 1 {
					continue
				}
				entry, err := points.Spend(strconv.Itoa(n), spent, account)
				if err != nil {
					t.Fatal(err)
				}
				spends[strconv.Itoa(n)] = entry
				take(entry)
			case "returned":
				if ids := slices.Sorted(maps.Keys(spends)); len(ids) > 0 {
					take(points.Return(ids[0], spends[ids[0]], account.Now.AddDate(0, 0, 7), account))
					delete(spends, ids[0])
				}
			case "prize":
				take(points.Prize(strconv.Itoa(n), amount, until(), account))
			case "adjusted":
				entry, err := points.Adjust(strconv.Itoa(n), amount-100, until(), account)
				if (err != nil) != (amount == 100 || amount-100 < -account.Spendable()) {
					t.Fatalf("adjusting by %d of %d: %v", amount-100, account.Spendable(), err)
				}
				if err == nil {
					take(entry)
				}
			case "ended":
				take(account.Expire(int64(n))...)
				if end := account.Ends(); !end.IsZero() && !end.After(account.Now) {
					t.Fatalf("a lot that ended %s is left at %s", end, account.Now)
				}
			}
		}
	})
}
