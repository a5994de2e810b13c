package operate_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/claim"
	"github.com/huitou/huitou/shared/ledger"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/token"
)

type briefMember struct {
	ID       string `json:"member_id"`
	JoinedAt time.Time
	Phones   []string
	ErasedAt *time.Time `json:"erased_at"`
}

const lookupPath = "/v1/members/lookup"

func (b *brand) lookup(who, body string) (int, string, http.Header) {
	b.t.Helper()
	return b.call(request{method: "POST", path: lookupPath, token: who, body: body})
}

// found are the ids that a look-up gives.
func (b *brand) found(body string) []string {
	b.t.Helper()
	status, answer, _ := b.lookup(adminToken, body)
	var list struct{ Items []briefMember }
	if err := json.Unmarshal([]byte(answer), &list); err != nil || status != http.StatusOK || list.Items == nil {
		b.t.Fatalf("%d %s", status, answer)
	}
	ids := []string{}
	for _, item := range list.Items {
		ids = append(ids, item.ID)
	}
	return ids
}

// settled is the snapshot without the counters of look-ups.
func (b *brand) settled() string {
	b.t.Helper()
	lines := strings.Split(b.snapshot(b.t), "\n")
	return strings.Join(slices.DeleteFunc(lines, func(line string) bool { return strings.Contains(line, "L#lookup#") }), "\n")
}

func TestAMemberIsFoundByWhatTheDeskIsTold(t *testing.T) {
	b := open(t)
	_, answer := b.post("/v1/members", "a", `{"identities":[{"kind":"phone","value":"13800000000"},{"kind":"buyer","channel":"tmall","value":"b-1"}]}`)
	member := field(t, answer, "member_id")
	b.ordered("owned", loyalty.Identity{Kind: loyalty.IdentityBuyer, Channel: "tmall", Value: "b-1"})
	b.unowned()
	const winner = "m-card"
	batch := b.held(1, worthless, winner)
	url, typed, err := b.function.Keys.Codec().Both(batch.Code(0))
	must(t, err)
	free, _, err := b.function.Keys.Codec().Both(batch.Code(7))
	must(t, err)
	before := b.settled()
	for body, want := range map[string][]string{
		`{"identity":{"kind":"phone","value":"13800000000"}}`:                  {member},
		`{"identity":{"kind":"phone","value":"+86 138-0000-0000"}}`:            {member},
		`{"identity":{"kind":"phone","value":"13800000001"}}`:                  {},
		`{"identity":{"kind":"buyer","channel":"tmall","value":"b-1"}}`:        {member},
		`{"identity":{"kind":"buyer","channel":"douyin","value":"b-1"}}`:       {},
		`{"order":{"channel":"tmall","shop":"flagship","order_id":"owned"}}`:   {member},
		`{"order":{"channel":"tmall","shop":"flagship","order_id":"1001"}}`:    {}, // nobody's
		`{"order":{"channel":"tmall","shop":"flagship","order_id":"nothing"}}`: {},
		fmt.Sprintf(`{"card":%q}`, typed):                                      {winner},
		fmt.Sprintf(`{"card":%q}`, strings.ToLower(typed)):                     {winner},
		fmt.Sprintf(`{"card":%q}`, cards.URL("https://brand.example", url)):    {winner},
		`{"card":"K-00001-0000000"}`:                                           {winner},
		`{"card":"K-00001-0000007"}`:                                           {},
		fmt.Sprintf(`{"card":%q}`, free):                                       {},
		`{"card":"AAAA-BBBB-CCCC-DDDD"}`:                                       {},
	} {
		if got := b.found(body); !slices.Equal(got, want) {
			t.Errorf("%s finds %v, want %v", body, got, want)
		}
	}
	if after := b.settled(); after != before {
		t.Error("a look-up wrote more than its row and its counter")
	}
	if _, answer, _ := b.lookup(adminToken, `{"order":{"channel":"tmall","shop":"flagship","order_id":"owned"}}`); strings.Contains(answer, "13800000000") || !strings.Contains(answer, "0000") {
		t.Errorf("the phone is not masked: %s", answer)
	}
}

func TestThePersonIsFoundByAPartOfThem(t *testing.T) {
	b := open(t)
	whole, part := b.join("a"), b.join("b")
	b.ordered("of-b", openID("b"))
	b.post("/v1/members/"+whole+"/merge", "merge", fmt.Sprintf(`{"member_id":%q,"reason":"same person"}`, part))
	ofB, ofOrder := `{"identity":{"kind":"openid","channel":"wechat","value":"b"}}`, `{"order":{"channel":"tmall","shop":"flagship","order_id":"of-b"}}`
	for _, body := range []string{ofB, ofOrder} {
		if got := b.found(body); !slices.Equal(got, []string{whole}) {
			t.Errorf("%s finds %v, want the whole %s", body, got, whole)
		}
	}
	if status, answer, _ := b.call(request{method: "DELETE", path: "/v1/members/" + whole + "?reason=asked", token: adminToken}); status != http.StatusNoContent {
		t.Fatalf("%d %s", status, answer)
	}
	if got := b.found(ofB); len(got) != 0 {
		t.Errorf("who was erased is found by an identity: %v", got)
	}
	if _, answer, _ := b.lookup(adminToken, ofOrder); !strings.Contains(answer, "erased_at") || strings.Contains(answer, "phones") {
		t.Errorf("the order of who was erased: %s", answer)
	}
}

func TestALookUpLooksForOneThing(t *testing.T) {
	b := open(t)
	before := b.snapshot(t)
	for _, body := range []string{
		``, `{}`, `null`, `[]`, `{"phone":"13800000000"}`, `{"identity":{}}`, `{"identity":{"kind":"phone"}}`,
		`{"identity":{"kind":"phone","value":"0000"}}`, `{"identity":{"kind":"phone","value":"138****0000"}}`,
		`{"identity":{"kind":"buyer","value":"b"}}`, `{"identity":{"kind":"buyer","channel":"tmall","value":"张**"}}`,
		`{"identity":{"kind":"name","channel":"tmall","value":"b"}}`, `{"order":{"channel":"tmall","shop":"flagship"}}`,
		`{"card":""}`, `{"card":"K-00001-0000000","order":{"channel":"tmall","shop":"flagship","order_id":"1"}}`,
		`{"coupon":"m0-AAAA-AAAA-AAAA-AAAA-A"}`,
	} {
		status, answer, _ := b.lookup(adminToken, body)
		if status != http.StatusBadRequest || strings.Contains(answer, "138") {
			t.Errorf("%s: %d %s", body, status, answer)
		}
	}
	if _, answer, _ := b.lookup(adminToken, `{"coupon":"x"}`); !strings.Contains(answer, "not_findable") {
		t.Error(answer)
	}
	b.sameAs(before, "a look-up for nothing")
}

func TestLookUpsAreForTheDesk(t *testing.T) {
	b := open(t)
	for _, role := range token.Roles {
		who := b.staff("as-"+string(role), role)
		want := http.StatusForbidden
		if role == token.RoleOperator || role == token.RoleAdmin {
			want = http.StatusOK
		}
		if status, answer, _ := b.lookup(who, `{"card":"K-00001-0000000"}`); status != want {
			t.Errorf("%s looks up: %d %s", role, status, answer)
		}
		if status, answer, _ := b.get("/v1/members", who); status != want {
			t.Errorf("%s lists: %d %s", role, status, answer)
		}
		for _, path := range []string{"/v1/orders?owner=nobody", "/v1/claims?state=waiting", "/v1/adjustments?state=waiting"} {
			want := http.StatusOK
			if role == token.RolePrinter {
				want = http.StatusForbidden
			}
			if status, answer, _ := b.get(path, who); status != want {
				t.Errorf("%s reads %s: %d %s", role, path, status, answer)
			}
		}
	}
}

// However many ask at once, 200 of an operator pass in an hour.
func TestTheTwoHundredAndFirstLookUpOfAnHourIsRefused(t *testing.T) {
	clock := now.Add(10 * time.Minute)
	b := openAt(t, &clock)
	var logged strings.Builder
	b.function.Log = slog.New(slog.NewTextHandler(&logged, nil))
	b.Handler = b.function.Handler()
	li, wang := b.staff("li", token.RoleOperator), b.staff("wang", token.RoleOperator)
	var passed, refused atomic.Int64
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for range 26 {
				switch status, answer, _ := b.lookup(li, `{"identity":{"kind":"phone","value":"13800000000"}}`); status {
				case http.StatusOK:
					passed.Add(1)
				case http.StatusTooManyRequests:
					refused.Add(1)
				default:
					t.Errorf("%d %s", status, answer)
				}
			}
		})
	}
	wait.Wait()
	if passed.Load() != 200 || refused.Load() != 8 {
		t.Errorf("%d pass, %d are refused", passed.Load(), refused.Load())
	}
	status, answer, header := b.lookup(li, `{"card":"K-00001-0000000"}`)
	if after, _ := strconv.Atoi(header.Get("Retry-After")); status != http.StatusTooManyRequests || after != 50*60 || refusal(t, answer) != "too_many_lookups" {
		t.Errorf("%d %s, Retry-After %q", status, answer, header.Get("Retry-After"))
	}
	if n := strings.Count(logged.String(), `msg="look-ups beyond the limit" operator=li`); n != 9 || strings.Contains(logged.String(), "138") {
		t.Errorf("%d lines for the alarm: %s", n, logged.String())
	}
	template, err := os.ReadFile("../../template.yaml")
	must(t, err)
	if !strings.Contains(string(template), `FilterPattern: '{ $.msg = "look-ups beyond the limit" }'`) {
		t.Error("no alarm hears of it")
	}
	if status, answer, _ := b.lookup(wang, `{"card":"K-00001-0000000"}`); status != http.StatusOK {
		t.Errorf("another operator: %d %s", status, answer)
	}
	clock = now.Add(time.Hour)
	if status, answer, _ := b.lookup(li, `{"card":"K-00001-0000000"}`); status != http.StatusOK {
		t.Errorf("the next hour: %d %s", status, answer)
	}
}

// Each look-up has a row that tells who asked, and by a hash for whom: the same
// for the same however it was written.
func TestTheAuditLogTellsWhoLookedForWhomByAHash(t *testing.T) {
	o := openOffice(t)
	li := o.staff("li", token.RoleOperator)
	resources := map[string]string{}
	for _, body := range []string{
		`{"identity":{"kind":"phone","value":"13800000000"}}`, `{"identity":{"kind":"phone","value":"+86 138 0000 0000"}}`,
		`{"identity":{"kind":"phone","value":"13800000001"}}`, `{"identity":{"kind":"buyer","channel":"tmall","value":"canary"}}`,
		`{"identity":{"kind":"openid","channel":"tmall","value":"canary"}}`, `{"order":{"channel":"tmall","shop":"canary","order_id":"13800000000"}}`,
		`{"card":"K-00001-0000000"}`, `{"identity":{"kind":"phone","value":"138****0000"}}`,
	} {
		o.clock = o.clock.Add(time.Second)
		before := len(o.log())
		o.lookup(li, body)
		rows := o.log()
		if len(rows) != before+1 || rows[0].Operator != "li" || rows[0].Action != "member.lookup" || !rows[0].At.Equal(o.clock) {
			t.Fatalf("%s left %+v", body, rows[0])
		}
		resources[body] = rows[0].Resource
		if !strings.HasPrefix(rows[0].Resource, lookupPath+"/") || strings.Contains(rows[0].Resource, "***") {
			t.Errorf("%s is %s", body, rows[0].Resource)
		}
	}
	if raw := o.raw(); strings.Contains(raw, "13800000000") || strings.Contains(raw, "138 0000") || strings.Contains(raw, "138****") || strings.Contains(raw, "canary") {
		t.Errorf("the log holds what was looked for: %s", raw)
	}
	same := resources[`{"identity":{"kind":"phone","value":"13800000000"}}`] == resources[`{"identity":{"kind":"phone","value":"+86 138 0000 0000"}}`]
	different := map[string]bool{}
	for _, resource := range resources {
		different[resource] = true
	}
	if !same || len(different) != len(resources)-1 {
		t.Errorf("the hashes: %v", resources)
	}
}

// pages reads a list to its end, so many a page, and tells the field of each.
func (b *brand) pages(path, name string, limit int) []string {
	b.t.Helper()
	all := []string{}
	for cursor, n := "", 0; ; n++ {
		var page struct {
			Items []map[string]any
			Next  string `json:"next_cursor"`
		}
		answer := b.look(fmt.Sprintf("%s&limit=%d&cursor=%s", path, limit, cursor))
		if err := json.Unmarshal([]byte(answer), &page); err != nil || len(page.Items) > limit || n > 200 {
			b.t.Fatal(err, answer)
		}
		for _, item := range page.Items {
			all = append(all, fmt.Sprint(item[name]))
		}
		if cursor = page.Next; cursor == "" {
			return all
		}
	}
}

func TestMembersAreListedNewestFirst(t *testing.T) {
	clock := now
	b := openAt(t, &clock)
	var joined []string
	for i := range 23 {
		clock = clock.Add(time.Duration(i%3) * time.Second) // some in the same second
		joined = append(joined, b.join(fmt.Sprint("m-", i)))
	}
	b.post("/v1/members/"+joined[22]+"/merge", "merge", fmt.Sprintf(`{"member_id":%q,"reason":"same person"}`, joined[5]))
	b.call(request{method: "DELETE", path: "/v1/members/" + joined[9] + "?reason=asked", token: adminToken})
	b.post("/v1/members/"+joined[20]+"/merge", "merge-2", fmt.Sprintf(`{"member_id":%q,"reason":"same person"}`, joined[3]))
	b.post("/v1/members/"+joined[20]+"/unmerge", "unmerge", fmt.Sprintf(`{"member_id":%q,"reason":"mistaken"}`, joined[3]))
	want := slices.DeleteFunc(slices.Clone(joined), func(id string) bool { return id == joined[5] || id == joined[9] })
	for _, limit := range []int{1, 2, 7, 100} {
		got := b.pages("/v1/members?", "member_id", limit)
		if len(got) != len(want) || !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))) {
			t.Errorf("%d a page: %v, want %v", limit, got, want)
		}
		at := func(id string) time.Time {
			account, err := b.function.Store.Account(t.Context(), loyalty.MemberID(id))
			must(t, err)
			return account.JoinedAt
		}
		if !slices.IsSortedFunc(got, func(x, y string) int { return at(y).Compare(at(x)) }) {
			t.Errorf("%d a page: not newest first: %v", limit, got)
		}
	}
	if status, answer, _ := b.get("/v1/members?cursor=nonsense", adminToken); status != http.StatusBadRequest {
		t.Errorf("a cursor of nothing: %d %s", status, answer)
	}
}

// event posts a fact of an order whose buyer has the identities.
func (b *brand) event(order string, fact points.Fact, identities ...loyalty.Identity) {
	b.t.Helper()
	if fact.Kind == points.FactPaid {
		fact.Lines = []points.Line{{ID: "1", SKU: "MILK", Quantity: 1, Paid: 10_000}}
	}
	_, err := ledger.Post(b.t.Context(), b.function.Store, nil, ledger.News{Order: orderKey(order), Fact: fact, Identities: identities}, now)
	must(b.t, err)
}

func orderKey(id string) loyalty.OrderKey {
	return loyalty.OrderKey{Channel: "tmall", Shop: "flagship", Order: id}
}

const nobodys = "/v1/orders?owner=nobody"

func TestOrdersOfNobodyAreListedUntilSomebodyOwnsThem(t *testing.T) {
	b := open(t)
	buyer := loyalty.Identity{Kind: loyalty.IdentityBuyer, Channel: "tmall", Value: "b-1"}
	at := func(minutes int) time.Time { return now.Add(time.Duration(minutes) * time.Minute) }
	b.event("masked", points.Fact{Kind: points.FactPaid, At: at(-50), Proof: &points.Proof{PhoneLast4: "1234"}})
	b.event("unknown", points.Fact{Kind: points.FactPaid, At: at(-40), Proof: &points.Proof{Buyer: points.ProveBuyer(orderKey("unknown"), "b-1")}}, buyer)
	b.event("completed first", points.Fact{Kind: points.FactCompleted, At: at(-30)})
	b.event("completed first", points.Fact{Kind: points.FactPaid, At: at(-60)})
	member := b.join("a")
	b.event("owned", points.Fact{Kind: points.FactPaid, At: at(-10)}, openID("a"))
	all := []string{"completed first", "unknown", "masked"}
	for _, limit := range []int{1, 2, 50} {
		if got := b.pages(nobodys, "order_id", limit); !slices.Equal(got, all) {
			t.Errorf("%d a page: %v, want %v", limit, got, all)
		}
	}
	if got := b.pages(nobodys, "why", 50); !slices.Equal(got, []string{"masked", "unknown_buyer", "masked"}) {
		t.Errorf("why: %v", got)
	}
	if got := b.pages(nobodys, "proved_by", 50); !slices.Equal(got, []string{"[]", "[buyer]", "[phone_last4]"}) {
		t.Errorf("proved by: %v", got)
	}
	if got := b.pages(nobodys+"&since="+at(-40).Format(time.RFC3339), "order_id", 1); !slices.Equal(got, all[:2]) {
		t.Errorf("since: %v", got)
	}

	// By joining, by a claim and by hand, each in the write that gives the owner.
	b.event("unknown", points.Fact{Kind: points.FactClaimed, At: now, Member: loyalty.MemberID(member)})
	if got := b.pages(nobodys, "order_id", 50); !slices.Equal(got, []string{"completed first", "masked"}) {
		t.Errorf("after one was credited: %v", got)
	}
	taken, err := claim.Take(t.Context(), b.function.Store, loyalty.MemberID(member), orderKey("masked"), points.Proof{PhoneLast4: "1234"}, "c-1", now)
	must(t, err)
	must(t, ledger.Claim(t.Context(), b.function.Store, nil, taken, now))
	if got := b.pages(nobodys, "order_id", 50); !slices.Equal(got, []string{"completed first"}) {
		t.Errorf("after one was claimed: %v", got)
	}
	path := "/v1/orders/tmall/flagship/completed%20first/binding"
	b.post(path, "bind", fmt.Sprintf(`{"member_id":%q,"reason":"receipt"}`, member))
	if got := b.pages(nobodys, "order_id", 50); len(got) != 0 {
		t.Errorf("after one was bound: %v", got)
	}
	b.call(request{method: "DELETE", path: path + "?reason=mistaken", token: adminToken})
	if got, why := b.pages(nobodys, "order_id", 50), b.pages(nobodys, "why", 50); !slices.Equal(got, []string{"completed first"}) || !slices.Equal(why, []string{"unbound"}) {
		t.Errorf("after it was taken back: %v %v", got, why)
	}
	b.post(path, "bind-2", fmt.Sprintf(`{"member_id":%q,"reason":"receipt"}`, member))
	if got := b.pages(nobodys, "order_id", 50); len(got) != 0 {
		t.Errorf("after it was bound again: %v", got)
	}
	if entries := b.indexed("O#"); entries != 0 {
		t.Errorf("%d rows are left in the lists of what waits", entries)
	}
	for _, path := range []string{"/v1/orders", "/v1/orders?owner=m1", nobodys + "&since=yesterday", nobodys + "&cursor=nonsense"} {
		if status, answer, _ := b.get(path, adminToken); status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", path, status, answer)
		}
	}
}

// indexed counts the items of the table that stand in lists of the index which
// begin so.
func (b *brand) indexed(list string) int {
	b.t.Helper()
	page, err := b.engine.Scan(b.t.Context(), table.Scan{Segments: 1, Limit: 1000, Consistency: table.Strong})
	must(b.t, err)
	n := 0
	for _, item := range page.Items {
		if strings.HasPrefix(item.Text("mpk"), list) {
			n++
		}
	}
	return n
}

func TestClaimsThatWaitAreListedUntilTheyAreDecided(t *testing.T) {
	clock := now
	b := openAt(t, &clock)
	b.function.Clock = func() time.Time { return clock }
	members := []loyalty.MemberID{loyalty.MemberID(b.join("a")), loyalty.MemberID(b.join("b")), loyalty.MemberID(b.join("c"))}
	causes := 0
	ask := func(member loyalty.MemberID, order, last4 string) {
		t.Helper()
		causes++
		clock = clock.Add(time.Second)
		taken, err := claim.Take(t.Context(), b.function.Store, member, orderKey(order), points.Proof{PhoneLast4: last4}, fmt.Sprint("cause-", causes), clock)
		must(t, err)
		must(t, ledger.Claim(t.Context(), b.function.Store, nil, taken, clock))
	}
	const waiting = "/v1/claims?state=waiting"
	ask(members[0], "coming", "1111")
	ask(members[1], "coming", "2222")
	ask(members[2], "never", "3333")
	b.event("bare", points.Fact{Kind: points.FactPaid, At: now})
	ask(members[2], "bare", "4444")
	for _, limit := range []int{1, 3, 50} {
		got := b.pages(waiting, "member_id", limit)
		if want := []string{string(members[2]), string(members[2]), string(members[1]), string(members[0])}; !slices.Equal(got, want) {
			t.Errorf("%d a page: %v, want %v", limit, got, want)
		}
	}
	if got := b.pages(waiting, "why", 50); !slices.Equal(got, []string{"proof_unknown", "order_unknown", "order_unknown", "order_unknown"}) {
		t.Errorf("why: %v", got)
	}
	if answer := b.look(waiting); strings.Contains(answer, "1111") || strings.Contains(answer, "4444") {
		t.Errorf("the list tells a proof: %s", answer)
	}
	// Claimed again with another proof, it stands there once.
	ask(members[2], "never", "5555")
	if got := b.pages(waiting, "order_id", 50); !slices.Equal(got, []string{"never", "bare", "coming", "coming"}) {
		t.Errorf("claimed again: %v", got)
	}
	if got := b.pages(nobodys, "claims", 50); !slices.Equal(got, []string{"1"}) {
		t.Errorf("claims of the order of nobody: %v", got)
	}
	// The order comes and is the first's; the second's claim is refused with it.
	b.event("coming", points.Fact{Kind: points.FactPaid, At: now, Proof: &points.Proof{PhoneLast4: "1111"}})
	if got := b.pages(waiting, "order_id", 50); !slices.Equal(got, []string{"never", "bare"}) {
		t.Errorf("after the order came: %v", got)
	}
	// A member who was erased waits for nothing.
	b.call(request{method: "DELETE", path: "/v1/members/" + string(members[2]) + "?reason=asked", token: adminToken})
	if got := b.pages(waiting, "order_id", 50); len(got) != 0 {
		t.Errorf("claims of who was erased: %v", got)
	}
	ask(members[0], "late", "6666")
	clock = clock.Add(points.ClaimLife)
	if got := b.pages(waiting, "order_id", 50); len(got) != 0 {
		t.Errorf("a claim whose time is over: %v", got)
	}
	for _, path := range []string{"/v1/claims", "/v1/claims?state=refused"} {
		if status, answer, _ := b.get(path, adminToken); status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", path, status, answer)
		}
	}
}

func TestCorrectionsThatWaitAreListedUntilTheyAreApproved(t *testing.T) {
	b := open(t)
	member := b.join("a")
	li, wang := b.staff("li", token.RoleOperator), b.staff("wang", token.RoleOperator)
	path := "/v1/members/" + member + "/points/adjustments"
	b.by(li, path, `{"points":10,"reason":"small"}`)
	_, dear := b.by(li, path, `{"points":5000,"reason":"late parcel"}`)
	_, other := b.by(li, path, `{"points":6000,"reason":"late parcel"}`)
	const waiting = "/v1/adjustments?state=waiting"
	want := []string{field(t, dear, "id"), field(t, other, "id")}
	slices.Sort(want)
	for _, limit := range []int{1, 50} {
		if got := b.pages(waiting, "id", limit); !slices.Equal(slices.Sorted(slices.Values(got)), want) {
			t.Errorf("%d a page: %v, want %v", limit, got, want)
		}
	}
	if status, answer := b.by(wang, path+"/"+field(t, dear, "id")+"/approval", ""); status != http.StatusOK {
		t.Fatalf("%d %s", status, answer)
	}
	if got := b.pages(waiting, "id", 50); !slices.Equal(got, []string{field(t, other, "id")}) {
		t.Errorf("after one was approved: %v", got)
	}
	for _, path := range []string{"/v1/adjustments", "/v1/adjustments?state=made"} {
		if status, answer, _ := b.get(path, adminToken); status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", path, status, answer)
		}
	}
}

func TestAnOrderTellsItsLogAndWhatItEarned(t *testing.T) {
	b := open(t)
	path := "/v1/orders/tmall/flagship/"
	if status, answer, _ := b.get(path+"nothing", adminToken); status != http.StatusNotFound || refusal(t, answer) != "order_unknown" {
		t.Errorf("%d %s", status, answer)
	}
	member := b.join("a")
	b.event("1", points.Fact{Kind: points.FactPaid, At: now, Proof: &points.Proof{PhoneLast4: "9876", Buyer: "buyer-canary"}})
	b.event("1", points.Fact{Kind: points.FactRefunded, At: now.Add(time.Minute), Refunds: []points.Refund{{ID: "r-1", Line: "1", Amount: 2_550}}})
	b.post(path+"1/binding", "bind", fmt.Sprintf(`{"member_id":%q,"reason":"receipt"}`, member))
	answer := b.look(path + "1")
	var shown struct {
		MemberID string `json:"member_id"`
		Paid     int64
		Refunded int64
		Points   int64
		Lines    []struct {
			LineID  string `json:"line_id"`
			Earned  int64
			Points  int64
			Rate    points.Rate
			Program int64 `json:"program_version"`
		}
		Owners []struct{ Kind, Operator, Reason string }
		Events []struct {
			Seq     int
			Kind    string
			Refunds []struct{ Amount int64 }
		}
	}
	must(t, json.Unmarshal([]byte(answer), &shown))
	if shown.MemberID != member || shown.Paid != 10_000 || shown.Refunded != 2_550 || shown.Points != 74 {
		t.Errorf("%s", answer)
	}
	if line := shown.Lines[0]; line.Earned != 100 || line.Points != 74 || line.Rate.PerFen == 0 {
		t.Errorf("the line: %+v", line)
	}
	if len(shown.Owners) != 1 || shown.Owners[0].Kind != "bound" || shown.Owners[0].Reason != "receipt" {
		t.Errorf("the owners: %+v", shown.Owners)
	}
	kinds := []string{}
	for i, event := range shown.Events {
		if event.Seq != i+1 {
			t.Errorf("event %d has the number %d", i, event.Seq)
		}
		kinds = append(kinds, event.Kind)
	}
	if !slices.Equal(kinds, []string{"paid", "refunded", "bound"}) || shown.Events[1].Refunds[0].Amount != 2_550 {
		t.Errorf("the log: %v", kinds)
	}
	if strings.Contains(answer, "9876") || strings.Contains(answer, "canary") {
		t.Errorf("the order tells what proves its buyer: %s", answer)
	}
}

// An order of nobody is bound and heard of at once: in the end it is in the list
// exactly when nobody owns it.
func TestTheListOfNobodysOrdersUnderRaces(t *testing.T) {
	for round := range 8 {
		b := open(t)
		member := b.join("a")
		var wait sync.WaitGroup
		b.event("1", points.Fact{Kind: points.FactPaid, At: now})
		for i := range 3 {
			wait.Go(func() {
				b.post("/v1/orders/tmall/flagship/1/binding", fmt.Sprint("bind-", i), fmt.Sprintf(`{"member_id":%q,"reason":"receipt"}`, member))
			})
			wait.Go(func() {
				b.call(request{method: "DELETE", path: "/v1/orders/tmall/flagship/1/binding?reason=mistaken", token: adminToken})
			})
			wait.Go(func() {
				_, _ = ledger.Post(t.Context(), b.function.Store, nil, ledger.News{Order: orderKey("1"), Fact: points.Fact{
					Kind: points.FactRefunded, At: now, Refunds: []points.Refund{{ID: fmt.Sprint("r-", i), Line: "1", Amount: 100}},
				}}, now)
			})
		}
		wait.Wait()
		owner := field(t, b.look("/v1/orders/tmall/flagship/1/binding"), "member_id")
		listed := len(b.pages(nobodys, "order_id", 50)) == 1
		if rows := b.indexed("O#"); listed == (owner == member) || listed != (rows == 1) {
			t.Errorf("round %d: the owner is %s, the list says %t, %d rows", round, owner, listed, rows)
		}
	}
}
