package operate_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/coupons"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/queue"
	"github.com/huitou/huitou/shared/refused"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/token"
)

// witness is a table that meters the audit log, and fails where it is told to.
type witness struct {
	table.Table
	puts, units float64
	fail        func(actions []table.Action) error
}

func (w *witness) Write(ctx context.Context, actions ...table.Action) error {
	if w.fail != nil {
		if err := w.fail(actions); err != nil {
			return err
		}
	}
	if !ofAudit(actions) {
		return w.Table.Write(ctx, actions...)
	}
	var usage table.Usage
	err := w.Table.Write(table.WithUsage(ctx, &usage), actions...)
	w.units += usage.WriteUnits
	if err == nil && actions[0].Op == table.OpPut {
		w.puts++
	}
	return err
}

func ofAudit(actions []table.Action) bool { return strings.HasPrefix(actions[0].Item.Key.PK, "A#") }

var errDown error = loyalty.Refuse(loyalty.KindUnavailable, "down", "the table is down")

type oneQueue struct{ queue.Admin }

func (oneQueue) Redrive(context.Context, string) (int, error) { return 1, nil }

// office is a brand whose audit log is watched, and whose clock goes on.
type office struct {
	*brand
	witness *witness
	clock   time.Time
}

func openOffice(t *testing.T) *office {
	o := &office{brand: open(t), clock: now}
	o.witness = &witness{Table: o.engine}
	o.function.Store.Table = o.witness
	o.function.Queues = oneQueue{}
	o.function.Clock = func() time.Time { return o.clock }
	o.Handler = o.function.Handler()
	return o
}

type actRow struct {
	ID, Operator, Role, Action, Resource, Outcome, Code, Reason string
	At                                                          time.Time
	Status                                                      int
}

func (o *office) page(query string) (rows []actRow, next string) {
	o.t.Helper()
	status, answer, _ := o.call(request{method: "GET", path: "/v1/audit?" + query, token: adminToken})
	var list struct {
		Items []actRow
		Next  string `json:"next_cursor"`
	}
	if err := json.Unmarshal([]byte(answer), &list); err != nil || status != http.StatusOK {
		o.t.Fatalf("%d %s", status, answer)
	}
	return list.Items, list.Next
}

// log is the whole audit log.
func (o *office) log() []actRow {
	o.t.Helper()
	var all []actRow
	for cursor := ""; ; {
		rows, next := o.page("limit=100&cursor=" + url.QueryEscape(cursor))
		all = append(all, rows...)
		if cursor = next; cursor == "" {
			return all
		}
	}
}

// raw is the audit log as the table holds it.
func (o *office) raw() string {
	o.t.Helper()
	page, err := o.engine.Scan(o.t.Context(), table.Scan{Segments: 1, Limit: 1000, Consistency: table.Strong})
	if err != nil || page.Next != "" {
		o.t.Fatal(err, page.Next)
	}
	var text strings.Builder
	for _, item := range page.Items {
		if strings.HasPrefix(item.Key.PK, "A#") {
			if item.Has(table.ExpiresAttribute) {
				o.t.Errorf("a row expires: %v", item)
			}
			fmt.Fprintln(&text, item)
		}
	}
	return text.String()
}

// prizes are two red packets that a payer was asked for, two held cards and a
// gift.
func (o *office) prizes() {
	o.t.Helper()
	var actions []table.Action
	for _, card := range []int{1, 2} {
		payout, err := cards.RequestPayout(cards.Code{KeyID: 'K', Batch: 1, Card: card}, cards.Award{Kind: cards.PrizeRedPacket, Amount: 188}, "m-packet", loyalty.Identity{}, now)
		if err != nil {
			o.t.Fatal(err)
		}
		actions = append(actions, store.PutPayout(payout.Ask(now.Add(-time.Hour))))
	}
	for _, card := range []int{4, 5} {
		code := cards.Code{KeyID: 'K', Batch: 1, Card: card}
		redeemed := store.Redemption{
			Fact: points.Fact{Kind: points.FactPrize, At: now}, Batch: code.BatchID(), Card: card,
			Award: cards.Award{Kind: cards.PrizePoints, Amount: 50}, Hold: cards.HoldOpen, Identity: loyalty.Identity{Kind: loyalty.IdentityPhone, Value: "phone-canary"},
		}
		actions = append(actions, store.RedeemCard(code, redeemed), store.PutHold(cards.HoldCard(code, redeemed.Award, "", cards.SuspectMany, now)))
	}
	held := cards.Batch{KeyID: "K", Number: 1, Name: "held", Count: 10, State: cards.StateActive, Arms: []cards.Arm{{
		Name: "a", Form: cards.FormPlain, Weight: 1, Prizes: []cards.Prize{{Award: cards.Award{Kind: cards.PrizePoints, Amount: 50}, Quantity: 10}},
	}}}
	if _, _, err := o.function.Store.CreateBatch(o.t.Context(), held, "held"); err != nil {
		o.t.Fatal(err)
	}
	if _, err := o.function.Store.Keep(o.t.Context(), keptInput, now); err != nil {
		o.t.Fatal(err)
	}
	gift := cards.WinGift(cards.Code{KeyID: 'K', Batch: 1, Card: 3}, cards.Award{Kind: cards.PrizeGift, Text: "gift-canary"}, "m-gift", now)
	if err := o.engine.Write(o.t.Context(), append(actions, store.PutGift(gift))...); err != nil {
		o.t.Fatal(err)
	}
}

type soundAct struct {
	id, path, body string
	second         bool      // by another operator than the rest
	learn          [2]string // a name for a field of the answer
}

// acts is a sound request for every call that changes something, in an order
// in which all of them are done. {member}, {batch} and the like stand for what
// an answer before gave.
var acts = []soundAct{
	{id: "enrol", path: "/v1/members", body: `{"identities":[{"kind":"phone","value":"13800000000"},{"kind":"buyer","channel":"tmall","value":"buyer-canary"}],"consents":["marketing"],"facts":{"pet":"fact-canary"}}`, learn: [2]string{"member", "member_id"}},
	{id: "member-token", path: "/v1/members/{member}/tokens"},
	{id: "lookup-members", path: "/v1/members/lookup", body: `{"identity":{"kind":"buyer","channel":"tmall","value":"buyer-canary"}}`},
	{id: "give-consent", path: "/v1/members/{member}/consents/marketing"},
	{id: "withdraw-consent", path: "/v1/members/{member}/consents/marketing"},
	{id: "add-operator", path: "/v1/operators", body: `{"name":"li.na","role":"viewer"}`},
	{id: "rotate-operator", path: "/v1/operators/li.na/rotation", body: `{"overlap_seconds":60}`},
	{id: "disable-operator", path: "/v1/operators/li.na"},
	{id: "put-template", path: "/v1/coupon-templates/t-1", body: `{"name":"template-canary","discount":100,"validity":{"days":1}}`},
	{id: "put-audience", path: "/v1/audiences/a-1", body: `{"name":"audience-canary","rule":"orders >= 2"}`},
	{id: "put-campaign", path: "/v1/campaigns/c-1", body: `{"name":"campaign-canary","audience":"a-1","template":"t-1","schedule":{"cron":"0 10 * * *"}}`},
	{id: "put-program", path: "/v1/program"},
	{id: "create-batch", path: "/v1/card-batches", body: batch, learn: [2]string{"batch", "id"}},
	{id: "print-batch", path: "/v1/card-batches/{batch}/printing", body: sealed(100)},
	{id: "receive-batch", path: "/v1/card-batches/{batch}/receipt", body: sealed(100)},
	{id: "activate-batch", path: "/v1/card-batches/{batch}/activation"},
	{id: "freeze-batch", path: "/v1/card-batches/{batch}/freeze"},
	{id: "adjust-points", path: "/v1/members/{member}/points/adjustments", body: `{"points":5000,"reason":"late parcel"}`, learn: [2]string{"adjustment", "id"}},
	{id: "approve-adjustment", path: "/v1/members/{member}/points/adjustments/{adjustment}/approval", second: true},
	{id: "open-points", path: "/v1/members/{member}/points/opening", body: `{"source":"oldcrm","points":[{"points":7000}],"consents":["marketing"]}`},
	{id: "import-member", path: "/v1/members/imports", body: `{"identities":[{"kind":"buyer","channel":"tmall","value":"import-canary"}],"opening":{"source":"oldcrm","points":[{"points":30}]}}`},
	{id: "reserve-points", path: "/v1/members/{member}/points/reservations", body: `{"points":60,"reason":"a draw"}`, learn: [2]string{"reservation", "id"}},
	{id: "cancel-points", path: "/v1/members/{member}/points/reservations/{reservation}/cancel"},
	{id: "reserve-points", path: "/v1/members/{member}/points/reservations", body: `{"points":61,"reason":"a draw"}`, learn: [2]string{"reservation", "id"}},
	{id: "commit-points", path: "/v1/members/{member}/points/reservations/{reservation}/commit"},
	{id: "return-points", path: "/v1/members/{member}/points/reservations/{reservation}/return", body: `{"reason":"a draw that was void"}`},
	{id: "bind-order", path: bindingPath, body: `{"member_id":"{member}","reason":"screenshot"}`},
	{id: "unbind-order", path: bindingPath + "?reason=wrong+member"},
	{id: "ask-payout", path: "/v1/payouts/HTK000010000001/ask"},
	{id: "report-payout", path: "/v1/payouts/HTK000010000001/result", body: `{"state":"paid","amount":188,"reference":"payer-canary"}`},
	{id: "resolve-payout", path: "/v1/payouts/HTK000010000002/resolution", body: `{"state":"failed_final","reason":"closed account"}`},
	{id: "withdraw-resolution", path: "/v1/payouts/HTK000010000002/resolution"},
	{id: "release-card", path: "/v1/card-holds/K-00001-0000004/release"},
	{id: "void-held-card", path: "/v1/card-holds/K-00001-0000005/void", body: `{"reason":"stolen"}`},
	{id: "void-card", path: "/v1/card-batches/K-00001/cards/7/void", body: `{"reason":"misprint"}`},
	{id: "ship-gift", path: "/v1/members/m-gift/gifts/K-00001-0000003/shipment", body: `{"order":{"channel":"tmall","shop":"flagship","order_id":"order-canary"}}`},
	{id: "message-event", path: "/v1/messages/remind:{member}:x/events", body: `{"type":"delivered"}`},
	{id: "retry-refused", path: "/v1/refused/" + keptInput.ID() + "/retry"},
	{id: "dismiss-refused", path: "/v1/refused/" + keptInput.ID() + "/dismissal", body: `{"reason":"by hand"}`},
	{id: "redrive", path: "/v1/queues/orders/redrive"},
	{id: "enrol", path: "/v1/members", body: `{"identities":[{"kind":"openid","channel":"wechat","value":"openid-canary"}]}`, learn: [2]string{"other", "member_id"}},
	{id: "merge-members", path: "/v1/members/{member}/merge", body: `{"member_id":"{other}","reason":"same person"}`},
	{id: "unmerge-members", path: "/v1/members/{member}/unmerge", body: `{"member_id":"{other}","reason":"mistaken"}`},
	{id: "erase-member", path: "/v1/members/{other}?reason=asked"},
}

// keptInput is an input that is kept for a person.
var keptInput = refused.Input{Source: "tmall", Reason: refused.Currency, Form: refused.Order, Content: "content-canary"}

// unrecorded are the calls that ask with a POST and change nothing.
var unrecorded = []string{"preview-audience", "simulate-program"}

type documented struct {
	OperationID string `json:"operationId"`
	Action      string `json:"x-audit-action"`
	Security    []map[string][]string
}

// Every call of the OpenAPI document that changes something names its act, and
// leaves one row, at the cost of one unit: when it is done, and when it is
// repeated.
func TestEveryActLeavesOneRow(t *testing.T) {
	raw, err := os.ReadFile("openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	var document struct {
		Paths map[string]map[string]documented
	}
	if err := json.Unmarshal(raw, &document); err != nil {
		t.Fatal(err)
	}
	methods, calls, names := map[string]string{}, map[string]documented{}, map[string]string{}
	for path, item := range document.Paths {
		for method, call := range item {
			byOperator := slices.ContainsFunc(call.Security, func(s map[string][]string) bool { _, ok := s["operator"]; return ok })
			if !byOperator || method == "get" || slices.Contains(unrecorded, call.OperationID) {
				if call.Action != "" {
					t.Errorf("%s %s has an act and is not looked at here", method, path)
				}
				continue
			}
			if noun, verb, ok := strings.Cut(call.Action, "."); !ok || strings.Trim(noun+verb, "abcdefghijklmnopqrstuvwxyz-") != "" {
				t.Errorf("%s %s: its act %q is not noun.verb; give the operation an Act", method, path, call.Action)
			}
			if other, taken := names[call.Action]; taken {
				t.Errorf("%s and %s are both %s", other, call.OperationID, call.Action)
			}
			names[call.Action] = call.OperationID
			methods[call.OperationID], calls[call.OperationID] = strings.ToUpper(method), call
			if !slices.ContainsFunc(acts, func(a soundAct) bool { return a.id == call.OperationID }) {
				t.Errorf("%s %s: nothing here calls %s", method, path, call.OperationID)
			}
		}
	}
	if len(calls) < 20 {
		t.Fatalf("%d calls that change something; look at how the document names them now", len(calls))
	}

	o := openOffice(t)
	o.unowned()
	o.prizes()
	_, answer := o.post("/v1/operators", "second", `{"name":"second","role":"admin"}`)
	second := field(t, answer, "token")
	known := []string{}
	_, program, _ := o.call(request{method: "GET", path: "/v1/program", token: adminToken})
	for i, act := range acts {
		o.clock = o.clock.Add(time.Second)
		fill := strings.NewReplacer(known...)
		r := request{method: methods[act.id], path: fill.Replace(act.path), body: fill.Replace(act.body), token: adminToken, key: fmt.Sprint("act-", i)}
		if act.id == "put-program" {
			r.body = editedProgram(t, program)
		}
		operator := "admin"
		if act.second {
			r.token, operator = second, "second"
		}
		before, puts, units := o.log(), o.witness.puts, o.witness.units
		status, answer, _ := o.call(r)
		if status >= 300 {
			t.Fatalf("%s: %d %s", act.id, status, answer)
		}
		if o.witness.puts != puts+1 || o.witness.units != units+1 {
			t.Errorf("%s: %v rows, %v units; want one of each", act.id, o.witness.puts-puts, o.witness.units-units)
		}
		after := o.log()
		if len(after) != len(before)+1 {
			t.Fatalf("%s left %d rows", act.id, len(after)-len(before))
		}
		path, _, _ := strings.Cut(r.path, "?")
		want := actRow{ID: after[0].ID, At: o.clock, Operator: operator, Role: "admin", Action: calls[act.id].Action, Resource: path, Outcome: "accepted"}
		switch act.id {
		case "lookup-members":
			want.Resource = after[0].Resource // see TestTheAuditLogTellsWhoLookedForWhomByAHash
		case "add-operator":
			want.Resource += "/li.na"
		case "open-points", "import-member":
			want.Resource += "/oldcrm"
		case "adjust-points", "bind-order", "reserve-points", "merge-members", "unmerge-members", "resolve-payout", "void-held-card", "void-card", "dismiss-refused", "return-points":
			want.Reason = field(t, r.body, "reason")
		case "unbind-order":
			want.Reason = "wrong member"
		case "erase-member":
			want.Reason = "asked"
		}
		if diff := cmp.Diff(want, after[0]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", act.id, diff)
		}
		for _, text := range textsOf(t, r.body) {
			if slices.Contains(words(after[0]), text) || strings.Contains(text, "canary") && strings.Contains(o.raw(), text) {
				t.Errorf("%s: the row holds %q of the body", act.id, text)
			}
		}
		if act.learn[0] != "" {
			known = append([]string{"{" + act.learn[0] + "}", field(t, answer, act.learn[1])}, known...)
		}
		if r.method != http.MethodPost || act.id == "lookup-members" { // it takes no key: each is one of its own
			continue
		}
		o.clock = o.clock.Add(time.Second)
		if status, answer, _ := o.call(r); status >= 300 {
			t.Errorf("%s again: %d %s", act.id, status, answer)
		}
		if diff := cmp.Diff(after, o.log()); diff != "" {
			t.Errorf("%s again (-before +after):\n%s", act.id, diff)
		}
	}
}

// words are the texts of a row.
func words(row actRow) []string {
	return []string{row.Operator, row.Action, row.Resource, row.Outcome, row.Code, row.Reason}
}

func editedProgram(t *testing.T, current string) string {
	t.Helper()
	var document map[string]any
	if err := json.Unmarshal([]byte(current), &document); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"version", "versions", "effective_at"} {
		delete(document, name)
	}
	document["brand"].(map[string]any)["name"] = "brand-canary"
	edited, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	return string(edited)
}

// textsOf is every text of a body that a row may not hold.
func textsOf(t *testing.T, body string) (texts []string) {
	t.Helper()
	if body == "" {
		return nil
	}
	var document map[string]any
	if err := json.Unmarshal([]byte(body), &document); err != nil {
		t.Fatal(err)
	}
	var walk func(value any)
	walk = func(value any) {
		switch value := value.(type) {
		case string:
			texts = append(texts, value)
		case []any:
			for _, one := range value {
				walk(one)
			}
		case map[string]any:
			for name, one := range value {
				if name != "reason" {
					walk(one)
				}
			}
		}
	}
	walk(document)
	return texts
}

// An act whose row cannot be put is not done, whatever it is.
func TestNothingIsDoneWithoutItsRow(t *testing.T) {
	o := openOffice(t)
	member := o.join("a")
	before := o.snapshot(t)
	o.witness.fail = func(actions []table.Action) error {
		if ofAudit(actions) {
			return errDown
		}
		return nil
	}
	for _, r := range []request{
		{method: "POST", path: "/v1/members", key: "k1", body: joining},
		{method: "POST", path: "/v1/members/" + member + "/tokens", key: "k2"},
		{method: "PUT", path: "/v1/audiences/a", body: `{"rule":"orders > 1"}`},
		{method: "DELETE", path: "/v1/members/" + member + "/consents/marketing"},
		{method: "POST", path: "/v1/queues/orders/redrive", key: "k3"},
	} {
		r.token = adminToken
		if status, answer, _ := o.call(r); status != http.StatusServiceUnavailable {
			t.Errorf("%s %s: %d %s", r.method, r.path, status, answer)
		}
	}
	if after := o.snapshot(t); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
	o.witness.fail = nil
	if status, answer := o.post("/v1/members", "k1", joining); status != http.StatusCreated {
		t.Errorf("the repeat: %d %s", status, answer)
	}
}

// However an attempt ends, the repeat finds the same row, and the row says how
// the last attempt ended.
func TestARepeatFindsItsRow(t *testing.T) {
	for name, test := range map[string]struct {
		outcome string // after the first attempt
		status  int    // of the first answer; 0 where the process dies
		fail    func(actions []table.Action) error
	}{
		"not now":          {outcome: "failed", status: 503, fail: func([]table.Action) error { return errDown }},
		"a bug":            {outcome: "failed", status: 500, fail: func([]table.Action) error { return errors.New("bug") }},
		"death in the act": {outcome: "accepted", fail: func([]table.Action) error { panic("death") }},
	} {
		t.Run(name, func(t *testing.T) {
			o := openOffice(t)
			member := o.join("a")
			rows, puts := len(o.log()), o.witness.puts
			o.witness.fail = func(actions []table.Action) error {
				if strings.HasPrefix(actions[0].Item.Key.PK, "M#") {
					return test.fail(actions)
				}
				return nil
			}
			path := "/v1/members/" + member + "/points/adjustments"
			func() {
				defer func() {
					if died := recover() != nil; died != (test.status == 0) {
						t.Errorf("died: %t", died)
					}
				}()
				if status, answer := o.post(path, "k", `{"points":5,"reason":"late parcel"}`); status != test.status {
					t.Errorf("%d %s", status, answer)
				}
			}()
			first := o.log()
			if len(first) != rows+1 || first[0].Outcome != test.outcome || first[0].Status != test.status {
				t.Fatalf("%+v", first)
			}
			o.witness.fail = nil
			o.clock = o.clock.Add(time.Minute)
			if status, answer := o.post(path, "k", `{"points":5,"reason":"late parcel"}`); status != http.StatusOK {
				t.Fatalf("%d %s", status, answer)
			}
			want := first[0]
			want.Outcome, want.Status, want.Code = "accepted", 0, ""
			if diff := cmp.Diff(append([]actRow{want}, first[1:]...), o.log()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if o.witness.puts != puts+1 {
				t.Errorf("%v rows were put", o.witness.puts-puts)
			}
		})
	}
}

// A refusal stands in the row, once; what does not come as far as an act leaves
// none.
func TestARefusedActSaysSo(t *testing.T) {
	o := openOffice(t)
	member := o.join("a")
	_, viewer := o.post("/v1/operators", "v", `{"name":"v","role":"viewer"}`)
	rows := len(o.log())
	path := "/v1/members/" + member + "/points/adjustments"
	for range 2 {
		if status, _ := o.post(path, "k", `{"points":-5,"reason":"not earned"}`); status != http.StatusConflict {
			t.Error(status)
		}
	}
	log := o.log()
	at := slices.IndexFunc(log, func(row actRow) bool { return row.Action == "adjustment.make" })
	want := actRow{
		ID: log[at].ID, At: now, Operator: "admin", Role: "admin", Action: "adjustment.make", Resource: path,
		Outcome: "refused", Status: 409, Code: "points_insufficient", Reason: "not earned",
	}
	if diff := cmp.Diff(want, log[at]); diff != "" || len(log) != rows+1 {
		t.Errorf("%d rows (-want +got):\n%s", len(log)-rows, diff)
	}
	// Where the log cannot say so, the caller is told nothing either.
	o.witness.fail = func(actions []table.Action) error {
		if ofAudit(actions) && actions[0].Op == table.OpUpdate {
			return errDown
		}
		return nil
	}
	if status, _ := o.post(path, "k-2", `{"points":-5,"reason":"not earned"}`); status != http.StatusServiceUnavailable {
		t.Error(status)
	}
	o.witness.fail = nil
	if status, _ := o.post(path, "k-2", `{"points":-5,"reason":"not earned"}`); status != http.StatusConflict {
		t.Error(status)
	}
	log = o.log()
	for _, r := range []request{
		{path: path, key: "no-token", body: `{"points":5,"reason":"late parcel"}`},
		{path: path, key: "role", token: field(t, viewer, "token"), body: `{"points":5,"reason":"late parcel"}`},
		{path: path, key: "schema", token: adminToken, body: `{"points":5}`},
		{path: path, token: adminToken, body: `{"points":5,"reason":"late parcel"}`},
		{path: path, key: "k", token: adminToken, body: `{"points":6,"reason":"late parcel"}`},
	} {
		r.method = "POST"
		if status, answer, _ := o.call(r); status < 400 || status >= 500 {
			t.Errorf("%s: %d %s", r.key, status, answer)
		}
	}
	if diff := cmp.Diff(log, o.log()); diff != "" || len(log) != rows+2 {
		t.Errorf("%d rows (-before +after):\n%s", len(log)-rows, diff)
	}
}

// Operators paste into the wrong field. Neither a path nor a reason takes a
// phone, a code or a token into the log.
func TestNoSecretEntersTheLog(t *testing.T) {
	o := openOffice(t)
	codec := o.function.Keys.Codec()
	card := cards.Code{KeyID: 'K', Batch: 7, Card: 9}
	qr, err := codec.Token(card)
	if err != nil {
		t.Fatal(err)
	}
	typed, err := codec.Typed(card)
	if err != nil {
		t.Fatal(err)
	}
	coupon, err := coupons.NewCode("mabcdefgh", strings.NewReader("0123456789"))
	if err != nil {
		t.Fatal(err)
	}
	operator, err := token.NewOperatorToken(strings.NewReader(strings.Repeat("x", 20)))
	if err != nil {
		t.Fatal(err)
	}
	secrets := []string{"13912345678", "+8613912345678", "8613912345678", "139 1234 5678", "139-1234-5678", qr, strings.ToLower(qr), typed, strings.ReplaceAll(typed, "-", ""), strings.ReplaceAll(typed, "-", " "), coupon, operator, memberToken(t)}
	for i, secret := range secrets {
		in := url.PathEscape(secret)
		for j, r := range []request{
			{method: "POST", path: "/v1/members/" + in + "/points/adjustments", body: `{"points":5,"reason":"late parcel"}`},
			{method: "POST", path: "/v1/card-batches/" + in + "/freeze"},
			{method: "DELETE", path: "/v1/orders/tmall/flagship/" + in + "/binding?reason=x"},
			{method: "POST", path: "/v1/members/m0/points/adjustments", body: fmt.Sprintf(`{"points":5,"reason":%q}`, "客户"+secret+"来电")},
			{method: "POST", path: "/v1/members/m0/points/adjustments", body: fmt.Sprintf(`{"points":5,"reason":%q}`, "see "+secret+", twice")},
			{method: "POST", path: "/v1/queues/" + in + "/redrive"},
			{method: "POST", path: "/v1/operators", body: fmt.Sprintf(`{"name":%q,"role":"viewer"}`, secret)},
		} {
			r.token, r.key = adminToken, fmt.Sprintf("k-%d-%d", i, j)
			named := r.path == "/v1/operators" // and the log would name them in all that they do
			if status, answer, _ := o.call(r); status >= 500 || named && status != http.StatusBadRequest {
				t.Errorf("%s: %d %s", r.path, status, answer)
			}
		}
	}
	raw := o.raw()
	if strings.Count(raw, "***") < 5*len(secrets) {
		t.Errorf("fewer rows than acts: %s", raw)
	}
	for _, secret := range secrets {
		for _, form := range []string{secret, url.PathEscape(secret), strings.ReplaceAll(secret, " ", ""), strings.ReplaceAll(secret, "-", "")} {
			if strings.Contains(raw, form) {
				t.Errorf("the log holds %s", form)
			}
		}
	}
	// A text that is none of these stays readable.
	path := "/v1/orders/tmall/flagship/2156123456789012345/binding"
	if status, _, _ := o.call(request{method: "DELETE", path: path + "?reason=" + url.QueryEscape("2026-11-21 10:00, 39800 fen 晚到的包裹 late-parcel"), token: adminToken}); status != http.StatusNotFound {
		t.Error(status)
	}
	if raw := o.raw(); !strings.Contains(raw, path) || !strings.Contains(raw, `"reason":"2026-11-21 10:00, 39800 fen 晚到的包裹 late-parcel"`) {
		t.Error(raw)
	}
	long := strings.Repeat("长", 200)
	o.post("/v1/members/m0/points/adjustments", "long", `{"points":5,"reason":"`+long+`"}`)
	if raw := o.raw(); strings.Contains(raw, strings.Repeat("长", 120)) || !strings.Contains(raw, strings.Repeat("长", 119)+"…") {
		t.Error(raw)
	}
}

func TestTheAuditLogIsForAdmins(t *testing.T) {
	o := openOffice(t)
	for _, role := range token.Roles {
		_, made := o.post("/v1/operators", string(role), fmt.Sprintf(`{"name":"%s-1","role":%q}`, role, role))
		want := http.StatusForbidden
		if role == token.RoleAdmin {
			want = http.StatusOK
		}
		if status, answer, _ := o.call(request{method: "GET", path: "/v1/audit", token: field(t, made, "token")}); status != want {
			t.Errorf("%s: %d %s", role, status, answer)
		}
	}
	if status, _, _ := o.call(request{method: "GET", path: "/v1/audit"}); status != http.StatusUnauthorized {
		t.Error(status)
	}
	if status, _, _ := o.call(request{method: "GET", path: "/v1/audit", token: memberToken(t)}); status != http.StatusForbidden {
		t.Error(status)
	}
	// Two who have one name could not be told apart.
	if status, answer := o.post("/v1/operators", "k", `{"name":"admin","role":"viewer"}`); status != http.StatusConflict {
		t.Errorf("%d %s", status, answer)
	}
}

// Pages of any length give every act once, newest first, over months and within
// one instant; filters and times choose among them.
func TestTheAuditLogIsReadInPages(t *testing.T) {
	o := openOffice(t)
	o.clock = now
	begin := now.AddDate(0, 0, -77)
	for i := range 157 {
		at := begin.Add(time.Duration(i/3) * 35 * time.Hour) // three at a time
		act := store.Act{ID: fmt.Sprintf("%016x", i*7919%157), At: at, Operator: "zhang", Role: "operator", Action: "order.bind", Resource: "/x"}
		if i%10 == 0 {
			act.Operator = "li"
		}
		if i%4 == 0 {
			act.Action = "order.unbind"
		}
		if _, err := o.function.Store.RecordAct(t.Context(), act); err != nil {
			t.Fatal(err)
		}
	}
	read := func(query string) (rows []actRow) {
		for cursor, pages := "", 0; ; pages++ {
			page, next := o.page(query + "&cursor=" + url.QueryEscape(cursor))
			rows = append(rows, page...)
			if cursor = next; cursor == "" {
				return rows
			}
			if pages > 200 {
				t.Fatal("it goes on for ever")
			}
		}
	}
	from := "from=" + begin.Format(time.RFC3339)
	all := read(from + "&limit=100")
	if len(all) != 157 {
		t.Fatalf("%d rows", len(all))
	}
	if !slices.IsSortedFunc(all, func(a, b actRow) int { return b.At.Compare(a.At) }) {
		t.Error("not newest first")
	}
	for _, limit := range []int{1, 2, 7, 99} {
		if diff := cmp.Diff(all, read(fmt.Sprintf("%s&limit=%d", from, limit))); diff != "" {
			t.Errorf("pages of %d (-want +got):\n%s", limit, diff)
		}
	}
	chosen := func(keep func(actRow) bool) (rows []actRow) {
		for _, row := range all {
			if keep(row) {
				rows = append(rows, row)
			}
		}
		return rows
	}
	middle := begin.Add(20 * 35 * time.Hour)
	end := begin.Add(40 * 35 * time.Hour)
	for query, keep := range map[string]func(actRow) bool{
		from + "&operator=li&limit=3":          func(r actRow) bool { return r.Operator == "li" },
		from + "&action=order.unbind&limit=11": func(r actRow) bool { return r.Action == "order.unbind" },
		from + "&operator=li&action=order.bind": func(r actRow) bool {
			return r.Operator == "li" && r.Action == "order.bind"
		},
		from + "&operator=nobody": func(actRow) bool { return false },
		"limit=20":                func(r actRow) bool { return r.At.After(now.Add(-30*24*time.Hour + time.Minute)) },
		fmt.Sprintf("from=%s&to=%s&limit=5", middle.Format(time.RFC3339), end.Format(time.RFC3339)): func(r actRow) bool {
			return !r.At.Before(middle) && r.At.Before(end)
		},
	} {
		want := chosen(keep)
		if diff := cmp.Diff(want, read(query)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
		if len(want) == 0 && !strings.Contains(query, "nobody") {
			t.Errorf("%s chooses nothing", query)
		}
	}
	// One call looks far for what is rare, and no further than 1,000 rows.
	if rows, next := o.page(from + "&operator=nobody&limit=1"); len(rows) != 0 || next != "" {
		t.Errorf("%v, %q", rows, next)
	}
	for i := range 1000 {
		act := store.Act{ID: fmt.Sprintf("%016x", 1000+i), At: now, Operator: "wang", Role: "operator", Action: "order.bind", Resource: "/x"}
		if _, err := o.function.Store.RecordAct(t.Context(), act); err != nil {
			t.Fatal(err)
		}
	}
	rows, next := o.page(from + "&operator=li&limit=1")
	if len(rows) != 0 || next == "" {
		t.Fatalf("%v, %q", rows, next)
	}
	if rows, _ = o.page(from + "&operator=li&limit=1&cursor=" + next); len(rows) != 1 {
		t.Errorf("%v", rows)
	}
	for _, query := range []string{
		"cursor=abc", "cursor=" + url.QueryEscape("MjAyNg"), "limit=0", "limit=101", "from=yesterday",
		"from=2026-11-02T00:00:00Z&to=2026-11-01T00:00:00Z", "from=2020-01-01T00:00:00Z",
	} {
		if status, answer, _ := o.call(request{method: "GET", path: "/v1/audit?" + query, token: adminToken}); status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", query, status, answer)
		}
	}
}
