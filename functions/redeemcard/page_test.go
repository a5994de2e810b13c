package redeemcard_test

import (
	"bytes"
	"encoding/base64"
	"html"
	"image/png"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/qr/qrtest"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
)

// style puts a program in force that changes what ships with huitou.
func (b *brand) style(change func(*program.Brand)) {
	b.t.Helper()
	rules := program.Default()
	rules.Version, rules.EffectiveAt = 1, opened.AddDate(0, 0, -1)
	change(&rules.Brand)
	rules.Legal = b.legal
	if err := rules.Validate(); err != nil {
		b.t.Fatal(err)
	}
	if err := b.engine.Write(b.t.Context(), store.PutProgram(rules)); err != nil {
		b.t.Fatal(err)
	}
}

// mixed is a batch of two arms whose ten cards give four different prizes.
func (b *brand) mixed() cards.Batch {
	b.template()
	return b.batch(1, cards.FormScratch, prizes[cards.PrizePoints], func(batch *cards.Batch) {
		batch.Arms = []cards.Arm{
			{Name: "a", Form: cards.FormScratch, Weight: 1, Prizes: []cards.Prize{
				{Award: prizes[cards.PrizePoints], Quantity: 2}, {Award: prizes[cards.PrizeCoupon], Quantity: 1},
			}},
			{Name: "b", Form: cards.FormScratch, Weight: 1, Prizes: []cards.Prize{
				{Award: prizes[cards.PrizePoints], Quantity: 1}, {Award: prizes[cards.PrizeGift], Quantity: 3},
			}},
		}
	})
}

// A reader of a card's page learns what the batch holds and nothing of
// this card: every card of a form has the same page, to the letter.
func TestEveryCardHasTheSamePageUntilTheDraw(t *testing.T) {
	b := open(t)
	batch := b.mixed()
	first := b.page(b.code(batch, 0))
	won := map[string]int{}
	for card := range batch.Count {
		code := b.code(batch, card)
		if got := b.page(code); got.StatusCode != 200 || got.Body != first.Body {
			t.Fatalf("card %d: %d, or its page differs from the first card's", card, got.StatusCode)
		}
		after := b.form(code, url.Values{"phone": {"13800000000"}, "consent": consents}).Body
		figure := regexp.MustCompile(`<p class="figure[^>]*>([^<]*)`).FindStringSubmatch(after)
		if figure == nil {
			t.Fatalf("card %d: no prize after the draw", card)
		}
		won[html.UnescapeString(figure[1])]++
	}
	if len(won) != 4 {
		t.Errorf("the cards gave %v: the test wants four different prizes", won)
	}
}

func TestThePageShowsPrizesAndQuantities(t *testing.T) {
	b := open(t)
	batch := b.mixed()
	for language, want := range map[string][]string{
		"zh-CN": {"8613 积分|3|30%", "满 ¥199 减 ¥20 优惠券 老友回头券|1|10%", "试用装一份 随单赠礼 随您的下一笔订单寄出|3|30%", "这次擦肩而过|3|30%"},
		"en":    {"8613 points|3|30%", "¥20 off from ¥199 coupon 老友回头券|1|10%", "试用装一份 gift comes with your next order|3|30%", "Not this time|3|30%"},
	} {
		page := b.send(t.Context(), "GET", "/c/"+b.code(batch, 0)+"?lang="+language, nil, "").Body
		var got []string
		for _, row := range regexp.MustCompile(`<tr><th scope="row">(.*?)</th><td class="number">(.*?)</td><td class="number">(.*?)</td></tr>`).FindAllStringSubmatch(page, -1) {
			name := regexp.MustCompile(`<[^>]*>`).ReplaceAllString(row[1], "")
			got = append(got, html.UnescapeString(name)+"|"+row[2]+"|"+row[3])
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%s: the page lists\n%s\nwant\n%s", language, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

func TestThePageIsTheBrands(t *testing.T) {
	logo := "data:image/svg+xml;base64," + base64.StdEncoding.EncodeToString([]byte(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><path d="M0 0h9v9z"/></svg>`))
	b := open(t)
	b.style(func(own *program.Brand) {
		own.Name, own.NameEN, own.Colour, own.Logo, own.ClaimLink = `山姆"<b>`, "Sam", "#FFCC00", logo, "https://m.example.com/orders?a=1&b=2"
		own.CardTexts = &program.CardTexts{Chinese: &program.CardText{Headline: "开箱<有>礼", Lead: "老朋友，好久不见。", Thanks: "谢谢您一直在。"}}
	})
	code := b.code(b.batch(1, cards.FormReveal, prizes[cards.PrizePoints]), 0)
	page := b.page(code).Body
	for _, part := range []string{
		`<img class="logo" src="` + logo + `" alt="山姆&#34;&lt;b&gt;">`, "--brand:#FFCC00;--ink-on-brand:#000000", "开箱&lt;有&gt;礼</h1>", "老朋友，好久不见。", `id="optout"`,
	} {
		if !strings.Contains(strings.ReplaceAll(page, "&#43;", "+"), part) {
			t.Errorf("the page lacks %s", part)
		}
	}
	if strings.Contains(page, "谢谢您一直在。") || strings.Contains(page, `id="claim"`) {
		t.Error("what follows the prize is on the page before")
	}
	won := b.form(code, url.Values{"phone": {"13800000000"}, "consent": consents}).Body
	for _, part := range []string{"谢谢您一直在。", `<a id="claim-link" href="https://m.example.com/orders?a=1&amp;b=2">`, `data-headline="开箱&lt;有&gt;礼"`} {
		if !strings.Contains(won, part) {
			t.Errorf("with the prize: the page lacks %s", part)
		}
	}
	english := b.send(t.Context(), "GET", "/c/"+b.code(b.batch(2, cards.FormReveal, prizes[cards.PrizePoints]), 0)+"?lang=en", nil, "").Body
	if !strings.Contains(english, "Every card wins</h1>") || !strings.Contains(english, `alt="Sam"`) {
		t.Error("what the brand does not say itself is not said in our words")
	}
}

// The symbol beside the link is an image, for a long press, and leads where
// the link leads.
func TestTheFriendSymbolIsTheLink(t *testing.T) {
	b := open(t)
	b.connect("https://work.weixin.qq.com/ca/cawcde0123456789abcdef")
	b.at(noon.Add(time.Minute))
	batch := b.batch(1, cards.FormPlain, prizes[cards.PrizePoints])
	reference, err := b.f.Keys.Reference(batch.Code(4))
	if err != nil {
		t.Fatal(err)
	}
	body := html.UnescapeString(b.form(b.code(batch, 4), url.Values{"phone": {"13800000000"}, "consent": consents}).Body)
	found := regexp.MustCompile(`<img id="friend-qr" src="data:image/png;base64,([^"]+)"[^>]* alt="[^"]+">`).FindStringSubmatch(body)
	if found == nil {
		t.Fatal("there is no symbol")
	}
	raw, err := base64.StdEncoding.DecodeString(found[1])
	if err != nil {
		t.Fatal(err)
	}
	picture, err := png.Decode(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	read, _, err := qrtest.Read(picture)
	if err != nil {
		t.Fatal(err)
	}
	if want := "https://work.weixin.qq.com/ca/cawcde0123456789abcdef?customer_channel=" + reference; read != want {
		t.Errorf("the symbol reads %s, want %s", read, want)
	}
	t.Logf("a symbol of %d bytes", len(raw))
}

// With the largest logo, the longest texts and everything that can follow a
// prize, each page stays under the bound.
func TestTheFullestPageIsUnder60kB(t *testing.T) {
	const head, tail = `<svg xmlns="http://www.w3.org/2000/svg"><path d="`, `"/></svg>`
	path := strings.Repeat("M0 0h9v9z", (8982-len(head)-len(tail))/9)
	logo := "data:image/svg+xml;base64," + base64.StdEncoding.EncodeToString([]byte(head+path+tail))
	b := open(t)
	b.legal = &program.Legal{
		Version:   strings.Repeat("1", 32),
		Agreement: program.LegalText{Chinese: program.LegalSource{Text: strings.Repeat("字", 2000)}},
		Privacy:   program.LegalText{Chinese: program.LegalSource{Text: strings.Repeat("字", 2000)}},
	}
	b.style(func(own *program.Brand) {
		own.Logo, own.FriendLink, own.ClaimLink = logo, "https://work.weixin.qq.com/ca/"+strings.Repeat("x", 170), "https://m.example.com/"+strings.Repeat("x", 178)
		own.Contact = strings.Repeat("字", 200)
		long := &program.CardText{Headline: strings.Repeat("字", 40), Lead: strings.Repeat("字", 120), Thanks: strings.Repeat("字", 120)}
		own.CardTexts = &program.CardTexts{Chinese: long, English: long}
	})
	batch := b.batch(1, cards.FormScratch, prizes[cards.PrizePoints])
	code := b.code(batch, 0)
	for name, body := range map[string]string{
		"form":  b.page(code).Body,
		"prize": b.form(code, url.Values{"phone": {"13800000000"}, "consent": consents}).Body,
		"taken": b.page(code).Body,
	} {
		t.Logf("%s: %d bytes with a logo of %d characters", name, len(body), len(logo))
		if len(body) > 60_000 {
			t.Errorf("%s: %d bytes", name, len(body))
		}
	}
}

func (b *brand) withdraw(code, phone string) events.APIGatewayV2HTTPResponse {
	b.t.Helper()
	return b.send(b.t.Context(), "POST", "/c/"+code+"?withdraw=1", map[string]string{"content-type": "application/x-www-form-urlencoded"}, url.Values{"phone": {phone}}.Encode())
}

// The person who redeemed a card takes the optional consents back with it;
// everybody gets the same answer, and nothing follows for the card, the prize
// or a member.
func TestTheOptionalConsentsAreWithdrawnOnThePage(t *testing.T) {
	b := open(t)
	batch := b.batch(1, cards.FormPlain, prizes[cards.PrizePoints])
	mine, free, theirs := b.code(batch, 0), b.code(batch, 1), b.code(batch, 2)
	all := url.Values{"phone": {"13800000000"}, "consent": {"membership", "marketing", "personalisation"}}
	if won := b.form(mine, all); won.StatusCode != 200 || !strings.Contains(won.Body, `id="withdraw"`) {
		t.Fatalf("%d, or the page has no way out", won.StatusCode)
	}
	if won := b.redeem(theirs, nil, openid("somebody")); won.StatusCode != 200 {
		t.Fatal(won.StatusCode)
	}
	before := b.snapshot()
	var answers []string
	for name, response := range map[string]events.APIGatewayV2HTTPResponse{
		"another phone": b.withdraw(mine, "13900000000"), "a card nobody redeemed": b.withdraw(free, "13800000000"), "a member's card": b.withdraw(theirs, "13800000000"),
	} {
		if response.StatusCode != 200 {
			t.Errorf("%s: %d", name, response.StatusCode)
		}
		answers = append(answers, response.Body)
	}
	if wrong := b.withdraw(mine, "<b>12"); wrong.StatusCode != 400 || !strings.Contains(wrong.Body, `id="withdraw-error"`) || strings.Contains(wrong.Body, "<b>12") {
		t.Errorf("no phone: %d", wrong.StatusCode)
	}
	b.unchanged(before, "a withdrawal by another")
	// A guess at a typed code is counted, here as anywhere.
	if unknown := b.withdraw("0000000000000000", "13800000000"); unknown.StatusCode != 404 {
		t.Errorf("no code: %d", unknown.StatusCode)
	}
	for range 2 {
		answers = append(answers, b.withdraw(mine, "138 0000 0000").Body)
	}
	for _, answer := range answers {
		if answer != answers[0] {
			t.Error("the answers differ")
		}
	}
	look, err := b.f.Store.LookAtCard(t.Context(), table.Strong, batch.Code(0), loyalty.Identity{})
	if err != nil {
		t.Fatal(err)
	}
	if got := look.Redemption.Consents; !slices.Equal(got, []loyalty.Consent{loyalty.ConsentMembership}) {
		t.Errorf("the consents are %v", got)
	}
	if again := b.form(mine, url.Values{"phone": {"13800000000"}, "consent": consents}); again.StatusCode != 200 || !strings.Contains(again.Body, `id="prize"`) {
		t.Errorf("the prize afterwards: %d", again.StatusCode)
	}
}
