package operate_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/token"
)

type listedOperator struct {
	Name, Role, State, Source string
	Batches                   []string
	Made, Rotated, Disabled   *store.Hand
	LastUsed                  *time.Time `json:"last_used_at"`
}

// listed are all operators by name, read in pages of so many.
func (b *brand) listedOperators(limit int) map[string]listedOperator {
	b.t.Helper()
	all := map[string]listedOperator{}
	for cursor := ""; ; {
		status, answer, _ := b.get(fmt.Sprintf("/v1/operators?limit=%d&cursor=%s", limit, cursor), adminToken)
		var page struct {
			Items []listedOperator
			Next  string `json:"next_cursor"`
		}
		if err := json.Unmarshal([]byte(answer), &page); err != nil || status != http.StatusOK || len(page.Items) > limit {
			b.t.Fatalf("%d %s", status, answer)
		}
		if strings.Contains(answer, "huitou_") || strings.Contains(answer, "hash") {
			b.t.Fatalf("the list shows a token: %s", answer)
		}
		for _, operator := range page.Items {
			if _, twice := all[operator.Name]; twice {
				b.t.Errorf("%s stands twice in the list", operator.Name)
			}
			all[operator.Name] = operator
		}
		if cursor = page.Next; cursor == "" {
			return all
		}
	}
}

// opens tells whether a token opens the API now.
func (b *brand) opens(token string) bool {
	b.t.Helper()
	status, answer, _ := b.get("/v1/program", token)
	if status != http.StatusOK && status != http.StatusUnauthorized {
		b.t.Fatalf("%d %s", status, answer)
	}
	return status == http.StatusOK
}

func (b *brand) rotate(name, key string, overlap int) (int, string) {
	b.t.Helper()
	return b.post("/v1/operators/"+name+"/rotation", key, fmt.Sprintf(`{"overlap_seconds":%d}`, overlap))
}

func (b *brand) disable(name, token string) (int, string) {
	b.t.Helper()
	status, answer, _ := b.call(request{method: "DELETE", path: "/v1/operators/" + name, token: token})
	return status, answer
}

// openAt is a brand whose clock the test moves.
func openAt(t *testing.T, clock *time.Time) *brand {
	b := open(t)
	b.function.Clock = func() time.Time { return *clock }
	b.Handler = b.function.Handler()
	return b
}

func TestOperatorsAreListedWithWhenTheyLastCalled(t *testing.T) {
	clock := now
	b := openAt(t, &clock)
	li := b.staff("li", token.RoleOperator)
	b.staff("wang", token.RoleViewer)
	for _, limit := range []int{1, 2, 50} {
		all := b.listedOperators(limit)
		if names := slices.Sorted(maps.Keys(all)); !slices.Equal(names, []string{"admin", "li", "wang"}) {
			t.Errorf("%d a page: %v", limit, names)
		}
		if a := all["admin"]; a.Source != "parameter_store" || a.Role != "admin" || a.State != "active" || a.LastUsed != nil {
			t.Errorf("the token of the parameter store: %+v", a)
		}
		if l := all["li"]; l.Source != "table" || l.Role != "operator" || l.State != "active" || l.Made.Operator != "admin" || !l.Made.At.Equal(now) || l.LastUsed != nil {
			t.Errorf("li, who never called: %+v", l)
		}
	}
	clock = now.Add(25 * time.Hour).Add(13 * time.Minute)
	b.opens(li)
	all := b.listedOperators(50)
	if l := all["li"]; l.LastUsed == nil || !l.LastUsed.Equal(now.Add(25*time.Hour)) || all["wang"].LastUsed != nil {
		t.Errorf("li called: %+v, wang did not: %+v", l, all["wang"])
	}
	// A rotation that ends the token at once does not forget its use.
	if status, answer := b.rotate("li", "r", 0); status != http.StatusOK {
		t.Fatalf("%d %s", status, answer)
	}
	if l := b.listedOperators(50)["li"]; l.LastUsed == nil || !l.LastUsed.Equal(now.Add(25*time.Hour)) || l.Rotated == nil {
		t.Errorf("after a rotation: %+v", l)
	}
	if status, answer := b.disable("li", adminToken); status != http.StatusNoContent {
		t.Fatalf("%d %s", status, answer)
	}
	if l := b.listedOperators(1)["li"]; l.State != "disabled" || l.Disabled.Operator != "admin" || l.LastUsed == nil {
		t.Errorf("disabled: %+v", l)
	}
	if status, answer, _ := b.get("/v1/operators?cursor=nonsense", adminToken); status != http.StatusBadRequest {
		t.Errorf("a cursor of nothing: %d %s", status, answer)
	}
}

// A call writes down that its token is used once an hour, whatever it does, and
// however many calls come at once.
func TestTheLastUseCostsOneWriteAnHour(t *testing.T) {
	clock := now
	b := openAt(t, &clock)
	li := b.staff("li", token.RoleViewer)
	units := func() float64 {
		var usages [8]table.Usage
		var wait sync.WaitGroup
		for i := range usages {
			wait.Go(func() {
				status, answer, _ := b.callWith(table.WithUsage(t.Context(), &usages[i]), request{method: "GET", path: "/v1/operators", token: li})
				if status != http.StatusForbidden {
					t.Errorf("%d %s", status, answer)
				}
			})
		}
		wait.Wait()
		var written float64
		for _, usage := range usages {
			written += usage.WriteUnits
		}
		return written
	}
	if first := units(); first < 1 {
		t.Errorf("the first calls wrote %v units", first)
	}
	clock = clock.Add(59 * time.Minute)
	if again := units(); again != 0 {
		t.Errorf("calls of the same hour wrote %v units", again)
	}
	clock = clock.Add(time.Minute)
	if next := units(); next < 1 {
		t.Errorf("the next hour wrote %v units", next)
	}
}

func TestARotationLeavesTheOldTokenItsOverlap(t *testing.T) {
	clock := now
	b := openAt(t, &clock)
	first := b.staff("li", token.RoleOperator)
	status, answer := b.rotate("li", "r-1", 3600)
	second := field(t, answer, "token")
	if status != http.StatusOK || second == first || field(t, answer, "others_until") != now.Add(time.Hour).Format(time.RFC3339) {
		t.Fatalf("%d %s", status, answer)
	}
	if strings.Contains(b.everything(t), second) {
		t.Error("a token stands in the table in plain")
	}
	if _, again := b.rotate("li", "r-1", 3600); field(t, again, "token") != second {
		t.Errorf("the repeat gave another token: %s", again)
	}
	if !b.opens(first) || !b.opens(second) {
		t.Error("within the overlap both tokens are good")
	}
	// A longer overlap of a later rotation gives the first token no more time.
	clock = now.Add(30 * time.Minute)
	_, answer = b.rotate("li", "r-2", 86400)
	third := field(t, answer, "token")
	clock = now.Add(time.Hour - time.Nanosecond)
	if !b.opens(first) {
		t.Error("the overlap that was promised is cut short")
	}
	clock = now.Add(time.Hour)
	if b.opens(first) || !b.opens(second) || !b.opens(third) {
		t.Error("when the overlap is over the first token is not good, the others are")
	}
	// Without an overlap every earlier token ends at once.
	_, answer = b.rotate("li", "r-3", 0)
	if b.opens(second) || b.opens(third) || !b.opens(field(t, answer, "token")) || strings.Contains(answer, "others_until") {
		t.Error("without an overlap the new token alone is good")
	}
	// The repeat of a request whose token was replaced does not bring it back.
	if status, answer := b.rotate("li", "r-2", 86400); status != http.StatusConflict || refusal(t, answer) != "token_ended" || b.opens(third) {
		t.Errorf("%d %s", status, answer)
	}
	if status, answer := b.post("/v1/operators", "li", `{"name":"li","role":"operator"}`); status != http.StatusConflict || b.opens(first) {
		t.Errorf("the repeat of the first request: %d %s", status, answer)
	}
}

func TestOneOperatorHoldsEightTokensAtMost(t *testing.T) {
	b := open(t)
	b.staff("li", token.RoleOperator)
	for i := range 7 {
		if status, answer := b.rotate("li", fmt.Sprint("r-", i), 3600); status != http.StatusOK {
			t.Fatalf("%d: %d %s", i, status, answer)
		}
	}
	before := b.snapshot(t)
	if status, answer := b.rotate("li", "r-7", 3600); status != http.StatusConflict || refusal(t, answer) != "too_many_tokens" {
		t.Errorf("%d %s", status, answer)
	}
	b.sameAs(before, "a refused rotation")
	if status, answer := b.rotate("li", "r-8", 0); status != http.StatusOK {
		t.Errorf("a rotation that ends all others: %d %s", status, answer)
	}
}

func TestADisabledOperatorIsRefusedFromTheNextCallOn(t *testing.T) {
	b := open(t)
	first := b.staff("li", token.RoleOperator)
	_, answer := b.rotate("li", "r-1", 3600)
	second := field(t, answer, "token")
	if status, answer := b.disable("li", adminToken); status != http.StatusNoContent {
		t.Fatalf("%d %s", status, answer)
	}
	if b.opens(first) || b.opens(second) {
		t.Error("a disabled operator's token opens something")
	}
	if status, answer := b.disable("li", adminToken); status != http.StatusNoContent {
		t.Errorf("again: %d %s", status, answer)
	}
	before := b.snapshot(t)
	for key, body := range map[string]string{"li": `{"name":"li","role":"operator"}`, "new": `{"name":"li","role":"viewer"}`} {
		if status, answer := b.post("/v1/operators", key, body); status != http.StatusConflict || refusal(t, answer) != "operator_exists" {
			t.Errorf("the name is given again: %d %s", status, answer)
		}
	}
	for _, key := range []string{"r-1", "r-2"} {
		if status, answer := b.rotate("li", key, 3600); status != http.StatusConflict || refusal(t, answer) != "operator_disabled" {
			t.Errorf("%s: %d %s", key, status, answer)
		}
	}
	b.sameAs(before, "a refusal")
	if b.opens(first) || b.opens(second) {
		t.Error("a refused repeat brought a token back")
	}
}

func TestNobodyLocksEverybodyOut(t *testing.T) {
	b := open(t)
	li, wang := b.staff("li", token.RoleAdmin), b.staff("wang", token.RoleAdmin)
	before := b.snapshot(t)
	for _, c := range []struct {
		method, name, token string
		status              int
		code                string
	}{
		{"DELETE", "admin", adminToken, 409, "operator_built_in"},
		{"DELETE", "admin", li, 409, "operator_built_in"},
		{"POST", "admin", li, 409, "operator_built_in"},
		{"DELETE", "li", li, 409, "own_token"},
		{"DELETE", "zhao", li, 404, "operator_unknown"},
		{"POST", "zhao", li, 404, "operator_unknown"},
	} {
		r := request{method: c.method, path: "/v1/operators/" + c.name, token: c.token}
		if c.method == "POST" {
			r.path, r.body, r.key = r.path+"/rotation", `{}`, "k-"+c.name
		}
		if status, answer, _ := b.call(r); status != c.status || refusal(t, answer) != c.code {
			t.Errorf("%s %s: %d %s", c.method, c.name, status, answer)
		}
	}
	b.sameAs(before, "a refusal")
	var wait sync.WaitGroup
	wait.Go(func() { b.disable("wang", li) })
	wait.Go(func() { b.disable("li", wang) })
	wait.Wait()
	if !b.opens(adminToken) {
		t.Error("two admins who disabled each other locked everybody out")
	}
}

func TestOperatorsAreAnAdminsBusiness(t *testing.T) {
	b := open(t)
	b.staff("target", token.RoleViewer)
	for _, role := range []token.Role{token.RoleViewer, token.RoleOperator, token.RoleIntegration, token.RolePrinter} {
		who := b.staff("as-"+string(role), role)
		before := b.snapshot(t)
		for _, r := range []request{
			{method: "GET", path: "/v1/operators"},
			{method: "POST", path: "/v1/operators/target/rotation", body: `{}`, key: "k"},
			{method: "DELETE", path: "/v1/operators/target"},
		} {
			r.token = who
			if status, answer, _ := b.call(r); status != http.StatusForbidden {
				t.Errorf("%s %s as %s: %d %s", r.method, r.path, role, status, answer)
			}
		}
		b.sameAs(before, "a refusal")
	}
	before := b.snapshot(t)
	for _, body := range []string{`{"overlap_seconds":-1}`, `{"overlap_seconds":86401}`, `{"overlap_seconds":1.5}`, `{"overlap":1}`} {
		if status, answer := b.post("/v1/operators/target/rotation", body, body); status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", body, status, answer)
		}
	}
	b.sameAs(before, "a refusal")
}

// Of rotations and a disabling at once every rotation that succeeded gave a token
// of its own, and none of them opens anything once the operator is disabled.
func TestRotationsAndADisablingAtOnce(t *testing.T) {
	for round := range 6 {
		b := open(t)
		tokens := []string{b.staff("li", token.RoleOperator)}
		var mutex sync.Mutex
		var wait sync.WaitGroup
		for i := range 6 {
			wait.Go(func() {
				status, answer := b.rotate("li", fmt.Sprint("r-", i), 3600)
				mutex.Lock()
				defer mutex.Unlock()
				switch {
				case status == http.StatusOK:
					tokens = append(tokens, field(t, answer, "token"))
				case refusal(t, answer) != "operator_disabled" && refusal(t, answer) != "lost_race":
					t.Errorf("%d %s", status, answer)
				}
			})
		}
		disabling := round%2 == 0
		if disabling {
			wait.Go(func() {
				if status, answer := b.disable("li", adminToken); status != http.StatusNoContent {
					t.Errorf("%d %s", status, answer)
				}
			})
		}
		wait.Wait()
		if distinct := slices.Compact(slices.Sorted(slices.Values(tokens))); len(distinct) != len(tokens) {
			t.Errorf("%d tokens, %d of them different", len(tokens), len(distinct))
		}
		for _, held := range tokens {
			if b.opens(held) == disabling {
				t.Errorf("disabled %t, and a token opens %t", disabling, !disabling)
			}
		}
	}
}

// An operator of before tokens could be rotated goes on, and is rotated and
// disabled as others are.
func TestAnOperatorOfAnOlderVersionGoesOn(t *testing.T) {
	b := open(t)
	const old = "huitou_an-old-token"
	text := table.String(fmt.Sprintf(`{"name":"old","role":"operator","token_hash":%q}`, token.Hash(old)))
	holder := table.String(`{"name":"old","role":"operator"}`)
	err := b.engine.Write(t.Context(),
		table.Put(table.Item{Key: table.DocumentKey(table.DocumentOperator, "old"), Attributes: map[string]table.Value{"doc": text}}),
		table.Put(table.Item{Key: table.TokenKey(token.Hash(old)), Attributes: map[string]table.Value{"doc": holder}}))
	if err != nil {
		t.Fatal(err)
	}
	if !b.opens(old) || b.listedOperators(50)["old"].State != "active" {
		t.Error("the old token does not open anything any more")
	}
	_, answer := b.rotate("old", "r-1", 60)
	if !b.opens(old) || !b.opens(field(t, answer, "token")) {
		t.Error("a rotation with an overlap")
	}
	b.disable("old", adminToken)
	if b.opens(old) || b.opens(field(t, answer, "token")) {
		t.Error("a disabled operator's token opens something")
	}
}

func TestAPrinterIsBoundToItsBatches(t *testing.T) {
	b := open(t)
	mine, added, other := b.newBatch("b-1", batch), b.newBatch("b-2", batch), b.newBatch("b-3", batch)
	status, answer := b.post("/v1/operators", "house", fmt.Sprintf(`{"name":"house","role":"printer","batches":[%q]}`, mine))
	if status != http.StatusCreated {
		t.Fatalf("%d %s", status, answer)
	}
	house, unbound := field(t, answer, "token"), b.staff("unbound", token.RolePrinter)
	reads := func(who, id string) (status int, answers []string) {
		for _, file := range []string{"cards.csv", "sheet.html"} {
			var answer string
			status, answer, _ = b.get("/v1/card-batches/"+id+"/"+file, who)
			if status != http.StatusOK {
				answers = append(answers, answer)
			}
		}
		return status, answers
	}
	if status, answers := reads(house, mine); status != http.StatusOK || len(answers) > 0 {
		t.Errorf("its own batch: %d %v", status, answers)
	}
	// What it is not bound to is to it as what does not exist.
	_, nothing := reads(house, "K-31999")
	for who, ids := range map[string][]string{house: {added, other}, unbound: {mine, added, other}} {
		for _, id := range ids {
			if status, answers := reads(who, id); status != http.StatusNotFound || cmp.Diff(nothing, answers) != "" {
				t.Errorf("a batch of others: %d %v, and of none %v", status, answers, nothing)
			}
		}
	}
	before := b.snapshot(t)
	for _, printer := range []string{"nobody", "viewer-1"} {
		if printer == "viewer-1" {
			b.staff(printer, token.RoleViewer)
			before = b.snapshot(t)
		}
		body := strings.Replace(sealed(100), "{", fmt.Sprintf(`{"printer":%q,`, printer), 1)
		if status, answer := b.post("/v1/card-batches/"+added+"/printing", "no-"+printer, body); status != http.StatusBadRequest || !strings.Contains(answer, "/printer") {
			t.Errorf("%s: %d %s", printer, status, answer)
		}
	}
	b.sameAs(before, "a refused printing")
	body := strings.Replace(sealed(100), "{", `{"printer":"house",`, 1)
	for _, key := range []string{"print", "print-again"} {
		if status, answer := b.post("/v1/card-batches/"+added+"/printing", key, body); status != http.StatusOK || field(t, answer, "state") != "printed" {
			t.Fatalf("%d %s", status, answer)
		}
	}
	if batches := b.listedOperators(50)["house"].Batches; !slices.Equal(batches, []string{mine, added}) {
		t.Errorf("bound to %v", batches)
	}
	if status, answers := reads(house, added); status != http.StatusOK || len(answers) > 0 {
		t.Errorf("the batch that names it: %d %v", status, answers)
	}
	// A rotation changes what it is bound to in nothing.
	_, answer = b.rotate("house", "r", 0)
	house = field(t, answer, "token")
	if status, _ := reads(house, added); status != http.StatusOK {
		t.Errorf("after a rotation: %d", status)
	}
	b.post("/v1/card-batches/"+added+"/receipt", "receipt", sealed(100))
	if status, answers := reads(house, added); status != http.StatusConflict || refusal(t, answers[0]) != "batch_received" {
		t.Errorf("after the receipt: %d %v", status, answers)
	}
	// A batch that the brand prints by itself goes to active without a receipt.
	for _, who := range []string{b.staff("a", token.RoleOperator), b.staff("b", token.RoleOperator)} {
		b.by(who, "/v1/card-batches/"+mine+"/activation", "")
	}
	if status, answers := reads(house, mine); status != http.StatusConflict || refusal(t, answers[0]) != "batch_active" {
		t.Errorf("after the activation: %d %v", status, answers)
	}
}

func TestBatchesAreForPrintersAndMustExist(t *testing.T) {
	b := open(t)
	id := b.newBatch("b-1", batch)
	before := b.snapshot(t)
	for i, body := range []string{
		fmt.Sprintf(`{"name":"x","role":"operator","batches":[%q]}`, id),
		`{"name":"x","role":"printer","batches":["K-31999"]}`,
		fmt.Sprintf(`{"name":"x","role":"printer","batches":[%q,%q]}`, id, id),
	} {
		if status, answer := b.post("/v1/operators", fmt.Sprint(i), body); status != http.StatusBadRequest || !strings.Contains(answer, "/batches") {
			t.Errorf("%s: %d %s", body, status, answer)
		}
	}
	b.sameAs(before, "a refusal")
}
