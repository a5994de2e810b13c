package redeemcard_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
)

// comeBack is what the page of a card that was redeemed sends.
func (b *brand) comeBack(code, phone, language string) events.APIGatewayV2HTTPResponse {
	b.t.Helper()
	return b.send(b.t.Context(), "POST", "/c/"+code+"?lang="+language+"&mine=1", map[string]string{"content-type": "application/x-www-form-urlencoded"}, url.Values{"phone": {phone}}.Encode())
}

func TestAWinnerWhoComesBackSeesThePrizeAndConsentsToNothingAgain(t *testing.T) {
	b := open(t)
	b.connect("https://work.weixin.qq.com/ca/c")
	batch := b.batch(1, cards.FormPlain, prizes[cards.PrizePoints])
	mine, free := b.code(batch, 0), b.code(batch, 1)
	if won := b.form(mine, url.Values{"phone": {"13800000000"}, "consent": consents}); won.StatusCode != 200 {
		t.Fatal(won.StatusCode)
	}
	page := b.page(mine).Body
	if !strings.Contains(page, `action="?lang=zh-CN&amp;mine=1"`) || strings.Contains(page, `name="consent"`) || strings.Contains(page, "8613 ") && strings.Contains(page, `id="prize"`) {
		t.Error("the page of a card that was redeemed asks for consents, or for nothing")
	}
	before := b.snapshot()
	for range 2 {
		again := b.comeBack(mine, "138 0000 0000", "zh-CN")
		if again.StatusCode != 200 || !strings.Contains(again.Body, `id="prize"`) || !strings.Contains(again.Body, "8613") || !strings.Contains(again.Body, "已为尾号 0000 的手机保留") || !strings.Contains(again.Body, `id="friend"`) {
			t.Errorf("the winner: %d", again.StatusCode)
		}
	}
	if other := b.comeBack(mine, "13900000000", "zh-CN"); other.StatusCode != 409 || strings.Contains(other.Body, `id="prize"`) {
		t.Errorf("another: %d", other.StatusCode)
	}
	if wrong := b.comeBack(mine, "12", "zh-CN"); wrong.StatusCode != 400 || !strings.Contains(wrong.Body, `id="phone-error"`) || strings.Contains(wrong.Body, `name="consent"`) {
		t.Errorf("no phone: %d", wrong.StatusCode)
	}
	// A card that nobody redeemed is not redeemed without consent.
	if fresh := b.comeBack(free, "13800000000", "zh-CN"); fresh.StatusCode != 200 || strings.Contains(fresh.Body, `id="prize"`) || !strings.Contains(fresh.Body, `id="consent-membership"`) {
		t.Errorf("a card that nobody redeemed: %d", fresh.StatusCode)
	}
	b.unchanged(before, "coming back")
}

// After a friend proved the card its winner sees the prize, is not sent to WeCom
// again, and learns no more than that.
func TestAWinnerSeesThePrizeAfterAFriendProvedIt(t *testing.T) {
	b := open(t)
	b.connect("https://work.weixin.qq.com/ca/c")
	batch := b.batch(1, cards.FormPlain, prizes[cards.PrizePoints])
	code := b.code(batch, 0)
	if won := b.form(code, url.Values{"phone": {"13800000000"}, "consent": consents}); won.StatusCode != 200 {
		t.Fatal(won.StatusCode)
	}
	look, err := b.f.Store.LookAtCard(t.Context(), table.Strong, batch.Code(0), loyalty.Identity{})
	if err != nil {
		t.Fatal(err)
	}
	proved := *look.Redemption
	proved.Member = "m-friend"
	if err := b.engine.Write(t.Context(), store.ChangeRedemption(batch.Code(0), *look.Redemption, proved)); err != nil {
		t.Fatal(err)
	}
	for language, said := range map[string]string{"zh-CN": "这份奖品已放入核实身份的会员账户。", "en": "The prize is in the account of the member who proved it."} {
		again := b.comeBack(code, "13800000000", language)
		if again.StatusCode != 200 || !strings.Contains(again.Body, `id="prize"`) || !strings.Contains(again.Body, "8613") || !strings.Contains(again.Body, said) {
			t.Errorf("%s: %d", language, again.StatusCode)
		}
		for _, wrong := range []string{`id="friend"`, "已为尾号", "Kept for the phone", "m-friend", `name="consent" value="membership"`} {
			if strings.Contains(again.Body, wrong) {
				t.Errorf("%s: the page holds %q", language, wrong)
			}
		}
	}
	// To a program that typed the phone nothing follows from the proof.
	if got := b.redeem(code, nil, phone("13800000000")); !strings.Contains(got.Body, `"state":"reserved"`) {
		t.Error(got.Body)
	}
}

// A page promises a prize only where every card of its form has one.
func TestThePageOfACardThatMayBeEmptyPromisesNothing(t *testing.T) {
	promises := []string{"礼在此处", "随包好礼", "开好礼", "有惊喜", "属于您的惊喜", "心意", "立即领取", "A gift", "a gift", "your gift", "my gift", "what came with your parcel", "Scratch &amp; win", "what is yours"}
	promised := func(page string) (found []string) {
		page, _, _ = strings.Cut(page, `<section class="rules">`) // the list of prizes is true by itself
		for _, promise := range promises {
			if strings.Contains(page, promise) {
				found = append(found, promise)
			}
		}
		return found
	}
	b := open(t)
	number := 0
	for _, form := range []cards.Form{cards.FormPlain, cards.FormScratch} {
		for name, test := range map[string]struct {
			arms []cards.Arm
			wins bool
		}{
			"a prize each":         {[]cards.Arm{{Name: "a", Form: form, Weight: 1, Prizes: []cards.Prize{{Award: prizes[cards.PrizePoints], Quantity: 10}}}}, true},
			"fewer than cards":     {[]cards.Arm{{Name: "a", Form: form, Weight: 1, Prizes: []cards.Prize{{Award: prizes[cards.PrizePoints], Quantity: 7}}}}, false},
			"none by name":         {[]cards.Arm{{Name: "a", Form: form, Weight: 1, Prizes: []cards.Prize{{Award: prizes[cards.PrizePoints], Quantity: 9}, {Award: prizes[cards.PrizeNone], Quantity: 1}}}}, false},
			"no prizes":            {[]cards.Arm{{Name: "a", Form: form, Weight: 1}}, false},
			"another arm is empty": {[]cards.Arm{{Name: "a", Form: form, Weight: 1, Prizes: []cards.Prize{{Award: prizes[cards.PrizePoints], Quantity: 5}}}, {Name: "b", Form: form, Weight: 1}}, false},
			"another form is":      {[]cards.Arm{{Name: "a", Form: form, Weight: 1, Prizes: []cards.Prize{{Award: prizes[cards.PrizePoints], Quantity: 5}}}, {Name: "b", Form: cards.FormReveal, Weight: 1, Prizes: []cards.Prize{{Award: prizes[cards.PrizePoints], Quantity: 5}}}}, true},
		} {
			number++
			batch := b.batch(number, form, prizes[cards.PrizePoints], func(batch *cards.Batch) { batch.Arms = test.arms })
			for card := range batch.Count {
				for _, language := range []string{"zh-CN", "en"} {
					page := b.send(t.Context(), "GET", "/c/"+b.code(batch, card)+"?lang="+language, nil, "").Body
					if strings.Contains(page, "hero-reveal") {
						continue
					}
					if found := promised(page); (len(found) > 0) != test.wins {
						t.Errorf("%s, %s, %s: the page says %q", form, name, language, found)
					}
				}
			}
		}
	}
}
