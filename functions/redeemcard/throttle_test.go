package redeemcard_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
)

// guess is a typed code whose check letter is right and whose tag is not.
func (b *brand) guess(batch cards.Batch, n int) string {
	b.t.Helper()
	letters := []byte(strings.ReplaceAll(b.typed(batch, n%batch.Count), "-", ""))
	for at := 7; at < 15; at++ {
		was := letters[at]
		for _, letter := range []byte(cards.Alphabet) {
			letters[at] = letter
			for _, check := range []byte(cards.Alphabet) {
				letters[15] = check
				if _, err := b.f.Keys.Codec().Parse(string(letters)); letter != was && err != nil && cards.Guessable(string(letters)) {
					return string(letters)
				}
			}
		}
		letters[at] = was
	}
	b.t.Fatal("no guess is wrong")
	return ""
}

type spent struct {
	roundTrips    int
	reads, writes float64
}

func (b *brand) metered(method, path string, header map[string]string, body string) (events.APIGatewayV2HTTPResponse, spent) {
	b.t.Helper()
	var usage table.Usage
	all := map[string]string{}
	if body != "" {
		all["content-type"] = "application/json"
	}
	maps.Copy(all, header)
	response := b.send(table.WithUsage(b.t.Context(), &usage), method, path, all, body)
	return response, spent{usage.RoundTrips, usage.ReadUnits, usage.WriteUnits}
}

// A wrong typed code costs a read and two writes until there were too many;
// then right and wrong ones get the same answer in one round trip, and what a QR
// holds is served as ever.
func TestGuessesAreBoundedAndScansAreNot(t *testing.T) {
	b := open(t)
	b.from = "203.0.113.7"
	batch := b.batch(1, cards.FormPlain, prizes[cards.PrizePoints])
	wrong, right := b.guess(batch, 0), b.typed(batch, 1)
	member := b.enrol(b.phoneIdentity("13800000000"))
	b.page("warm-up") // the program is read once a minute
	guessing, locked := spent{3, 1, 2}, spent{1, 1, 0}

	for _, who := range []struct {
		name   string
		header map[string]string
		body   string
		bound  int
		window time.Duration
	}{
		{"a member", b.bearer(member), "", 10, time.Hour},
		{"an address", nil, openid("o-1"), 60, time.Minute},
	} {
		for n := range who.bound {
			if got, cost := b.metered("POST", "/c/"+wrong+"/redemption", who.header, who.body); got.StatusCode != 404 || cost != guessing || problemCode(t, got) != "card_not_found" {
				t.Fatalf("%s, guess %d: %d for %+v, want 404 for %+v", who.name, n+1, got.StatusCode, cost, guessing)
			}
		}
		before := b.snapshot()
		var answers []string
		for _, code := range []string{wrong, right, b.typed(batch, 2), b.guess(batch, 3)} {
			got, cost := b.metered("POST", "/c/"+code+"/redemption", who.header, who.body)
			if cost.reads > 1 { // beside a right one's card and batch
				cost.reads = locked.reads
			}
			if got.StatusCode != 429 || cost != locked || problemCode(t, got) != "too_many_codes" {
				t.Errorf("%s, locked: %d for %+v, want 429 for %+v", who.name, got.StatusCode, cost, locked)
			}
			answers = append(answers, got.Headers["Retry-After"]+got.Body)
		}
		if len(slices.Compact(answers)) != 1 || !strings.HasPrefix(answers[0], fmt.Sprint(int(who.window.Seconds()))) {
			t.Errorf("%s is told %q", who.name, answers)
		}
		b.unchanged(before, "a locked caller")
		if got := b.redeem(b.code(batch, who.bound%9+1), who.header, who.body); got.StatusCode != 200 {
			t.Errorf("%s, locked, scans a QR: %d", who.name, got.StatusCode)
		}
	}
	page := b.page(right)
	if page.StatusCode != 429 || page.Headers["Retry-After"] != "60" || !strings.Contains(page.Body, "1 分钟后") || !strings.Contains(page.Body, "扫码不受此限制") {
		t.Errorf("the page is %d, Retry-After %q", page.StatusCode, page.Headers["Retry-After"])
	}
	b.from = "203.0.113.8"
	if got := b.redeem(wrong, map[string]string{"x-forwarded-for": "203.0.113.7", "x-real-ip": "203.0.113.7"}, openid("o-2")); got.StatusCode != 404 {
		t.Errorf("another address, with headers of the locked one, gets %d", got.StatusCode)
	}
	b.from = "203.0.113.7"
	b.at(noon.Add(time.Minute))
	if got, cost := b.metered("POST", "/c/"+right+"/redemption", nil, openid("o-3")); got.StatusCode != 200 || cost.writes == 0 {
		t.Errorf("in the next minute: %d", got.StatusCode)
	}
	if got := b.redeem(right, b.bearer(member), ""); got.StatusCode != 429 {
		t.Errorf("the member in the same hour: %d", got.StatusCode)
	}
}

// Codes that cannot be a guess are not counted: no code at all, a slip that the
// check letter catches, what a QR holds, a card that somebody else took, and a
// right code of a batch that is not open.
func TestOnlyGuessesAreCounted(t *testing.T) {
	b := open(t)
	b.from = "203.0.113.7"
	batch := b.batch(1, cards.FormPlain, prizes[cards.PrizePoints])
	early := b.batch(2, cards.FormPlain, prizes[cards.PrizePoints], func(b *cards.Batch) { b.State, b.Activated = cards.StateCreated, nil })
	if got := b.redeem(b.typed(batch, 0), nil, openid("winner")); got.StatusCode != 200 {
		t.Fatalf("%d", got.StatusCode)
	}
	slip := b.typed(batch, 1)
	slip = slip[:len(slip)-1] + map[bool]string{true: "1", false: "0"}[strings.HasSuffix(slip, "0")]
	code := b.code(batch, 1)
	forged := code[:33] + map[bool]string{true: "1", false: "0"}[strings.HasSuffix(code, "0")]
	before := b.snapshot()
	for range 70 {
		for text, want := range map[string]int{"nonsense": 404, slip: 404, forged: 404, b.typed(batch, 0): 409, b.typed(early, 0): 404} {
			if got := b.redeem(text, nil, openid("other")); got.StatusCode != want {
				t.Fatalf("%d, want %d", got.StatusCode, want)
			}
		}
	}
	b.unchanged(before, "what is no guess")
}

// IPv6 counts by the network of 64 bits, IPv4 in IPv6 as IPv4, and no address is
// kept in the clear.
func TestAddressesOfOneNetworkCountTogether(t *testing.T) {
	b := open(t)
	batch := b.batch(1, cards.FormPlain, prizes[cards.PrizePoints])
	wrong := b.guess(batch, 0)
	counts := func(addresses ...string) int {
		for _, address := range addresses {
			b.from = address
			b.redeem(wrong, nil, openid("o"))
		}
		n := 0
		for key := range b.snapshot() {
			if strings.HasPrefix(key.PK, "L#address") {
				n++
				for _, address := range addresses {
					if address != "" && strings.Contains(key.PK, address) {
						t.Errorf("%s is kept", address)
					}
				}
			}
		}
		return n
	}
	if n := counts("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:2::1%eth0"); n != 1 {
		t.Errorf("one network counts %d times", n)
	}
	if n := counts("2001:db8:1:3::1"); n != 2 {
		t.Errorf("the next network makes %d", n)
	}
	if n := counts("203.0.113.7", "::ffff:203.0.113.7"); n != 3 {
		t.Errorf("an address in two forms makes %d", n)
	}
	if n := counts("", "no address"); n != 4 {
		t.Errorf("without an address: %d", n)
	}
}

// The program sets the bounds; one without them has the defaults.
func TestTheProgramSetsTheBounds(t *testing.T) {
	b := open(t)
	batch := b.batch(1, cards.FormPlain, prizes[cards.PrizePoints])
	rules := program.Default()
	if got := rules.Cards.Guesses(); got != (cards.Throttle{PerMember: 10, PerAddress: 60, Global: 600}) || got != (*cards.Rules)(nil).Guesses() {
		t.Errorf("the defaults are %+v", got)
	}
	rules.Version, rules.EffectiveAt = 1, opened
	rules.Cards = &cards.Rules{Throttle: cards.Throttle{PerMember: 1, PerAddress: 2}}
	if err := b.engine.Write(t.Context(), store.PutProgram(rules)); err != nil {
		t.Fatal(err)
	}
	wrong := b.guess(batch, 0)
	for n, want := range []int{404, 404, 429} {
		if got := b.redeem(wrong, nil, openid("o")); got.StatusCode != want {
			t.Errorf("guess %d: %d, want %d", n+1, got.StatusCode, want)
		}
	}
}

// When the counter cannot be read or written, nobody's typed code is.
func TestACounterThatFailsOpensForNobody(t *testing.T) {
	b := open(t)
	batch := b.batch(1, cards.FormPlain, prizes[cards.PrizePoints])
	b.page("warm-up")
	b.f.Store.Table = flaky{}
	for _, code := range []string{b.typed(batch, 0), b.guess(batch, 0)} {
		if got := b.redeem(code, nil, openid("o")); got.StatusCode != 503 {
			t.Errorf("%d, want 503", got.StatusCode)
		}
	}
}
