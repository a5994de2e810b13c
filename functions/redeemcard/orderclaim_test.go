package redeemcard_test

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/claim"
	"github.com/huitou/huitou/shared/enrolment"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
)

const buyersPhone = "13800000000"

var tmallOrder = loyalty.OrderKey{Channel: "tmall", Shop: "flagship", Order: "2156000000000000001"}

// claiming is the page's form for an order, as its winner sends it.
func (b *brand) claiming(code string, values url.Values) events.APIGatewayV2HTTPResponse {
	b.t.Helper()
	return b.send(b.t.Context(), "POST", "/C/"+code+"?claim=1", map[string]string{"content-type": "application/x-www-form-urlencoded"}, values.Encode())
}

func (b *brand) reference(batch cards.Batch, card int) string {
	b.t.Helper()
	text, err := b.f.Keys.Reference(batch.Code(card))
	if err != nil {
		b.t.Fatal(err)
	}
	return text
}

// claimOf is the form for the order and its phone's last four digits.
func claimOf(reference, last4 string) url.Values {
	return url.Values{"card": {reference}, "shop": {"tmall/flagship"}, "order": {tmallOrder.Order}, "proof": {last4}}
}

func (b *brand) claims(member loyalty.MemberID) []store.Claim {
	b.t.Helper()
	claims, _, err := b.f.Store.Claims(b.t.Context(), member, 10, "")
	if err != nil {
		b.t.Fatal(err)
	}
	return claims
}

func (b *brand) onCard(batch cards.Batch, card int) []store.CardClaim {
	b.t.Helper()
	known, err := b.f.Store.CardClaims(b.t.Context(), batch.Code(card))
	if err != nil {
		b.t.Fatal(err)
	}
	return known.Made
}

// The form stands where the prize does, and nowhere else; a brand without shops
// leads to its member centre.
func TestThePageAsksForTheOrder(t *testing.T) {
	b := open(t)
	b.style(func(own *program.Brand) { own.ClaimLink = "https://m.example.com/orders" })
	b.at(noon.Add(time.Minute))
	batch := b.batch(1, cards.FormPlain, prizes[cards.PrizePoints])
	code := b.code(batch, 0)
	form := url.Values{"phone": {buyersPhone}, "consent": consents}
	before := b.page(code).Body
	won := b.form(code, form).Body
	taken := b.page(code).Body
	other := b.form(code, url.Values{"phone": {"13900000000"}, "consent": consents}).Body
	for name, body := range map[string]string{"before the draw": before, "taken": taken, "somebody else": other} {
		if strings.Contains(body, `id="claim"`) || strings.Contains(body, b.reference(batch, 0)) {
			t.Errorf("%s: the page takes a claim", name)
		}
	}
	for _, part := range []string{
		`action="?lang=zh-CN&amp;claim=1"`, `name="card" value="` + b.reference(batch, 0) + `"`, `<option value="tmall/flagship">天猫旗舰店</option>`,
		`<label for="claim-order">订单号</label>`, `<label for="claim-proof">`, `<a id="claim-link" href="https://m.example.com/orders">`,
	} {
		if !strings.Contains(won, part) {
			t.Errorf("with the prize the page lacks %s", part)
		}
	}
	english := b.send(t.Context(), "POST", "/C/"+code+"?lang=en", map[string]string{"content-type": "application/x-www-form-urlencoded"}, form.Encode()).Body
	if !strings.Contains(english, `<option value="douyin/flagship">Douyin</option>`) || !strings.Contains(english, `action="?lang=en&amp;claim=1"`) {
		t.Error("the English page asks otherwise")
	}

	b = open(t)
	b.style(func(own *program.Brand) { own.Shops, own.ClaimLink = nil, "https://m.example.com/orders" })
	b.at(noon.Add(time.Minute))
	won = b.form(b.code(b.batch(1, cards.FormPlain, prizes[cards.PrizePoints]), 0), form).Body
	if strings.Contains(won, `id="claim"`) || !strings.Contains(won, `<a id="claim-link" class="second" href="https://m.example.com/orders">`) {
		t.Error("without shops the page takes a claim, or leads nowhere")
	}
}

// A claim on a reserved card waits, and is the member's whose the card becomes.
// The answer says nothing of that, nor of the order.
func TestAClaimWaitsForTheWinner(t *testing.T) {
	b := open(t)
	batch := b.batch(1, cards.FormPlain, prizes[cards.PrizePoints])
	code := b.code(batch, 0)
	b.redeem(code, nil, phone(buyersPhone))
	owner := b.enrol(b.phoneIdentity(buyersPhone))
	reserved := b.claiming(code, claimOf(b.reference(batch, 0), "6065"))
	if reserved.StatusCode != 200 || !strings.Contains(reserved.Body, "已收到您的认领") || strings.Contains(reserved.Body, tmallOrder.Order) {
		t.Fatalf("%d %s", reserved.StatusCode, reserved.Body)
	}
	want := []store.CardClaim{{At: noon.UTC(), Order: &tmallOrder, Proof: points.Proof{PhoneLast4: "6065"}}}
	got := b.onCard(batch, 0)
	for i := range got {
		if len(got[i].Cause) != 32 {
			t.Errorf("the cause is %q", got[i].Cause)
		}
		got[i].Cause = ""
	}
	if diff := cmp.Diff(want, got); diff != "" || len(b.claims(owner)) != 0 || len(b.orders.bodies) != 0 {
		t.Errorf("waiting (-want +got):\n%s; %q", diff, b.orders.bodies)
	}
	before := b.snapshot()
	if again := b.claiming(code, claimOf(b.reference(batch, 0), "6065")); again.Body != reserved.Body {
		t.Errorf("the same claim again: %d %s", again.StatusCode, again.Body)
	}
	b.unchanged(before, "the same claim again")

	b.at(noon.Add(time.Hour))
	for range 3 { // the first proof, and repeats of it
		if got := b.redeem(code, b.bearer(owner), ""); got.StatusCode != 200 {
			t.Fatalf("the owner of the phone gets %d", got.StatusCode)
		}
	}
	claims := b.claims(owner)
	if len(claims) != 1 || claims[0].Order != tmallOrder || claims[0].Proof.PhoneLast4 != "6065" || !claims[0].At.Equal(noon.Add(time.Hour)) {
		t.Fatalf("their claims are %+v", claims)
	}
	if told := string(claim.Message(claims[0])); !slices.Equal(b.orders.bodies, []string{told}) {
		t.Errorf("told is %q, want %s once", b.orders.bodies, told)
	}
	if kept := b.onCard(batch, 0); len(kept) != 1 || kept[0].Order != nil || kept[0].Proof != (points.Proof{}) {
		t.Errorf("the card keeps %+v", kept)
	}
	second := claimOf(b.reference(batch, 0), "6065")
	second.Set("order", "2156000000000000002")
	if his := b.claiming(code, second); his.Body != reserved.Body || his.StatusCode != 200 {
		t.Errorf("a claim on their own card is answered otherwise:\n%s", cmp.Diff(reserved.Body, his.Body))
	}
	if len(b.claims(owner)) != 2 || len(b.orders.bodies) != 2 {
		t.Errorf("their claims are %+v, told is %q", b.claims(owner), b.orders.bodies)
	}
	for _, canary := range []string{tmallOrder.Order, "6065", b.reference(batch, 0), string(owner)} {
		if strings.Contains(b.logged.String(), canary) {
			t.Errorf("%q is in the log: %s", canary, b.logged)
		}
	}
}

// The reference of this very card gives the right to claim; a visitor who has
// none, or fills in what cannot be an order, changes nothing.
func TestClaimsThatAreRefusedChangeNothing(t *testing.T) {
	b := open(t)
	batch := b.batch(1, cards.FormPlain, prizes[cards.PrizePoints])
	code, mine := b.code(batch, 0), b.reference(batch, 0)
	b.redeem(code, nil, phone(buyersPhone))
	b.redeem(b.code(batch, 1), nil, phone(buyersPhone))
	with := func(name, value string) url.Values {
		form := claimOf(mine, "6065")
		form.Set(name, value)
		return form
	}
	last := mine[len(mine)-1]
	forged := mine[:len(mine)-1] + string(cards.Alphabet[(strings.IndexByte(cards.Alphabet, last)+1)%32])
	before := b.snapshot()
	for name, c := range map[string]struct {
		code   string
		form   url.Values
		status int
		says   string
	}{
		"no reference":        {code, with("card", ""), 404, "view-missing"},
		"forged":              {code, with("card", forged), 404, "view-missing"},
		"another card's":      {code, with("card", b.reference(batch, 1)), 404, "view-missing"},
		"the code":            {code, with("card", code), 404, "view-missing"},
		"a card of nobody's":  {b.code(batch, 2), claimOf(b.reference(batch, 2), "6065"), 404, "view-missing"},
		"a wrong code":        {code[:len(code)-1], claimOf(mine, "6065"), 404, "view-missing"},
		"no shop":             {code, with("shop", ""), 400, `id="claim-shop-error"`},
		"an unknown shop":     {code, with("shop", "tmall/other"), 400, `id="claim-shop-error"`},
		"no number":           {code, with("order", "  "), 400, `id="claim-order-error"`},
		"a number too long":   {code, with("order", strings.Repeat("1", 129)), 400, `id="claim-order-error"`},
		"a control character": {code, with("order", "1\x00"), 400, `id="claim-order-error"`},
		"no proof":            {code, with("proof", ""), 400, `id="claim-proof-error"`},
		"a masked name":       {code, with("proof", "t**9"), 400, `id="claim-proof-error"`},
		"a virtual number":    {code, with("proof", "15200001111-2222"), 400, `id="claim-proof-error"`},
	} {
		got := b.claiming(c.code, c.form)
		if got.StatusCode != c.status || !strings.Contains(got.Body, c.says) {
			t.Errorf("%s: %d without %s", name, got.StatusCode, c.says)
		}
		if c.status == 400 && (strings.Count(got.Body, " autofocus>") != 1) {
			t.Errorf("%s: the focus is on %d fields", name, strings.Count(got.Body, "autofocus"))
		}
	}
	if got := b.send(t.Context(), "POST", "/c/"+code+"?claim=1", map[string]string{"content-type": "application/json"}, "{}"); got.StatusCode != 415 {
		t.Errorf("JSON: %d", got.StatusCode)
	}
	b.unchanged(before, "a refusal")
	if len(b.orders.bodies) != 0 {
		t.Errorf("told is %q", b.orders.bodies)
	}
	wrong := with("proof", "t**9")
	if got := b.claiming(code, wrong).Body; !strings.Contains(got, `value="`+tmallOrder.Order+`"`) || !strings.Contains(got, `<option value="tmall/flagship" selected>`) {
		t.Error("what was right has to be typed again")
	}
}

// A card takes three claims, right and wrong ones together, until they expire.
func TestACardTakesThreeClaims(t *testing.T) {
	b := open(t)
	b.at(noon.UTC())
	batch := b.batch(1, cards.FormPlain, prizes[cards.PrizePoints])
	code := b.code(batch, 0)
	b.redeem(code, nil, phone(buyersPhone))
	for i := range claim.MaxOnCard {
		if got := b.claiming(code, claimOf(b.reference(batch, 0), fmt.Sprint(6060+i))); got.StatusCode != 200 {
			t.Fatalf("claim %d: %d", i, got.StatusCode)
		}
	}
	before := b.snapshot()
	if got := b.claiming(code, claimOf(b.reference(batch, 0), "0001")); got.StatusCode != 429 || !strings.Contains(got.Body, "已满") || got.Headers["Retry-After"] != "" {
		t.Errorf("one more: %d %v", got.StatusCode, got.Headers)
	}
	b.unchanged(before, "one more")
	if got := b.claiming(code, claimOf(b.reference(batch, 0), "6060")); got.StatusCode != 200 {
		t.Errorf("a repeat: %d", got.StatusCode)
	}
	// Of one order the last claim counts.
	owner := b.enrol(b.phoneIdentity(buyersPhone))
	b.redeem(code, b.bearer(owner), "")
	if claims := b.claims(owner); len(claims) != 1 || claims[0].Proof.PhoneLast4 != "6062" || len(b.orders.bodies) != 1 {
		t.Errorf("their claims are %+v, told is %q", claims, b.orders.bodies)
	}

	b.at(noon.Add(points.ClaimLife))
	b.put(table.DocumentBatch, batch.ID(), func() cards.Batch { long := batch; long.ValidTo = noon.AddDate(1, 0, 0); return long }())
	if got := b.claiming(code, claimOf(b.reference(batch, 0), "0001")); got.StatusCode != 200 || len(b.onCard(batch, 0)) != 1 {
		t.Errorf("when they have expired: %d, %+v", got.StatusCode, b.onCard(batch, 0))
	}
}

func TestAClaimAsItIsTyped(t *testing.T) {
	b := open(t)
	batch := b.batch(1, cards.FormPlain, prizes[cards.PrizePoints])
	for i, c := range []struct {
		order, proof string
		want         store.CardClaim
	}{
		{" 2156 0000 0000 0000 001\n", " 60 65 ", store.CardClaim{Order: &tmallOrder, Proof: points.Proof{PhoneLast4: "6065"}}},
		{"２１５６００００００００００００００１", "６０６５", store.CardClaim{Order: &tmallOrder, Proof: points.Proof{PhoneLast4: "6065"}}},
		{tmallOrder.Order, "139 0000 6065", store.CardClaim{Order: &tmallOrder, Proof: points.Proof{PhoneLast4: "6065"}}},
		{tmallOrder.Order, " 爱喝奶的 猫 ", store.CardClaim{Order: &tmallOrder, Proof: points.Proof{Buyer: points.ProveBuyer(tmallOrder, "爱喝奶的 猫")}}},
	} {
		code := b.code(batch, i)
		b.redeem(code, nil, phone(buyersPhone))
		form := claimOf(b.reference(batch, i), c.proof)
		form.Set("order", c.order)
		if got := b.claiming(code, form); got.StatusCode != 200 {
			t.Errorf("%q, %q: %d", c.order, c.proof, got.StatusCode)
			continue
		}
		got := b.onCard(batch, i)[0]
		if got.Cause, got.At = "", (time.Time{}); !cmp.Equal(got, c.want) {
			t.Errorf("%q, %q: %s", c.order, c.proof, cmp.Diff(c.want, got))
		}
	}
}

// A claim on a typed code is throttled like everything that is asked about one.
func TestAClaimGuessesNoCode(t *testing.T) {
	b := open(t)
	b.from = "203.0.113.7"
	batch := b.batch(1, cards.FormPlain, prizes[cards.PrizePoints])
	b.redeem(b.code(batch, 0), nil, phone(buyersPhone))
	wrong := b.guess(batch, 0)
	for range 60 {
		b.redeem(wrong, nil, openid("guesser"))
	}
	for name, code := range map[string]string{"wrong": wrong, "right": b.typed(batch, 0)} {
		if got := b.claiming(code, claimOf(b.reference(batch, 0), "6065")); got.StatusCode != 429 {
			t.Errorf("after 60 guesses, a %s code: %d", name, got.StatusCode)
		}
	}
}

// Whatever the moment in which the card becomes somebody's, their claim is not
// lost, and told once or more.
func TestAClaimAndAProofRace(t *testing.T) {
	first := map[string]int{}
	for range 300 {
		b := open(t)
		batch := b.batch(1, cards.FormPlain, prizes[cards.PrizePoints])
		code := b.code(batch, 0)
		b.redeem(code, nil, phone(buyersPhone))
		owner := b.enrol(b.phoneIdentity(buyersPhone))
		bearer, form := b.bearer(owner), claimOf(b.reference(batch, 0), "6065")
		var group sync.WaitGroup
		group.Go(func() {
			if got := b.redeem(code, bearer, ""); got.StatusCode != 200 {
				t.Errorf("the owner gets %d", got.StatusCode)
			}
			if len(b.onCard(batch, 0)) == 0 {
				first["proof"]++
			} else {
				first["claim"]++
			}
		})
		group.Go(func() {
			if got := b.claiming(code, form); got.StatusCode != 200 {
				t.Errorf("the claim: %d", got.StatusCode)
			}
		})
		group.Wait()
		if len(b.claims(owner)) != 1 || len(b.orders.bodies) == 0 {
			t.Fatalf("their claims are %+v, told is %q", b.claims(owner), b.orders.bodies)
		}
	}
	t.Logf("first: %v", first)
}

// Of claims that come at once none takes another's place, and no more are kept
// than a card takes.
func TestClaimsOnOneCardAtOnce(t *testing.T) {
	for range 50 {
		b := open(t)
		batch := b.batch(1, cards.FormPlain, prizes[cards.PrizePoints])
		code := b.code(batch, 0)
		b.redeem(code, nil, phone(buyersPhone))
		var group sync.WaitGroup
		statuses := make([]int, claim.MaxOnCard+2)
		for i := range statuses {
			group.Go(func() {
				form := claimOf(b.reference(batch, 0), "6065")
				form.Set("order", fmt.Sprint("T-", i))
				for statuses[i] == 0 || statuses[i] == 503 {
					statuses[i] = b.claiming(code, form).StatusCode
				}
			})
		}
		group.Wait()
		var kept []string
		for _, made := range b.onCard(batch, 0) {
			kept = append(kept, made.Order.Order)
		}
		var taken []string
		for i, status := range statuses {
			if status == 200 {
				taken = append(taken, fmt.Sprint("T-", i))
			} else if status != 429 {
				t.Errorf("claim %d: %d", i, status)
			}
		}
		slices.Sort(kept)
		if !slices.Equal(kept, taken) || len(kept) != claim.MaxOnCard {
			t.Fatalf("kept %v, answered %v", kept, statuses)
		}
	}
}

// Erasing forgets what was claimed on the person's cards.
func TestErasingForgetsClaimsOnCards(t *testing.T) {
	b := open(t)
	batch := b.batch(1, cards.FormPlain, prizes[cards.PrizePoints])
	code := b.code(batch, 0)
	b.redeem(code, nil, phone(buyersPhone))
	b.claiming(code, claimOf(b.reference(batch, 0), "6065"))
	owner := b.enrol(b.phoneIdentity(buyersPhone))
	if err := enrolment.Erase(t.Context(), b.f.Store, owner, store.Erasure{By: store.Hand{Operator: "li", At: noon}, Reason: "asked for"}); err != nil {
		t.Fatal(err)
	}
	second := claimOf(b.reference(batch, 0), "6065")
	second.Set("order", "2156000000000000002")
	if got := b.claiming(code, second); got.StatusCode != 200 {
		t.Errorf("a claim afterwards: %d", got.StatusCode)
	}
	for key, item := range b.snapshot() {
		if text := fmt.Sprint(item); regexp.MustCompile(`215600000000000000\d|6065`).MatchString(text) {
			t.Errorf("%v still says %s", key, text)
		}
	}
}

func TestUnitsOfAClaim(t *testing.T) {
	b := open(t)
	batch := b.batch(1, cards.FormPlain, prizes[cards.PrizePoints])
	code := b.code(batch, 0)
	b.redeem(code, nil, phone(buyersPhone))
	for _, c := range []struct {
		name string
		want table.Usage
	}{
		{"waiting", table.Usage{ReadUnits: 4, WriteUnits: 4, RoundTrips: 3}},
		{"again", table.Usage{ReadUnits: 4, RoundTrips: 2}},
		{"a member's", table.Usage{ReadUnits: 7, WriteUnits: 6, RoundTrips: 7}},
	} {
		if c.name == "a member's" {
			code = b.code(batch, 1)
			b.redeem(code, nil, openid("o-1"))
		}
		var usage table.Usage
		form := claimOf(b.reference(batch, 0), "6065")
		if c.name == "a member's" {
			form = claimOf(b.reference(batch, 1), "6065")
		}
		b.send(table.WithUsage(t.Context(), &usage), "POST", "/C/"+code+"?claim=1", map[string]string{"content-type": "application/x-www-form-urlencoded"}, form.Encode())
		t.Logf("%s: %g write units, %g read units, %d round trips", c.name, usage.WriteUnits, usage.ReadUnits, usage.RoundTrips)
		if usage != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, usage, c.want)
		}
	}
}
