package cli_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/store"
)

const twoArms = `{"name":"红包测试","count":400,"card_cost":20,"arms":[
{"name":"大红包","form":"scratch","weight":1,"prizes":[{"kind":"red_packet","value":200,"quantity":200}]},
{"name":"小红包","form":"plain","weight":1,"prizes":[{"kind":"red_packet","value":100,"quantity":200}]}],
"valid_from":"2026-01-01T00:00:00+08:00","valid_to":"2028-01-01T00:00:00+08:00"}`

// redeem puts the redemptions of so many cards of each arm, as redeemcard does.
func (b *brand) redeem(id string, each ...int) {
	b.t.Helper()
	batch, err := b.store.Batch(b.t.Context(), id)
	if err != nil {
		b.t.Fatal(err)
	}
	draws, err := b.keys.Draws(batch)
	if err != nil {
		b.t.Fatal(err)
	}
	for card := range batch.Count {
		arm := draws.Arm(card)
		if each[arm]--; each[arm] < 0 {
			continue
		}
		redemption := store.Redemption{
			Batch: id, Card: card, Arm: arm, Award: draws.Award(card), Identity: loyalty.Identity{Kind: loyalty.IdentityPhone, Value: "token"},
			Fact: points.Fact{Kind: points.FactPrize, At: now.AddDate(0, 0, -3)},
		}
		if err := b.store.Table.Write(b.t.Context(), store.RedeemCard(batch.Code(card), redemption)); err != nil {
			b.t.Fatal(err)
		}
	}
}

func TestCardsResult(t *testing.T) {
	b := openBrand(t)
	id := field(t, b.done("cards", "create", b.file("b.json", twoArms), "--json"), "id")
	b.redeem(id, 40, 12)
	want := strings.ReplaceAll(`batch    ID
name     红包测试
counted  2026-11-21T10:00:00Z

STEP           ARM     CARDS     %  FROM    TO
printed        大红包    200     -     -     -
printed        小红包    200     -     -     -
printed        all       400     -     -     -
redeemed       大红包     40  20.0  15.0  26.1
redeemed       小红包     12   6.0   3.5  10.2
redeemed       all        52  13.0  10.1  16.7
order claimed  大红包      0   0.0   0.0   1.9
order claimed  小红包      0   0.0   0.0   1.9
order claimed  all         0   0.0   0.0   1.0
bought again   大红包      0   0.0   0.0   1.9
bought again   小红包      0   0.0   0.0   1.9
bought again   all         0   0.0   0.0   1.0

`, "ID", id)
	got := b.done("cards", "result", id, "--by", "redeemed")
	if diff := cmp.Diff(want, got[:min(len(want), len(got))]); diff != "" {
		t.Error(diff)
	}
	for _, want := range []string{
		"ARM     FORM       SPENT  A FRIEND  REDEEMED PER YUAN", "大红包  scratch  ¥120.00         -", "小红包  plain     ¥52.00         -",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	verdict := field(t, b.done("cards", "result", id, "--by", "redeemed", "--json"), "comparison")
	if winner := strings.Contains(verdict, "verdict:winner"); winner != strings.Contains(got, "Winner: 大红包. ") {
		t.Errorf("%s\n%s", verdict, got)
	}
	if got := b.done("cards", "result", id); !strings.HasSuffix(got, `Cannot tell yet: 大红包, 小红包 may each be the best. There is too little to say how much more it takes.
No friends are recorded yet; --by redeemed compares by redemptions.
`) {
		t.Error(got)
	}
	if got := b.refused(1, "cards", "result", "K-00099"); !strings.Contains(got, "batch_unknown") {
		t.Error(got)
	}
	if got := b.refused(2, "cards", "result", id, "--by", "luck"); !strings.Contains(got, "--by") {
		t.Error(got)
	}
	if got := b.refused(1, "cards", "result", id, "--retained-days", "0"); !strings.Contains(got, "retained_days") {
		t.Error(got)
	}
}

// The verdicts on arms, each of them.
func TestCardsResultVerdicts(t *testing.T) {
	b := openBrand(t)
	arm := func(name, value string) string {
		return `{"name":"` + name + `","form":"plain","printed":500,"redeemed":{"count":50,"rate":0.1,"low":0.08,"high":0.13},"added":{"count":40,"rate":0.08,"low":0.06,"high":0.11},
"retained":{"count":30,"rate":0.06,"low":0.04,"high":0.08},"undecided":5,"order_claimed":{"count":0,"rate":0,"low":0,"high":0},"repurchased":{"count":0,"rate":0,"low":0,"high":0},
"spent":12345,"fen_per_friend":308` + value + `}`
	}
	value := `,"unpriced":true,"value":{"value":0.1234567,"low":0.1,"high":0.2,"rank":1}`
	total := `"total":{"printed":1000,"added":{"count":80},"undecided":10}`
	result := func(complete, comparison string) string {
		return `{"id":"K-1","name":"n","at":"2026-11-21T10:00:00Z","retained_days":30,"complete":` + complete + `,"arms":[` + arm("a", value) + "," + arm(`b\u001b[31m`, value) + `],` + total + comparison + `}`
	}
	pairs := `[{"arms":["a","b"],"difference":0.01,"low":-0.02,"high":0.04,"verdict":"cannot_tell_yet","cards_needed":900},{"arms":["a","c"],"difference":0.1,"low":0.05,"high":0.2,"verdict":"winner"}]`
	for name, test := range map[string]struct{ answer, want string }{
		"a winner":        {result("true", `,"comparison":{"by":"retained","per":"yuan","verdict":"winner","best":["a"],"pairs":[]}`), "Winner: a. The chance that this is wrong is at most 5 %"},
		"no difference":   {result("true", `,"comparison":{"by":"retained","per":"yuan","verdict":"no_difference","best":["a","b"],"pairs":[]}`), "No difference: a, b are less than a fifth apart"},
		"not yet":         {result("true", `,"comparison":{"by":"retained","per":"card","verdict":"cannot_tell_yet","best":["a","b"],"cards_needed":4900,"events_needed":35,"pairs":[]}`), "it takes about 4900 more cards, or 35 more of retained.\n"},
		"pairs":           {result("true", `,"comparison":{"by":"added","per":"card","verdict":"cannot_tell_yet","best":["a","b"],"pairs":`+pairs+`}`), "PAIR   DIFFERENCE     FROM      TO  VERDICT          CARDS NEEDED\na - b      0.0100  -0.0200  0.0400  cannot tell yet           900\na - c      0.1000   0.0500  0.2000  winner                      -\n"},
		"one arm":         {result("true", ""), "\na            plain  ¥123.45     ¥3.08\n"},
		"not worth known": {result("true", ""), "\na: prizes without a declared worth are missing in what was spent.\n"},
		"stayed":          {result("true", ""), "stayed 30 days  a"},
		"undecided":       {result("true", ""), "too early  10 friends, who stayed so far\n"},
		"a part":          {result("false", ""), "this is a part, and nothing is compared.\n"},
	} {
		t.Run(name, func(t *testing.T) {
			b.t = t
			b.first(func(w http.ResponseWriter, _ *http.Request) bool {
				_, _ = w.Write([]byte(test.answer))
				return true
			})
			if got := b.done("cards", "result", "K-1"); !strings.Contains(got, test.want) || strings.Contains(got, "\x1b") {
				t.Errorf("no %q in\n%s", test.want, got)
			}
		})
	}
}
