package main

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/huitou/huitou/shared/wecom/wecomtest"
)

// The way of a buyer of a public platform, through the whole stack: they scan,
// type their phone, win, claim their order on the page, and add the staff. They
// are a member then, with the prize and the order's points, and their card
// counts once at each step of the batch's funnel.
func TestFromThePackageCardIntoThePrivateDomain(t *testing.T) {
	p := shared(t)
	now := time.Now()
	batch := p.batch(t, "proof", 4, 50, now.Add(-time.Hour), now.Add(24*time.Hour))
	p.activate(t, batch)
	cards := p.codes(t, batch)
	form := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
	send := func(address string, values url.Values) string {
		t.Helper()
		a := p.do(t, http.MethodPost, address, form, []byte(values.Encode()))
		if a.status != http.StatusOK {
			t.Fatalf("%s is answered %d %s", values, a.status, a.body)
		}
		return string(a.body)
	}
	reference := func(page string) string {
		t.Helper()
		found := regexp.MustCompile(`name="card" value="(R[0-9A-Z]{24})"`).FindStringSubmatch(page)
		if found == nil {
			t.Fatal("the page with the prize takes no claim")
		}
		return found[1]
	}
	scanned := url.Values{"phone": {"13700006065"}, "consent": {"membership", "marketing"}}
	states := []string{reference(send(cards[0], scanned)), reference(send(cards[1], scanned))}
	claim := url.Values{"card": {states[0]}, "shop": {"tmall/flagship"}, "order": {"PROOF-1"}, "proof": {"6065"}}
	first := send(cards[0]+"?claim=1", claim)
	order := milk("PROOF-1", "proof-nobody", 10_000, now)
	order.Buyer.Phone = "13700006065"
	p.order(t, order)
	p.rest(t)

	friend := wecomtest.Friend{Change: "add_external_contact", User: "zhangsan", External: "wm-proof-1", State: states[0], WelcomeCode: "CODE-proof-1", At: now}
	p.befriend(t, friend)
	p.befriend(t, friend)
	other := friend
	other.External, other.WelcomeCode = "wm-proof-2", "CODE-proof-2"
	p.befriend(t, other)
	p.rest(t)
	var found struct {
		ID       string `json:"member_id"`
		Consents []string
	}
	p.post(t, "/v1/members", map[string]any{"identities": []identity{{Kind: "wecom", Channel: "wecom", Value: "wm-proof-1"}}}).read(t, http.StatusOK, &found)
	member := found.ID
	if diff := cmp.Diff([]string{"membership", "marketing"}, found.Consents); diff != "" {
		t.Errorf("their consents (-want +got):\n%s", diff)
	}
	if got, want := p.balance(t, member), (balance{Available: 50, Pending: 100}); got != want {
		t.Errorf("they have %+v, want %+v", got, want)
	}
	if got := send(cards[0]+"?claim=1", claim); got != first {
		t.Errorf("the same claim is answered otherwise now:\n%s", cmp.Diff(first, got))
	}
	greeted := map[string]string{}
	for _, message := range listed[struct {
		Member      string `json:"member_id"`
		Text        string
		WelcomeCode string `json:"welcome_code"`
	}](t, p, "/_local/outbox") {
		if strings.HasPrefix(message.WelcomeCode, "CODE-proof-") {
			_, news, _ := strings.Cut(message.Text, "\n")
			greeted[message.WelcomeCode] = message.Member + " " + news
		}
	}
	if diff := cmp.Diff(map[string]string{
		"CODE-proof-1": member + " 您包裹卡里的奖品已放入您的会员账户。",
		"CODE-proof-2": " 您包裹卡里的奖品已由他人领取，或活动已经停止；如有疑问，请直接在这里告诉我们。",
	}, greeted); diff != "" {
		t.Errorf("the greetings (-want +got):\n%s", diff)
	}
	var result struct {
		Total struct {
			Redeemed, Added struct{ Count int }
			Claimed         struct{ Count int } `json:"order_claimed"`
		}
	}
	p.get(t, "/v1/card-batches/"+batch+"/result", &result)
	if total := result.Total; total.Redeemed.Count != 2 || total.Added.Count != 1 || total.Claimed.Count != 1 {
		t.Errorf("the funnel is %+v", total)
	}
	for _, queue := range p.queues(t) {
		if queue.Name == "friends" && queue.Dead != 0 {
			t.Errorf("dead letters: %+v", queue)
		}
	}
}
