package rule_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/huitou/huitou/shared/audience"
	"github.com/huitou/huitou/shared/audience/rule"
	"github.com/huitou/huitou/shared/loyalty"
	"pgregory.net/rapid"
)

func regular() audience.Member {
	return audience.Member{
		Orders: 3, Paid: 119_400, Refunded: 19_900, AverageOrder: 33_166, DaysSinceLast: 30, JoinedDays: 400, Home: "tmall",
		PointsAvailable: 995, PointsPending: 398, Consents: audience.Consents{Membership: true, Marketing: true},
		Categories: map[string]audience.Category{"milk-powder": {Count: 2, Quantity: 5, DaysSince: 30}},
	}
}

func newcomer() audience.Member {
	return audience.Member{DaysSinceLast: audience.Never(), Consents: audience.Consents{Membership: true}}
}

func TestMatch(t *testing.T) {
	for _, test := range []struct {
		rule              string
		regular, newcomer bool
	}{
		{`true`, true, true},
		{`false`, false, false},
		{`orders >= 2`, true, false},
		{`orders == 0`, false, true},
		{`paid_fen - refunded_fen == 99500`, true, false},
		{`aov_fen in 30000..40000`, true, false},
		{`orders in [3, 5]`, true, false},
		{`orders in 2..4`, true, false},
		{`home in ["tmall", "douyin"]`, true, false},
		{`home == ""`, false, true},
		{`home matches "^t" and not (home contains "x")`, true, false},
		{`home startsWith "tm"`, true, false},
		{`consents.marketing`, true, false},
		{`consents.membership && !consents.personalisation`, true, true},
		{`points_available + points_pending > 1000`, true, false},
		{`joined_days < 30`, false, true},
		{`orders > 1 ? points_available > 900 : joined_days == 0`, true, true},

		{`categories["milk-powder"].count == 2`, true, false},
		{`categories["milk-powder"].quantity == 5`, true, false},
		{`categories["milk-powder"].count == 0`, false, true},
		{`categories["milk-powder"].days_since == 30`, true, false},
		{`categories["bread"].count + categories["milk-powder"].count == 2`, true, false},
		{`categories["milk-powder"].count > 1 and categories["milk-powder"].days_since in 21..35`, true, false},

		// A thing that never happened is neither more nor less than any number
		// of days ago.
		{`days_since_last > 20`, true, false},
		{`days_since_last <= 30`, true, false},
		{`categories["bread"].days_since > 0`, false, false},
		{`categories["bread"].days_since <= 100000`, false, false},
		{`categories["bread"].days_since == 0`, false, false},
	} {
		t.Run(test.rule, func(t *testing.T) {
			compiled, err := rule.Compile(test.rule)
			if err != nil {
				t.Fatalf("Compile: %v", err)
			}
			for who, member := range map[string]audience.Member{"regular": regular(), "newcomer": newcomer()} {
				want := test.regular
				if who == "newcomer" {
					want = test.newcomer
				}
				if got, err := compiled.Match(member); got != want || err != nil {
					t.Errorf("%s: %v, %v; want %v", who, got, err, want)
				}
			}
		})
	}
}

func TestMatchForgetsTheMemberBefore(t *testing.T) {
	compiled, err := rule.Compile(`categories["milk-powder"].count > 0`)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{true, false, true, false} {
		member := regular()
		if !want {
			member = newcomer()
		}
		if got, err := compiled.Match(member); got != want || err != nil {
			t.Fatalf("member %d: %v, %v; want %v", i, got, err, want)
		}
	}
}

func TestCompileRefuses(t *testing.T) {
	for name, test := range map[string]struct{ rule, code, detail string }{
		"nothing":            {"", "required", "everybody"},
		"too long":           {strings.Repeat("orders>0 or ", 400) + "true", "too_long", "4096"},
		"too many nodes":     {strings.Repeat("!", 600) + "true", "malformed", "nodes"},
		"unknown name":       {"orders > 1 and order > 1", "malformed", "unknown name order (1:16)"},
		"unknown field":      {`categories["x"].counts > 1`, "malformed", "counts"},
		"unknown consent":    {`consents.maketing`, "malformed", "maketing"},
		"not a bool":         {"orders + 1", "malformed", "bool"},
		"mixed types":        {`orders > "3"`, "malformed", "(1:8)"},
		"second line":        {"orders > 1\nand or", "malformed", "(2:5)"},
		"clock":              {`joined_days > 3 and now().Year() > 2000`, "malformed", "now"},
		"function":           {`len(home) > 3`, "malformed", "len"},
		"closure":            {`all(1..9, # > 0)`, "malformed", "nothing else"},
		"filter":             {`filter([1], true) == []`, "malformed", "nothing else"},
		"pipe":               {`home | upper() == "X"`, "malformed", "upper"},
		"variable":           {`let x = 1; x == 1`, "malformed", "nothing else"},
		"sequence":           {`true; true`, "malformed", "nothing else"},
		"map":                {`{"a": 1} == {"a": 1}`, "malformed", "nothing else"},
		"nil":                {`home == nil`, "malformed", "nothing else"},
		"slice":              {`home[0:1] == "t"`, "malformed", "nothing else"},
		"optional chain":     {`consents?.marketing`, "malformed", "nothing else"},
		"environment":        {`$env["orders"] > 1`, "malformed", "$env"},
		"all categories":     {`"bread" in categories`, "malformed", "categories"},
		"computed category":  {`categories[home].count > 1`, "malformed", `categories["name"]`},
		"slot":               {`#bought[0].count > 1`, "malformed", "(1:1)"},
		"field of the scope": {`Bought[0].count > 1`, "malformed", "Bought"},
		"embedded member":    {`Member.orders > 1`, "malformed", "Member"},
		"raw categories":     {`Categories["x"].count > 1`, "malformed", "Categories"},
		"large range":        {`orders in 1..100000`, "malformed", "(1:12)"},
		"open range":         {`3 in 1..orders`, "malformed", "(1:7)"},
		"bad pattern":        {`home matches "("`, "malformed", "(1:"},
		"unfinished":         {`orders >`, "malformed", "(1:"},
		"method":             {`home.String() == ""`, "malformed", "(1:"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := rule.Compile(test.rule)
			refusal, ok := err.(*loyalty.Error)
			if !ok || refusal.Kind != loyalty.KindInvalid || len(refusal.Fields) != 1 {
				t.Fatalf("Compile: %v, want KindInvalid at one field", err)
			}
			if refusal.Fields[0] != (loyalty.Field{Pointer: "/rule", Code: test.code}) || !strings.Contains(refusal.Detail, test.detail) {
				t.Errorf("%v %q, want %s and %q", refusal.Fields[0], refusal.Detail, test.code, test.detail)
			}
		})
	}
}

func TestCompileShowsWhere(t *testing.T) {
	_, err := rule.Compile("orders > 1 and oders > 1")
	refusal, ok := err.(*loyalty.Error)
	want := "unknown name oders (1:16)\n | orders > 1 and oders > 1\n | ...............^"
	if !ok || refusal.Detail != want {
		t.Errorf("detail %q, want %q", refusal.Detail, want)
	}
}

func TestMatchFailsOnADivisionByZero(t *testing.T) {
	compiled, err := rule.Compile("10 % orders == 1")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := compiled.Match(newcomer()); loyalty.KindOf(err) != loyalty.KindInvalid || got {
		t.Errorf("%v, %v; want KindInvalid", got, err)
	}
	if got, err := compiled.Match(regular()); err != nil || !got {
		t.Errorf("the next member: %v, %v; want true", got, err)
	}
}

// A rule answers as the same comparison in Go does.
func TestMatchAgreesWithGo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		member := audience.Member{
			Orders: rapid.IntRange(0, 9).Draw(t, "orders"), Paid: rapid.IntRange(0, 1_000_000).Draw(t, "paid"),
			DaysSinceLast: audience.Never(), Categories: map[string]audience.Category{},
		}
		if rapid.Bool().Draw(t, "bought") {
			member.DaysSinceLast = float64(rapid.IntRange(0, 100).Draw(t, "days"))
			member.Categories["c"] = audience.Category{Count: rapid.IntRange(0, 5).Draw(t, "count"), DaysSince: member.DaysSinceLast}
		}
		orders, paid, days := rapid.IntRange(0, 9).Draw(t, "o"), rapid.IntRange(0, 1_000_000).Draw(t, "p"), rapid.IntRange(0, 100).Draw(t, "d")
		compiled, err := rule.Compile(fmt.Sprintf(`orders >= %d and paid_fen < %d or days_since_last > %d and categories["c"].count != 1`, orders, paid, days))
		if err != nil {
			t.Fatal(err)
		}
		want := member.Orders >= orders && member.Paid < paid || member.DaysSinceLast > float64(days) && member.Categories["c"].Count != 1
		if got, err := compiled.Match(member); got != want || err != nil {
			t.Fatalf("%v, %v; want %v", got, err, want)
		}
	})
}

func FuzzCompile(f *testing.F) {
	for _, seed := range []string{
		`true`, `orders > 1`, `categories["a"].count > 1`, `now() > 1`, `1..9 == []`, `home matches "a+"`, `{`, "\x00", `categories[`, `orders % orders == 0`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		compiled, err := rule.Compile(text)
		if err != nil {
			if loyalty.KindOf(err) != loyalty.KindInvalid {
				t.Fatalf("Compile: %v, want KindInvalid", err)
			}
			return
		}
		first, firstErr := compiled.Match(regular())
		second, secondErr := compiled.Match(regular())
		if first != second || (firstErr == nil) != (secondErr == nil) {
			t.Fatalf("%q answers %v and %v, %v and %v", text, first, second, firstErr, secondErr)
		}
		if firstErr != nil && loyalty.KindOf(firstErr) != loyalty.KindInvalid {
			t.Fatalf("Match: %v, want KindInvalid", firstErr)
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	for _, text := range []string{
		`orders >= 2 and days_since_last > 21`,
		`orders >= 2 and aov_fen > 20000 and consents.marketing`,
		`categories["milk-powder"].count >= 2 and categories["milk-powder"].days_since > 21`,
	} {
		compiled, err := rule.Compile(text)
		if err != nil {
			b.Fatal(err)
		}
		member := regular()
		b.Run(text, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if ok, err := compiled.Match(member); !ok || err != nil {
					b.Fatal(ok, err)
				}
			}
		})
	}
}
