package claim_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/claim"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/table/embedded"
)

var (
	now    = time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC)
	order  = loyalty.OrderKey{Channel: "tmall", Shop: "flagship", Order: "T1"}
	member = loyalty.MemberID("mwho")
)

func proof(last4 int) points.Proof { return points.Proof{PhoneLast4: fmt.Sprintf("%04d", last4)} }

func standing(t interface{ Fatal(...any) }, s store.Store) store.Claim {
	known, _, err := s.ClaimAndFailures(context.Background(), member, order, now)
	if err != nil || known == nil {
		t.Fatal("no claim stands: ", err)
	}
	return *known
}

// Of the requests of one member the one that came last stands, however often and
// in which order earlier ones are repeated because their answers were lost.
func TestARepeatOfAClaimThatWasReplacedChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := store.Store{Table: embedded.Memory()}
		var made []int // requests, each with a proof of its own
		for range rapid.IntRange(1, 24).Draw(t, "steps") {
			request := len(made)
			if len(made) > 0 && rapid.Bool().Draw(t, "repeats") {
				request = rapid.IntRange(max(0, len(made)-8), len(made)-1).Draw(t, "which")
			} else {
				made = append(made, request)
			}
			if _, err := claim.Take(context.Background(), s, member, order, proof(request), fmt.Sprint("cause-", request), now); err != nil {
				t.Fatal(err)
			}
			last := len(made) - 1
			if got := standing(t, s); got.Cause != fmt.Sprint("cause-", last) || got.Proof != proof(last) {
				t.Fatalf("after request %d was repeated %s stands, and %d came last", request, got.Cause, last)
			}
			if rapid.IntRange(0, 3).Draw(t, "decided") == 0 {
				err := s.Table.Write(context.Background(), store.DecideClaim(standing(t, s), points.ClaimCredited))
				if err != nil && !store.Refused(err) {
					t.Fatal(err)
				}
			}
		}
	})
}

// A claim that is taken in the place of many does not grow with them.
func TestAClaimDoesNotGrowWithThoseItReplaced(t *testing.T) {
	s := store.Store{Table: embedded.Memory()}
	var sizes []int
	for i := range 300 {
		if _, err := claim.Take(t.Context(), s, member, order, proof(i), strings.Repeat("c", 29)+fmt.Sprintf("%03d", i), now); err != nil {
			t.Fatal(err)
		}
		items, err := s.Table.Get(t.Context(), table.Strong, table.ClaimKey(member, order))
		if err != nil {
			t.Fatal(err)
		}
		size := 0
		for name, value := range items[0].Attributes {
			size += len(name) + len(value.Text())
		}
		sizes = append(sizes, size)
	}
	if grown := slices.Max(sizes); sizes[299] != sizes[20] || grown > 1024 {
		t.Errorf("the item has %d bytes after 20 claims, %d after 300, %d at most", sizes[20], sizes[299], grown)
	}
}

// A claim that waited on a card and became the member's does not come back when
// the card tells of it again, once the member has made another.
func TestAClaimOnACardThatIsToldAgainDoesNotComeBack(t *testing.T) {
	s := store.Store{Table: embedded.Memory()}
	code := cards.Code{KeyID: 'K', Batch: 7, Card: 3}
	openID := loyalty.Identity{Kind: loyalty.IdentityOpenID, Channel: "wechat", Value: "o"}
	actions := append(store.CreateAccount(member, store.Profile{}, nil, now), store.RedeemCard(code, store.Redemption{
		Batch: code.BatchID(), Card: code.Card, Identity: openID, Fact: points.Fact{Kind: points.FactPrize, At: now, Member: member},
	}))
	if err := s.Table.Write(t.Context(), actions...); err != nil {
		t.Fatal(err)
	}
	known, err := claim.OnCard(t.Context(), s, code, order, proof(1), now)
	if err != nil {
		t.Fatal(err)
	}
	lost := func(context.Context, ...[]byte) error {
		return loyalty.Refuse(loyalty.KindUnavailable, "throttled", "")
	}
	if err := claim.FromCard(t.Context(), s, code, known, now, lost); err == nil {
		t.Fatal("a message that is lost is no failure")
	}
	if _, err := claim.Take(t.Context(), s, member, order, proof(2), "own", now.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	var told []string
	tell := func(_ context.Context, bodies ...[]byte) error {
		for _, body := range bodies {
			told = append(told, string(body))
		}
		return nil
	}
	if err := claim.FromCard(t.Context(), s, code, known, now.Add(2*time.Minute), tell); err != nil {
		t.Fatal(err)
	}
	if got := standing(t, s); got.Cause != "own" || got.Proof != proof(2) {
		t.Errorf("%s stands, and the member's own came later", got.Cause)
	}
	if len(told) != 1 {
		t.Errorf("told %q", told)
	}
}
