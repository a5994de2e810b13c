package operate_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/friend"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/token"
)

// tested is a batch that compares a red packet with one of half its size, which
// a third of the arm's cards have.
const tested = `{"name":"红包测试","count":4000,"card_cost":20,"arms":[
{"name":"红包","form":"scratch","weight":1,"prizes":[{"kind":"red_packet","value":200,"quantity":2000}]},
{"name":"=小红包","form":"plain","weight":1,"prizes":[{"kind":"red_packet","value":100,"quantity":600},{"kind":"none","quantity":100}]}],
"valid_from":"2026-11-01T00:00:00+08:00","valid_to":"2027-02-01T00:00:00+08:00"}`

type rate struct {
	Count           int
	Rate, Low, High float64
}

type need struct {
	Cards  int `json:"cards_needed"`
	Events int `json:"events_needed"`
}

type funnel struct {
	Printed   int
	Redeemed  rate
	Added     *rate
	Claimed   rate `json:"order_claimed"`
	Bought    rate `json:"repurchased"`
	Spent     int64
	PerFriend *int64 `json:"fen_per_friend"`
}

type result struct {
	ID       string
	Days     int `json:"retained_days"`
	Complete bool
	Arms     []struct {
		Name     string
		Unpriced bool
		funnel
		Value *struct {
			Value, Low, High float64
			Rank             int
		}
	}
	Total      funnel
	Comparison *struct {
		By, Per, Verdict string
		Best             []string
		need
		Pairs []struct {
			Arms                  []string
			Difference, Low, High float64
			Verdict               string
			need
		}
	}
}

// makeBatch makes a batch and tells how its cards are dealt.
func (b *brand) makeBatch(body string) (cards.Batch, *cards.Draws) {
	b.t.Helper()
	status, made := b.post("/v1/card-batches", "batch-of-"+b.t.Name(), body)
	if status != http.StatusAccepted {
		b.t.Fatalf("%d %s", status, made)
	}
	batch, err := b.function.Store.Batch(b.t.Context(), field(b.t, made, "id"))
	if err != nil {
		b.t.Fatal(err)
	}
	draws, err := b.function.Keys.Draws(batch)
	if err != nil {
		b.t.Fatal(err)
	}
	return batch, draws
}

// redeem puts the redemption of the nth card as redeemcard does.
func (b *brand) redeem(batch cards.Batch, draws *cards.Draws, card int, member loyalty.MemberID) {
	b.t.Helper()
	redemption := store.Redemption{
		Batch: batch.ID(), Card: card, Arm: draws.Arm(card), Award: draws.Award(card),
		Fact: points.Fact{Kind: points.FactPrize, At: now.AddDate(0, 0, -3), Member: member},
	}
	if member == "" {
		redemption.Identity = loyalty.Identity{Kind: loyalty.IdentityPhone, Value: "token"}
	}
	if err := b.engine.Write(b.t.Context(), store.RedeemCard(batch.Code(card), redemption)); err != nil {
		b.t.Fatal(err)
	}
}

// member makes an account that last bought so many days ago; never for below 0.
func (b *brand) member(id loyalty.MemberID, boughtDaysAgo int) {
	b.t.Helper()
	if err := b.engine.Write(b.t.Context(), store.CreateAccount(id, store.Profile{}, nil, now.AddDate(0, 0, -9))...); err != nil {
		b.t.Fatal(err)
	}
	if boughtDaysAgo < 0 {
		return
	}
	changes, _ := store.LastPurchase("milk-powder", now.AddDate(0, 0, -boughtDaysAgo), loyalty.OrderKey{Channel: "tmall", Shop: "s", Order: string(id)})
	if err := b.engine.Write(b.t.Context(), store.UpdateAccount(id, append(changes, store.CountOrder(1, 100, 0)...))); err != nil {
		b.t.Fatal(err)
	}
}

func (b *brand) result(id, query string) (result, string) {
	b.t.Helper()
	status, answer, _ := b.call(request{method: "GET", path: "/v1/card-batches/" + id + "/result" + query, token: adminToken})
	if status != http.StatusOK {
		b.t.Fatalf("%d %s", status, answer)
	}
	var r result
	if err := json.Unmarshal([]byte(answer), &r); err != nil {
		b.t.Fatal(err)
	}
	return r, answer
}

func TestTheResultIsTheFunnelOfEachArm(t *testing.T) {
	b := open(t)
	batch, draws := b.makeBatch(tested)
	b.member("mnever", -1)
	b.member("mbefore", 8)
	b.member("mafter", 1)
	holders := []loyalty.MemberID{"mnever", "mbefore", "mafter", "", "mgone"}
	var redeemed, claimed, bought [2]int
	spent := [2]int64{2000 * 20, 2000 * 20}
	for card := range 700 {
		holder := holders[card%len(holders)]
		arm := draws.Arm(card)
		b.redeem(batch, draws, card, holder)
		redeemed[arm]++
		spent[arm] += draws.Award(card).Amount
		if holder == "mbefore" || holder == "mafter" {
			claimed[arm]++
		}
		if holder == "mafter" {
			bought[arm]++
		}
	}
	r, answer := b.result(batch.ID(), "?by=redeemed")
	if r.ID != batch.ID() || !r.Complete || r.Days != 7 || len(r.Arms) != 2 {
		t.Fatalf("%s", answer)
	}
	for i, arm := range r.Arms {
		if arm.Name != batch.Arms[i].Name || arm.Unpriced || arm.Printed != 2000 || arm.Redeemed.Count != redeemed[i] || arm.Claimed.Count != claimed[i] ||
			arm.Bought.Count != bought[i] || arm.Spent != spent[i] {
			t.Errorf("arm %d: %+v, want %d redeemed, %d claimed, %d bought, %d fen", i, arm, redeemed[i], claimed[i], bought[i], spent[i])
		}
		if q := arm.Redeemed; q.Low >= q.Rate || q.High <= q.Rate || q.Rate != float64(q.Count)/2000 {
			t.Errorf("arm %d: %+v", i, q)
		}
		// Nobody has told of friends yet: that is not the same as none.
		if arm.Added != nil || arm.PerFriend != nil {
			t.Errorf("arm %d counts friends", i)
		}
	}
	if r.Total.Printed != 4000 || r.Total.Redeemed.Count != 700 || r.Total.Spent != spent[0]+spent[1] {
		t.Errorf("total %+v", r.Total)
	}
	// As many redeem either, but the small red packet costs less.
	c := r.Comparison
	if c == nil || c.By != "redeemed" || c.Per != "yuan" || c.Verdict != "winner" || !slices.Equal(c.Best, []string{"=小红包"}) || r.Arms[1].Value.Rank != 1 || c.Cards != 0 {
		t.Errorf("%s", answer)
	}
	if p := c.Pairs[0]; len(c.Pairs) != 1 || p.High >= 0 || p.Low >= p.Difference || p.Verdict != "winner" {
		t.Errorf("%+v", c.Pairs)
	}
	// No friend, so it cannot be told who brings the most.
	r, answer = b.result(batch.ID(), "?retained_days=30")
	if c := r.Comparison; c.By != "retained" || c.Verdict != "cannot_tell_yet" || len(c.Best) != 2 || r.Days != 30 || c.Cards != 0 {
		t.Errorf("%s", answer)
	}
}

// Friends who came and stayed decide, not customers who redeemed: the first arm
// brings more friends, and all of them leave on the second day.
func TestTheResultCountsFriendsWhoStay(t *testing.T) {
	b := open(t)
	batch, _ := b.makeBatch(tested)
	befriend := func(arm int, daysAgo, n int, gone map[int]int64) {
		cohort := friend.Cohort{Batch: batch.ID(), Arm: arm, Day: now.AddDate(0, 0, -daysAgo).In(program.Default().Zone()).Format(time.DateOnly)}
		tally := friend.Tally{Added: int64(n), Gone: gone}
		if err := b.engine.Write(t.Context(), store.CountFriends("wm-1", map[friend.Cohort]friend.Tally{cohort: tally})...); err != nil {
			t.Fatal(err)
		}
	}
	befriend(0, 10, 200, map[int]int64{1: 190, 9: 10})
	befriend(1, 10, 100, nil)
	befriend(1, 3, 7, map[int]int64{0: 1})
	r, answer := b.result(batch.ID(), "")
	if len(r.Arms) != 2 || r.Arms[0].Added == nil || r.Arms[0].Added.Count != 200 || r.Arms[1].Added.Count != 107 || r.Total.Added.Count != 307 {
		t.Fatalf("%s", answer)
	}
	var told struct {
		Arms []struct {
			Retained  rate
			Undecided int
		}
	}
	if err := json.Unmarshal([]byte(answer), &told); err != nil || told.Arms[0].Retained.Count != 10 || told.Arms[1].Retained.Count != 100 || told.Arms[1].Undecided != 6 {
		t.Errorf("%v %s", err, answer)
	}
	if c := r.Comparison; c.By != "retained" || c.Verdict != "winner" || !slices.Equal(c.Best, []string{"=小红包"}) {
		t.Errorf("%s", answer)
	}
	if r, answer := b.result(batch.ID(), "?by=added"); !slices.Equal(r.Comparison.Best, []string{"红包"}) {
		t.Errorf("%s", answer)
	}
}

func TestAResultThatCannotBeToldYetSaysHowMuchIsMissing(t *testing.T) {
	b := open(t)
	body := strings.NewReplacer(`"value":200,"quantity":2000`, `"value":100,"quantity":600`, `"card_cost":20,`, "").Replace(tested)
	batch, draws := b.makeBatch(body)
	for card := range 320 {
		b.redeem(batch, draws, card, "")
	}
	r, answer := b.result(batch.ID(), "?by=redeemed")
	c := r.Comparison
	if c.Verdict != "cannot_tell_yet" || c.Per != "card" || c.Cards < 1000 || c.Events < 80 || c.Pairs[0].Cards != c.Cards {
		t.Fatalf("%s", answer)
	}
	if got, want := float64(c.Events)/320, float64(c.Cards)/4000; got < want || got > want+.01 {
		t.Errorf("%d events and %d cards are not the same growth", c.Events, c.Cards)
	}
}

// A prize that nobody priced would make its arm look cheap, cards that cost
// nothing would make small prizes look good.
func TestArmsWithPrizesOfUnknownWorthAreComparedPerCard(t *testing.T) {
	b := open(t)
	batch, draws := b.makeBatch(strings.Replace(tested, `"kind":"red_packet","value":100`, `"kind":"points","value":100`, 1))
	for card := range 100 {
		b.redeem(batch, draws, card, "")
	}
	r, answer := b.result(batch.ID(), "?by=redeemed")
	if r.Comparison.Per != "card" || r.Arms[0].Unpriced || !r.Arms[1].Unpriced || r.Arms[1].Spent != 2000*20 {
		t.Errorf("%s", answer)
	}
}

func TestOneArmIsComparedWithNothing(t *testing.T) {
	b := open(t)
	made, _ := b.makeBatch(batch)
	r, answer := b.result(made.ID(), "")
	if r.Comparison != nil || r.Arms[0].Value != nil || r.Arms[0].Printed != 100 || r.Total.Redeemed.Count != 0 {
		t.Errorf("%s", answer)
	}
}

func TestTheResultAsCSVHasTheSameNumbers(t *testing.T) {
	b := open(t)
	batch, draws := b.makeBatch(tested)
	for card := range 300 {
		b.redeem(batch, draws, card, "")
	}
	r, _ := b.result(batch.ID(), "?by=redeemed")
	status, text, header := b.call(request{method: "GET", path: "/v1/card-batches/" + batch.ID() + "/result.csv?by=redeemed", token: adminToken})
	if status != http.StatusOK || !strings.HasPrefix(header.Get("Content-Type"), "text/csv") {
		t.Fatalf("%d %v %s", status, header, text)
	}
	lines, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil || len(lines) != 3 {
		t.Fatalf("%v, %d lines", err, len(lines))
	}
	for i, arm := range r.Arms {
		row := map[string]string{}
		for column, name := range lines[0] {
			row[name] = lines[i+1][column]
		}
		number := func(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }
		for name, want := range map[string]string{
			"form": []string{"scratch", "plain"}[i], "printed": "2000", "redeemed": fmt.Sprint(arm.Redeemed.Count),
			"redeemed_rate": number(arm.Redeemed.Rate), "redeemed_low": number(arm.Redeemed.Low), "redeemed_high": number(arm.Redeemed.High),
			"added": "", "retained_high": "", "order_claimed": "0", "repurchased": "0", "spent_fen": fmt.Sprint(arm.Spent), "fen_per_friend": "",
			"value": number(arm.Value.Value), "value_low": number(arm.Value.Low), "value_high": number(arm.Value.High), "rank": fmt.Sprint(arm.Value.Rank),
			"arm": []string{"红包", "'=小红包"}[i], // the second is no formula
		} {
			if row[name] != want {
				t.Errorf("arm %d: %s is %q, want %q", i, name, row[name], want)
			}
		}
	}
}

func TestResultsAreForReadersAndBatchesThatExist(t *testing.T) {
	b := open(t)
	made, _ := b.makeBatch(batch)
	tokens := map[token.Role]string{}
	for _, role := range token.Roles {
		_, operator := b.post("/v1/operators", "op-"+string(role), fmt.Sprintf(`{"name":"%s-1","role":%q}`, role, role))
		tokens[role] = field(t, operator, "token")
	}
	for _, suffix := range []string{"/result", "/result.csv"} {
		for role, operatorToken := range tokens {
			status, answer, _ := b.call(request{method: "GET", path: "/v1/card-batches/" + made.ID() + suffix, token: operatorToken})
			want := http.StatusOK
			if role == token.RolePrinter {
				want = http.StatusForbidden
			}
			if status != want {
				t.Errorf("%s as %s: %d %s", suffix, role, status, answer)
			}
		}
		for query, want := range map[string]int{
			"/v1/card-batches/K-nothing" + suffix:                         http.StatusNotFound,
			"/v1/card-batches/" + made.ID() + suffix + "?by=scanned":      http.StatusBadRequest,
			"/v1/card-batches/" + made.ID() + suffix + "?retained_days=0": http.StatusBadRequest,
		} {
			if status, answer, _ := b.call(request{method: "GET", path: query, token: adminToken}); status != want {
				t.Errorf("%s: %d %s", query, status, answer)
			}
		}
	}
}

// The cost of counting a result: printed for the record, held in round trips.
func TestAResultReadsARedeemedCardAndItsMemberOnce(t *testing.T) {
	b := open(t)
	batch, draws := b.makeBatch(tested)
	const redeemed = 1000
	for card := range redeemed {
		member := loyalty.MemberID(fmt.Sprint("m", card))
		b.member(member, 1)
		b.redeem(batch, draws, card, member)
	}
	var usage table.Usage
	read := httptest.NewRequest("GET", "/v1/card-batches/"+batch.ID()+"/result", nil)
	read.Header.Set("Authorization", "Bearer "+adminToken)
	answer := httptest.NewRecorder()
	b.ServeHTTP(answer, read.WithContext(table.WithUsage(t.Context(), &usage)))
	if answer.Code != http.StatusOK {
		t.Fatalf("%d %s", answer.Code, answer.Body)
	}
	t.Logf("%d cards that %d members redeemed: %.1f read units, %d round trips", redeemed, redeemed, usage.ReadUnits, usage.RoundTrips)
	if most := 2 + 2*table.CardShards; usage.RoundTrips > most {
		t.Errorf("%d round trips, want at most %d", usage.RoundTrips, most)
	}
	if usage.WriteUnits != 0 || usage.ReadUnits > redeemed {
		t.Errorf("%+v", usage)
	}
}

// A batch's arms are what was promised: nothing on the outside changes them,
// before activation or after.
func TestNothingChangesTheArmsOfABatch(t *testing.T) {
	b := open(t)
	made, _ := b.makeBatch(tested)
	path := "/v1/card-batches/" + made.ID()
	other := strings.Replace(tested, `"weight":1`, `"weight":9`, 1)
	unchanged := func(after string) {
		t.Helper()
		is, err := b.function.Store.Batch(t.Context(), made.ID())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(made.Arms, is.Arms); diff != "" || is.Count != made.Count {
			t.Errorf("after %s: %s", after, diff)
		}
	}
	refused := func(when string) {
		t.Helper()
		for _, method := range []string{"PUT", "PATCH", "POST", "DELETE"} {
			status, answer, _ := b.call(request{method: method, path: path, token: adminToken, key: "change-" + when + method, body: other})
			if status != http.StatusMethodNotAllowed && status != http.StatusNotFound {
				t.Errorf("%s %s: %d %s", when, method, status, answer)
			}
			unchanged(when + method)
		}
		if status, answer := b.post("/v1/card-batches", "batch-of-"+t.Name(), other); status != http.StatusUnprocessableEntity {
			t.Errorf("%s, creating it again with other arms: %d %s", when, status, answer)
		}
		unchanged(when + "creating it again")
	}
	refused("before ")
	for i, name := range []string{"zhang", "li"} {
		_, operator := b.post("/v1/operators", name, fmt.Sprintf(`{"name":%q,"role":"operator"}`, name))
		status, answer, _ := b.call(request{method: "POST", path: path + "/activation", token: field(t, operator, "token"), key: name})
		if status != []int{http.StatusAccepted, http.StatusOK}[i] {
			t.Fatalf("%d %s", status, answer)
		}
	}
	refused("active ")
	if status, answer := b.post(path+"/freeze", "freeze", ""); status != http.StatusOK {
		t.Fatalf("%d %s", status, answer)
	}
	refused("frozen ")
}
