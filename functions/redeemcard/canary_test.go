package redeemcard_test

import (
	"os"
	"strings"
	"testing"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/table"
)

// A canary is answered as an unknown card is, in whatever state its batch is
// and by whatever way it is tried, at the same price; and each try is told to
// whoever reads the alarm, without the code.
func TestACanaryIsAnUnknownCardAndAnAlarm(t *testing.T) {
	b := open(t)
	nowhere := cards.Batch{KeyID: "1", Number: 99}
	unknowns := map[string]string{"token": b.code(nowhere, 0), "typed": b.typed(nowhere, 0)}
	b.page("warm-up") // the program is read once a minute
	for n, state := range []cards.State{cards.StateCreated, cards.StatePrinted, cards.StateReceived, cards.StateActive, cards.StateFrozen} {
		batch := b.batch(n, cards.FormPlain, prizes[cards.PrizePoints], func(b *cards.Batch) { b.State, b.Canaries = state, 5 })
		draws, err := b.f.Keys.Draws(batch)
		if err != nil {
			t.Fatal(err)
		}
		canary := draws.Canaries()[0]
		before := b.snapshot()
		for form, code := range map[string]string{"token": b.code(batch, canary), "typed": b.typed(batch, canary)} {
			for _, request := range []struct {
				method, path string
				header       map[string]string
				body         string
			}{
				{"POST", "/redemption", map[string]string{"content-type": "application/json"}, openid("o-1")},
				{"GET", "", nil, ""},
				{"POST", "", map[string]string{"content-type": "application/x-www-form-urlencoded"}, "phone=13800000000&consent=membership"},
			} {
				var usage, plain table.Usage
				unknown := unknowns[form]
				want := b.send(table.WithUsage(t.Context(), &plain), request.method, "/c/"+unknown+request.path, request.header, request.body)
				b.logged.Reset()
				got := b.send(table.WithUsage(t.Context(), &usage), request.method, "/c/"+code+request.path, request.header, request.body)
				if got.StatusCode != 404 || strings.ReplaceAll(got.Body, code, unknown) != want.Body || usage != plain {
					t.Errorf("%s, %s %s: %d, %+v, want %d, %+v\n%s", state, form, request.method, got.StatusCode, usage, want.StatusCode, plain, got.Body)
				}
				line := b.logged.String()
				if !strings.Contains(line, `level=ERROR msg="canary card tried" batch=`+batch.ID()) || strings.Count(line, "canary") != 1 {
					t.Errorf("%s, %s: the log says %s", state, request.method, line)
				}
				if strings.Contains(line, code) || strings.Contains(line, strings.ReplaceAll(code, "-", "")) {
					t.Errorf("the code is logged: %s", line)
				}
			}
		}
		b.unchanged(before, "a canary")
		// Every other card of the print run is as good as it was.
		won := 0
		b.logged.Reset()
		for card := range batch.PrintRun() {
			if b.redeem(b.code(batch, card), nil, openid("winner")).StatusCode == 200 {
				won++
			}
		}
		if want := map[bool]int{true: 10}[state == cards.StateActive]; won != want {
			t.Errorf("%s: %d cards were redeemed, want %d", state, won, want)
		}
		if n := strings.Count(b.logged.String(), "canary card tried"); n != 5 {
			t.Errorf("%d alarms for 5 canaries", n)
		}
	}
}

// The alarm counts the line by its words.
func TestTheTemplateCountsTheLineOfACanary(t *testing.T) {
	template, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(template), `FilterPattern: '{ $.msg = "canary card tried" }'`) {
		t.Error("template.yaml counts other words than redeemcard logs")
	}
}
