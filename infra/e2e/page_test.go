//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image/color"
	"image/png"
	"io"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/huitou/huitou/shared/pagestyle"
)

// largestPage bounds what one view of a card's page costs a customer, in bytes
// over the network with headers and everything that it loads.
const largestPage = 60_000

const typedPhone = "13800138000"

// logo is drawn and lettered like a brand's: an arrow that comes back.
const logo = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 132 32" width="132" height="32">` +
	`<path d="M22 8H12a8 8 0 0 0 0 16h14" fill="none" stroke="#0b6e4f" stroke-width="4" stroke-linecap="round"/><path d="m18 2 7 6-7 6z" fill="#0b6e4f"/>` +
	`<text x="38" y="23" font-family="Noto Sans CJK SC,PingFang SC,sans-serif" font-size="20" font-weight="700" letter-spacing="2" fill="#123">青禾牧场</text></svg>`

// dress gives the brand all that a card's page can show of it.
func (b brand) dress(t *testing.T) {
	t.Helper()
	var document map[string]any
	if err := json.Unmarshal(b.call(t, b.token, "/v1/program", nil), &document); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"version", "versions", "effective_at"} {
		delete(document, name)
	}
	own := document["brand"].(map[string]any)
	for name, value := range map[string]any{
		"name": "青禾牧场", "name_en": "Qinghe Farm", "colour": "#0b6e4f", "contact": "微信客服：青禾牧场；电话：400-000-0000",
		"logo":        "data:image/svg+xml;base64," + base64.StdEncoding.EncodeToString([]byte(logo)),
		"friend_link": "https://work.weixin.qq.com/ca/cawcde0123456789", "claim_link": "https://m.example.com/orders",
		"card_texts": map[string]any{"zh-CN": map[string]string{"thanks": "一杯好奶，谢谢您把它带回家。"}},
	} {
		own[name] = value
	}
	raw, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	b.send(t, http.MethodPut, b.token, "/v1/program", raw)
}

// pageOf is a card's page as the network brings it to a Chinese browser.
func (b brand) pageOf(t *testing.T, address string) string {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept-Language", "zh-CN")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	raw, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %v", address, response.StatusCode, err)
	}
	return string(raw)
}

// The two prizes that half of each batch's cards give.
const points, gift = "777", "试用装一份"

// cards makes a batch of one form with two prizes, and gives the addresses
// behind its QR codes. All have the same page to the letter.
func (b brand) cards(t *testing.T, form string, count int) (addresses []string) {
	t.Helper()
	_, addresses = b.batch(t, "e2e."+form, map[string]any{
		"count": count,
		"arms": []map[string]any{{"name": form, "form": form, "weight": 1, "prizes": []map[string]any{
			{"kind": "points", "value": 777, "quantity": count / 2}, {"kind": "gift", "value": gift, "quantity": count - count/2},
		}}},
	})
	first := b.pageOf(t, addresses[0])
	for _, address := range addresses[1:] {
		if b.pageOf(t, address) != first {
			t.Errorf("%s: the page of one card differs from that of another before the draw", form)
		}
	}
	return addresses
}

// scan opens a card's page, which knows no prize.
func (b *tab) scan(t *testing.T, address string) {
	t.Helper()
	b.do(t, "scanning", chromedp.Navigate(address), chromedp.WaitVisible("#phone"))
	if ask(t, b, chromedp.Evaluate[bool](`!!document.querySelector('#prize, #stage, #after')`)) {
		t.Error("the page shows a prize before it is drawn")
	}
}

// opened demands that the prize is told to eyes and ears, and returns it.
func (b *tab) opened(t *testing.T) (prize string) {
	t.Helper()
	b.do(t, "waiting for the prize", chromedp.WaitVisible("#after"), chromedp.WaitVisible("#prize"))
	text := ask(t, b, chromedp.Text("#prize"))
	switch {
	case strings.Contains(text, points):
		prize = points
	case strings.Contains(text, gift):
		prize = gift
	default:
		t.Fatalf("the prize says %q", text)
	}
	for ask(t, b, chromedp.Evaluate[int](`document.getAnimations().length`)) > 0 { // the cover goes away
	}
	if !b.spoken(t, prize) {
		t.Errorf("a screen reader is not told of %s", prize)
	}
	return prize
}

// spoken tells whether a screen reader comes upon the text in the stage or is
// told it; the list of all prizes does not count.
func (b *tab) spoken(t *testing.T, text string) bool {
	t.Helper()
	return ask(t, b, chromedp.Evaluate[bool](fmt.Sprintf(
		`(document.getElementById('prize').textContent.includes(%[1]q) && !document.getElementById('prize').closest('[aria-hidden=true]')) || document.getElementById('announce').textContent.includes(%[1]q)`, text)))
}

// weigh is what the network brought since it was asked last.
func (b *tab) weigh(t *testing.T, what string) int {
	t.Helper()
	if state := ask(t, b, chromedp.Evaluate[string](`document.readyState`)); state != "complete" {
		t.Errorf("%s is weighed while it is %s", what, state)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	weight := int(b.weight)
	b.weight = 0
	if weight == 0 || weight > largestPage {
		t.Errorf("%s weighs %d bytes, at most %d are allowed", what, weight, largestPage)
	}
	return weight
}

// way is how somebody gets from the form to the prize.
type way struct {
	name   string
	script bool
	fill   func(*tab, *testing.T)
	open   func(*tab, *testing.T, string) // scratches, or opens the lid
}

var ways = []way{
	{"touch", true, (*tab).fillByTouch, (*tab).openByTouch},
	{"keyboard", true, (*tab).fillByKeyboard, (*tab).openByKeyboard},
	{"touch, no JavaScript", false, (*tab).fillByTouch, nil},
	{"keyboard, no JavaScript", false, (*tab).fillByKeyboard, nil},
}

func (b *tab) fillByTouch(t *testing.T) {
	t.Helper()
	b.do(t, "filling in",
		chromedp.Tap("#phone"), chromedp.KeyEvent(typedPhone), chromedp.ScrollIntoView("#consent-membership"), chromedp.Tap("#consent-membership"),
		chromedp.ScrollIntoView("#submit"), chromedp.Tap("#submit"), chromedp.WaitVisible("#stage"))
}

func (b *tab) openByTouch(t *testing.T, form string) {
	t.Helper()
	switch form {
	case "scratch":
		b.rub(t)
	case "reveal":
		b.do(t, "opening", chromedp.Tap("#lid"))
	}
}

func (b *tab) fillByKeyboard(t *testing.T) {
	t.Helper()
	b.tabTo(t, "phone")
	b.do(t, "typing", chromedp.KeyEvent(typedPhone))
	b.tabTo(t, "consent-membership")
	b.do(t, "agreeing", chromedp.KeyEvent(" "))
	b.tabTo(t, "submit")
	b.do(t, "sending", chromedp.KeyEvent("\r"), chromedp.WaitVisible("#stage"))
}

func (b *tab) openByKeyboard(t *testing.T, form string) {
	t.Helper()
	opener, ok := map[string]string{"scratch": "show", "reveal": "lid"}[form]
	if !ok {
		return
	}
	b.tabTo(t, opener)
	b.do(t, "opening", chromedp.KeyEvent("\r"))
	if focus := ask(t, b, chromedp.Evaluate[string](`document.activeElement.id`)); focus != "title" {
		t.Errorf("with the prize open, the focus is on %q and not on the heading", focus)
	}
}

// Each form, each way, on a phone: from the scan to the prize, with every
// request of every page inside the origin.
func TestScanToPrize(t *testing.T) {
	shop := open(t)
	shop.dress(t)
	for _, form := range []string{"scratch", "reveal", "plain"} {
		t.Run(form, func(t *testing.T) {
			addresses := shop.cards(t, form, len(ways))
			drawn := map[string]int{}
			for i, way := range ways {
				t.Run(way.name, func(t *testing.T) {
					b := newTab(t, true)
					if !way.script {
						b.do(t, "switching scripts off", command(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}))
					}
					b.scan(t, addresses[i])
					if got := ask(t, b, chromedp.Evaluate[bool](`document.documentElement.className === 'js'`)); got != way.script {
						t.Fatalf("the page's script ran: %v", got)
					}
					b.fits(t, "the form")
					picture := form + "-" + strings.NewReplacer(",", "", " ", "-").Replace(way.name)
					b.shoot(t, picture+"-form")
					formWeight := b.weigh(t, "the form")
					way.fill(b, t)
					if closed := way.script && form != "plain"; closed {
						b.shoot(t, picture+"-closed")
						if b.spoken(t, points) || b.spoken(t, gift) || ask(t, b, chromedp.Evaluate[bool](`!document.getElementById('after').hidden`)) {
							t.Error("the prize is told before it is opened")
						}
						way.open(b, t, form)
					}
					prizeWeight := b.weigh(t, "the prize")
					drawn[b.opened(t)]++
					b.fits(t, "the prize")
					b.shoot(t, picture+"-prize")
					b.stayed(t, shop.address)
					b.mu.Lock()
					defer b.mu.Unlock()
					t.Logf("weight: %-7s by %-23s form %6d bytes, prize %6d bytes, %d requests", form, way.name, formWeight, prizeWeight, len(b.requests))
				})
			}
			if drawn[points] != len(ways)/2 || drawn[gift] != len(ways)-len(ways)/2 {
				t.Errorf("the cards gave %v", drawn)
			}
		})
	}
}

// A fault is said beside the field, in every view nothing leaves the
// origin, and each view has its weight.
func TestTheOtherViewsOfACard(t *testing.T) {
	shop := open(t)
	shop.dress(t)
	address := shop.cards(t, "scratch", 2)[0]
	b := newTab(t, true)
	b.do(t, "switching scripts off", command(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}))
	show := func(view string) {
		t.Helper()
		b.fits(t, view)
		b.shoot(t, "view-"+view)
		t.Logf("weight: %-12s %6d bytes", view, b.weigh(t, view))
	}
	b.scan(t, address)
	b.weigh(t, "the form")
	b.do(t, "sending nothing", chromedp.ScrollIntoView("#submit"), chromedp.Tap("#submit"), chromedp.WaitVisible("#phone-error"), chromedp.WaitVisible("#consent-error"))
	show("incomplete")
	b.do(t, "in English", chromedp.Navigate(address+"?lang=en"), chromedp.WaitVisible("#phone"))
	show("english")
	b.fillByTouch(t)
	show("english-prize")
	b.do(t, "scanning again", chromedp.Navigate(address), chromedp.WaitVisible("details.again"))
	show("taken")
	b.do(t, "opting out", chromedp.ScrollIntoView("#optout"), chromedp.Tap("#optout summary"), chromedp.ScrollIntoView("#withdraw-submit"),
		chromedp.Tap("#withdraw-phone"), chromedp.KeyEvent(typedPhone))
	b.shootWhole(t, "view-opt-out")
	b.do(t, "withdrawing", chromedp.ScrollIntoView("#withdraw-submit"), chromedp.Tap("#withdraw-submit"), chromedp.WaitVisible("body.view-withdrawn"))
	show("withdrawn")
	b.do(t, "a code that is none", chromedp.Navigate(shop.address+"/c/0000000000000000"), chromedp.WaitVisible("body.view-missing"))
	show("missing")
	b.stayedButFor(t, shop.address, "400", "404")
}

// heard is one thing that a screen reader comes upon.
type heard struct {
	Role, Name string
	Focusable  bool
}

// read reads the page as a screen reader does.
func (b *tab) read(t *testing.T) (things []heard) {
	t.Helper()
	var tree accessibility.GetFullAXTreeResult
	b.do(t, "reading the page aloud", chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		var err error
		tree, err = cdp.Call(ctx, target, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{})
		return err
	}))
	text := func(value *accessibility.Value) string {
		if value == nil {
			return ""
		}
		return strings.Trim(string(value.Value), `"`)
	}
	for _, node := range tree.Nodes {
		if node.Ignored {
			continue
		}
		thing := heard{Role: text(node.Role), Name: text(node.Name)}
		for _, property := range node.Properties {
			if property.Name == accessibility.PropertyNameFocusable {
				thing.Focusable = text(property.Value) == "true"
			}
		}
		things = append(things, thing)
	}
	return things
}

// The page by ear and by keyboard alone: landmarks, one heading above all,
// a name for everything that can be reached, in the order of the page.
func TestThePageForAScreenReader(t *testing.T) {
	shop := open(t)
	shop.dress(t)
	b := newTab(t, true)
	b.scan(t, shop.cards(t, "scratch", 2)[0])
	check := func(view string, roles ...string) {
		t.Helper()
		things := b.read(t)
		counts := map[string]int{}
		for _, thing := range things {
			counts[thing.Role]++
			if thing.Focusable && thing.Role != "RootWebArea" && thing.Name == "" {
				t.Errorf("%s: a %s without a name", view, thing.Role)
			}
			if thing.Role == "image" && thing.Name == "" {
				t.Errorf("%s: an image without a name", view)
			}
		}
		for _, role := range append(roles, "banner", "main", "contentinfo", "heading", "link") {
			if counts[role] == 0 {
				t.Errorf("%s: there is no %s; there are %v", view, role, counts)
			}
		}
		if small := ask(t, b, chromedp.Evaluate[[]string](`[...document.querySelectorAll('a, button, summary, select, .check, .field input')].filter((e) => e.getClientRects().length && e.getBoundingClientRect().height < 43.9).map((e) => e.outerHTML.slice(0, 80))`)); len(small) > 0 {
			t.Errorf("%s: too small for a finger: %q", view, small)
		}
	}
	check("the form", "table", "textbox", "checkbox", "button", "image")
	var order []string
	for range 9 {
		b.do(t, "pressing Tab", chromedp.KeyEvent("\t"))
		order = append(order, ask(t, b, chromedp.Evaluate[string](`document.activeElement.id || document.activeElement.className || document.activeElement.parentNode.id`)))
		if ask(t, b, chromedp.Evaluate[bool](`(() => { const s = getComputedStyle(document.activeElement); return s.outlineStyle === 'none' && s.boxShadow === 'none'; })()`)) {
			t.Errorf("the focus on %s cannot be seen", order[len(order)-1])
		}
	}
	if want := []string{"language", "phone", "consent-membership", "consent-marketing", "consent-personalisation", "submit", "rules-of-card", "rules", "optout"}; !slices.Equal(order, want) {
		t.Errorf("the Tab key goes %v, want %v", order, want)
	}
	b.do(t, "from the start again", chromedp.Reload(), chromedp.WaitVisible("#phone"))
	b.fillByKeyboard(t)
	for _, thing := range b.read(t) {
		if thing.Role == "status" && thing.Name != "" {
			t.Errorf("a closed card announces %q", thing.Name)
		}
	}
	b.openByKeyboard(t, "scratch")
	b.opened(t)
	check("the prize", "status")
	announced := ask(t, b, chromedp.Evaluate[string](`document.querySelector('[role=status][aria-live=polite]').textContent`))
	if !strings.Contains(announced, points) && !strings.Contains(announced, gift) {
		t.Errorf("announced is %q", announced)
	}
	for _, id := range []string{"friend", "claim-shop", "claim-order", "claim-proof", "claim-submit", "claim-link"} {
		b.tabTo(t, id)
	}
	ask(t, b, chromedp.Evaluate[bool](`document.activeElement.blur(), true`))
	b.shootWhole(t, "after-the-prize")
}

// Large letters, no motion, and the colours that a reader chose for themselves.
func TestThePageForTiredEyes(t *testing.T) {
	shop := open(t)
	shop.dress(t)
	addresses := shop.cards(t, "scratch", 2)
	t.Run("twice as large", func(t *testing.T) {
		b := newTab(t, true)
		b.do(t, "zooming", chromedp.EmulateViewport(195, 422, chromedp.EmulateScale(4), chromedp.EmulateMobile, chromedp.EmulateTouch))
		b.scan(t, addresses[0])
		b.fits(t, "the form")
		b.shootWhole(t, "zoom-form")
		b.fillByTouch(t)
		b.do(t, "showing the result", chromedp.ScrollIntoView("#show"), chromedp.Tap("#show"))
		b.opened(t)
		b.fits(t, "the prize")
		b.shootWhole(t, "zoom-prize")
		b.stayed(t, shop.address)
	})
	t.Run("no motion, own colours", func(t *testing.T) {
		b := newTab(t, true)
		b.do(t, "setting", command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
			{Name: "prefers-reduced-motion", Value: "reduce"}, {Name: "forced-colors", Value: "active"},
		}}))
		b.scan(t, addresses[1])
		if width := ask(t, b, chromedp.Evaluate[string](`getComputedStyle(document.getElementById('submit')).borderTopWidth`)); width != "2px" {
			t.Errorf("in forced colours the button has a border of %s", width)
		}
		b.shoot(t, "forced-colours-form")
		b.fillByTouch(t)
		b.do(t, "waiting for the cover", chromedp.WaitVisible("#cover"))
		if duration := ask(t, b, chromedp.Evaluate[string](`getComputedStyle(document.getElementById('cover')).transitionDuration`)); duration != "0s" {
			t.Errorf("the cover moves for %s", duration)
		}
		b.do(t, "showing the result", chromedp.ScrollIntoView("#show"), chromedp.Tap("#show"))
		b.opened(t)
		b.shoot(t, "forced-colours-prize")
		b.stayed(t, shop.address)
	})
}

// shootWhole keeps a picture of the page with what has to be scrolled to.
func (b *tab) shootWhole(t *testing.T, name string) {
	t.Helper()
	b.keep(t, name, ask(t, b, chromedp.FullScreenshot(100)))
}

func contrast(a, b color.Color) float64 {
	luminance := func(c color.Color) float64 {
		r, g, b, _ := c.RGBA()
		linear := func(channel uint32) float64 {
			v := float64(channel) / 0xffff
			if v <= 0.04045 {
				return v / 12.92
			}
			return math.Pow((v+0.055)/1.055, 2.4)
		}
		return 0.2126*linear(r) + 0.7152*linear(g) + 0.0722*linear(b)
	}
	x, y := luminance(a), luminance(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// Every pixel behind the brand's name and the button's words lets them be
// read, whatever colour the brand has.
func TestWhateverColourTheBrandHasItsPageIsReadable(t *testing.T) {
	shop := open(t)
	b := newTab(t, true)
	b.scan(t, shop.cards(t, "scratch", 2)[0])
	for _, colour := range []string{"#b3261e", "#0b6e4f", "#ffcc00", "#767676", "#777777", "#ff5a00", "#000000", "#ffffff", "#00a0e9", "#e60012"} {
		palette := pagestyle.Palette(colour)
		values := strings.Split(strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(palette), ":root{"), "}"), ";")
		var ink string
		for _, value := range values {
			name, value, _ := strings.Cut(value, ":")
			if name == "--ink-on-brand" {
				ink = value
			}
			ask(t, b, chromedp.Evaluate[bool](fmt.Sprintf(`document.documentElement.style.setProperty(%q, %q), true`, name, value)))
		}
		want := color.Color(color.White)
		if ink == "#000000" {
			want = color.Black
		}
		ask(t, b, chromedp.Evaluate[bool](`document.querySelector('.top').style.color = document.getElementById('submit').style.color = 'transparent', true`))
		picture, err := png.Decode(bytes.NewReader(ask(t, b, chromedp.CaptureScreenshot())))
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range []string{".top", "#submit"} {
			box := ask(t, b, chromedp.Evaluate[[]float64](fmt.Sprintf(`(() => { const r = document.querySelector(%q).getBoundingClientRect(); return [r.left, r.top, r.right, r.bottom].map((v) => v * devicePixelRatio); })()`, part)))
			// Where the letters are, not the rounded corners.
			width, height := (box[2]-box[0])/5, (box[3]-box[1])/4
			least := math.Inf(1)
			for y := int(box[1] + height); y < int(box[3]-height); y++ {
				for x := int(box[0] + width); x < int(box[2]-width); x++ {
					least = min(least, contrast(picture.At(x, y), want))
				}
			}
			if !(least >= 4.5 && least < 22) { // nothing seen is infinite
				t.Errorf("%s on %s: a contrast of %.2f", part, colour, least)
			}
		}
		ask(t, b, chromedp.Evaluate[bool](`document.querySelector('.top').style.color = document.getElementById('submit').style.color = '', true`))
		b.shoot(t, "colour-"+colour[1:])
	}
}
