//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/table/embedded"
)

// openWithPrizes is a brand whose payer had a bad day: the payer of `make run`
// pays at once, so what is open was put there before.
func openWithPrizes(t *testing.T) brand {
	t.Helper()
	folder := t.TempDir()
	engine, err := embedded.Open(filepath.Join(folder, "table"))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC().Truncate(time.Second)
	var actions []table.Action
	for card, hours := range []int{50, 30, 3, 1} {
		won := now.Add(-time.Duration(hours) * time.Hour)
		code := cards.Code{KeyID: 'K', Batch: 7, Card: card}
		payout, err := cards.RequestPayout(code, cards.Award{Kind: cards.PrizeRedPacket, Amount: int64(188 * (card + 1))}, "mabcdefghijklmnop", loyalty.Identity{}, won)
		if err != nil {
			t.Fatal(err)
		}
		payout = payout.Ask(won).Unheard("timeout")
		payout.NextAsk = now.Add(time.Duration(hours) * time.Hour) // nobody asks while the test looks
		switch card {
		case 1: // proposed by somebody else
			payout, err = payout.Resolve(cards.Resolution{State: cards.PayoutPaid, Reference: "4200001", Reason: "商户平台已付", Operator: "li.na", At: now.Add(-time.Hour)})
		case 3:
			payout, err = payout.Hear(cards.PayoutAnswer{Bill: payout.Bill, Amount: payout.Amount, Outcome: cards.OutcomePaid, Reference: "4200002"}, cards.ByPayer, now)
		}
		if err != nil {
			t.Fatal(err)
		}
		actions = append(actions, store.PutPayout(payout))
	}
	if err := engine.Write(t.Context(), actions...); err != nil {
		t.Fatal(err)
	}
	if err := engine.Close(); err != nil {
		t.Fatal(err)
	}
	return openWith(t, folder)
}

// signedIn opens a page of the console with an operator's token.
func (b *tab) signedIn(t *testing.T, shop brand, path string) {
	t.Helper()
	b.do(t, "signing in", chromedp.Navigate(shop.address+path), chromedp.WaitVisible("#token"),
		chromedp.SetValue("#token", shop.token), chromedp.Click("#sign-in-submit"), chromedp.WaitVisible("#nav"))
}

// The operator sees what waits for money, has the payer asked, and ends by hand
// what another proposed: with keys alone.
func TestConsoleOfRedPackets(t *testing.T) {
	shop := openWithPrizes(t)
	for name, phone := range map[string]bool{"desk": false, "phone": true} {
		t.Run(name, func(t *testing.T) {
			b := newTab(t, phone)
			b.signedIn(t, shop, "/console")
			b.do(t, "what needs somebody", chromedp.WaitVisible(`//*[@id="attention"]//a[contains(text(), "个红包")]`))
			b.shoot(t, "console-"+name+"-needs-payouts")
			b.do(t, "opening the red packets", chromedp.Click("#nav-cards"), chromedp.WaitVisible("#card-tabs-payouts"), chromedp.Click("#card-tabs-payouts"), chromedp.WaitVisible("#payouts-table"))
			b.fits(t, "the red packets")
			b.shoot(t, "console-"+name+"-payouts")
			text := ask(t, b, chromedp.Text("#payouts-table"))
			for _, want := range []string{"HTK000070000000", "¥1.88", "2天前", "timeout", "等待付款方"} {
				if !strings.Contains(text, want) {
					t.Errorf("the list has no %q: %s", want, text)
				}
			}
			b.do(t, "those that are paid", chromedp.Click("#payout-states-paid"), chromedp.WaitVisible(`//*[@id="payouts-table"]//code[contains(text(), "HTK000070000003")]`))
			b.fits(t, "the paid ones")
			b.do(t, "opening one", chromedp.Navigate(shop.address+"/console/payouts/HTK000070000000"), chromedp.WaitVisible("#ask-now"))
			b.fits(t, "one red packet")
			b.shoot(t, "console-"+name+"-payout")
			b.stayed(t, shop.address)
		})
	}
	t.Run("by keyboard", func(t *testing.T) {
		b := newTab(t, false)
		b.signedIn(t, shop, "/console/payouts/HTK000070000002")
		b.do(t, "the red packet", chromedp.WaitVisible("#ask-now"))
		b.tabTo(t, "ask-now")
		b.do(t, "asking the payer", chromedp.KeyEvent("\r"), chromedp.WaitVisible("#ask"))
		b.shoot(t, "console-desk-ask-payer")
		b.tabTo(t, "ask-yes")
		b.do(t, "yes", chromedp.KeyEvent("\r"), chromedp.WaitVisible(`//*[@id="steps"]//strong[contains(text(), "付款")] | //*[@id="live"][contains(text(), "已重新请款")]`))

		b.do(t, "by hand without a number", chromedp.Navigate(shop.address+"/console/payouts/HTK000070000000"), chromedp.WaitVisible("#by-hand-form"))
		b.tabTo(t, "reason")
		b.do(t, "a reason alone", chromedp.KeyEvent("查过商户平台\r"), chromedp.WaitVisible("#by-hand-error:not(:empty)"))
		if focus := ask(t, b, chromedp.Evaluate[string](`document.activeElement.id`)); focus != "reference" {
			t.Errorf("the focus is on %q, not on what is missing", focus)
		}
		b.do(t, "with a number", chromedp.KeyEvent("4200003\r"), chromedp.WaitVisible("#withdraw"))
		b.shoot(t, "console-desk-proposed")
		if ask(t, b, chromedp.Evaluate[bool](`document.getElementById('agree') !== null`)) {
			t.Error("who proposed may agree")
		}
		b.do(t, "taking it back", chromedp.Click("#withdraw"), chromedp.WaitVisible("#by-hand-form"))

		b.do(t, "what another proposed", chromedp.Navigate(shop.address+"/console/payouts/HTK000070000001"), chromedp.WaitVisible("#agree"))
		b.tabTo(t, "agree")
		b.do(t, "agreeing", chromedp.KeyEvent("\r"), chromedp.WaitVisible("#ask"))
		b.tabTo(t, "ask-yes")
		b.do(t, "yes", chromedp.KeyEvent("\r"), chromedp.WaitVisible(`//*[@id="steps"]//code[contains(text(), "4200001")]`))
		var ended struct{ State string }
		if err := json.Unmarshal(shop.call(t, shop.token, "/v1/payouts/HTK000070000001", nil), &ended); err != nil || ended.State != "paid" {
			t.Errorf("it is %+v, %v", ended, err)
		}
		b.stayed(t, shop.address)
	})
}

// A gift leaves with one of the member's orders, and is on their page.
func TestConsoleOfGifts(t *testing.T) {
	shop := open(t)
	_, addresses := shop.batch(t, "赠品卡", map[string]any{"count": 4, "arms": []map[string]any{
		{"name": "a", "form": "reveal", "weight": 1, "prizes": []map[string]any{{"kind": "gift", "value": "试用装一份", "quantity": 4, "worth": 990}}},
	}})
	for i, address := range addresses {
		_, code, _ := strings.Cut(address, "/C/")
		// The first of them belong to members of the demo brand, who have orders.
		shop.call(t, "", "/C/"+code+"/redemption", map[string]any{"identity": map[string]string{"kind": "openid", "channel": "wechat", "value": fmt.Sprintf("demo-openid-%d", i)}})
	}
	for name, phone := range map[string]bool{"desk": false, "phone": true} {
		t.Run(name, func(t *testing.T) {
			b := newTab(t, phone)
			b.signedIn(t, shop, "/console/gifts")
			b.do(t, "the gifts", chromedp.WaitVisible("#gifts-table button"))
			b.fits(t, "the gifts")
			b.shoot(t, "console-"+name+"-gifts")
			before := ask(t, b, chromedp.Evaluate[int](`document.querySelectorAll('#gifts-table tbody tr').length`))
			b.do(t, "shipping one", chromedp.Click("#gifts-table tbody tr button"), chromedp.WaitVisible("#ship-choice"))
			b.fits(t, "the question")
			b.shoot(t, "console-"+name+"-ship")
			b.do(t, "with the order that is offered", chromedp.Click("#ship-yes"),
				chromedp.WaitVisible(fmt.Sprintf(`//*[@id="gifts-table"]//tbody[count(tr) = %d]`, before-1)))
			b.do(t, "what has left", chromedp.Click("#gift-states-shipped"), chromedp.WaitVisible(`//*[@id="gifts-table"]//small[contains(text(), "admin")]`))
			if text := ask(t, b, chromedp.Text("#gifts-table")); !strings.Contains(text, "DEMO-") {
				t.Errorf("it left with %s", text)
			}
			b.fits(t, "what has left")
			b.shoot(t, "console-"+name+"-shipped")
			b.do(t, "whose it is", chromedp.Click("#gifts-table a"), chromedp.WaitVisible(`//*[@id="member-gifts-table"]//*[contains(text(), "试用装一份")]`))
			b.stayed(t, shop.address)
		})
	}
}

// The published rules lead to the winners of what is worth more than ¥500, on a
// phone, in little.
func TestThePublishedWinners(t *testing.T) {
	shop := open(t)
	id, addresses := shop.batch(t, "新年包裹卡", map[string]any{"count": 3, "arms": []map[string]any{
		{"name": "a", "form": "reveal", "weight": 1, "prizes": []map[string]any{{"kind": "gift", "value": "空气净化器", "quantity": 3, "worth": 129900}}},
	}})
	shop.call(t, shop.token, "/v1/members", map[string]any{
		"identities": []map[string]string{{"kind": "openid", "channel": "wechat", "value": "e2e-winner"}, {"kind": "phone", "value": "13800001234"}}, "consents": []string{"marketing"},
	})
	for i, who := range []map[string]string{{"kind": "openid", "channel": "wechat", "value": "e2e-winner"}, {"kind": "phone", "value": "13800005678"}} {
		_, code, _ := strings.Cut(addresses[i], "/C/")
		shop.call(t, "", "/C/"+code+"/redemption", map[string]any{"identity": who})
	}
	b := newTab(t, true)
	b.do(t, "opening the rules", chromedp.Navigate(shop.address+"/v1/card-batches/"+id+"/rules"), chromedp.WaitVisible("#winners"))
	b.fits(t, "the rules")
	b.do(t, "opening the winners", chromedp.Click("#winners"), chromedp.WaitVisible("#list"))
	text := ask(t, b, chromedp.Text("main"))
	for _, want := range []string{"空气净化器", "*******1234", "待核实身份"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
	if strings.Contains(text, "5678") {
		t.Error("who proved nothing is named")
	}
	b.fits(t, "the winners")
	b.shoot(t, "winners-phone")
	b.stayed(t, shop.address)
	if b.weight > 60_000 {
		t.Errorf("two pages weigh %.0f bytes", b.weight)
	}
}
