//go:build e2e

package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

const orderNumber = "2156000000000000001"

// claimByTouch fills the form for the order with a finger. A choice in a list
// of the system's own is set.
func (b *tab) claimByTouch(t *testing.T, proof string) {
	t.Helper()
	b.do(t, "choosing the shop", chromedp.ScrollIntoView("#claim-shop"), chromedp.SetValue("#claim-shop", "tmall/flagship"))
	for _, field := range [][2]string{{"claim-order", orderNumber}, {"claim-proof", proof}} {
		b.do(t, "touching the field", chromedp.ScrollIntoView("#"+field[0]), chromedp.Tap("#"+field[0]))
		b.overwrite(t, field[0], field[1])
	}
	b.do(t, "sending", chromedp.ScrollIntoView("#claim-submit"), chromedp.Tap("#claim-submit"), chromedp.WaitVisible("body.view-claimed"))
}

func (b *tab) claimByKeyboard(t *testing.T, proof string) {
	t.Helper()
	ask(t, b, chromedp.Evaluate[bool](`document.activeElement.blur(), true`))
	b.tabTo(t, "claim-shop")
	b.do(t, "choosing the shop", chromedp.KeyEvent("天"))
	if chosen := ask(t, b, chromedp.Evaluate[string](`document.getElementById('claim-shop').value`)); chosen != "tmall/flagship" {
		t.Fatalf("the keyboard chose %q", chosen)
	}
	for _, field := range [][2]string{{"claim-order", orderNumber}, {"claim-proof", proof}} {
		b.tabTo(t, field[0])
		b.overwrite(t, field[0], field[1])
	}
	b.tabTo(t, "claim-submit")
	b.do(t, "sending", chromedp.KeyEvent("\r"), chromedp.WaitVisible("body.view-claimed"))
}

// overwrite types into the field that has the focus.
func (b *tab) overwrite(t *testing.T, id, text string) {
	t.Helper()
	ask(t, b, chromedp.Evaluate[bool](fmt.Sprintf(`document.getElementById(%q).select(), true`, id)))
	b.do(t, "typing", chromedp.KeyEvent(text))
}

// The order is claimed below the prize, by touch, by keyboard and without
// JavaScript; what is wrong is said beside its field and keeps what was right.
func TestTheOrderIsClaimedOnThePage(t *testing.T) {
	shop := open(t)
	shop.dress(t)
	addresses := shop.cards(t, "plain", len(ways))
	for i, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			claim := (*tab).claimByTouch
			if strings.HasPrefix(way.name, "keyboard") {
				claim = (*tab).claimByKeyboard
			}
			b := newTab(t, true)
			if !way.script {
				b.do(t, "switching scripts off", command(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}))
			}
			b.scan(t, addresses[i])
			way.fill(b, t)
			b.opened(t)
			picture := "claim-" + strings.NewReplacer(",", "", " ", "-").Replace(way.name)
			b.do(t, "looking at the form", chromedp.ScrollIntoView("#claim-title"))
			b.shoot(t, picture+"-form")
			b.weigh(t, "the prize")

			claim(b, t, "t**9") // a name that the platform masked
			b.do(t, "being told what is wrong", chromedp.WaitVisible("#claim-proof-error"))
			b.fits(t, "the wrong claim")
			b.shoot(t, picture+"-wrong")
			b.weigh(t, "the wrong claim")
			if kept := ask(t, b, chromedp.Evaluate[string](`document.getElementById('claim-shop').value + ' ' + document.getElementById('claim-order').value`)); kept != "tmall/flagship "+orderNumber {
				t.Errorf("what was right is %q now", kept)
			}
			if focus := ask(t, b, chromedp.Evaluate[string](`document.activeElement.id`)); focus != "claim-proof" {
				t.Errorf("the focus is on %q", focus)
			}

			claim(b, t, "6065")
			b.do(t, "being told that it is taken", chromedp.WaitVisible("#friend"))
			b.fits(t, "the claim")
			b.shoot(t, picture+"-taken")
			if !slices.ContainsFunc(b.read(t), func(h heard) bool { return h.Role == "status" }) {
				t.Error("a screen reader is not told that the claim was taken")
			}
			t.Logf("weight: %-23s %6d bytes", way.name, b.weigh(t, "the claim"))
			b.stayedButFor(t, shop.address, "400")
		})
	}
}
