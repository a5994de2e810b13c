package redeemcard_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
)

// The required consent has both texts beside it, in the page's language, and the
// version stays with who agreed to it.
func TestThePageLinksWhatIsAgreedToAndKeepsTheVersion(t *testing.T) {
	b := open(t)
	rules := program.Default()
	rules.Version, rules.EffectiveAt = 1, opened.AddDate(0, 0, -1)
	rules.Legal = &program.Legal{
		Version:   "2027-01",
		Agreement: program.LegalText{Chinese: program.LegalSource{Link: "https://brand.example/a?x=1&y=2"}, English: &program.LegalSource{Link: "https://brand.example/en"}},
		Privacy:   program.LegalText{Chinese: program.LegalSource{Text: "我们只用<手机号>识别您。"}},
	}
	if err := rules.Validate(); err != nil {
		t.Fatal(err)
	}
	if err := b.engine.Write(t.Context(), store.PutProgram(rules)); err != nil {
		t.Fatal(err)
	}
	batch := b.batch(1, cards.FormPlain, prizes[cards.PrizePoints])
	for language, wanted := range map[string][]string{
		"zh-CN": {"同意前请阅读（2027-01 版）：", `<a href="https://brand.example/a?x=1&amp;y=2" target="_blank" rel="noopener noreferrer">《会员协议》</a>`, "<summary>《隐私政策》</summary>", "我们只用&lt;手机号&gt;识别您。"},
		"en":    {"Please read before you agree (version 2027-01):", `<a href="https://brand.example/en" target="_blank" rel="noopener noreferrer">Member agreement</a>`, "<summary>Privacy notice</summary>"},
	} {
		page := b.send(t.Context(), "GET", "/c/"+b.code(batch, 0)+"?lang="+language, nil, "").Body
		_, form, _ := strings.Cut(page, `id="consent-membership"`)
		form, _, _ = strings.Cut(form, `id="consent-marketing"`)
		for _, part := range wanted {
			if !strings.Contains(form, part) {
				t.Errorf("%s: beside the consent there is no %s in\n%s", language, part, form)
			}
		}
	}
	if won := b.form(b.code(batch, 0), url.Values{"phone": {"13800000000"}, "consent": consents}); won.StatusCode != 200 {
		t.Fatal(won.StatusCode)
	}
	look, err := b.f.Store.LookAtCard(t.Context(), table.Strong, batch.Code(0), loyalty.Identity{})
	if err != nil {
		t.Fatal(err)
	}
	if look.Redemption.Agreed != "2027-01" {
		t.Errorf("the card keeps %q", look.Redemption.Agreed)
	}
	joins := `{"identity":{"kind":"openid","channel":"wechat","value":"%"},"consents":[CONSENTS]}`
	for card, test := range []struct{ who, consents, want string }{{"joins", `"membership"`, "2027-01"}, {"tells-nothing", `"marketing"`, ""}} {
		body := strings.NewReplacer("%", test.who, "CONSENTS", test.consents).Replace(joins)
		if won := b.redeem(b.code(batch, card+1), nil, body); won.StatusCode != 200 {
			t.Fatalf("%d %s", won.StatusCode, won.Body)
		}
		owners, err := b.f.Store.Owners(t.Context(), loyalty.Identity{Kind: loyalty.IdentityOpenID, Channel: "wechat", Value: test.who})
		if err != nil {
			t.Fatal(err)
		}
		account, err := b.f.Store.Account(t.Context(), owners[0])
		if err != nil || account.Agreed != test.want {
			t.Errorf("%s agreed to %q, want %q (%v)", test.who, account.Agreed, test.want, err)
		}
	}
}

func TestAPageWithoutLegalTextsNamesNone(t *testing.T) {
	b := open(t)
	code := b.code(b.batch(1, cards.FormPlain, prizes[cards.PrizePoints]), 0)
	if page := b.page(code).Body; strings.Contains(page, `id="legal"`) {
		t.Error("there is a place for texts that are not there")
	}
}
