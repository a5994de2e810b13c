package cli_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/store"
)

// holds puts a batch of ten cards, the first three of them held; the prize is
// dear.
func (b *brand) holds() {
	b.t.Helper()
	award := cards.Award{Kind: cards.PrizePoints, Amount: 5_000}
	batch := cards.Batch{KeyID: "K", Number: 7, Name: "x", Count: 10, State: cards.StateActive, Arms: []cards.Arm{{
		Name: "a", Form: cards.FormPlain, Weight: 1, Prizes: []cards.Prize{{Award: award, Quantity: 10}},
	}}}
	if _, _, err := b.store.CreateBatch(b.t.Context(), batch, "holds"); err != nil {
		b.t.Fatal(err)
	}
	for card := range 3 {
		at := now.Add(time.Duration(card-60) * time.Minute)
		redemption := store.Redemption{
			Fact: points.Fact{Kind: points.FactPrize, At: at, Member: "m-1"}, Batch: batch.ID(), Card: card, Award: award, Hold: cards.HoldOpen,
		}
		hold := cards.HoldCard(batch.Code(card), award, "m-1", cards.SuspectCarton, at)
		if card == 2 {
			hold.Appeal = &cards.Appeal{Ground: cards.GroundGiven, At: now}
		}
		if err := b.store.Table.Write(b.t.Context(), store.RedeemCard(batch.Code(card), redemption), store.PutHold(hold)); err != nil {
			b.t.Fatal(err)
		}
	}
	if err := b.store.Table.Write(b.t.Context(), store.CreateAccount("m-1", store.Profile{}, nil, now)...); err != nil {
		b.t.Fatal(err)
	}
}

func TestHeldCards(t *testing.T) {
	b := openBrand(t)
	if got := b.done("cards", "holds"); got != "none\n" {
		t.Error(got)
	}
	b.holds()
	want := `HOLD             STATE  PRIZE        MEMBER  WHY         HELD AT               APPEAL                         PROPOSED
K-00007-0000002  open   points 5000  m-1     one_carton  2026-11-21T09:02:00Z  given at 2026-11-21T10:00:00Z         -
K-00007-0000000  open   points 5000  m-1     one_carton  2026-11-21T09:00:00Z  -                                     -
K-00007-0000001  open   points 5000  m-1     one_carton  2026-11-21T09:01:00Z  -                                     -
`
	if diff := cmp.Diff(want, b.done("cards", "holds")); diff != "" {
		t.Error(diff)
	}
	if got := b.done("cards", "holds", "--appealed"); strings.Count(got, "\n") != 2 || !strings.Contains(got, "K-00007-0000002") {
		t.Error(got)
	}
	released := `hold     K-00007-0000002
card     K-00007, no. 3
state    released
prize    points 5000
member   m-1
why      one_carton
held at  2026-11-21T09:02:00Z
appeal   given at 2026-11-21T10:00:00Z
decided  released by admin at 2026-11-21T10:00:00Z
`
	for range 2 {
		if diff := cmp.Diff(released, b.done("cards", "release", "K-00007-0000002")); diff != "" {
			t.Error(diff)
		}
	}
	void := []string{"cards", "void", "K-00007-0000000", "--reason", "stolen"}
	if got := b.done(void...); !strings.Contains(got, "proposed  voided (stolen) by admin at ") || !strings.HasSuffix(got, "\nNot void yet: a second operator has to run the same command.\n") {
		t.Error(got)
	}
	operator := field(t, b.done("operators", "add", "li", "--role", "operator", "--json"), "token")
	if got := b.done(append(void, "--token", operator)...); !strings.Contains(got, "decided  voided (stolen) by admin and li at ") || strings.Contains(got, "second operator") {
		t.Error(got)
	}
	if got := b.refused(1, "cards", "release", "K-00007-0000000"); !strings.Contains(got, "hold_settled") {
		t.Error(got)
	}
	if got := b.done("cards", "void", "K-00007", "9", "--reason", "misprint"); got != "card    K-00007, no. 9\nvoided  misprint, by admin at 2026-11-21T10:00:00Z\n" {
		t.Error(got)
	}
	if got := b.refused(1, "cards", "void", "K-00007", "1", "--reason", "misprint"); !strings.Contains(got, "card_redeemed") {
		t.Error(got)
	}
	if got := b.done("cards", "holds", "--state", "voided", "--json"); !strings.Contains(got, "K-00007-0000000") || strings.Contains(got, "K-00007-0000001") {
		t.Error(got)
	}
	for _, wrong := range [][]string{{"void", "K-00007-0000001"}, {"void", "K-00007-0000001", "--reason", "dislike"}, {"holds", "--state", "lost"}, {"release"}} {
		before := b.asked()
		b.refused(2, append([]string{"cards"}, wrong...)...)
		if b.asked() != before {
			t.Errorf("%v asked the server", wrong)
		}
	}
}
