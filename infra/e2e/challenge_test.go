//go:build e2e

package e2e

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/huitou/huitou/shared/cards"
)

// While many wrong codes are typed, the page of a code that was typed works for
// some seconds and goes on by itself to the form, which is answered.
func TestATypedCodeWorksThroughAFlood(t *testing.T) {
	shop := open(t)
	var document map[string]any
	if err := json.Unmarshal(shop.call(t, shop.token, "/v1/program", nil), &document); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"version", "versions", "effective_at"} {
		delete(document, name)
	}
	document["cards"].(map[string]any)["throttle"].(map[string]any)["guesses_global_minute"] = 8
	raw, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	shop.send(t, http.MethodPut, shop.token, "/v1/program", raw)
	id, _ := shop.batch(t, "e2e.typed", map[string]any{"count": 2, "arms": []map[string]any{{
		"name": "plain", "form": "plain", "weight": 1, "prizes": []map[string]any{{"kind": "points", "value": 777, "quantity": 2}},
	}}})
	rows, err := csv.NewReader(bytes.NewReader(shop.call(t, shop.token, "/v1/card-batches/"+id+"/cards.csv", nil))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	typed := rows[1][slices.Index(rows[0], "code")]

	still, b := newTab(t, true), newTab(t, true)
	shop.flood(t, typed)
	// chromedp.Navigate would wait until the page has gone on.
	typing := command(page.Navigate, page.NavigateParams{URL: shop.address + "/c/" + typed})
	still.do(t, "typing the code without scripts", command(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}),
		typing, chromedp.WaitVisible("#challenge"))
	still.fits(t, "the challenge")
	still.shoot(t, "view-challenge")

	began := time.Now()
	b.do(t, "typing the code", typing, chromedp.WaitVisible("#phone"))
	t.Logf("the challenge takes %v", time.Since(began).Round(time.Millisecond))
	if !ask(t, b, chromedp.Evaluate[bool](`location.search.includes('challenge=')`)) {
		t.Error("no answer was asked for")
	}
	b.fillByTouch(t)
	b.opened(t)
	b.stayedButFor(t, shop.address, "429")
}

// flood types wrong codes at the beginning of a minute until one is refused
// unread, as all are then for the rest of it.
func (b brand) flood(t *testing.T, good string) {
	t.Helper()
	b.call(t, "", "/_local/clock", map[string]any{"now": time.Now().Truncate(time.Minute).Add(time.Minute)})
	wrong := []byte(strings.ReplaceAll(good, "-", ""))
	wrong[10] = map[bool]byte{true: '1', false: '0'}[wrong[10] == '0']
	for _, letter := range []byte(cards.Alphabet) {
		if wrong[15] = letter; cards.Guessable(string(wrong)) {
			break
		}
	}
	for range 60 {
		response, err := http.Get(b.address + "/c/" + string(wrong))
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode == http.StatusTooManyRequests {
			return
		}
	}
	t.Fatal("sixty wrong codes are no flood")
}
