package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/huitou/huitou/shared/cards"
)

// named makes an operator and gives their token.
func (p *process) named(t *testing.T, name, role string) string {
	t.Helper()
	var made struct{ Token string }
	p.post(t, "/v1/operators", map[string]any{"name": name, "role": role}).read(t, http.StatusCreated, &made)
	return made.Token
}

// batch makes a batch of cards that each win so many points.
func (p *process) batch(t *testing.T, name string, count int, points int64, from, to time.Time) string {
	t.Helper()
	var made struct{ ID string }
	p.post(t, "/v1/card-batches", map[string]any{
		"name": name, "count": count, "valid_from": instant(from), "valid_to": instant(to), "rules_text": "每张卡可用一次",
		"arms": []map[string]any{{"name": "a", "form": "reveal", "weight": 1, "prizes": []map[string]any{
			{"kind": "points", "value": points, "quantity": count},
		}}},
	}).read(t, http.StatusAccepted, &made)
	return made.ID
}

// activate lets two operators open a batch: 202 for the first, who cannot be
// the second too, 200 for the second.
func (p *process) activate(t *testing.T, batch string) {
	t.Helper()
	path := "/v1/card-batches/" + batch + "/activation"
	first, second := p.named(t, "first."+batch, "operator"), p.named(t, "second."+batch, "operator")
	p.do(t, http.MethodPost, path, operator(first), nil).read(t, http.StatusAccepted, nil)
	if a := p.do(t, http.MethodPost, path, operator(first), nil); a.status == http.StatusOK {
		t.Errorf("one operator alone activates a batch")
	}
	p.do(t, http.MethodPost, path, operator(second), nil).read(t, http.StatusOK, nil)
}

// codes are the redemption addresses of a batch's cards, as the printing house
// gets them.
func (p *process) codes(t *testing.T, batch string) (addresses []string) {
	t.Helper()
	a := p.do(t, http.MethodGet, "/v1/card-batches/"+batch+"/cards.csv", operator(p.token), nil)
	a.read(t, http.StatusOK, nil)
	rows, err := csv.NewReader(strings.NewReader(string(a.body))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows[1:] {
		addresses = append(addresses, row[1])
	}
	return addresses
}

type prize struct {
	Prize struct {
		Kind  string `json:"kind"`
		Value int64  `json:"value"`
	} `json:"prize"`
	RedeemedAt time.Time `json:"redeemed_at"`
}

func redemption(who identity) []byte {
	body, _ := json.Marshal(map[string]any{"identity": who}) // plain strings
	return body
}

var asJSON = map[string]string{"Content-Type": "application/json"}

// Card after card, so that the members' connections stand and their requests
// really meet.
func TestSixtyFourMembersRedeemOneCard(t *testing.T) {
	p := shared(t)
	now := time.Now()
	const crowd, rounds = 64, 12
	batch := p.batch(t, "sixty-four", rounds, 50, now.Add(-time.Hour), now.Add(24*time.Hour))
	p.activate(t, batch)
	who := func(i int) []byte { return redemption(openID(fmt.Sprint("crowd-", i))) }
	members, won := make([]string, crowd), make([]int, crowd)
	for i := range members {
		members[i] = p.member(t, openID(fmt.Sprint("crowd-", i)))
	}
	for _, address := range p.codes(t, batch) {
		card := address + "/redemption"
		answers := make([]answer, crowd)
		ready := make(chan struct{})
		var group sync.WaitGroup
		for i := range crowd {
			group.Go(func() {
				<-ready
				var err error
				if answers[i], err = p.call(http.MethodPost, card, asJSON, who(i)); err != nil {
					t.Error(err)
				}
			})
		}
		close(ready)
		group.Wait()
		statuses, winner := map[int]int{}, -1
		for i, a := range answers {
			statuses[a.status]++
			if a.status == http.StatusOK {
				winner = i
			}
		}
		if diff := cmp.Diff(map[int]int{http.StatusOK: 1, http.StatusConflict: crowd - 1}, statuses); diff != "" {
			t.Fatalf("the answers (-want +got):\n%s", diff)
		}
		won[winner]++
		var told prize
		answers[winner].read(t, http.StatusOK, &told)
		if told.Prize.Kind != "points" || told.Prize.Value != 50 {
			t.Errorf("the prize is %+v", told)
		}
		// The winner is told the same again, and nothing more is given.
		again := p.do(t, http.MethodPost, card, asJSON, who(winner))
		if again.status != http.StatusOK || string(again.body) != string(answers[winner].body) {
			t.Errorf("the winner's repeat: %d %s, first %s", again.status, again.body, answers[winner].body)
		}
	}
	for i, member := range members {
		ledger := p.ledger(t, member)
		for _, e := range ledger {
			if e.Kind != "prize" || e.Available != 50 {
				t.Errorf("member %d has %+v", i, e)
			}
		}
		if len(ledger) != won[i] || p.balance(t, member) != (balance{Available: int64(50 * won[i])}) {
			t.Errorf("member %d won %d cards and has %+v", i, won[i], ledger)
		}
	}
}

// sameButForRequest is a refusal without the request id.
func sameButForRequest(t *testing.T, a answer) string {
	t.Helper()
	var document map[string]any
	if err := json.Unmarshal(a.body, &document); err != nil {
		t.Fatalf("no problem document: %s", a.body)
	}
	if document["instance"] == nil || document["instance"] == "" {
		t.Errorf("no request id in %s", a.body)
	}
	delete(document, "instance")
	header := a.header.Clone()
	for _, volatile := range []string{"Date", "Apigw-Requestid", "Content-Length"} {
		header.Del(volatile)
	}
	return fmt.Sprint(a.status, header, document)
}

func TestCardsThatCannotBeRedeemedAreAllAlike(t *testing.T) {
	p := shared(t)
	now := time.Now()
	hour := time.Hour
	// A batch cannot be activated once its window is over, so this one's ends
	// while the test runs.
	end := now.Add(4 * time.Second).Truncate(time.Second)
	over := p.batch(t, "over", 1, 50, now.Add(-hour), end)
	p.activate(t, over)
	open := p.batch(t, "open", 5, 50, now.Add(-hour), now.Add(hour))
	inactive := p.batch(t, "inactive", 1, 50, now.Add(-hour), now.Add(hour))
	early := p.batch(t, "early", 1, 50, now.Add(hour), now.Add(2*hour))
	frozen := p.batch(t, "frozen", 1, 50, now.Add(-hour), now.Add(hour))
	for _, batch := range []string{open, early, frozen} {
		p.activate(t, batch)
	}
	p.post(t, "/v1/card-batches/"+frozen+"/freeze", nil).read(t, http.StatusOK, nil)

	code := func(batch string) string {
		address := p.codes(t, batch)[0]
		return address[strings.LastIndex(address, "/")+1:]
	}
	good := code(open)
	last := "0"
	if strings.HasSuffix(good, last) {
		last = "1"
	}
	// A code of the brand's own key for a batch and a card that are not there,
	// which only the brand itself can make.
	ring := keyring(t, p)
	unknownBatch, err := ring.Codec().Token(cards.Code{KeyID: ring.SigningKeyID(), Batch: 12_345, Card: 0})
	if err != nil {
		t.Fatal(err)
	}
	known, err := ring.Codec().Parse(good)
	if err != nil {
		t.Fatal(err)
	}
	known.Card = 5
	unknownCard, err := ring.Codec().Token(known)
	if err != nil {
		t.Fatal(err)
	}
	known.Card = 0
	stranger, err := cards.NewKeyring(cards.RootKey{ID: ring.SigningKeyID(), Secret: [32]byte{1}})
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := stranger.Codec().Token(known)
	if err != nil {
		t.Fatal(err)
	}
	elsewhere, err := cards.NewKeyring(cards.RootKey{ID: 'Z', Secret: [32]byte{2}})
	if err != nil {
		t.Fatal(err)
	}
	known.KeyID = 'Z'
	unknownKey, err := elsewhere.Codec().Token(known)
	if err != nil {
		t.Fatal(err)
	}
	refused := map[string]string{
		"wrong tag":      good[:len(good)-1] + last,
		"cut":            good[:len(good)-1],
		"no code":        "HELLO",
		"unknown batch":  unknownBatch,
		"unknown card":   unknownCard,
		"foreign key":    foreign,
		"unknown key":    unknownKey,
		"inactive":       code(inactive),
		"early":          code(early),
		"over":           code(over),
		"frozen":         code(frozen),
		"chinese":        "%E5%8D%A1",
		"very long":      strings.Repeat("A", 2_000),
		"printed canary": strings.Repeat("0", len(good)),
	}
	eventually(t, "the window of a batch is over", func() bool { return !time.Now().Before(end) })
	before := p.queues(t)
	want := ""
	for name, code := range refused {
		a := p.do(t, http.MethodPost, "/c/"+code+"/redemption", asJSON, redemption(openID("nobody-yet")))
		got := sameButForRequest(t, a)
		if want == "" {
			want = got
		}
		if a.status != http.StatusNotFound || got != want {
			t.Errorf("%s: %s\nothers: %s", name, got, want)
		}
		page := p.do(t, http.MethodGet, "/c/"+code, nil, nil)
		if page.status != http.StatusNotFound || strings.Contains(string(page.body), code) {
			t.Errorf("%s: the page answers %d", name, page.status)
		}
	}
	if diff := cmp.Diff(before, p.queues(t)); diff != "" {
		t.Errorf("the queues changed:\n%s", diff)
	}
	// Nobody became a member by it.
	p.member(t, openID("nobody-yet"))
	// The code they were made from is good, in small letters and under /C/ too.
	p.do(t, http.MethodPost, "/C/"+strings.ToLower(good)+"/redemption", asJSON, redemption(openID("somebody"))).read(t, http.StatusOK, nil)
}

// keyring is the brand's own, from the file that only it can read.
func keyring(t *testing.T, p *process) *cards.Keyring {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(p.folder, "secrets.json"))
	if err != nil {
		t.Fatal(err)
	}
	var kept secrets
	if err := json.Unmarshal(raw, &kept); err != nil {
		t.Fatal(err)
	}
	ring, err := cards.ReadKeyring(kept.CardKeys)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// greetedCard is the address that the greeting shows, whose host is the
// process's own.
func (p *process) greetedCard(t *testing.T) string {
	t.Helper()
	_, rest, found := strings.Cut(p.printed.String(), "  page      ")
	address, _, _ := strings.Cut(rest, " ")
	if !found || !strings.HasPrefix(strings.ToLower(address), p.address+"/c/") {
		t.Fatalf("no card of %s is greeted with:\n%s", p.address, p.printed)
	}
	return address
}

// The demo's card is printed for everybody: its page lists all prizes of the
// batch and shows none before the draw.
func TestTheGreetedCardCanBeRedeemed(t *testing.T) {
	p := shared(t)
	address := p.greetedCard(t)
	page := p.do(t, http.MethodGet, address, nil, nil)
	page.read(t, http.StatusOK, nil)
	if !strings.Contains(string(page.body), "888 积分") {
		t.Error("the page does not list the batch's prizes")
	}
	for _, told := range []string{`id="prize"`, "welcome-20", address[strings.LastIndex(address, "/")+1:]} {
		if strings.Contains(string(page.body), told) {
			t.Errorf("the page tells %q before the draw", told)
		}
	}
	if !strings.Contains(p.printed.String(), "▄") {
		t.Error("no QR code is printed")
	}
	p.do(t, http.MethodPost, address+"/redemption", asJSON, redemption(openID("first scan"))).read(t, http.StatusOK, nil)
	if taken := p.do(t, http.MethodPost, address+"/redemption", asJSON, redemption(openID("second scan"))); taken.status != http.StatusConflict {
		t.Errorf("the second scan: %d", taken.status)
	}
}
