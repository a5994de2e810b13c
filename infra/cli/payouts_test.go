package cli_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/store"
)

// packet puts a red packet whose payer was asked five minutes ago.
func (b *brand) packet(card int) {
	b.t.Helper()
	payout, err := cards.RequestPayout(cards.Code{KeyID: 'K', Batch: 7, Card: card}, cards.Award{Kind: cards.PrizeRedPacket, Amount: 188}, "m-1", loyalty.Identity{}, now.Add(-time.Hour))
	if err != nil {
		b.t.Fatal(err)
	}
	if err := b.store.Table.Write(b.t.Context(), store.PutPayout(payout.Ask(now.Add(-5*time.Minute)).Unheard("timeout"))); err != nil {
		b.t.Fatal(err)
	}
}

func TestPayouts(t *testing.T) {
	b := openBrand(t)
	if got := b.done("payouts", "list"); got != "none\n" {
		t.Error(got)
	}
	b.packet(3)
	const bill = "HTK000070000003"
	if got := b.done("payouts", "list"); got != `BILL             STATE   AMOUNT  MEMBER  WON AT                ASKED  NEXT ASK              PAYER SAID
HTK000070000003  paying   ¥1.88  m-1     2026-11-21T09:00:00Z      1  2026-11-21T10:05:00Z  timeout
` {
		t.Error(got)
	}
	want := `bill         HTK000070000003
amount       ¥1.88
state        paying
member       m-1
card         K-00007, no. 4
times asked  1
last         2026-11-21T09:55:00Z
next         2026-11-21T10:05:00Z
payer said   timeout
STATE      AT                    BY     AGREED  REFERENCE  WHY
requested  2026-11-21T09:00:00Z  card        -          -    -
paying     2026-11-21T09:55:00Z  payer       -          -    -
`
	if diff := cmp.Diff(want, b.done("payouts", "show", bill)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(strings.Replace(want, "10:05:00Z", "10:00:00Z", 1), b.done("payouts", "ask", bill)); diff != "" {
		t.Error(diff)
	}
	operator := field(t, b.done("operators", "add", "li", "--role", "operator", "--json"), "token")
	resolve := []string{"payouts", "resolve", bill, "--paid", "4200001", "--reason", "paid in the console"}
	first := b.done(resolve...)
	if !strings.Contains(first, "proposed     paid as 4200001, by admin at 2026-11-21T10:00:00Z: paid in the console\n") || !strings.HasSuffix(first, "\nNot ended yet: a second operator has to run the same command.\n") {
		t.Error(first)
	}
	if got := b.refused(1, "payouts", "ask", bill); !strings.Contains(got, "resolution_proposed") {
		t.Error(got)
	}
	if got := b.done("payouts", "withdraw", bill); strings.Contains(got, "proposed") {
		t.Error(got)
	}
	b.done(resolve...)
	if got := b.done(append(resolve, "--token", operator)...); !strings.Contains(got, "state        paid\n") || !strings.Contains(got, "paid       2026-11-21T10:00:00Z  admin  li        4200001  paid in the console\n") || strings.Contains(got, "second operator") {
		t.Error(got)
	}
	if got := b.refused(1, "payouts", "resolve", bill, "--failed", "--reason", "no account"); !strings.Contains(got, "payout_settled") {
		t.Error(got)
	}
	if got := b.done("payouts", "list", "--state", "paid", "--json"); !strings.Contains(got, bill) || !strings.Contains(got, `"amount": 188`) {
		t.Error(got)
	}
	for _, wrong := range [][]string{
		{"resolve", bill, "--reason", "x y z"},
		{"resolve", bill, "--reason", "x y z", "--failed", "--paid", "1"},
		{"resolve", bill, "--failed"},
		{"list", "--state", "lost"},
	} {
		before := b.asked()
		b.refused(2, append([]string{"payouts"}, wrong...)...)
		if b.asked() != before {
			t.Errorf("%v asked the server", wrong)
		}
	}
	if got := b.refused(1, "payouts", "show", "HTK1"); !strings.Contains(got, "payout_unknown") {
		t.Error(got)
	}
}

func TestGifts(t *testing.T) {
	b := openBrand(t)
	member := field(t, b.done("members", "enrol", "--identity", "buyer:tmall:b-1", "--json"), "member_id")
	gift := cards.WinGift(cards.Code{KeyID: 'K', Batch: 7, Card: 3}, cards.Award{Kind: cards.PrizeGift, Text: "试用装一份"}, loyalty.MemberID(member), now)
	if err := b.store.Table.Write(t.Context(), store.PutGift(gift)); err != nil {
		t.Fatal(err)
	}
	open := strings.ReplaceAll(`GIFT             WHAT        MEMBER             WON AT                STATE    ORDER  SHIPPED AT
K-00007-0000003  试用装一份  MEMBER  2026-11-21T10:00:00Z  pending  -      -
`, "MEMBER", member)
	for _, list := range [][]string{{"gifts", "list"}, {"gifts", "list", "--member", member}} {
		if got := b.done(list...); strings.Join(strings.Fields(got), " ") != strings.Replace(strings.Join(strings.Fields(open), " "), member+" WON", "MEMBER WON", 1) {
			t.Errorf("%v: %s", list, got)
		}
	}
	ship := []string{"gifts", "ship", member, gift.ID, "tmall", "flagship"}
	for range 2 {
		if got := b.done(append(ship, "2156")...); !strings.Contains(got, "state    shipped\n") || !strings.Contains(got, "order    tmall flagship 2156\n") || !strings.Contains(got, "by       admin\n") {
			t.Error(got)
		}
	}
	if got := b.refused(1, append(ship, "2157")...); !strings.Contains(got, "gift_shipped") {
		t.Error(got)
	}
	if got := b.done("gifts", "list"); got != "none\n" {
		t.Error(got)
	}
	if got := b.done("gifts", "list", "--state", "shipped"); !strings.Contains(got, "tmall flagship 2156") {
		t.Error(got)
	}
}
