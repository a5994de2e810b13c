package operate_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/coupons"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
)

// hands are an integration and two shopkeepers.
func (b *brand) hands() (integration, li, wang string) {
	b.t.Helper()
	token := func(name, role string) string {
		_, answer := b.post("/v1/operators", "hand-"+name, fmt.Sprintf(`{"name":%q,"role":%q}`, name, role))
		return field(b.t, answer, "token")
	}
	return token("erp", "integration"), token("li", "operator"), token("wang", "operator")
}

// packets puts so many payouts; the first asked of them were asked for an hour
// ago.
func (b *brand) packets(n, asked int) {
	b.t.Helper()
	for card := range n {
		payout, err := cards.RequestPayout(cards.Code{KeyID: 'K', Batch: 1, Card: card}, cards.Award{Kind: cards.PrizeRedPacket, Amount: 188}, "m-1",
			loyalty.Identity{Kind: loyalty.IdentityOpenID, Channel: "wx-app", Value: "openid-canary"}, now.Add(-time.Hour))
		if err != nil {
			b.t.Fatal(err)
		}
		if card < asked {
			payout = payout.Ask(now.Add(-time.Hour))
		}
		if err := b.engine.Write(b.t.Context(), store.PutPayout(payout)); err != nil {
			b.t.Fatal(err)
		}
	}
}

func bill(card int) string { return fmt.Sprintf("/v1/payouts/HTK00001%07d", card) }

func TestPayoutsAreListedByTheirState(t *testing.T) {
	b := open(t)
	b.packets(25, 10)
	for state, want := range map[string]int{"requested": 15, "paying": 10, "paid": 0, "failed_final": 0} {
		seen, cursor := map[string]bool{}, ""
		for {
			status, answer, _ := b.call(request{method: "GET", path: "/v1/payouts?limit=4&state=" + state + "&cursor=" + cursor, token: adminToken})
			var page struct {
				Items []struct{ Bill, State string }
				Next  string `json:"next_cursor"`
			}
			if err := json.Unmarshal([]byte(answer), &page); err != nil || status != http.StatusOK || len(page.Items) > 4 {
				t.Fatalf("%d %s", status, answer)
			}
			if strings.Contains(answer, "openid-canary") {
				t.Fatal("an openid is shown")
			}
			for _, item := range page.Items {
				if item.State != state || seen[item.Bill] {
					t.Errorf("%s lists %+v", state, item)
				}
				seen[item.Bill] = true
			}
			if cursor = page.Next; cursor == "" {
				break
			}
		}
		if len(seen) != want {
			t.Errorf("%s: %d, want %d", state, len(seen), want)
		}
	}
	for _, cursor := range []string{"x", "9.", "-1.", "1"} {
		status, answer, _ := b.call(request{method: "GET", path: "/v1/payouts?cursor=" + cursor, token: adminToken})
		if known := cursor == "1"; (status == http.StatusOK) != known {
			t.Errorf("cursor %q: %d %s", cursor, status, answer)
		}
	}
}

func TestThePayersWordComesBack(t *testing.T) {
	b := open(t)
	b.packets(3, 2)
	integration, li, _ := b.hands()
	say := func(card int, token, body string) (int, string) {
		status, answer, _ := b.call(request{method: "POST", path: bill(card) + "/result", token: token, key: fmt.Sprint("say-", card, body, token[:4]), body: body})
		return status, answer
	}
	paid := `{"state":"paid","amount":188,"reference":"wx-1"}`
	for name, test := range map[string]struct {
		card        int
		token, body string
		status      int
	}{
		"an operator":           {0, li, paid, 403},
		"in yuan":               {0, integration, `{"state":"paid","amount":1,"reference":"wx-1"}`, 400},
		"a hundred times":       {0, integration, `{"state":"paid","amount":18800,"reference":"wx-1"}`, 400},
		"above any packet":      {0, integration, `{"state":"paid","amount":20001,"reference":"wx-1"}`, 400},
		"negative":              {0, integration, `{"state":"failed","amount":-188,"code":"RETURNED"}`, 400},
		"without evidence":      {0, integration, `{"state":"failed","amount":188}`, 400},
		"nobody was asked":      {2, integration, paid, 409},
		"of an unknown bill":    {9, integration, paid, 404},
		"of another member too": {0, integration, `{"state":"paid","amount":188,"reference":"wx-1","member_id":"m-2"}`, 400},
	} {
		before := b.snapshot(t)
		if status, answer := say(test.card, test.token, test.body); status != test.status {
			t.Errorf("%s: %d %s", name, status, answer)
		}
		if after := b.snapshot(t); name != "nobody was asked" && name != "of an unknown bill" && name != "a hundred times" && name != "without evidence" && after != before {
			t.Errorf("%s: the refusal wrote", name)
		}
	}
	if status, answer := say(0, integration, `{"state":"accepted","amount":188}`); status != 200 || field(t, answer, "state") != "paying" {
		t.Fatalf("%d %s", status, answer)
	}
	for range 2 {
		if status, answer := say(0, integration, paid); status != 200 || field(t, answer, "state") != "paid" {
			t.Fatalf("%d %s", status, answer)
		}
	}
	if status, answer := say(0, integration, `{"state":"failed","amount":188,"code":"RETURNED"}`); status != 409 || !strings.Contains(answer, "payout_settled") {
		t.Errorf("against what is settled: %d %s", status, answer)
	}
	_, answer, _ := b.call(request{method: "GET", path: bill(0), token: integration})
	if !strings.Contains(answer, `{"state":"paid","at":"`) || !strings.Contains(answer, `"by":"erp","reference":"wx-1"`) || strings.Count(answer, `"by":"erp"`) != 1 {
		t.Error(answer)
	}
	payout, err := b.function.Store.Payout(t.Context(), cards.Code{KeyID: 'K', Batch: 1, Card: 0})
	if err != nil || payout.Recipient != (loyalty.Identity{}) {
		t.Errorf("who was paid is still named: %+v, %v", payout.Recipient, err)
	}
	if status, _, _ := b.call(request{method: "GET", path: "/v1/payouts/nonsense", token: integration}); status != 404 {
		t.Errorf("what is no bill: %d", status)
	}
}

// A word to the payer costs no second bill: it goes out at once, and not while
// its answer may be on its way.
func TestThePayerIsAskedAtOnce(t *testing.T) {
	b := open(t)
	b.packets(2, 2)
	integration, li, _ := b.hands()
	code := cards.Code{KeyID: 'K', Batch: 1}
	asked := func(at time.Time) {
		t.Helper()
		if _, err := b.function.Store.ChangePayout(t.Context(), code, func(p cards.Payout) (cards.Payout, error) { return p.Ask(at), nil }); err != nil {
			t.Fatal(err)
		}
	}
	asked(now.Add(-5 * time.Minute))
	asks := 0
	ask := func(card int, token string) (int, string) {
		asks++
		status, answer, _ := b.call(request{method: "POST", path: bill(card) + "/ask", token: token, key: fmt.Sprint("ask-", asks)})
		return status, answer
	}
	if status, answer := ask(0, li); status != http.StatusOK || field(t, answer, "next_ask") != now.Format(time.RFC3339) || field(t, answer, "asked") != "2" {
		t.Errorf("%d %s", status, answer)
	}
	if want := `{"type":"payout.due","bill":"HTK000010000000"}`; len(b.payouts.bodies) != 1 || b.payouts.bodies[0] != want {
		t.Errorf("sent %q, want %s", b.payouts.bodies, want)
	}
	asked(now)
	before := b.snapshot(t)
	for name, test := range map[string]struct {
		card   int
		token  string
		status int
	}{"in flight": {0, li, 409}, "an integration": {1, integration, 403}, "an unknown bill": {9, li, 404}} {
		if status, answer := ask(test.card, test.token); status != test.status {
			t.Errorf("%s: %d %s", name, status, answer)
		}
	}
	if len(b.payouts.bodies) != 1 || b.snapshot(t) != before {
		t.Errorf("a refusal did something; sent %q", b.payouts.bodies)
	}
}

func TestTwoOperatorsEndAPayout(t *testing.T) {
	b := open(t)
	b.packets(1, 1)
	integration, li, wang := b.hands()
	calls := 0
	do := func(method, token, body string) (int, string) {
		calls++
		status, answer, _ := b.call(request{method: method, path: bill(0) + "/resolution", token: token, key: fmt.Sprint("do-", calls), body: body})
		return status, answer
	}
	failed := `{"state":"failed_final","reason":"the account was closed"}`
	if status, _ := do("POST", integration, failed); status != 403 {
		t.Errorf("an integration resolves: %d", status)
	}
	for range 2 {
		if status, answer := do("POST", li, failed); status != 202 || field(t, answer, "state") != "paying" || !strings.Contains(answer, `"operator":"li"`) {
			t.Fatalf("the first: %d %s", status, answer)
		}
	}
	if status, answer := do("POST", wang, `{"state":"paid","reference":"by hand","reason":"paid it myself"}`); status != 409 || !strings.Contains(answer, "resolution_differs") {
		t.Errorf("something else: %d %s", status, answer)
	}
	if status, answer := do("DELETE", wang, ""); status != 200 || strings.Contains(answer, "proposed") {
		t.Errorf("withdrawn: %d %s", status, answer)
	}
	paid := `{"state":"paid","reference":"by hand","reason":"paid it myself"}`
	if status, _ := do("POST", wang, paid); status != 202 {
		t.Errorf("proposed: %d", status)
	}
	if status, answer := do("POST", li, paid); status != 200 || field(t, answer, "state") != "paid" || !strings.Contains(answer, `"by":"wang","approved":"li","reference":"by hand","reason":"paid it myself"`) {
		t.Errorf("the second: %d %s", status, answer)
	}
	if status, answer := do("POST", li, failed); status != 409 || !strings.Contains(answer, "payout_settled") {
		t.Errorf("against the end: %d %s", status, answer)
	}
}

func TestAGiftIsShippedOnce(t *testing.T) {
	b := open(t)
	integration, li, _ := b.hands()
	_, joined := b.post("/v1/members", "gift-member", `{"identities":[{"kind":"buyer","channel":"tmall","value":"b-1"}]}`)
	member := field(t, joined, "member_id")
	gift := cards.WinGift(cards.Code{KeyID: 'K', Batch: 1, Card: 6}, cards.Award{Kind: cards.PrizeGift, Text: "试用装一份"}, loyalty.MemberID(member), now)
	if err := b.engine.Write(t.Context(), store.PutGift(gift)); err != nil {
		t.Fatal(err)
	}
	list := func(path string) string {
		status, answer, _ := b.call(request{method: "GET", path: path, token: integration})
		if status != 200 {
			t.Fatalf("%s: %d %s", path, status, answer)
		}
		return answer
	}
	for _, path := range []string{"/v1/gifts", "/v1/gifts?state=pending", "/v1/members/" + member + "/gifts"} {
		if got := list(path); !strings.Contains(got, `"text":"试用装一份","state":"pending"`) || !strings.Contains(got, member) {
			t.Errorf("%s: %s", path, got)
		}
	}
	ship := func(token, key, gift, order string) (int, string) {
		status, answer, _ := b.call(request{
			method: "POST", path: "/v1/members/" + member + "/gifts/" + gift + "/shipment", token: token, key: key,
			body: fmt.Sprintf(`{"order":{"channel":"tmall","shop":"flagship","order_id":%q}}`, order),
		})
		return status, answer
	}
	for _, key := range []string{"ship-1", "ship-2"} {
		if status, answer := ship(integration, key, gift.ID, "o-1"); status != 200 || field(t, answer, "shipped_by") != "erp" {
			t.Errorf("%d %s", status, answer)
		}
	}
	if status, answer := ship(li, "ship-3", gift.ID, "o-2"); status != 409 || !strings.Contains(answer, "gift_shipped") {
		t.Errorf("packed twice: %d %s", status, answer)
	}
	if status, _ := ship(li, "ship-4", "K-00001-0000007", "o-2"); status != 404 {
		t.Errorf("an unknown gift: %d", status)
	}
	if got := list("/v1/gifts?state=pending"); strings.Contains(got, member) {
		t.Errorf("still pending: %s", got)
	}
	if got := list("/v1/gifts?state=shipped"); !strings.Contains(got, `"order":{"channel":"tmall","shop":"flagship","order_id":"o-1"}`) {
		t.Errorf("shipped: %s", got)
	}
}

const lawful = `{"name":"双十一包裹卡","count":1000,"arms":[
{"name":"a","form":"scratch","weight":1,"prizes":[{"kind":"coupon","value":"welcome","quantity":10},{"kind":"gift","value":"空气净化器","quantity":1,"worth":50001},{"kind":"gift","value":"试用装","quantity":10},{"kind":"gift","value":"五百元礼盒","quantity":1,"worth":50000},{"kind":"red_packet","value":20000,"quantity":1}]}],
"valid_from":"2026-11-01T00:00:00+08:00","valid_to":"2027-02-01T00:00:00+08:00"}`

// From the first of two agreements on the rules are a document that no call
// changes: not the coupon's template, not the program, not the end of the batch.
func TestPublishedRulesAreFrozen(t *testing.T) {
	b := open(t)
	const template = "/v1/coupon-templates/welcome"
	if status, answer := b.put(template, `{"name":"新人券","threshold":10000,"discount":2050,"validity":{"months":3}}`); status != http.StatusOK {
		t.Fatalf("%d %s", status, answer)
	}
	id := b.publicBatch(lawful, 1)
	read := func() (document, page string) {
		_, document, _ = b.browse(rulesPath(id), "Accept", "application/json")
		_, page, _ = b.browse(rulesPath(id))
		return document, page
	}
	first, page := read()
	for _, want := range []string{`"coupon":{"template":"welcome","name":"新人券","threshold":10000,"discount":2050,"months":3}`, `"worth":50001,"announce":true`, `"digest":"`} {
		if !strings.Contains(first, want) {
			t.Errorf("the document lacks %s: %s", want, first)
		}
	}
	if strings.Count(first, `"announce":true`) != 1 || strings.Count(page, "；单个价值超过 ¥500，中奖情况随时公示") != 1 {
		t.Errorf("winners of what is worth up to ¥500 are announced: %s", first)
	}
	if !strings.Contains(page, field(t, first, "digest")[:16]) || !strings.Contains(page, "单笔满 ¥100 减 ¥20.50") || !strings.Contains(page, "不少于两年") {
		t.Error("the page is not of the document")
	}
	if status, answer := b.put(template, `{"name":"改过的券","threshold":20000,"discount":100,"validity":{"days":1}}`); status != http.StatusOK {
		t.Fatalf("%d %s", status, answer)
	}
	for i, step := range []func(){
		func() {},
		func() { b.publicBatch(lawful, 2) },
		func() { b.post("/v1/card-batches", "rules-batch", strings.Replace(lawful, "20000", "100", 1)) },
		func() { b.post("/v1/card-batches/"+id+"/freeze", "freeze-rules", "") },
	} {
		step()
		if document, now := read(); document != first || !strings.Contains(now, "单笔满 ¥100 减 ¥20.50") || strings.Contains(now, "改过的券") {
			t.Errorf("after step %d the rules are %s", i, document)
		}
	}
	for _, method := range []string{"PUT", "PATCH", "DELETE"} {
		status, _, _ := b.call(request{method: method, path: "/v1/card-batches/" + id, token: adminToken, key: "change", body: lawful})
		if status != http.StatusMethodNotAllowed {
			t.Errorf("%s of a batch: %d", method, status)
		}
	}
}

func TestABatchSaysWhatTheLawAsks(t *testing.T) {
	b := open(t)
	if status, _ := b.put("/v1/coupon-templates/welcome", `{"name":"新人券","threshold":10000,"discount":2050,"validity":{"months":3}}`); status != http.StatusOK {
		t.Fatal(status)
	}
	status, made := b.post("/v1/card-batches", "lawful", lawful)
	if want := `"notices":[{"pointer":"/arms/0/prizes/1/worth","code":"announce_winners"},{"pointer":"/arms/0/prizes/2/worth","code":"worth_undeclared"}]`; status != http.StatusAccepted || !strings.Contains(made, want) {
		t.Errorf("%d %s", status, made)
	}
	b.put("/v1/coupon-templates/dear", `{"name":"大额券","threshold":6000000,"discount":5000001,"validity":{"days":1}}`)
	pool := coupons.Template{ID: "pool", Name: "平台券", Kind: coupons.KindPool, Discount: 100, Validity: coupons.Validity{Days: 1}}
	if err := b.engine.Write(t.Context(), store.PutTemplate(pool, 0)); err != nil { // as an earlier version took it
		t.Fatal(err)
	}
	b.put("/v1/coupon-templates/link", `{"name":"链接券","kind":"link","link":"https://shop.example.com/c","discount":100,"validity":{"days":1}}`)
	for name, test := range map[string]struct{ from, to, code string }{
		"a top prize above the law's": {`"worth":50001`, `"worth":5000001`, "top_prize_too_high"},
		"a coupon above the law's":    {`"welcome"`, `"dear"`, "top_prize_too_high"},
		"a packet above the type's":   {`"value":20000`, `"value":20001`, "out_of_range"},
		"a packet above the law's":    {`"value":20000`, `"value":5000001`, "top_prize_too_high"},
		"a packet below a yuan":       {`"value":20000`, `"value":99`, "out_of_range"},
		"a negative packet":           {`"value":20000`, `"value":-100`, "out_of_range"},
		"a platform's codes":          {`"welcome"`, `"pool"`, "not_issuable"},
	} {
		before := b.batches()
		status, answer := b.post("/v1/card-batches", "law-"+test.to, strings.Replace(lawful, test.from, test.to, 1))
		if status != http.StatusBadRequest || !strings.Contains(answer, test.code) {
			t.Errorf("%s: %d %s", name, status, answer)
		}
		if b.batches() != before {
			t.Errorf("%s: there is a batch", name)
		}
	}
	for _, edge := range []string{`"worth":5000000`, `"worth":50001`} {
		if status, answer := b.post("/v1/card-batches", "edge-"+edge, strings.Replace(lawful, `"worth":50001`, edge, 1)); status != http.StatusAccepted {
			t.Errorf("%s: %d %s", edge, status, answer)
		}
	}
	if status, answer := b.post("/v1/card-batches", "linked", strings.Replace(lawful, `"welcome"`, `"link"`, 1)); status != http.StatusAccepted {
		t.Errorf("a link: %d %s", status, answer)
	}
}

func (b *brand) batches() int {
	b.t.Helper()
	page, err := b.engine.Query(b.t.Context(), table.Query{PK: table.DocumentPK(table.DocumentBatch), Limit: 1000, Consistency: table.Strong})
	if err != nil {
		b.t.Fatal(err)
	}
	return len(page.Items)
}
