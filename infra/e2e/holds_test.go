//go:build e2e

package e2e

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// One phone redeems a carton. Cards beyond the bound are kept for their owner,
// who reads so and appeals, with JavaScript and without; operators find it in
// their queue and decide with keys alone; the page tells the owner what came of
// it.
func TestAHeldCardFromTheScanToTheDecision(t *testing.T) {
	shop := open(t)
	_, addresses := shop.batch(t, "整箱卡", map[string]any{"count": 14, "arms": []map[string]any{
		{"name": "a", "form": "plain", "weight": 1, "prizes": []map[string]any{{"kind": "gift", "value": "试用装一份", "quantity": 14, "worth": 990}}},
	}})
	for _, address := range addresses[:12] {
		_, code, _ := strings.Cut(address, "/C/")
		shop.call(t, "", "/C/"+code+"/redemption", map[string]any{"identity": map[string]string{"kind": "phone", "value": typedPhone}})
	}
	// A way back asks for no consent a second time.
	fill := func(b *tab, view string, agrees bool) {
		t.Helper()
		b.tabTo(t, "phone")
		b.do(t, "typing", chromedp.KeyEvent(typedPhone))
		if agrees {
			b.tabTo(t, "consent-membership")
			b.do(t, "agreeing", chromedp.KeyEvent(" "))
		}
		b.tabTo(t, "submit")
		b.do(t, "sending", chromedp.KeyEvent("\r"), chromedp.WaitVisible("body.view-"+view))
	}
	scripts := []bool{true, false}
	for i, script := range scripts {
		b := newTab(t, true)
		if !script {
			b.do(t, "switching scripts off", command(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}))
		}
		b.scan(t, addresses[12+i])
		fill(b, "held", true)
		b.fits(t, "a held card")
		b.shootWhole(t, "view-held")
		t.Logf("weight: held %d bytes, form included", b.weigh(t, "a held card and its form"))
		if text := ask(t, b, chromedp.Text("main")); !strings.Contains(text, "奖品为您保留") || strings.Contains(text, "恭喜") {
			t.Errorf("a held card says %q", text)
		}
		b.tabTo(t, "appeal-phone")
		b.do(t, "appealing", chromedp.KeyEvent(typedPhone))
		b.tabTo(t, "appeal-submit")
		b.do(t, "sending", chromedp.KeyEvent("\r"), chromedp.WaitVisible("body.view-appealed"))
		b.fits(t, "an appeal")
		b.shoot(t, "view-appealed")
		b.stayed(t, shop.address)
	}

	var queue struct{ Items []struct{ ID string } }
	if err := json.Unmarshal(shop.call(t, shop.token, "/v1/card-holds?appealed=true", nil), &queue); err != nil || len(queue.Items) != 2 {
		t.Fatalf("the queue holds %+v, %v", queue, err)
	}
	released, voided := queue.Items[0].ID, queue.Items[1].ID
	desk := newTab(t, false)
	desk.signedIn(t, shop, "/console")
	desk.do(t, "what needs somebody", chromedp.WaitVisible(`//*[@id="attention"]//a[contains(text(), "2 张可疑卡")]`),
		chromedp.Click("#nav-cards"), chromedp.WaitVisible("#card-tabs-holds"), chromedp.Click("#card-tabs-holds"), chromedp.WaitVisible("#holds-table"))
	desk.fits(t, "the queue")
	desk.shoot(t, "console-desk-holds")
	if text := ask(t, desk, chromedp.Text("#holds-table")); !strings.Contains(text, "整箱连号") || !strings.Contains(text, "有申诉") || strings.Contains(text, typedPhone) {
		t.Errorf("the queue says %q", text)
	}
	desk.tabTo(t, "release-"+released)
	desk.do(t, "releasing", chromedp.KeyEvent("\r"), chromedp.WaitVisible("#ask"))
	desk.tabTo(t, "ask-yes")
	desk.do(t, "yes", chromedp.KeyEvent("\r"), chromedp.WaitVisible(`//*[@id="holds-table"]//tbody[count(tr) = 1]`))
	desk.tabTo(t, "void-"+voided)
	desk.do(t, "voiding", chromedp.KeyEvent("\r"), chromedp.WaitVisible("#void-reason"))
	desk.shoot(t, "console-desk-void")
	desk.tabTo(t, "void-yes")
	desk.do(t, "yes", chromedp.KeyEvent("\r"), chromedp.WaitVisible(`//*[@id="view"]//*[contains(text(), "没有这种状态的卡")]`))
	desk.do(t, "those that are void", chromedp.Click("#hold-states-voided"), chromedp.WaitVisible(`//*[@id="holds-table"]//*[contains(text(), "被盗")]`))
	desk.stayed(t, shop.address)
	phone := newTab(t, true)
	phone.signedIn(t, shop, "/console/holds?state=released")
	phone.do(t, "the queue on a phone", chromedp.WaitVisible("#holds-table"))
	phone.fits(t, "the queue on a phone")
	phone.shoot(t, "console-phone-holds")

	views := map[string]string{voided: "voided", released: "prize"}
	for i, address := range addresses[12:] {
		b := newTab(t, true)
		b.do(t, "scanning again", chromedp.Navigate(address), chromedp.WaitVisible("details.again"), chromedp.Click("details.again summary"), chromedp.WaitVisible("#phone"))
		view := ""
		for hold, shown := range views {
			var one struct{ Card int }
			if err := json.Unmarshal(shop.call(t, shop.token, "/v1/card-holds/"+hold, nil), &one); err != nil {
				t.Fatal(err)
			}
			if one.Card == 13+i {
				view = shown
			}
		}
		fill(b, view, false)
		b.fits(t, view)
		b.shootWhole(t, "view-"+view+"-after")
	}
}
