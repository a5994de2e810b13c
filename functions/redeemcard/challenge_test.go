package redeemcard_test

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/store"
)

// flooded is a brand of which enough wrong codes were typed: by somebody at this
// address, where the program allows eight callers one each.
func flooded(t *testing.T) (*brand, cards.Batch) {
	t.Helper()
	b := open(t)
	b.from = "203.0.113.7"
	rules := program.Default()
	rules.Version, rules.EffectiveAt = 1, opened
	rules.Cards = &cards.Rules{Throttle: cards.Throttle{PerMember: 10, PerAddress: 60, Global: 8}}
	if err := rules.Validate(); err != nil {
		t.Fatal(err)
	}
	if err := b.engine.Write(t.Context(), store.PutProgram(rules)); err != nil {
		t.Fatal(err)
	}
	batch := b.batch(1, cards.FormPlain, prizes[cards.PrizePoints])
	if got := b.redeem(b.guess(batch, 0), nil, openid("o")); got.StatusCode != 404 {
		t.Fatalf("the first guess: %d", got.StatusCode)
	}
	return b, batch
}

// worked is the answer to a challenge by work.
func worked(t *testing.T, challenge string) string {
	t.Helper()
	for number := range 1 << 22 {
		answer := fmt.Sprint(challenge, ".", number)
		if sum := sha256.Sum256([]byte(answer)); binary.BigEndian.Uint32(sum[:])>>17 == 0 {
			return answer
		}
	}
	t.Fatal("no number answers the challenge")
	return ""
}

func (b *brand) redeemAnswering(code, answer, openID string) (status int, problem, challenge, after string) {
	b.t.Helper()
	got := b.send(b.t.Context(), "POST", "/c/"+code+"/redemption?challenge="+url.QueryEscape(answer), map[string]string{"content-type": "application/json"}, openid(openID))
	if got.StatusCode != 200 {
		problem = problemCode(b.t, got)
	}
	return got.StatusCode, problem, got.Headers["Card-Challenge"], got.Headers["Retry-After"]
}

// When too many wrong codes are typed, right and wrong ones are refused alike
// until a challenge is answered; nothing is written for who does not, and a scan
// is served as ever.
func TestAFloodOfGuessesAsksForAnAnswer(t *testing.T) {
	b, batch := flooded(t)
	right, wrong := b.typed(batch, 1), b.guess(batch, 3)
	before := b.snapshot()
	var answers []string
	for _, code := range []string{right, wrong} {
		got, cost := b.metered("POST", "/c/"+code+"/redemption", nil, openid("o"))
		if got.StatusCode != 429 || problemCode(t, got) != "challenge_required" || got.Headers["Retry-After"] != "60" || cost.roundTrips != 1 {
			t.Errorf("%d %s, Retry-After %s, for %+v", got.StatusCode, got.Body, got.Headers["Retry-After"], cost)
		}
		answers = append(answers, fmt.Sprint(len(got.Headers["Card-Challenge"]), len(got.Headers), got.Body))
	}
	if answers[0] != answers[1] {
		t.Errorf("a right code is told from a wrong one: %q", answers)
	}
	b.unchanged(before, "who answers no challenge")
	if got := b.redeem(b.code(batch, 2), nil, openid("o")); got.StatusCode != 200 {
		t.Errorf("a scan: %d", got.StatusCode)
	}

	_, _, challenge, _ := b.redeemAnswering(right, "", "o")
	if status, problem, _, _ := b.redeemAnswering(right, worked(t, challenge), "o"); status != 200 {
		t.Errorf("after the work: %d %s", status, problem)
	}
	before = b.snapshot()
	_, _, challenge, _ = b.redeemAnswering(wrong, "", "o")
	if status, problem, _, _ := b.redeemAnswering(wrong, worked(t, challenge), "o"); status != 404 || problem != "card_not_found" {
		t.Errorf("a guess after the work: %d %s", status, problem)
	}
	if len(b.snapshot()) != len(before) {
		t.Error("a guess after the work is counted elsewhere than before")
	}
	b.at(noon.Add(time.Minute))
	if got := b.redeem(b.typed(batch, 4), nil, openid("o")); got.StatusCode != 200 {
		t.Errorf("in the next minute: %d", got.StatusCode)
	}
}

// Patience answers as well as work, and goes on where it was broken off. No
// answer is good for another code, changed, or for ever.
func TestAChallengeIsAnsweredOnceForOneCodeInTime(t *testing.T) {
	b, batch := flooded(t)
	code, other := b.typed(batch, 1), b.typed(batch, 2)
	_, _, challenge, _ := b.redeemAnswering(code, "", "o")
	_, _, others, _ := b.redeemAnswering(other, "", "o")
	solved := worked(t, challenge)
	altered := []byte(challenge)
	altered[len(altered)-1] ^= 1

	flood := func() {
		t.Helper()
		if got := b.redeem(b.guess(batch, 5), nil, openid("o")); got.StatusCode != 404 && got.StatusCode != 429 {
			t.Fatalf("%d", got.StatusCode)
		}
	}
	for _, c := range []struct {
		name, answer, after string
		age                 time.Duration
		goesOn              bool
	}{
		{"nonsense", "nonsense", "60", time.Second, false},
		{"a number", "9999999999", "60", time.Second, false},
		{"dots", "..", "60", time.Second, false},
		{"unsigned", worked(t, "0.0"), "60", time.Second, false},
		{"altered", string(altered), "60", 55 * time.Second, false},
		{"of another code", others, "60", 55 * time.Second, false},
		{"worked for another code", worked(t, others), "60", time.Second, false},
		{"not worked", challenge + ".x", "59", time.Second, true},
		{"impatient", challenge, "11", 49 * time.Second, true},
		{"too old", challenge, "60", 15*time.Minute + time.Second, false},
		{"worked, and too old", solved, "60", 15*time.Minute + time.Second, false},
	} {
		b.at(noon.Add(c.age))
		flood()
		before := b.snapshot()
		status, problem, again, after := b.redeemAnswering(code, c.answer, "o")
		if status != 429 || problem != "challenge_required" || after != c.after || (again == challenge) != c.goesOn {
			t.Errorf("%s: %d %s, after %s, the same one: %v", c.name, status, problem, after, again == challenge)
		}
		b.unchanged(before, c.name)
	}
	for _, c := range []struct {
		answer string
		age    time.Duration
		card   string
	}{{challenge, 50 * time.Second, code}, {worked(t, others), 15 * time.Minute, other}} {
		b.at(noon.Add(c.age))
		flood()
		if status, problem, _, _ := b.redeemAnswering(c.card, c.answer, "o"); status != 200 {
			t.Errorf("after %v: %d %s", c.age, status, problem)
		}
	}
}

// The page says what is going on, works by itself, and goes on after a minute
// without a script. Its form is answered under the same challenge.
func TestThePageOfAChallengeGoesOnByItself(t *testing.T) {
	b, batch := flooded(t)
	code := b.typed(batch, 1)
	page := b.page(code)
	challenge := page.Headers["Card-Challenge"]
	if page.StatusCode != 429 || challenge == "" || strings.Contains(page.Body, code) {
		t.Fatalf("%d, challenge %q, or the code is in the page", page.StatusCode, challenge)
	}
	for _, part := range []string{
		`<meta http-equiv="refresh" content="60;url=?lang=zh-CN&amp;challenge=` + challenge + `">`,
		`data-challenge="` + challenge + `" data-zeros="15"`, `href="?lang=zh-CN&amp;challenge=` + challenge + `"`, "扫码无需等待", "400-000-0000",
	} {
		if !strings.Contains(page.Body, part) {
			t.Errorf("the page lacks %s", part)
		}
	}
	answered := code + "?lang=zh-CN&challenge=" + worked(t, challenge)
	if shown := b.page(answered); shown.StatusCode != 200 || !strings.Contains(shown.Body, `<form id="redeem" method="post"`) {
		t.Errorf("after the work the page is %d", shown.StatusCode)
	}
	if won := b.form(answered, url.Values{"phone": {"13800000000"}, "consent": consents}); won.StatusCode != 200 || !strings.Contains(won.Body, "8613") {
		t.Errorf("its form is answered %d", won.StatusCode)
	}
	if scanned := b.page(b.code(batch, 1)); scanned.StatusCode != 200 || strings.Contains(scanned.Body, "http-equiv") {
		t.Errorf("the page of a scan is %d, or goes on by itself", scanned.StatusCode)
	}
}

// By the default one address is locked before it makes others answer
// challenges; two that share a meter do.
func TestOneAddressAloneIsNoFlood(t *testing.T) {
	b := open(t)
	batch := b.batch(1, cards.FormPlain, prizes[cards.PrizePoints])
	wrong := b.guess(batch, 0)
	var seen []string
	for n := range 40 {
		b.from = fmt.Sprintf("203.0.113.%d", n)
		for range 62 {
			if got := b.redeem(wrong, nil, openid("o")); got.StatusCode == 429 {
				seen = append(seen, problemCode(t, got))
				break
			}
		}
		if n == 0 && (len(seen) != 1 || seen[0] != "too_many_codes") {
			t.Errorf("one address meets %v", seen)
		}
	}
	if !slices.Contains(seen, "challenge_required") {
		t.Error("forty addresses meet no challenge")
	}
}
