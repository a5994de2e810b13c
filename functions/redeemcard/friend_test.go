package redeemcard_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/store"
)

// connect gives the brand's program an acquisition link.
func (b *brand) connect(link string) {
	b.t.Helper()
	rules := program.Default()
	rules.Version, rules.EffectiveAt, rules.Brand.FriendLink = 1, opened.AddDate(0, 0, -1), link
	if err := b.engine.Write(b.t.Context(), store.PutProgram(rules)); err != nil {
		b.t.Fatal(err)
	}
}

func TestTheWinnerIsToldTheStateOfTheirCard(t *testing.T) {
	b := open(t)
	batch := b.batch(1, cards.FormPlain, prizes[cards.PrizePoints])
	code := b.code(batch, 3)
	reference, err := b.f.Keys.Reference(batch.Code(3))
	if err != nil {
		t.Fatal(err)
	}
	if before := b.page(code); strings.Contains(before.Body, reference) {
		t.Error("the page tells it before the draw")
	}
	for range 2 {
		var told struct {
			State string `json:"friend_state"`
		}
		won := b.redeem(code, nil, openid("winner"))
		if err := json.Unmarshal([]byte(won.Body), &told); err != nil || told.State != reference {
			t.Errorf("%d %s, want %s", won.StatusCode, won.Body, reference)
		}
	}
	for name, body := range map[string]string{
		"another":   b.redeem(code, nil, openid("loser")).Body,
		"a visitor": b.page(code).Body,
	} {
		if strings.Contains(body, reference) {
			t.Errorf("%s is told the State: %s", name, body)
		}
	}
	before := b.snapshot()
	if got := b.redeem(reference, nil, openid("winner")); got.StatusCode != 404 {
		t.Errorf("a State redeems: %d %s", got.StatusCode, got.Body)
	}
	b.unchanged(before, "a State for a code")
}

func TestThePageLeadsToWeCom(t *testing.T) {
	won := url.Values{"phone": {"13800000000"}, "consent": consents}
	for link, want := range map[string]string{
		"":                                "",
		"https://work.weixin.qq.com/ca/c": "https://work.weixin.qq.com/ca/c?customer_channel=",
		"https://work.weixin.qq.com/ca/c?customer_channel=old": "https://work.weixin.qq.com/ca/c?customer_channel=",
	} {
		b := open(t)
		b.connect(link)
		b.at(noon.Add(time.Minute))
		batch := b.batch(1, cards.FormPlain, prizes[cards.PrizePoints])
		code := b.code(batch, 0)
		if page := b.page(code); strings.Contains(page.Body, "work.weixin.qq.com") {
			t.Errorf("%s: before the draw", link)
		}
		reference, err := b.f.Keys.Reference(batch.Code(0))
		if err != nil {
			t.Fatal(err)
		}
		body := b.form(code, won).Body
		if want != "" && !strings.Contains(body, `id="friend" class="primary" href="`+want+reference+`"`) || want == "" && strings.Contains(body, `id="friend"`) {
			t.Errorf("%s: %s", link, body)
		}
		if taken := b.form(code, url.Values{"phone": {"13900000000"}, "consent": consents}); strings.Contains(taken.Body, reference) {
			t.Errorf("%s: another is told the State", link)
		}
	}
}
