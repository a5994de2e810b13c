//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/huitou/huitou/shared/qr/qrtest"
)

// result is a command whose answer counts.
func result[P, R any](c cdp.Command[P, R], params P) chromedp.Action[R] {
	return func(ctx context.Context, target *chromedp.Target) (R, error) {
		return cdp.Call(ctx, target, c, params)
	}
}

// box is a rectangle in CSS pixels of the whole page.
type box struct{ X, Y, Width, Height float64 }

// where measures every element of the selector.
func (b *tab) where(t *testing.T, selector string) []box {
	t.Helper()
	return ask(t, b, chromedp.Evaluate[[]box](fmt.Sprintf(`[...document.querySelectorAll(%q)].map(e => {
		const r = e.getBoundingClientRect();
		return {X: r.left + scrollX, Y: r.top + scrollY, Width: r.width, Height: r.height};
	})`, selector)))
}

// picture is a part of the page as it is printed, at twice the pixels of CSS:
// 192 a inch.
func (b *tab) picture(t *testing.T, at box) image.Image {
	t.Helper()
	beyond := true
	shot := ask(t, b, result(page.CaptureScreenshot, page.CaptureScreenshotParams{
		CaptureBeyondViewport: &beyond, Clip: &page.Viewport{X: at.X, Y: at.Y, Width: at.Width, Height: at.Height, Scale: 2},
	}))
	img, err := png.Decode(bytes.NewReader(shot.Data))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// The sheet in a real browser is true to the millimetre, fills whole pages of
// A4, loads nothing, and every card on it is scanned back from the picture.
func TestTheSheetPrintsTrueAndIsScannedBack(t *testing.T) {
	const millimetre = 96 / 25.4
	shop := open(t)
	var made struct{ ID string }
	const count = 50
	raw := shop.call(t, shop.token, "/v1/card-batches", map[string]any{
		"name": "印刷", "count": count, "canaries": 2,
		"valid_from": time.Now().Format(time.RFC3339), "valid_to": time.Now().Add(time.Hour).Format(time.RFC3339),
		"arms": []map[string]any{{"name": "a", "form": "plain", "weight": 1, "prizes": []any{}}},
	})
	if err := json.Unmarshal(raw, &made); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(shop.call(t, shop.token, "/v1/card-batches/"+made.ID+"/cards.csv", nil))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		query                string
		width, height, bleed float64
		pages                int
	}{
		{"", 90, 54, 3, 7},
		{"&width=54&height=34&bleed=0", 54, 34, 0, 3},
	} {
		b := newTab(t, false)
		b.do(t, "opening the sheet",
			command(network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{"Authorization": "Bearer " + shop.token}}),
			command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: "print"}),
			chromedp.Navigate(shop.address+"/v1/card-batches/"+made.ID+"/sheet.html?limit=100"+c.query), chromedp.WaitReady("svg.sheet"))
		sheets, grounds, cards := b.where(t, "svg.sheet"), b.where(t, "rect.ground"), b.where(t, "g.card")
		if len(sheets) != c.pages || len(grounds) != count+2 || len(cards) != count+2 {
			t.Fatalf("%d sheets with %d cards", len(sheets), len(grounds))
		}
		for i, sheet := range sheets {
			if math.Abs(sheet.Width/millimetre-210) > 0.05 || math.Abs(sheet.Height/millimetre-297) > 0.05 {
				t.Errorf("sheet %d is %.2f × %.2f mm", i+1, sheet.Width/millimetre, sheet.Height/millimetre)
			}
		}
		for i, ground := range grounds {
			if math.Abs(ground.Width/millimetre-c.width-2*c.bleed) > 0.05 || math.Abs(ground.Height/millimetre-c.height-2*c.bleed) > 0.05 {
				t.Fatalf("card %d with its bleed is %.2f × %.2f mm", i+1, ground.Width/millimetre, ground.Height/millimetre)
			}
			if text, _, err := qrtest.Read(b.picture(t, ground)); text != rows[i+1][1] {
				t.Errorf("card %d says %q, want %s: %v", i+1, text, rows[i+1][1], err)
			}
		}
		// No text runs over the card's edge or into the symbol.
		overruns := ask(t, b, chromedp.Evaluate[[]string](`[...document.querySelectorAll('g.card')].flatMap(card => {
			const symbol = card.querySelector('.symbol').getBoundingClientRect(), ground = card.querySelector('.ground').getBoundingClientRect(), band = card.querySelector('.band').getBoundingClientRect();
			return [...card.querySelectorAll('text')].filter(text => {
				const r = text.getBoundingClientRect();
				return r.left < symbol.right || r.right > ground.right || r.top < ground.top || r.bottom > band.top + 1;
			}).map(text => card.dataset.card + ': ' + text.textContent);
		})`))
		if len(overruns) > 0 {
			t.Errorf("text runs over: %q", overruns)
		}
		b.shootSheet(t, fmt.Sprintf("sheet-%gx%g", c.width, c.height), sheets[0])
		background, css := true, true
		printed := ask(t, b, result(page.PrintToPDF, page.PrintToPDFParams{PrintBackground: &background, PreferCSSPageSize: &css}))
		pages := regexp.MustCompile(`/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]`).FindAllStringSubmatch(string(printed.Data), -1)
		if len(pages) != c.pages {
			t.Errorf("it prints on %d pages, want %d", len(pages), c.pages)
		}
		for _, size := range pages {
			if !strings.HasPrefix(size[1], "595") && !strings.HasPrefix(size[1], "594.9") || !strings.HasPrefix(size[2], "841") && !strings.HasPrefix(size[2], "842") {
				t.Errorf("a page of %s × %s points is not A4", size[1], size[2])
			}
		}
		b.stayed(t, shop.address)
		t.Logf("%d cards of %g × %g mm scanned from the browser's picture of %d sheets", len(grounds), c.width, c.height, len(sheets))
	}
}

func (b *tab) shootSheet(t *testing.T, name string, at box) {
	t.Helper()
	var text bytes.Buffer
	if err := png.Encode(&text, b.picture(t, at)); err != nil {
		t.Fatal(err)
	}
	b.keep(t, name, text.Bytes())
}
