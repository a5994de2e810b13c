package operate_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/loyalty"
)

// dear is a batch with so many gifts above ¥500 in its second arm, and one at
// ¥500, which is not announced.
func dear(quantity int) string {
	return fmt.Sprintf(`{"name":"新年包裹卡","count":1000,"arms":[
{"name":"a","form":"scratch","weight":1,"prizes":[{"kind":"points","value":100,"quantity":50},{"kind":"gift","value":"五百元礼盒","quantity":2,"worth":50000}]},
{"name":"b","form":"scratch","weight":1,"prizes":[{"kind":"points","value":200,"quantity":7},{"kind":"gift","value":"空气净化器","quantity":%d,"worth":120000}]}],
"valid_from":"2026-11-01T00:00:00+08:00","valid_to":"2027-02-01T00:00:00+08:00"}`, quantity)
}

type winner struct {
	Prize struct {
		Kind  string
		Value any
	}
	Card     int
	WonOn    string `json:"won_on"`
	Phone    string
	Reserved bool
}

// opened is a public batch and how its cards are dealt.
func (b *brand) opened(document string) (cards.Batch, *cards.Draws) {
	b.t.Helper()
	batch, err := b.function.Store.Batch(b.t.Context(), b.publicBatch(document, 2))
	if err != nil {
		b.t.Fatal(err)
	}
	draws, err := b.function.Keys.Draws(batch)
	if err != nil {
		b.t.Fatal(err)
	}
	return batch, draws
}

func winnersPath(batch cards.Batch) string { return "/v1/card-batches/" + batch.ID() + "/winners" }

// winners are those of all pages.
func (b *brand) winners(batch cards.Batch, limit int) (all []winner, pages int) {
	b.t.Helper()
	for cursor := ""; ; {
		status, answer, _ := b.browse(winnersPath(batch)+fmt.Sprintf("?limit=%d&cursor=%s", limit, cursor), "Accept", "application/json")
		var list struct {
			Items []winner
			Next  string `json:"next_cursor"`
		}
		if err := json.Unmarshal([]byte(answer), &list); err != nil || status != http.StatusOK {
			b.t.Fatalf("%d %s", status, answer)
		}
		all, pages = append(all, list.Items...), pages+1
		if cursor = list.Next; cursor == "" {
			return all, pages
		}
	}
}

// Winners of dear prizes are announced, and no more of them than they agree to.
func TestWinnersOfDearPrizesAreAnnounced(t *testing.T) {
	b := open(t)
	batch, draws := b.opened(dear(8))
	held := make([]int, 8)
	for n := range held {
		held[n] = draws.Holder(1, 1, n)
	}
	join := func(phone, consents string) loyalty.MemberID {
		_, answer := b.post("/v1/members", "join-"+phone, fmt.Sprintf(`{"identities":[{"kind":"phone","value":%q}],"consents":[%s]}`, phone, consents))
		return loyalty.MemberID(field(t, answer, "member_id"))
	}
	agrees, silent, whole, part, gone := join("13800001111", `"marketing"`), join("13800002222", `"membership"`), join("13800003333", `"marketing"`), join("13800004444", `"marketing"`), join("13800005555", `"marketing"`)
	for n, member := range []loyalty.MemberID{agrees, silent, part, gone, ""} {
		b.redeem(batch, draws, held[n], member)
	}
	if status, answer := b.post("/v1/members/"+string(whole)+"/merge", "merge", fmt.Sprintf(`{"member_id":%q,"reason":"same person"}`, part)); status != http.StatusOK {
		t.Fatalf("%d %s", status, answer)
	}
	for card := range batch.Count { // what is not announced
		if award := draws.Award(card); award.Text == "五百元礼盒" || award.Kind == cards.PrizePoints {
			b.redeem(batch, draws, card, agrees)
		}
	}
	want := map[int]winner{}
	for n, phone := range []string{"*******1111", "", "", "*******5555", ""} {
		w := winner{Card: held[n] + 1, WonOn: "2026-11-18", Phone: phone, Reserved: n == 4}
		w.Prize.Kind, w.Prize.Value = "gift", "空气净化器"
		want[held[n]] = w
	}
	check := func(when string) {
		t.Helper()
		for _, limit := range []int{1, 3, 8, 100} {
			all, pages := b.winners(batch, limit)
			got := map[int]winner{}
			for _, w := range all {
				got[w.Card-1] = w
			}
			if diff := cmp.Diff(want, got); diff != "" || len(all) != len(want) || pages != (8+limit-1)/limit {
				t.Errorf("%s, by %d: %d winners on %d pages (-want +got):\n%s", when, limit, len(all), pages, diff)
			}
		}
	}
	check("at first")

	_, rules, _ := b.browse(rulesPath(batch.ID()))
	if !strings.Contains(rules, `href="winners?limit=100"`) {
		t.Error("the rules do not lead to the winners")
	}
	status, page, header := b.browse(winnersPath(batch) + "?limit=100")
	if status != http.StatusOK || header.Get("Content-Type") != "text/html; charset=utf-8" || header.Get("Vary") != "Accept" {
		t.Fatalf("%d %v", status, header)
	}
	for _, want := range []string{"新年包裹卡 · 中奖公示", "空气净化器", "价值 ¥1200", "8 张", "*******1111", "待核实身份<small>2026-11-18", fmt.Sprintf("第 %d 张卡", held[0]+1), `href="rules"`, "400-000-0000"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, secret := range []string{"1380000", "2222", "3333", "4444", string(agrees), "五百元礼盒", "积分", "token"} {
		if strings.Contains(page, secret) {
			t.Errorf("the page shows %q", secret)
		}
	}

	if status, _, _ := b.call(request{method: "DELETE", path: "/v1/members/" + string(agrees) + "/consents/marketing", token: adminToken}); status >= 300 {
		t.Fatal(status)
	}
	w := want[held[0]]
	w.Phone = ""
	want[held[0]] = w
	if status, _, _ := b.call(request{method: "DELETE", path: "/v1/members/" + string(gone) + "?reason=asked", token: adminToken}); status >= 300 {
		t.Fatal(status)
	}
	delete(want, held[3])
	check("after one withdrew and one was erased")
}

func TestWinnersOfOtherBatches(t *testing.T) {
	b := open(t)
	plain, _ := b.opened(batch)
	if winners, pages := b.winners(plain, 50); len(winners) != 0 || pages != 1 {
		t.Errorf("%v on %d pages", winners, pages)
	}
	_, rules, _ := b.browse(rulesPath(plain.ID()))
	_, page, _ := b.browse(winnersPath(plain))
	if strings.Contains(rules, "winners") || !strings.Contains(page, "没有单个价值超过 ¥500 的奖品") {
		t.Error("a batch without dear prizes speaks of winners")
	}
	closed := open(t)
	early := closed.publicBatch(dear(8), 0)
	for _, path := range []string{"/v1/card-batches/" + early + "/winners", "/v1/card-batches/K-00000/winners"} {
		if status, answer, _ := closed.browse(path, "Accept", "application/json"); status != http.StatusNotFound || !strings.Contains(answer, "batch_unknown") {
			t.Errorf("%s: %d %s", path, status, answer)
		}
		if status, page, _ := closed.browse(path); status != http.StatusNotFound || strings.Contains(page, "新年") || !strings.Contains(page, "400-000-0000") {
			t.Errorf("%s: %d %s", path, status, page)
		}
	}
	for _, query := range []string{"cursor=x", "cursor=-1", "cursor=%2B1", "cursor=01", "cursor=99999999999999999999"} {
		if status, answer, _ := b.browse(winnersPath(plain)+"?"+query, "Accept", "application/json"); status != http.StatusBadRequest || !strings.Contains(answer, "malformed") {
			t.Errorf("%s: %d %s", query, status, answer)
		}
		if status, page, _ := b.browse(winnersPath(plain) + "?" + query); status != http.StatusBadRequest || !strings.Contains(page, "页面地址不完整") {
			t.Errorf("%s: %d %s", query, status, page)
		}
	}
	if status, _, _ := b.browse(winnersPath(plain) + "?limit=101"); status != http.StatusBadRequest {
		t.Errorf("101 at a time: %d", status)
	}
	if winners, _ := b.winners(plain, 1); len(winners) != 0 {
		t.Error(winners)
	}
}

// A whole page of winners opens as fast as any, and costs no more than it shows.
func TestThePageOfWinnersStaysSmall(t *testing.T) {
	b := open(t)
	name := strings.Repeat("净", 60)
	batch, draws := b.opened(strings.ReplaceAll(dear(200), "空气净化器", name))
	_, joined := b.post("/v1/members", "join", `{"identities":[{"kind":"phone","value":"13800001111"}],"consents":["marketing"]}`)
	for n := range 150 {
		b.redeem(batch, draws, draws.Holder(1, 1, n), loyalty.MemberID(field(t, joined, "member_id")))
	}
	_, page, _ := b.browse(winnersPath(batch) + "?limit=100")
	if n := strings.Count(page, "*******1111"); n != 100 || len(page) > 60_000 || !strings.Contains(page, `href="?limit=100&amp;cursor=100"`) {
		t.Errorf("%d winners in %d bytes", n, len(page))
	}
	t.Logf("100 winners of the longest prize: %d bytes", len(page))
	if _, page, _ := b.browse(winnersPath(batch) + "?limit=100&cursor=100"); strings.Count(page, "*******1111") != 50 || strings.Contains(page, "下一页") {
		t.Error("the second page is wrong")
	}
}
