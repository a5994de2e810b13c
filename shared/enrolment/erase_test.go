package enrolment_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/claim"
	"github.com/huitou/huitou/shared/enrolment"
	"github.com/huitou/huitou/shared/friend"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/table/crash"
	"github.com/huitou/huitou/shared/table/embedded"
)

var now = time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC)

const contact = "wm-contact-of-somebody"

// known is a brand's table with one member in it who did everything that tells
// who somebody is.
func known(t *testing.T) (store.Store, loyalty.MemberID) {
	t.Helper()
	s := store.Store{Table: embedded.Memory()}
	openID := loyalty.Identity{Kind: loyalty.IdentityOpenID, Channel: "wechat", Value: "openid-of-somebody"}
	member, _, err := enrolment.Enrol(t.Context(), s, enrolment.Request{
		Identities: []enrolment.Identity{{Identity: openID}, {Identity: store.WeComIdentity(contact)}},
		Consents:   []loyalty.Consent{loyalty.ConsentMembership, loyalty.ConsentMarketing}, Facts: map[string]string{"nickname": "nickname-of-somebody"},
	}, rand.Reader, now)
	if err != nil {
		t.Fatal(err)
	}
	order := loyalty.OrderKey{Channel: "tmall", Shop: "flagship", Order: "T1"}
	if _, err := claim.Take(t.Context(), s, member, order, points.Proof{Buyer: "proof-of-somebody"}, "cause", now); err != nil {
		t.Fatal(err)
	}
	code := cards.Code{KeyID: 'K', Batch: 7, Card: 3}
	won := store.Redemption{Batch: code.BatchID(), Card: code.Card, Identity: openID, Fact: points.Fact{Kind: points.FactPrize, At: now, Member: member}}
	fact := store.FriendRecord{Seq: 1, Fact: friend.Fact{Change: friend.Added, At: now, User: "zhang", Member: member, Card: &friend.Card{Batch: code.BatchID(), Card: code.Card}}}
	account, err := s.Account(t.Context(), member)
	if err != nil {
		t.Fatal(err)
	}
	sent, held := store.RecordSent(account, []time.Time{now})
	for _, actions := range [][]table.Action{
		{store.RedeemCard(code, won)},
		{store.AppendFriendFact(contact, fact), store.TieFriend(code, contact)},
		{store.UpdateAccount(member, []table.Change{sent}, held)},
	} {
		if err := s.Table.Write(t.Context(), actions...); err != nil {
			t.Fatal(err)
		}
	}
	return s, member
}

// left is what of the person still stands in the table, key by key.
func left(t *testing.T, s store.Store) (traces []string) {
	t.Helper()
	page, err := s.Table.Scan(t.Context(), table.Scan{Segments: 1, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for _, item := range page.Items {
		var text bytes.Buffer
		text.WriteString(item.Key.PK + " " + item.Key.SK)
		for name, value := range item.Attributes {
			text.WriteString(" " + name + " " + value.Text())
		}
		if strings.Contains(text.String(), "of-somebody") {
			traces = append(traces, item.Key.PK+" "+item.Key.SK)
		}
	}
	return traces
}

func erase(ctx context.Context, s store.Store, member loyalty.MemberID) error {
	return enrolment.Erase(ctx, s, member, store.Erasure{By: store.Hand{Operator: "wang", At: now}, Reason: "asked"})
}

// Nobody is told that a person is erased who is not: whatever call fails, the
// erasure fails, and a repeat leaves nothing of them.
func TestAnErasureOfWhichACallFailsIsNotDone(t *testing.T) {
	for _, after := range []bool{false, true} {
		for at := 1; ; at++ {
			s, member := known(t)
			point := &crash.Point{At: at, After: after, Lives: true}
			err := erase(t.Context(), store.Store{Table: point.Table(s.Table)}, member)
			if point.Calls < at {
				if at < 10 {
					t.Fatalf("an erasure of %d calls", at-1)
				}
				break
			}
			if err == nil {
				t.Errorf("call %d failed, took effect: %t, and the person is said to be erased", at, after)
			}
			if err := erase(t.Context(), s, member); err != nil {
				t.Errorf("after call %d had failed: %v", at, err)
			}
			if traces := left(t, s); len(traces) > 0 {
				t.Errorf("after call %d had failed, took effect: %t, and a repeat there is still %q", at, after, traces)
			}
		}
	}
}

// An erasure takes the times of a member's messages away, too.
func TestAnErasureForgetsWhenMessagesWereSent(t *testing.T) {
	s, member := known(t)
	if account, err := s.Account(t.Context(), member); err != nil || len(account.Sent) != 1 {
		t.Fatalf("%v, %v", account.Sent, err)
	}
	if err := erase(t.Context(), s, member); err != nil {
		t.Fatal(err)
	}
	if account, err := s.Account(t.Context(), member); err != nil || len(account.Sent) != 0 {
		t.Errorf("the times %v stay, %v", account.Sent, err)
	}
}
