package operate_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/claim"
	"github.com/huitou/huitou/shared/coupons"
	"github.com/huitou/huitou/shared/ledger"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
)

// bought posts an order of 100 points under an identity.
func (b *brand) ordered(order string, identity loyalty.Identity) {
	b.t.Helper()
	_, err := ledger.Post(b.t.Context(), b.function.Store, nil, ledger.News{
		Order: loyalty.OrderKey{Channel: "tmall", Shop: "flagship", Order: order}, Identities: []loyalty.Identity{identity},
		Fact: points.Fact{Kind: points.FactPaid, At: now, Lines: []points.Line{{ID: "1", Category: "milk-powder", Quantity: 1, Paid: 10_000}}, Proof: &points.Proof{PhoneLast4: "4321"}},
	}, now)
	if err != nil {
		b.t.Fatal(err)
	}
}

func openID(value string) loyalty.Identity {
	return loyalty.Identity{Kind: loyalty.IdentityOpenID, Channel: "wechat", Value: value}
}

func (b *brand) look(path string) string {
	b.t.Helper()
	status, answer, _ := b.call(request{method: "GET", path: path, token: adminToken})
	if status != http.StatusOK {
		b.t.Fatalf("%s: %d %s", path, status, answer)
	}
	return answer
}

// listed are the orders of a list, read one fact a page.
func (b *brand) listed(path string) []string {
	b.t.Helper()
	var orders []string
	for cursor := ""; ; {
		var page struct {
			Items []struct {
				OrderID string `json:"order_id"`
			}
			Next string `json:"next_cursor"`
		}
		if err := json.Unmarshal([]byte(b.look(path+"?limit=1&cursor="+cursor)), &page); err != nil {
			b.t.Fatal(err)
		}
		for _, order := range page.Items {
			orders = append(orders, order.OrderID)
		}
		if cursor = page.Next; cursor == "" {
			return orders
		}
	}
}

func TestAnOperatorMergesTwoMembersAndUndoesIt(t *testing.T) {
	b := open(t)
	first, second := b.join("a"), b.join("b")
	b.ordered("1001", openID("a"))
	b.ordered("1002", openID("b"))
	err := b.function.Store.Table.Write(t.Context(), store.PutCoupon(coupons.Coupon{Member: loyalty.MemberID(second), Trigger: "card:1", Name: "满减券", State: coupons.StateIssued, ExpiresAt: now}))
	if err != nil {
		t.Fatal(err)
	}
	before := b.look("/v1/members/" + second)
	merge := func(key, into, part string) (int, string) {
		return b.post("/v1/members/"+into+"/merge", key, fmt.Sprintf(`{"member_id":%q,"reason":"same person"}`, part))
	}
	for _, key := range []string{"m1", "m1", "m2"} {
		status, answer := merge(key, first, second)
		if status != http.StatusOK || !strings.Contains(answer, `"pending":200`) || !strings.Contains(answer, `"orders":2`) {
			t.Fatalf("%d %s", status, answer)
		}
	}
	var shown struct {
		Identities []struct{ Value string }
		MergedFrom []struct {
			MemberID string `json:"member_id"`
			Operator string
			Reason   string
		} `json:"merged_from"`
	}
	if err := json.Unmarshal([]byte(b.look("/v1/members/"+first)), &shown); err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(shown), fmt.Sprintf("{[{a} {b}] [{%s admin same person}]}", second); got != want {
		t.Errorf("the whole is shown as %s, want %s", got, want)
	}
	if part := b.look("/v1/members/" + second); !strings.Contains(part, `"merged_into":{"member_id":"`+first) || !strings.Contains(part, `"pending":0`) {
		t.Errorf("the part is shown as %s", part)
	}
	if got := b.listed("/v1/members/" + first + "/orders"); fmt.Sprint(got) != "[1001 1002]" {
		t.Errorf("the whole's orders are %v", got)
	}
	if status, answer, _ := b.call(request{method: "GET", path: "/v1/members/" + first + "/orders?cursor=7~", token: adminToken}); status != http.StatusBadRequest {
		t.Errorf("a cursor of nobody's: %d %s", status, answer)
	}
	if ledger := b.look("/v1/members/" + first + "/points/ledger"); !strings.Contains(ledger, `"kind":"merge"`) {
		t.Errorf("the ledger is %s", ledger)
	}
	if held := b.look("/v1/members/" + first + "/coupons"); !strings.Contains(held, `"next_cursor":"1~"`) {
		t.Errorf("the coupons end at %s", held)
	}
	if held := b.look("/v1/members/" + first + "/coupons?cursor=1~"); !strings.Contains(held, "满减券") {
		t.Errorf("the part's coupons are %s", held)
	}

	for name, call := range map[string]request{
		"token":      {method: "POST", path: "/v1/members/" + second + "/tokens", key: "t1"},
		"spending":   {method: "POST", path: "/v1/members/" + second + "/points/reservations", key: "t2", body: `{"points":1,"reason":"x"}`},
		"correction": {method: "POST", path: "/v1/members/" + second + "/points/adjustments", key: "t3", body: `{"points":1,"reason":"sorry"}`},
		"consent":    {method: "PUT", path: "/v1/members/" + second + "/consents/marketing"},
		"binding":    {method: "POST", path: bindingPath, key: "t4", body: fmt.Sprintf(`{"member_id":%q,"reason":"x"}`, second)},
		"erasure":    {method: "DELETE", path: "/v1/members/" + second + "?reason=asked"},
		"merge":      {method: "POST", path: "/v1/members/" + second + "/merge", key: "t5", body: fmt.Sprintf(`{"member_id":%q,"reason":"x"}`, first)},
	} {
		call.token = adminToken
		status, answer, _ := b.call(call)
		if status != http.StatusConflict || !strings.Contains(answer, "member_merged") || !strings.Contains(answer, first) {
			t.Errorf("%s of a part: %d %s", name, status, answer)
		}
	}
	status, answer := b.post("/v1/members", "again", `{"identities":[{"kind":"openid","channel":"wechat","value":"b"},{"kind":"openid","channel":"wechat","value":"a"}]}`)
	if status != http.StatusOK || !strings.Contains(answer, `"member_id":"`+first) {
		t.Errorf("the part's identity finds %d %s", status, answer)
	}
	b.ordered("1003", openID("b"))
	if got := b.pending(first); !strings.Contains(got, `"pending":300`) {
		t.Errorf("an order under the part's identity makes %s", got)
	}

	undo := func(key string) (int, string) {
		return b.post("/v1/members/"+first+"/unmerge", key, fmt.Sprintf(`{"member_id":%q,"reason":"mistaken"}`, second))
	}
	for range 2 {
		if status, answer := undo("u1"); status != http.StatusOK || !strings.Contains(answer, `"pending":100`) {
			t.Fatalf("%d %s", status, answer)
		}
	}
	if status, answer := undo("u2"); status != http.StatusConflict || !strings.Contains(answer, "not_merged") {
		t.Errorf("undone already: %d %s", status, answer)
	}
	want := strings.NewReplacer(`"orders":1`, `"orders":2`, `"paid":10000`, `"paid":20000`, `"pending":100`, `"pending":200`).Replace(before)
	if got := b.look("/v1/members/" + second); got != want {
		t.Errorf("the part is %s, want %s", got, want)
	}
}

// The stricter of two consents holds, a withdrawal while they are one holds for
// both, and the rest comes back.
func TestConsentsOfMergedMembers(t *testing.T) {
	b := open(t)
	enrol := func(name, consents string) string {
		_, answer := b.post("/v1/members", "join-"+name, fmt.Sprintf(`{"identities":[{"kind":"openid","channel":"wechat","value":%q}],"consents":[%s]}`, name, consents))
		var member struct {
			ID string `json:"member_id"`
		}
		if err := json.Unmarshal([]byte(answer), &member); err != nil {
			t.Fatal(err)
		}
		return member.ID
	}
	has := func(member string) string {
		var shown struct{ Consents []string }
		if err := json.Unmarshal([]byte(b.look("/v1/members/"+member)), &shown); err != nil {
			t.Fatal(err)
		}
		return strings.Join(shown.Consents, " ")
	}
	withdraw := func(path string) {
		if status, answer, _ := b.call(request{method: "DELETE", path: path, token: adminToken}); status != http.StatusNoContent {
			t.Fatalf("%d %s", status, answer)
		}
	}
	for i, test := range []struct{ a, b, together, withdrawn, afterA, afterB string }{
		{`"membership","marketing"`, `"membership"`, "membership", "", "membership marketing", "membership"},
		{`"membership"`, `"membership","marketing"`, "membership", "", "membership", "membership marketing"},
		{`"membership","marketing"`, `"membership"`, "membership", "marketing", "membership", "membership"},
		{`"membership"`, `"membership","marketing"`, "membership", "marketing", "membership", "membership"},
		{`"membership","marketing"`, `"membership","marketing"`, "membership marketing", "marketing", "membership", "membership"},
		{`"membership","marketing"`, `"membership","marketing"`, "membership marketing", "", "membership marketing", "membership marketing"},
	} {
		one, two := enrol(fmt.Sprint("a", i), test.a), enrol(fmt.Sprint("b", i), test.b)
		merged := fmt.Sprintf(`{"member_id":%q,"reason":"same person"}`, two)
		b.post("/v1/members/"+one+"/merge", fmt.Sprint("m", i), merged)
		if got := has(one); got != test.together {
			t.Errorf("case %d: together %q, want %q", i, got, test.together)
		}
		if test.withdrawn != "" {
			withdraw("/v1/members/" + one + "/consents/" + test.withdrawn)
		}
		b.post("/v1/members/"+one+"/unmerge", fmt.Sprint("u", i), merged)
		if gotA, gotB := has(one), has(two); gotA != test.afterA || gotB != test.afterB {
			t.Errorf("case %d: apart %q and %q, want %q and %q", i, gotA, gotB, test.afterA, test.afterB)
		}
	}
}

// canaries are what names a person: none of them may be left.
func (b *brand) canaries(values ...string) []string {
	b.t.Helper()
	var found []string
	scan := table.Scan{Segments: 1, Limit: 1000, Consistency: table.Strong}
	for {
		page, err := b.engine.Scan(b.t.Context(), scan)
		if err != nil {
			b.t.Fatal(err)
		}
		for _, item := range page.Items {
			text := fmt.Sprint(item)
			for _, value := range values {
				if strings.Contains(text, value) {
					found = append(found, value+" in "+item.Key.PK+" "+item.Key.SK)
				}
			}
		}
		if page.Next == "" {
			return found
		}
		scan.Cursor = page.Next
	}
}

func TestErasingForgetsThePersonAndKeepsTheLedger(t *testing.T) {
	b := open(t)
	phone := `{"kind":"phone","value":"13812345678"}`
	person := `{"identities":[{"kind":"buyer","channel":"tmall","value":"canary-buyer"},{"kind":"openid","channel":"wechat","value":"canary-openid"},` + phone + `],
		"consents":["membership","marketing"],"birthday":"2021-03-04","facts":{"canary-fact":"canary-text"}}`
	status, answer := b.post("/v1/members", "join-1", person)
	if status != http.StatusCreated {
		t.Fatalf("%d %s", status, answer)
	}
	var enrolled struct {
		ID string `json:"member_id"`
	}
	if err := json.Unmarshal([]byte(answer), &enrolled); err != nil {
		t.Fatal(err)
	}
	whole := loyalty.MemberID(enrolled.ID)
	part := loyalty.MemberID(b.join("canary-part"))
	s := b.function.Store
	account, err := s.Account(t.Context(), whole)
	if err != nil {
		t.Fatal(err)
	}
	token := account.Profile.Identities[2].Value
	buyer := loyalty.Identity{Kind: loyalty.IdentityBuyer, Channel: "tmall", Value: "canary-buyer"}
	b.ordered("1001", buyer)
	b.ordered("1002", openID("canary-part"))
	waiting := loyalty.OrderKey{Channel: "tmall", Shop: "flagship", Order: "9000"}
	if _, err := claim.Take(t.Context(), s, whole, waiting, points.Proof{Buyer: "canary-proof"}, "c1", now); err != nil {
		t.Fatal(err)
	}
	for card, redemption := range []store.Redemption{
		{Fact: points.Fact{Kind: points.FactPrize, At: now, Member: whole}, Award: cards.Award{Kind: cards.PrizeGift, Text: "gift"}, Identity: openID("canary-openid")},
		{Fact: points.Fact{Kind: points.FactPrize, At: now}, Award: cards.Award{Kind: cards.PrizeGift, Text: "gift"}, Identity: loyalty.Identity{Kind: loyalty.IdentityPhone, Value: token}},
	} {
		redemption.Card = card
		if err := s.Table.Write(t.Context(), store.RedeemCard(cards.Code{KeyID: 'K', Card: card}, redemption)); err != nil {
			t.Fatal(err)
		}
	}
	if status, answer := b.post("/v1/members/"+string(whole)+"/merge", "m", fmt.Sprintf(`{"member_id":%q,"reason":"same person"}`, part)); status != http.StatusOK {
		t.Fatalf("%d %s", status, answer)
	}
	values := []string{"canary", token, "13812345678", "*5678", "2021-03"} // four digits alone stand in a hexadecimal id now and then
	if found := b.canaries(values...); len(found) < 8 {
		t.Fatalf("the scan sees only %q", found)
	}
	ledger := b.look("/v1/members/" + string(whole) + "/points/ledger")

	erase := func() (int, string) {
		status, answer, _ := b.call(request{method: "DELETE", path: "/v1/members/" + string(whole) + "?reason=asked", token: adminToken})
		return status, answer
	}
	if status, _, _ := b.call(request{method: "DELETE", path: "/v1/members/" + string(whole), token: adminToken}); status != http.StatusBadRequest {
		t.Errorf("without a reason: %d", status)
	}
	for range 2 {
		if status, answer := erase(); status != http.StatusNoContent {
			t.Fatalf("%d %s", status, answer)
		}
	}
	if found := b.canaries(values...); len(found) != 0 {
		t.Errorf("left behind: %q", found)
	}
	shown := b.look("/v1/members/" + string(whole))
	if !strings.Contains(shown, `"erased_at":"2026-11-21T10:00:00Z"`) || !strings.Contains(shown, `"identities":[]`) || !strings.Contains(shown, `"consents":[]`) ||
		!strings.Contains(shown, `"pending":200`) || !strings.Contains(shown, `"orders":2`) {
		t.Errorf("the bare member is %s", shown)
	}
	if got := b.look("/v1/members/" + string(whole) + "/points/ledger"); got != ledger {
		t.Errorf("the ledger is %s, was %s", got, ledger)
	}
	members, _, err := s.RosterAfter(t.Context(), 0, "", "", 10)
	for shard := 1; shard < table.RosterShards && err == nil && len(members) == 0; shard++ {
		members, _, err = s.RosterAfter(t.Context(), shard, "", "", 10)
	}
	if err != nil || len(members) != 0 {
		t.Errorf("on the list of all members: %v, %v", members, err)
	}

	// Their orders go on: a refund finds the bare account, and the whole's too.
	refund(b, "1002")
	if got := b.pending(string(whole)); !strings.Contains(got, `"pending":150`) {
		t.Errorf("after a refund: %s", got)
	}
	for name, call := range map[string]request{
		"token":    {method: "POST", path: "/v1/members/" + string(whole) + "/tokens", key: "t1"},
		"spending": {method: "POST", path: "/v1/members/" + string(whole) + "/points/reservations", key: "t2", body: `{"points":1,"reason":"x"}`},
		"consent":  {method: "PUT", path: "/v1/members/" + string(whole) + "/consents/marketing"},
		"unmerge":  {method: "POST", path: "/v1/members/" + string(whole) + "/unmerge", key: "t3", body: fmt.Sprintf(`{"member_id":%q,"reason":"x"}`, part)},
	} {
		call.token = adminToken
		status, answer, _ := b.call(call)
		if status != http.StatusConflict || !strings.Contains(answer, "member_erased") && !strings.Contains(answer, "points_insufficient") {
			t.Errorf("%s of the erased: %d %s", name, status, answer)
		}
	}
	// And one who comes with their names is a stranger.
	b.ordered("1003", buyer)
	status, answer = b.post("/v1/members", "join-2", strings.Replace(person, "canary-text", "x", 1))
	if status != http.StatusCreated || strings.Contains(answer, string(whole)) {
		t.Errorf("the same person joins: %d %s", status, answer)
	}
	if got := b.pending(string(whole)); !strings.Contains(got, `"pending":150`) {
		t.Errorf("an order under an old name went to %s", got)
	}
}

func refund(b *brand, order string) {
	b.t.Helper()
	_, err := ledger.Post(b.t.Context(), b.function.Store, nil, ledger.News{
		Order: loyalty.OrderKey{Channel: "tmall", Shop: "flagship", Order: order},
		Fact:  points.Fact{Kind: points.FactRefunded, At: now, Refunds: []points.Refund{{ID: "r", Line: "1", Amount: 5_000}}},
	}, now)
	if err != nil {
		b.t.Fatal(err)
	}
}

// A claim that was left in the log of an order gives the erased nothing, and an
// order that found its owner before they were erased belongs to nobody after.
func TestNobodyWhoWasErasedGetsAnOrder(t *testing.T) {
	b := open(t)
	member := loyalty.MemberID(b.join("a"))
	s := b.function.Store
	key := loyalty.OrderKey{Channel: "tmall", Shop: "flagship", Order: "1001"}
	taken, err := claim.Take(t.Context(), s, member, key, points.Proof{PhoneLast4: "4321"}, "c", now)
	if err != nil {
		t.Fatal(err)
	}
	if err := ledger.Claim(t.Context(), s, nil, taken, now); err != nil {
		t.Fatal(err)
	}
	if status, answer, _ := b.call(request{method: "DELETE", path: "/v1/members/" + string(member) + "?reason=asked", token: adminToken}); status != http.StatusNoContent {
		t.Fatalf("%d %s", status, answer)
	}
	b.ordered("1001", openID("nobody"))
	log, err := s.Log(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	if order := points.Replay(key, log); order.Member != "" || !order.Paid() {
		t.Errorf("the order is %q's", order.Member)
	}
	if _, err := ledger.Post(t.Context(), s, nil, ledger.News{Order: key, Fact: points.Fact{Kind: points.FactClaimed, At: now, Member: member}}, now); err != nil {
		t.Errorf("a message that was on its way: %v", err)
	}
	if got := b.pending(string(member)); !strings.Contains(got, `"pending":0`) {
		t.Errorf("the erased has %s", got)
	}
}

// Two merges of one member, both ways round, and an erasure, all at once: one of
// them comes first, and what comes of it is whole.
func TestMergesAndAnErasureAtOnce(t *testing.T) {
	for range 20 {
		b := open(t)
		members := []string{b.join("a"), b.join("b"), b.join("c")}
		for i, name := range []string{"a", "b", "c"} {
			b.ordered(fmt.Sprint(i), openID(name))
		}
		var running sync.WaitGroup
		calls := []request{
			{method: "POST", path: "/v1/members/" + members[0] + "/merge", key: "1", body: fmt.Sprintf(`{"member_id":%q,"reason":"x"}`, members[1])},
			{method: "POST", path: "/v1/members/" + members[1] + "/merge", key: "2", body: fmt.Sprintf(`{"member_id":%q,"reason":"x"}`, members[0])},
			{method: "POST", path: "/v1/members/" + members[2] + "/merge", key: "3", body: fmt.Sprintf(`{"member_id":%q,"reason":"x"}`, members[1])},
			{method: "DELETE", path: "/v1/members/" + members[1] + "?reason=asked"},
		}
		for _, call := range calls {
			call.token = adminToken
			running.Go(func() {
				if status, answer, _ := b.call(call); status >= 300 && status != http.StatusConflict && status != http.StatusServiceUnavailable {
					t.Errorf("%d %s", status, answer)
				}
			})
		}
		running.Wait()
		parts, total := 0, loyalty.Points(0)
		for _, id := range members {
			account, err := b.function.Store.Account(t.Context(), loyalty.MemberID(id))
			if err != nil {
				t.Fatal(err)
			}
			if got, want := account.Balance.Pending, loyalty.Points(100*(1+len(account.Parts))); got != want {
				t.Errorf("%d are pending, want %d", got, want)
			}
			if account.Merged == nil {
				total += account.Balance.Pending
			} else {
				parts++
			}
		}
		if total != 300 || parts > 1 {
			t.Errorf("%d parts, %d points", parts, total)
		}
	}
}
