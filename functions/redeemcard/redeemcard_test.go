package redeemcard_test

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"log/slog"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"github.com/huitou/huitou/functions/redeemcard"
	"github.com/huitou/huitou/infra/contract"
	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/coupons"
	"github.com/huitou/huitou/shared/enrolment"
	"github.com/huitou/huitou/shared/ledger"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/table/embedded"
	"github.com/huitou/huitou/shared/token"
)

var (
	opened = time.Date(2026, 11, 11, 0, 0, 0, 0, time.FixedZone("CST", 8*3600))
	closed = opened.AddDate(0, 1, 0)
	noon   = opened.Add(12 * time.Hour)
)

// brand is the function over an empty table, with what a test wants to move.
type brand struct {
	legal   *program.Legal // of the program that style makes
	t       *testing.T
	f       *redeemcard.Function
	engine  *embedded.Engine
	now     atomic.Pointer[time.Time]
	orders  *outbox
	payouts *outbox
	logged  *strings.Builder
	from    string // the peer's address
}

// outbox keeps what was sent and can refuse to.
type outbox struct {
	mu     sync.Mutex
	bodies []string
	fails  bool
}

func (o *outbox) Send(_ context.Context, bodies ...[]byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.fails {
		return loyalty.Refuse(loyalty.KindUnavailable, "queue_unavailable", "")
	}
	for _, body := range bodies {
		o.bodies = append(o.bodies, string(body))
	}
	return nil
}

func keys(t testing.TB, fill byte) *cards.Keyring {
	t.Helper()
	root := cards.RootKey{ID: '1'}
	for i := range root.Secret {
		root.Secret[i] = fill
	}
	ring, err := cards.NewKeyring(root)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

var tokenKey = []byte("member-token-key-of-32-bytes-at-least")

func open(t *testing.T) *brand {
	t.Helper()
	engine := embedded.Memory()
	t.Cleanup(func() {
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	})
	b := &brand{t: t, engine: engine, orders: &outbox{}, payouts: &outbox{}, logged: &strings.Builder{}}
	b.at(noon)
	b.f = &redeemcard.Function{
		Store: store.Store{Table: engine}, Orders: b.orders, Payouts: b.payouts, Keys: keys(t, 7),
		PhoneKey: []byte("phone-key-phone-key-phone-key-32"), TokenKey: tokenKey,
		Clock:  func() time.Time { return *b.now.Load() },
		Random: rand.Reader, Log: slog.New(slog.NewTextHandler(&lockedWriter{w: b.logged}, nil)),
	}
	return b
}

type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

func (b *brand) at(now time.Time) { b.now.Store(&now) }

// put writes items as operators' functions do.
func (b *brand) put(kind, id string, document any) {
	b.t.Helper()
	raw, err := json.Marshal(document)
	if err != nil {
		b.t.Fatal(err)
	}
	item := table.Item{Key: table.DocumentKey(kind, id), Attributes: map[string]table.Value{"doc": table.String(string(raw))}}
	if err := b.engine.Write(b.t.Context(), table.Put(item)); err != nil {
		b.t.Fatal(err)
	}
}

var prizes = map[cards.PrizeKind]cards.Award{
	cards.PrizePoints:    {Kind: cards.PrizePoints, Amount: 8613},
	cards.PrizeCoupon:    {Kind: cards.PrizeCoupon, Text: "back-20"},
	cards.PrizeGift:      {Kind: cards.PrizeGift, Text: "试用装一份"},
	cards.PrizeRedPacket: {Kind: cards.PrizeRedPacket, Amount: 188},
	cards.PrizeNone:      {Kind: cards.PrizeNone},
}

// batch opens a batch of ten cards that all give the award.
func (b *brand) batch(number int, form cards.Form, award cards.Award, change ...func(*cards.Batch)) cards.Batch {
	b.t.Helper()
	batch := cards.Batch{
		KeyID: "1", Number: number, Name: "双十一", Count: 10, ValidFrom: opened, ValidTo: closed, State: cards.StateActive,
		Approved: &cards.Signature{Operator: "li", At: opened}, Activated: &cards.Signature{Operator: "wang", At: opened},
		RulesText: "每张卡限兑一次。",
		Arms:      []cards.Arm{{Name: "a", Form: form, Weight: 1, Prizes: []cards.Prize{{Award: award, Quantity: 10}}}},
	}
	for _, change := range change {
		change(&batch)
	}
	b.put(table.DocumentBatch, batch.ID(), batch)
	return batch
}

func (b *brand) template() {
	b.put(table.DocumentTemplate, "back-20", coupons.Template{
		ID: "back-20", Name: "老友回头券", Kind: coupons.KindOwn, Threshold: 19900, Discount: 2000, Validity: coupons.Validity{Months: 3},
	})
}

func (b *brand) code(batch cards.Batch, card int) string {
	b.t.Helper()
	text, err := b.f.Keys.Codec().Token(batch.Code(card))
	if err != nil {
		b.t.Fatal(err)
	}
	return text
}

func (b *brand) enrol(identity loyalty.Identity) loyalty.MemberID {
	b.t.Helper()
	member, _, err := enrolment.Enrol(b.t.Context(), b.f.Store,
		enrolment.Request{Identities: []enrolment.Identity{{Identity: identity}}}, rand.Reader, noon)
	if err != nil {
		b.t.Fatal(err)
	}
	return member
}

func (b *brand) bearer(member loyalty.MemberID) map[string]string {
	b.t.Helper()
	raw, _, err := token.NewMember(tokenKey, member, *b.now.Load())
	if err != nil {
		b.t.Fatal(err)
	}
	return map[string]string{"authorization": "Bearer " + raw}
}

func (b *brand) send(ctx context.Context, method, path string, header map[string]string, body string) events.APIGatewayV2HTTPResponse {
	b.t.Helper()
	path, query, _ := strings.Cut(path, "?")
	event := events.APIGatewayV2HTTPRequest{RawPath: path, RawQueryString: query, Headers: header, Body: body}
	event.RequestContext.HTTP.Method = method
	event.RequestContext.HTTP.SourceIP = b.from
	event.RequestContext.RequestID = "request-1"
	response, err := b.f.Handle(ctx, event)
	if err != nil {
		b.t.Error(err)
	}
	contract.Check(b.t, event, response)
	return response
}

func (b *brand) redeem(code string, header map[string]string, body string) events.APIGatewayV2HTTPResponse {
	b.t.Helper()
	all := map[string]string{}
	if body != "" {
		all["content-type"] = "application/json"
	}
	maps.Copy(all, header)
	return b.send(b.t.Context(), "POST", "/c/"+code+"/redemption", all, body)
}

func (b *brand) form(code string, values url.Values) events.APIGatewayV2HTTPResponse {
	b.t.Helper()
	return b.send(b.t.Context(), "POST", "/C/"+code, map[string]string{"content-type": "application/x-www-form-urlencoded"}, values.Encode())
}

func (b *brand) page(code string) events.APIGatewayV2HTTPResponse {
	b.t.Helper()
	return b.send(b.t.Context(), "GET", "/C/"+code, nil, "")
}

func openid(value string) string {
	return fmt.Sprintf(`{"identity":{"kind":"openid","channel":"wechat","value":%q}}`, value)
}

func phone(number string) string {
	return fmt.Sprintf(`{"identity":{"kind":"phone","value":%q}}`, number)
}

var consents = []string{"membership", "marketing"}

// snapshot is all items of the table, to show that nothing changed; but for the
// counts of runs, which hold nothing of anybody and end by themselves.
func (b *brand) snapshot() map[table.Key]map[string]string {
	b.t.Helper()
	found := map[table.Key]map[string]string{}
	scan := table.Scan{Segments: 1, Limit: 1000, Consistency: table.Strong}
	for {
		page, err := b.engine.Scan(b.t.Context(), scan)
		if err != nil {
			b.t.Fatal(err)
		}
		for _, item := range page.Items {
			if strings.HasPrefix(item.Key.PK, "L#") && item.Key.SK == "R" {
				continue
			}
			attributes := map[string]string{}
			for name, value := range item.Attributes {
				attributes[name] = fmt.Sprint(value.Text(), value.Int())
			}
			found[item.Key] = attributes
		}
		if page.Next == "" {
			return found
		}
		scan.Cursor = page.Next
	}
}

func (b *brand) unchanged(before map[table.Key]map[string]string, what string) {
	b.t.Helper()
	if diff := cmp.Diff(before, b.snapshot()); diff != "" {
		b.t.Errorf("%s changed the table: %s", what, diff)
	}
}

func (b *brand) account(member loyalty.MemberID) store.Account {
	b.t.Helper()
	account, err := b.f.Store.Account(b.t.Context(), member)
	if err != nil {
		b.t.Fatal(err)
	}
	return account
}

func problemCode(t *testing.T, r events.APIGatewayV2HTTPResponse) string {
	t.Helper()
	var problem struct{ Type string }
	if err := json.Unmarshal([]byte(r.Body), &problem); err != nil {
		t.Errorf("no problem document: %v", err)
	}
	return problem.Type[strings.LastIndex(problem.Type, "/")+1:]
}

// Points are counted with their owner's run for nothing, other prizes for a unit.
func TestWhatAPrizeForAKnownMemberCosts(t *testing.T) {
	most := map[cards.PrizeKind]float64{
		cards.PrizePoints: 5, cards.PrizeCoupon: 6, cards.PrizeGift: 7, cards.PrizeRedPacket: 7, cards.PrizeNone: 2,
	}
	for kind, award := range prizes {
		b := open(t)
		b.template()
		batch := b.batch(1, cards.FormPlain, award)
		member := b.enrol(loyalty.Identity{Kind: loyalty.IdentityOpenID, Channel: "wechat", Value: "o-1"})
		var usage table.Usage
		response := b.send(table.WithUsage(t.Context(), &usage), "POST", "/c/"+b.code(batch, 3)+"/redemption",
			map[string]string{"content-type": "application/json"}, openid("o-1"))
		if response.StatusCode != 200 {
			t.Fatalf("%s: %d %s", kind, response.StatusCode, response.Body)
		}
		var got struct {
			Prize      cards.Award
			RedeemedAt time.Time `json:"redeemed_at"`
			State      string
		}
		if err := json.Unmarshal([]byte(response.Body), &got); err != nil {
			t.Fatal(err)
		}
		if got.Prize != award || !got.RedeemedAt.Equal(noon) || got.State != "credited" {
			t.Errorf("%s: %s", kind, response.Body)
		}
		t.Logf("%-10s %v write units, %v read units, %d round trips", kind, usage.WriteUnits, usage.ReadUnits, usage.RoundTrips)
		if usage.WriteUnits > most[kind] {
			t.Errorf("%s: %v write units", kind, usage.WriteUnits)
		}
		want := points.Balance{}
		if kind == cards.PrizePoints {
			want.Available = 8613
		}
		if balance := b.account(member).Balance; balance != want {
			t.Errorf("%s: balance %+v", kind, balance)
		}
		history, _, err := b.f.Store.History(t.Context(), member, 10, "")
		if err != nil || len(history) != 1 {
			t.Fatalf("%s: history %+v, %v", kind, history, err)
		}
		var sum points.Balance
		for _, entry := range history[0].Entries {
			sum = sum.Plus(entry)
		}
		if sum != want || history[0].Member != member || !history[0].At.Equal(noon) {
			t.Errorf("%s: the ledger says %+v", kind, history[0])
		}
		if kind == cards.PrizeCoupon {
			b.checkCoupon(member)
		}
	}
}

func (b *brand) checkCoupon(member loyalty.MemberID) {
	b.t.Helper()
	items, err := b.engine.Get(b.t.Context(), table.Strong, table.CouponKey(member, "card:1-00001:3"))
	if err != nil || items[0] == nil {
		b.t.Fatalf("no coupon: %v", err)
	}
	var coupon coupons.Coupon
	if err := json.Unmarshal([]byte(items[0].Text("doc")), &coupon); err != nil {
		b.t.Fatal(err)
	}
	if owner, _, ok := coupons.ParseCode(coupon.Code); !ok || owner != member {
		b.t.Errorf("code %q is not the member's", coupon.Code)
	}
	coupon.Code = ""
	want := coupons.Coupon{
		Template: "back-20", Member: member, Trigger: "card:1-00001:3", Name: "老友回头券", Threshold: 19900, Discount: 2000,
		State: coupons.StateIssued, IssuedAt: noon.In(opened.Location()), ExpiresAt: time.Date(2027, 2, 11, 23, 59, 59, 0, opened.Location()),
	}
	if diff := cmp.Diff(want, coupon); diff != "" {
		b.t.Error(diff)
	}
}

func TestAnUnknownIdentityBecomesAMember(t *testing.T) {
	b := open(t)
	batch := b.batch(1, cards.FormPlain, prizes[cards.PrizePoints])
	code := b.code(batch, 0)
	var usage table.Usage
	body := `{"identity":{"kind":"openid","channel":"wechat","value":"o-1"},"consents":["membership"]}`
	first := b.send(table.WithUsage(t.Context(), &usage), "POST", "/c/"+code+"/redemption", map[string]string{"content-type": "application/json"}, body)
	if first.StatusCode != 200 {
		t.Fatalf("%d %s", first.StatusCode, first.Body)
	}
	t.Logf("new member: %v write units, %v read units, %d round trips", usage.WriteUnits, usage.ReadUnits, usage.RoundTrips)
	identity := loyalty.Identity{Kind: loyalty.IdentityOpenID, Channel: "wechat", Value: "o-1"}
	owners, err := b.f.Store.Owners(t.Context(), identity)
	if err != nil || owners[0] == "" {
		t.Fatalf("nobody owns the identity: %v", err)
	}
	account := b.account(owners[0])
	if account.Balance != (points.Balance{Available: 8613}) || !account.Consents[loyalty.ConsentMembership].Equal(noon) ||
		len(account.Consents) != 1 || len(account.Profile.Identities) != 1 {
		t.Errorf("account %+v", account)
	}
	want := []string{string(enrolment.JoinedMessage(identity))}
	if diff := cmp.Diff(want, b.orders.bodies); diff != "" {
		t.Errorf("orders that wait: %s", diff)
	}
	// They are one member, whichever card they redeem next.
	if second := b.redeem(b.code(batch, 1), nil, openid("o-1")); second.StatusCode != 200 {
		t.Fatalf("%d %s", second.StatusCode, second.Body)
	}
	if balance := b.account(owners[0]).Balance; balance.Available != 2*8613 {
		t.Errorf("balance %+v", balance)
	}
}

func TestALostMessageIsSentAgainWithTheRepeat(t *testing.T) {
	b := open(t)
	code := b.code(b.batch(1, cards.FormPlain, prizes[cards.PrizePoints]), 0)
	b.orders.fails = true
	if got := b.redeem(code, nil, openid("o-1")); got.StatusCode != 503 {
		t.Fatalf("%d, want 503: the customer must ask again", got.StatusCode)
	}
	b.orders.fails = false
	before := b.snapshot()
	if got := b.redeem(code, nil, openid("o-1")); got.StatusCode != 200 {
		t.Fatalf("%d %s", got.StatusCode, got.Body)
	}
	b.unchanged(before, "the repeat")
	if len(b.orders.bodies) != 1 {
		t.Errorf("%d messages", len(b.orders.bodies))
	}
}

func TestTheWinnerGetsTheirFirstAnswerAgainAndOthersTheDate(t *testing.T) {
	b := open(t)
	batch := b.batch(1, cards.FormPlain, prizes[cards.PrizePoints])
	code := b.code(batch, 0)
	first := b.redeem(code, map[string]string{"idempotency-key": "k-1"}, openid("winner"))
	b.at(noon.Add(48 * time.Hour))
	winner := b.account(b.owner("winner")).Member
	for name, again := range map[string]events.APIGatewayV2HTTPResponse{
		"the same":             b.redeem(code, map[string]string{"idempotency-key": "k-1"}, openid("winner")),
		"another key":          b.redeem(code, map[string]string{"idempotency-key": "k-2"}, openid("winner")),
		"their token":          b.redeem(code, b.bearer(winner), ""),
		"another spelling":     b.redeem(strings.ToLower(code[:10])+"-"+code[10:], nil, openid("winner")),
		"upper-case path":      b.send(t.Context(), "POST", "/C/"+code+"/redemption", map[string]string{"content-type": "application/json"}, openid("winner")),
		"typed form":           b.redeem(b.typed(batch, 0), nil, openid("winner")),
		"token and empty body": b.redeem(code, b.bearer(winner), "{}"),
	} {
		if again.StatusCode != first.StatusCode || again.Body != first.Body {
			t.Errorf("%s: %d %s, want %s", name, again.StatusCode, again.Body, first.Body)
		}
	}
	other := b.enrol(loyalty.Identity{Kind: loyalty.IdentityBuyer, Channel: "tmall", Value: "b-9"})
	before := b.snapshot()
	for name, taken := range map[string]events.APIGatewayV2HTTPResponse{
		"another identity": b.redeem(code, nil, openid("loser")),
		"another member":   b.redeem(code, b.bearer(other), ""),
		"a phone":          b.redeem(code, nil, phone("13800000000")),
	} {
		if taken.StatusCode != 409 || problemCode(t, taken) != "card_taken" || !strings.Contains(taken.Body, "2026-11-11") {
			t.Errorf("%s: %d %s", name, taken.StatusCode, taken.Body)
		}
		for _, secret := range []string{string(winner), "winner", "8613", "openid"} {
			if strings.Contains(taken.Body, secret) {
				t.Errorf("%s is told %q of the winner", name, secret)
			}
		}
	}
	if got := b.redeem(code, map[string]string{"idempotency-key": "k-1"}, openid("loser")); got.StatusCode != 422 {
		t.Errorf("the same key with another body: %d", got.StatusCode)
	}
	b.unchanged(before, "repeats and losers")

	b.at(closed)
	if got := b.redeem(code, nil, openid("winner")); got.Body != first.Body {
		t.Errorf("after the end the winner gets %d %s", got.StatusCode, got.Body)
	}
	if got := b.redeem(code, nil, openid("loser")); got.StatusCode != 404 {
		t.Errorf("after the end others get %d, want 404", got.StatusCode)
	}

	b.at(noon)
	b.put(table.DocumentBatch, batch.ID(), batch.Freeze("li", noon))
	if got := b.redeem(code, nil, openid("winner")); got.Body != first.Body {
		t.Errorf("after a freeze the winner gets %d %s", got.StatusCode, got.Body)
	}
	if got := b.redeem(code, nil, openid("loser")); got.StatusCode != 404 {
		t.Errorf("after a freeze others get %d, want 404", got.StatusCode)
	}
}

func (b *brand) owner(openid string) loyalty.MemberID {
	b.t.Helper()
	owners, err := b.f.Store.Owners(b.t.Context(), loyalty.Identity{Kind: loyalty.IdentityOpenID, Channel: "wechat", Value: openid})
	if err != nil {
		b.t.Fatal(err)
	}
	return owners[0]
}

func (b *brand) typed(batch cards.Batch, card int) string {
	b.t.Helper()
	text, err := b.f.Keys.Codec().Typed(batch.Code(card))
	if err != nil {
		b.t.Fatal(err)
	}
	return text
}

func TestOneOf64ParallelRedemptionsWins(t *testing.T) {
	b := open(t)
	code := b.code(b.batch(1, cards.FormPlain, prizes[cards.PrizePoints]), 0)
	members := make([]loyalty.MemberID, 64)
	for i := range members {
		members[i] = b.enrol(loyalty.Identity{Kind: loyalty.IdentityOpenID, Channel: "wechat", Value: fmt.Sprint("o-", i)})
	}
	before := b.snapshot()
	statuses := make([]int, len(members))
	start := make(chan struct{})
	var wait sync.WaitGroup
	for i := range members {
		wait.Go(func() {
			<-start
			statuses[i] = b.redeem(code, nil, openid(fmt.Sprint("o-", i))).StatusCode
		})
	}
	close(start)
	wait.Wait()
	counts := map[int]int{}
	for _, status := range statuses {
		counts[status]++
	}
	if diff := cmp.Diff(map[int]int{200: 1, 409: 63}, counts); diff != "" {
		t.Error(diff)
	}
	var paid loyalty.Points
	entries := 0
	for _, member := range members {
		paid += b.account(member).Balance.Available
		history, _, err := b.f.Store.History(t.Context(), member, 10, "")
		if err != nil {
			t.Fatal(err)
		}
		entries += len(history)
	}
	if paid != 8613 || entries != 1 {
		t.Errorf("%d points in %d entries, want 8613 in 1", paid, entries)
	}
	if added := len(b.snapshot()) - len(before); added != 1 {
		t.Errorf("%d new items, want the card's alone", added)
	}
}

func TestOneNewcomerWith64CardsIsOneMember(t *testing.T) {
	b := open(t)
	batch := b.batch(1, cards.FormPlain, prizes[cards.PrizePoints])
	statuses := make([]int, batch.Count)
	var wait sync.WaitGroup
	for card := range batch.Count {
		wait.Go(func() { statuses[card] = b.redeem(b.code(batch, card), nil, openid("new")).StatusCode })
	}
	wait.Wait()
	for card, status := range statuses {
		if status != 200 {
			t.Errorf("card %d: %d", card, status)
		}
	}
	if balance := b.account(b.owner("new")).Balance; balance.Available != 10*8613 {
		t.Errorf("balance %+v", balance)
	}
}

// Whatever is wrong with a code, the answer has one shape and nothing is
// written. The table is asked nothing about a code whose tag is wrong, and about
// every other once.
func TestEveryCodeThatCannotBeRedeemedGetsOneAnswer(t *testing.T) {
	b := open(t)
	award := prizes[cards.PrizePoints]
	good := b.batch(1, cards.FormPlain, award)
	unopened := func(state cards.State) func(*cards.Batch) {
		return func(b *cards.Batch) { b.State, b.Activated = state, nil }
	}
	type cost struct {
		roundTrips int
		reads      float64
	}
	type refusal struct {
		code   string
		at     time.Time
		forged bool
	}
	codes := map[string]refusal{}
	code := b.code(good, 0)
	garbage := func(name, code string) { codes[name] = refusal{code, noon, true} }
	add := func(name, code string, at time.Time) { codes[name] = refusal{code, at, false} }
	foreign := keys(t, 8).Codec()
	other, err := foreign.Token(good.Code(0))
	if err != nil {
		t.Fatal(err)
	}
	swap := "0"
	if strings.HasSuffix(code, "0") {
		swap = "1"
	}
	garbage("wrong tag", code[:33]+swap)
	garbage("foreign", other)
	garbage("unknown key", "2"+code[1:])
	garbage("truncated", code[:30])
	garbage("empty", "")
	garbage("a path", "..%2f..%2fetc")
	garbage("a segment more", code+"/x")
	add("unknown batch", b.code(cards.Batch{KeyID: "1", Number: 99}, 0), noon)
	add("beyond the batch", b.code(good, 10), noon)
	add("early by a second", code, opened.Add(-time.Second))
	add("not active", b.code(b.batch(2, cards.FormPlain, award, unopened(cards.StateCreated)), 0), noon)
	add("printed", b.code(b.batch(3, cards.FormPlain, award, unopened(cards.StatePrinted)), 0), noon)
	add("frozen before it opened", b.code(b.batch(4, cards.FormPlain, award, unopened(cards.StateFrozen)), 0), noon)
	add("expired before it opened", b.code(b.batch(2, cards.FormPlain, award, unopened(cards.StateCreated)), 1), closed)
	add("frozen", b.code(b.batch(5, cards.FormPlain, award, func(b *cards.Batch) { b.State = cards.StateFrozen }), 0), noon)
	add("expired", code, closed.Add(cards.SettlingTime))
	known := b.enrol(loyalty.Identity{Kind: loyalty.IdentityOpenID, Channel: "wechat", Value: "o-2"})
	before := b.snapshot()

	var shape string
	for name, c := range codes {
		b.at(c.at)
		b.page("warm-up") // the program is read once a minute, whatever the code
		for _, request := range []struct {
			method, path string
			header       map[string]string
			body         string
			units        float64 // a half of the strong ones where a page only shows something
		}{
			{"POST", "/c/" + c.code + "/redemption", map[string]string{"content-type": "application/json"}, openid("o-1"), 3},
			{"POST", "/c/" + c.code + "/redemption", map[string]string{"content-type": "application/json"}, phone("13800000000"), 2},
			{"POST", "/c/" + c.code + "/redemption", b.bearer(known), "", 2},
			{"GET", "/c/" + c.code, nil, "", 1},
			{"POST", "/C/" + c.code, map[string]string{"content-type": "application/x-www-form-urlencoded"}, "phone=13800000000&consent=membership", 2},
			{"POST", "/C/" + c.code, map[string]string{"content-type": "application/x-www-form-urlencoded"}, "phone=&consent=membership", 1},
		} {
			var usage table.Usage
			response := b.send(table.WithUsage(t.Context(), &usage), request.method, request.path, request.header, request.body)
			if response.StatusCode != 404 {
				t.Errorf("%s, %s %s: %d, want 404", name, request.method, request.body, response.StatusCode)
			}
			want := cost{1, request.units}
			if c.forged {
				want = cost{}
			}
			if got := (cost{usage.RoundTrips, usage.ReadUnits}); got != want || usage.WriteUnits != 0 {
				t.Errorf("%s, %s %s: costs %+v and %v write units, want %+v", name, request.method, request.body, got, usage.WriteUnits, want)
			}
			if strings.HasSuffix(request.path, "/redemption") {
				if shape == "" {
					shape = response.Body
				}
				if response.Body != shape || response.Headers["Content-Type"] != "application/problem+json; charset=utf-8" || response.Headers["Cache-Control"] != "no-store" {
					t.Errorf("%s: %s", name, response.Body)
				}
			} else if !strings.Contains(response.Body, "400-000-0000") || strings.Contains(response.Body, "8613") {
				t.Errorf("%s: the page lacks the brand's contact, or tells the prize", name)
			}
		}
	}
	b.unchanged(before, "a refused code")
	if len(b.orders.bodies) != 0 {
		t.Error("a message was sent")
	}
	mistyped := b.typed(good, 0)
	mistyped = mistyped[:len(mistyped)-1] + map[bool]string{true: "1", false: "0"}[strings.HasSuffix(mistyped, "0")]
	b.at(noon)
	if page := b.page(mistyped); page.StatusCode != 404 || !strings.Contains(page.Body, "似乎有一位不对") {
		t.Error("a mistyped code gets no hint")
	}
}

func TestATypedPhoneReservesAndTellsNothing(t *testing.T) {
	member := func(b *brand) loyalty.MemberID {
		name := b.phoneIdentity("13800000000")
		return b.enrol(name)
	}
	var bodies []string
	for _, known := range []bool{false, true} {
		b := open(t)
		code := b.code(b.batch(1, cards.FormPlain, prizes[cards.PrizePoints]), 0)
		if known {
			member(b)
		}
		var usage table.Usage
		got := b.send(table.WithUsage(t.Context(), &usage), "POST", "/c/"+code+"/redemption", map[string]string{"content-type": "application/json"}, phone("138 0000 0000"))
		if got.StatusCode != 200 || !strings.Contains(got.Body, `"state":"reserved"`) {
			t.Fatalf("%d %s", got.StatusCode, got.Body)
		}
		bodies = append(bodies, fmt.Sprint(got.Body, usage))
		for key := range b.snapshot() {
			if strings.Contains(fmt.Sprint(key, b.snapshot()[key]), "138") && strings.Contains(fmt.Sprint(b.snapshot()[key]), "13800000000") {
				t.Errorf("the digits are kept in %v", key)
			}
		}
	}
	if bodies[0] != bodies[1] {
		t.Errorf("a member's phone shows: %s against %s", bodies[1], bodies[0])
	}
}

func (b *brand) phoneIdentity(number string) loyalty.Identity {
	b.t.Helper()
	return phoneIdentity(b.t, b.f.PhoneKey, number)
}

func TestAReservedPrizeBecomesTheMembersWhoOwnsThePhone(t *testing.T) {
	b := open(t)
	batch := b.batch(1, cards.FormPlain, prizes[cards.PrizePoints])
	code := b.code(batch, 0)
	reserved := b.redeem(code, nil, phone("13800000000"))
	owner := b.enrol(b.phoneIdentity("13800000000"))
	stranger := b.enrol(b.phoneIdentity("13900000000"))
	before := b.snapshot()
	if got := b.redeem(code, b.bearer(stranger), ""); got.StatusCode != 409 {
		t.Errorf("a stranger gets %d", got.StatusCode)
	}
	b.unchanged(before, "a stranger")

	b.at(noon.Add(24 * time.Hour))
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			if got := b.redeem(code, b.bearer(owner), ""); got.StatusCode != 200 || !strings.Contains(got.Body, `"state":"credited"`) {
				t.Errorf("the owner gets %d %s", got.StatusCode, got.Body)
			}
		})
	}
	wait.Wait()
	if balance := b.account(owner).Balance; balance != (points.Balance{Available: 8613}) {
		t.Errorf("balance %+v", balance)
	}
	history, _, err := b.f.Store.History(t.Context(), owner, 10, "")
	if err != nil || len(history) != 1 || len(history[0].Entries) != 1 {
		t.Errorf("history %+v, %v", history, err)
	}
	if again := b.redeem(code, nil, phone("+86 13800000000")); again.Body != reserved.Body {
		t.Errorf("the one who typed the phone gets %s, want %s: that it was proved is not theirs to know", again.Body, reserved.Body)
	}
}

// meanwhile does something between a function's first decision and its write.
type meanwhile struct {
	table.Table
	once sync.Once
	what func()
}

func (m *meanwhile) Write(ctx context.Context, actions ...table.Action) error {
	m.once.Do(m.what)
	return m.Table.Write(ctx, actions...)
}

func (b *brand) meanwhile(what func()) {
	b.f.Store.Table = &meanwhile{Table: b.engine, what: func() {
		b.f.Store.Table = b.engine
		what()
	}}
}

func TestALostRaceIsDecidedAgain(t *testing.T) {
	b := open(t)
	batch := b.batch(1, cards.FormPlain, prizes[cards.PrizePoints])
	first, second := b.code(batch, 0), b.code(batch, 1)

	b.meanwhile(func() { b.redeem(first, nil, openid("faster")) })
	if got := b.redeem(first, nil, openid("slower")); got.StatusCode != 409 {
		t.Errorf("who was overtaken gets %d", got.StatusCode)
	}
	if owner := b.owner("slower"); owner != "" {
		t.Error("who was overtaken became a member")
	}
	b.meanwhile(func() { b.redeem(second, nil, openid("same")) })
	if got := b.redeem(second, nil, openid("same")); got.StatusCode != 200 {
		t.Errorf("the one who overtook themselves gets %d", got.StatusCode)
	}
	if balance := b.account(b.owner("same")).Balance; balance != (points.Balance{Available: 8613}) {
		t.Errorf("balance %+v", balance)
	}

	third := b.code(batch, 2)
	b.redeem(third, nil, phone("13800000000"))
	owner := b.enrol(b.phoneIdentity("13800000000"))
	b.meanwhile(func() { b.redeem(third, b.bearer(owner), "") })
	if got := b.redeem(third, b.bearer(owner), ""); got.StatusCode != 200 {
		t.Errorf("two proofs that meet: %d", got.StatusCode)
	}
	if balance := b.account(owner).Balance; balance != (points.Balance{Available: 8613}) {
		t.Errorf("two proofs that meet give %+v", balance)
	}
}

func TestAMemberWhoIsGoneGetsNothing(t *testing.T) {
	b := open(t)
	code := b.code(b.batch(1, cards.FormPlain, prizes[cards.PrizePoints]), 0)
	before := b.snapshot()
	if got := b.redeem(code, b.bearer("m-erased"), ""); got.StatusCode != 401 {
		t.Errorf("%d %s", got.StatusCode, got.Body)
	}
	b.unchanged(before, "an erased member")
}

func (b *brand) merge(into, part loyalty.MemberID) {
	b.t.Helper()
	_, err := ledger.Merge(b.t.Context(), b.f.Store, store.Merge{ID: "x", Into: into, Part: part, By: store.Hand{Operator: "wang", At: noon}, Reason: "same person"})
	if err != nil {
		b.t.Fatal(err)
	}
}

// A person who redeems under the identity of a member who was merged into
// another does it for that one; a token of theirs opens nothing any more.
func TestCardsOfAMergedMember(t *testing.T) {
	b := open(t)
	batch := b.batch(1, cards.FormPlain, prizes[cards.PrizePoints])
	wechat := func(value string) loyalty.Identity {
		return loyalty.Identity{Kind: loyalty.IdentityOpenID, Channel: "wechat", Value: value}
	}
	whole, part := b.enrol(wechat("a")), b.enrol(wechat("b"))
	phoned := b.enrol(b.phoneIdentity("13800000000"))
	reserved := b.code(batch, 0)
	b.redeem(reserved, nil, phone("13800000000"))

	first := b.code(batch, 1)
	b.meanwhile(func() { b.merge(whole, part) })
	for range 2 {
		if got := b.redeem(first, nil, openid("b")); got.StatusCode != 200 {
			t.Errorf("%d %s", got.StatusCode, got.Body)
		}
	}
	if balance := b.account(whole).Balance; balance != (points.Balance{Available: 8613}) {
		t.Errorf("the whole has %+v", balance)
	}
	if balance := b.account(part).Balance; balance != (points.Balance{}) {
		t.Errorf("the part has %+v", balance)
	}
	b.merge(whole, phoned)
	if got := b.redeem(reserved, b.bearer(whole), ""); got.StatusCode != 200 {
		t.Errorf("what was reserved for a part's phone: %d %s", got.StatusCode, got.Body)
	}
	for i, kind := range []cards.PrizeKind{cards.PrizePoints, cards.PrizeGift, cards.PrizeCoupon} {
		if kind == cards.PrizeCoupon {
			b.template()
		}
		code := b.code(b.batch(2+i, cards.FormPlain, prizes[kind]), 0)
		before := b.snapshot()
		if got := b.redeem(code, b.bearer(part), ""); got.StatusCode != 401 {
			t.Errorf("%s by a part's token: %d %s", kind, got.StatusCode, got.Body)
		}
		b.unchanged(before, "a part's token")
	}
}

func TestCardsOfAnErasedMember(t *testing.T) {
	b := open(t)
	gone := b.enrol(loyalty.Identity{Kind: loyalty.IdentityOpenID, Channel: "wechat", Value: "a"})
	erase := func() {
		if err := enrolment.Erase(t.Context(), b.f.Store, gone, store.Erasure{By: store.Hand{Operator: "wang", At: noon}, Reason: "asked"}); err != nil {
			t.Fatal(err)
		}
	}
	code := b.code(b.batch(1, cards.FormPlain, prizes[cards.PrizePoints]), 0)
	b.meanwhile(erase)
	if got := b.redeem(code, nil, openid("a")); got.StatusCode != 200 {
		t.Errorf("%d %s", got.StatusCode, got.Body)
	}
	if stranger := b.owner("a"); stranger == gone || stranger == "" {
		t.Errorf("the prize went to %q", stranger)
	}
	for i, kind := range []cards.PrizeKind{cards.PrizePoints, cards.PrizeGift} {
		code := b.code(b.batch(2+i, cards.FormPlain, prizes[kind]), 0)
		before := b.snapshot()
		if got := b.redeem(code, b.bearer(gone), ""); got.StatusCode != 401 {
			t.Errorf("%s by their token: %d %s", kind, got.StatusCode, got.Body)
		}
		b.unchanged(before, "an erased member's token")
	}
}

func TestBadRequestsChangeNothing(t *testing.T) {
	b := open(t)
	code := b.code(b.batch(1, cards.FormPlain, prizes[cards.PrizePoints]), 0)
	before := b.snapshot()
	jsonType := map[string]string{"content-type": "application/json"}
	with := func(name, value string) map[string]string {
		return map[string]string{"content-type": "application/json", name: value}
	}
	for name, c := range map[string]struct {
		header map[string]string
		body   string
		status int
	}{
		"no body":            {nil, "", 400},
		"null":               {jsonType, "null", 400},
		"array":              {jsonType, "[]", 400},
		"truncated":          {jsonType, `{"identity":`, 400},
		"trailing":           {jsonType, openid("o") + "{}", 400},
		"duplicate key":      {jsonType, `{"identity":{"kind":"openid","kind":"openid","value":"o"}}`, 400},
		"unknown field":      {jsonType, `{"identity":{"kind":"openid","value":"o"},"points":1000000}`, 400},
		"no identity":        {jsonType, `{}`, 400},
		"unknown kind":       {jsonType, `{"identity":{"kind":"email","value":"a@example.com"}}`, 400},
		"no value":           {jsonType, `{"identity":{"kind":"openid"}}`, 400},
		"long value":         {jsonType, openid(strings.Repeat("o", 129)), 400},
		"blank value":        {jsonType, openid(" o"), 400},
		"buyer of nowhere":   {jsonType, `{"identity":{"kind":"buyer","value":"b-1"}}`, 400},
		"bad phone":          {jsonType, phone("12345"), 400},
		"masked phone":       {jsonType, phone("138****0000"), 400},
		"number for value":   {jsonType, `{"identity":{"kind":"openid","value":5}}`, 400},
		"unknown consent":    {jsonType, `{"identity":{"kind":"openid","value":"o"},"consents":["all"]}`, 400},
		"UTF-16":             {jsonType, "\xff\xfe{\x00}\x00", 400},
		"text":               {map[string]string{"content-type": "text/plain"}, openid("o"), 415},
		"no type":            {nil, openid("o"), 400},
		"GBK":                {map[string]string{"content-type": "application/json; charset=gbk"}, openid("o"), 415},
		"compressed":         {with("content-encoding", "gzip"), openid("o"), 415},
		"a form":             {map[string]string{"content-type": "application/x-www-form-urlencoded"}, "phone=13800000000", 415},
		"long key":           {with("idempotency-key", strings.Repeat("k", 256)), openid("o"), 400},
		"key with CR":        {with("idempotency-key", "a\r\nb"), openid("o"), 400},
		"bad token":          {with("authorization", "Bearer x.y.z"), "", 401},
		"basic":              {with("authorization", "Basic eDp5"), "", 401},
		"unsigned token":     {with("authorization", "Bearer "+unsigned("m-1")), "", 401},
		"too large":          {jsonType, openid(strings.Repeat("o", 200<<10)), 413},
		"token and bad body": {with("authorization", "Bearer x"), `{"x":1}`, 400},
	} {
		header := c.header
		if name == "no type" {
			header = map[string]string{"content-type": ""}
			c.status = 415
		}
		got := b.redeem(code, header, c.body)
		if got.StatusCode != c.status || got.Headers["Content-Type"] != "application/problem+json; charset=utf-8" {
			t.Errorf("%s: %d %s, want %d", name, got.StatusCode, got.Body, c.status)
		}
	}
	for _, c := range []struct{ method, path, allow string }{
		{"GET", "/c/" + code + "/redemption", "POST"},
		{"DELETE", "/c/" + code, "GET, HEAD, POST"},
	} {
		if got := b.send(t.Context(), c.method, c.path, nil, ""); got.StatusCode != 405 || got.Headers["Allow"] != c.allow {
			t.Errorf("%s %s: %d, Allow %q", c.method, c.path, got.StatusCode, got.Headers["Allow"])
		}
	}
	b.unchanged(before, "a bad request")
	if len(b.orders.bodies) != 0 {
		t.Error("a message was sent")
	}
}

func unsigned(member string) string {
	part := base64.RawURLEncoding.EncodeToString
	return part([]byte(`{"alg":"none"}`)) + "." + part([]byte(`{"iss":"huitou","aud":"member","sub":"`+member+`","exp":4102444800}`)) + "."
}

func TestThePageShowsNoPrizeBeforeTheDrawAndWorksWithoutScript(t *testing.T) {
	for _, form := range []cards.Form{cards.FormScratch, cards.FormReveal, cards.FormPlain} {
		b := open(t)
		batch := b.batch(1, form, prizes[cards.PrizePoints])
		code := b.code(batch, 0)
		page := b.page(code)
		if page.StatusCode != 200 || strings.Contains(page.Body, `id="prize"`) {
			t.Fatalf("%s: %d, or the prize is in the page", form, page.StatusCode)
		}
		if strings.Contains(page.Body, code) || strings.Contains(fmt.Sprint(page.Headers), code) {
			t.Errorf("%s: the code is in the page", form)
		}
		t.Logf("%s: page of %d bytes", form, len(page.Body))
		if len(page.Body) > 60_000 {
			t.Errorf("%s: page of %d bytes", form, len(page.Body))
		}
		for _, part := range []string{
			`<form id="redeem" method="post"`, `name="phone"`, `value="membership" required`, `value="marketing"`, `value="personalisation"`,
			`href="/v1/card-batches/1-00001/rules"`, "每张卡限兑一次。", "2026-11-11", "2026-12-10", "回头牧场", "400-000-0000", `lang="zh-CN"`,
		} {
			if !strings.Contains(page.Body, part) {
				t.Errorf("%s: the page lacks %s", form, part)
			}
		}
		won := b.form(code, url.Values{"phone": {"138-0000-0000"}, "consent": consents})
		if won.StatusCode != 200 || !strings.Contains(won.Body, `id="prize"`) || !strings.Contains(won.Body, "8613") || !strings.Contains(won.Body, `role="status" aria-live="polite"`) {
			t.Errorf("%s: after the draw %d", form, won.StatusCode)
		}
		if strings.Contains(won.Body, "13800000000") || strings.Contains(won.Body, "138-0000-0000") || !strings.Contains(won.Body, "尾号 0000") {
			t.Errorf("%s: the phone is not masked", form)
		}
		if again := b.page(code); again.StatusCode != 200 || strings.Contains(again.Body, `id="prize"`) || !strings.Contains(again.Body, "兑换日期：2026-11-11") {
			t.Errorf("%s: the page of a redeemed card: %d", form, again.StatusCode)
		}
		if taken := b.form(code, url.Values{"phone": {"13900000000"}, "consent": consents}); taken.StatusCode != 409 || !strings.Contains(taken.Body, "兑换日期：2026-11-11") || strings.Contains(taken.Body, `id="prize"`) {
			t.Errorf("%s: another phone: %d", form, taken.StatusCode)
		}
		if mine := b.form(code, url.Values{"phone": {"13800000000"}, "consent": consents}); mine.StatusCode != 200 || !strings.Contains(mine.Body, "8613") {
			t.Errorf("%s: the winner again: %d", form, mine.StatusCode)
		}
	}
}

func TestTheFormSaysWhatIsMissingAndRedeemsNothing(t *testing.T) {
	b := open(t)
	code := b.code(b.batch(1, cards.FormScratch, prizes[cards.PrizePoints]), 0)
	before := b.snapshot()
	for name, c := range map[string]struct {
		values url.Values
		errors []string
	}{
		"nothing":    {url.Values{}, []string{"phone-error", "consent-error"}},
		"bad phone":  {url.Values{"phone": {"<b>12"}, "consent": consents}, []string{"phone-error"}},
		"no consent": {url.Values{"phone": {"13800000000"}, "consent": {"marketing"}}, []string{"consent-error"}},
	} {
		page := b.form(code, c.values)
		if page.StatusCode != 400 || strings.Contains(page.Body, "<b>12") {
			t.Errorf("%s: %d, or what was typed is not escaped", name, page.StatusCode)
		}
		for _, id := range []string{"phone-error", "consent-error"} {
			if got, want := strings.Contains(page.Body, `id="`+id+`"`), slices.Contains(c.errors, id); got != want {
				t.Errorf("%s: %s shown is %v, want %v", name, id, got, want)
			}
		}
	}
	for name, c := range map[string]struct {
		media, body string
		status      int
	}{
		"JSON":      {"application/json", phone("13800000000"), 415},
		"multipart": {"multipart/form-data; boundary=x", "--x--", 415},
		"no form":   {"application/x-www-form-urlencoded", "phone=%zz", 400},
	} {
		if page := b.send(t.Context(), "POST", "/c/"+code, map[string]string{"content-type": c.media}, c.body); page.StatusCode != c.status {
			t.Errorf("%s: %d, want %d", name, page.StatusCode, c.status)
		}
	}
	b.unchanged(before, "an incomplete form")
}

// The policy names exactly the inline script and style that are in the page.
func TestThePolicyAllowsThePagesOwnScriptAndStyleOnly(t *testing.T) {
	b := open(t)
	page := b.page(b.code(b.batch(1, cards.FormScratch, prizes[cards.PrizePoints]), 0))
	policy := page.Headers["Content-Security-Policy"]
	for _, part := range []string{"default-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'", "connect-src 'none'"} {
		if !strings.Contains(policy, part) {
			t.Errorf("the policy lacks %s", part)
		}
	}
	if strings.Contains(policy, "unsafe") || page.Headers["Referrer-Policy"] != "no-referrer" || page.Headers["Cache-Control"] != "no-store" {
		t.Errorf("headers %v", page.Headers)
	}
	for _, tag := range []string{"script", "style"} {
		blocks := regexp.MustCompile(`(?s)<`+tag+`>(.*?)</`+tag+`>`).FindAllStringSubmatch(page.Body, -1)
		if len(blocks) != 1 || !strings.Contains(policy, tag+"-src "+hash(blocks[0][1])) {
			t.Errorf("the policy does not name the page's %s", tag)
		}
	}
	if found := regexp.MustCompile(`(?i) (style|on[a-z]+)=|(src|href)="(https?:)?//`).FindString(page.Body); found != "" {
		t.Errorf("the page holds %q", found)
	}
}

func TestThePageSpeaksTheVisitorsLanguage(t *testing.T) {
	b := open(t)
	code := b.code(b.batch(1, cards.FormScratch, prizes[cards.PrizeCoupon]), 0)
	b.template()
	for _, c := range []struct{ query, accept, want string }{
		{"", "", "zh-CN"},
		{"", "fr-FR,fr;q=0.9", "zh-CN"},
		{"", "en-GB,en;q=0.9", "en"},
		{"", "zh-CN,zh;q=0.9,en;q=0.8", "zh-CN"},
		{"?lang=en", "zh-CN", "en"},
		{"?lang=xx", "", "zh-CN"},
	} {
		page := b.send(t.Context(), "GET", "/c/"+code+c.query, map[string]string{"accept-language": c.accept}, "")
		if !strings.Contains(page.Body, `<html lang="`+c.want+`">`) || page.Headers["Content-Language"] != c.want {
			t.Errorf("%q and %q: not %s", c.query, c.accept, c.want)
		}
	}
	won := b.send(t.Context(), "POST", "/c/"+code+"?lang=en", map[string]string{"content-type": "application/x-www-form-urlencoded"},
		url.Values{"phone": {"+44 7700 900123"}, "consent": consents}.Encode())
	if text := html.UnescapeString(won.Body); !strings.Contains(text, "¥20 off from ¥199") || !strings.Contains(text, "老友回头券") {
		t.Errorf("%d: the coupon is not described", won.StatusCode)
	}
}

func TestACouponOfAMissingTemplateIsNotGiven(t *testing.T) {
	b := open(t)
	code := b.code(b.batch(1, cards.FormPlain, prizes[cards.PrizeCoupon]), 0)
	before := b.snapshot()
	if got := b.redeem(code, nil, openid("o-1")); got.StatusCode != 500 || strings.Contains(got.Body, "back-20") {
		t.Errorf("%d %s", got.StatusCode, got.Body)
	}
	b.unchanged(before, "a coupon without template")
}

// flaky fails every read with an internal error.
type flaky struct{ table.Table }

func (flaky) Get(context.Context, table.Consistency, ...table.Key) ([]*table.Item, error) {
	return nil, loyalty.Refuse(loyalty.KindUnavailable, "throttled", "try again")
}

func (flaky) Query(context.Context, table.Query) (table.Page, error) {
	return table.Page{}, errors.New("secret-internal-text")
}

func TestTroubleOfTheTableIsAPageAndA503(t *testing.T) {
	b := open(t)
	code := b.code(b.batch(1, cards.FormPlain, prizes[cards.PrizePoints]), 0)
	b.f.Store.Table = flaky{b.engine}
	if page := b.page(code); page.StatusCode != 503 || !strings.Contains(page.Body, "页面开了小差") || strings.Contains(page.Body, "secret") {
		t.Errorf("%d", page.StatusCode)
	}
	if got := b.redeem(code, nil, openid("o-1")); got.StatusCode != 503 || got.Headers["Retry-After"] == "" {
		t.Errorf("%d %s", got.StatusCode, got.Body)
	}
}

// Scans are counted by batch and arm, from the log: looking writes nothing.
func TestAScanIsALineOfTheLogAndNothingElse(t *testing.T) {
	b := open(t)
	batch := b.batch(1, cards.FormPlain, prizes[cards.PrizePoints])
	code := b.code(batch, 0)
	before := b.snapshot()
	scans := func() int {
		return strings.Count(b.logged.String(), `msg="card scanned" batch=`+batch.ID()+" arm=a redeemed=")
	}
	for n := 1; n <= 3; n++ {
		if page := b.page(code); page.StatusCode != 200 || scans() != n {
			t.Errorf("scan %d: %d, %d lines", n, page.StatusCode, scans())
		}
	}
	b.send(t.Context(), "HEAD", "/c/"+code, nil, "")
	b.form(code, url.Values{})
	b.page(code[:33] + "A")
	b.unchanged(before, "looking")
	if scans() != 3 {
		t.Errorf("%d scans, want 3", scans())
	}
	b.redeem(code, nil, openid("oid-1"))
	if b.page(code); strings.Count(b.logged.String(), "redeemed=true") != 1 {
		t.Errorf("the scan of a redeemed card is not told apart: %s", b.logged)
	}
	if strings.Contains(b.logged.String(), code[8:20]) {
		t.Error("the log holds the code")
	}
}

func TestNothingSecretIsLogged(t *testing.T) {
	b := open(t)
	batch := b.batch(1, cards.FormPlain, prizes[cards.PrizePoints])
	code := b.code(batch, 0)
	b.redeem(code, nil, phone("13800000000"))
	b.redeem(code, nil, openid("canary-openid"))
	b.redeem(code[:33], b.bearer("m-1"), "")
	b.form(code, url.Values{"phone": {"13900000000"}, "consent": consents})
	b.f.Store.Table = flaky{b.engine}
	b.redeem(code, nil, openid("canary-openid"))
	if b.logged.Len() == 0 {
		t.Fatal("nothing was logged")
	}
	for _, secret := range []string{code[8:20], "138000", "139000", "canary", "eyJ"} {
		if strings.Contains(b.logged.String(), secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
}
