package store_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/huitou/huitou/shared/audience"
	"github.com/huitou/huitou/shared/campaign"
	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/coupons"
	"github.com/huitou/huitou/shared/friend"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/table/embedded"
)

// refusal is a state of the table in which a write must be refused.
type refusal struct {
	because string
	before  [][]table.Action // what was written until then
	write   []table.Action
}

// TestEveryConditionOfAWriteHoldsSomething drops the conditions of each write one
// at a time: each of them has a state of the table in which it alone refuses the
// write. So a write that loses one is red here, and a new one wants its state.
func TestEveryConditionOfAWriteHoldsSomething(t *testing.T) {
	for name, refusals := range writes(t) {
		alone, all := map[string]bool{}, map[string]bool{}
		for _, r := range refusals {
			if done := commit(t, r.before, r.write); done {
				t.Errorf("%s: %s, and it is written", name, r.because)
			}
			for i, action := range r.write {
				for c, condition := range action.If {
					id := fmt.Sprintf("the condition %d of action %d, %q", c, i, condition.Name)
					all[id] = true
					dropped := slices.Clone(r.write)
					dropped[i].If = slices.Delete(slices.Clone(action.If), c, c+1)
					if action.Op == table.OpCheck && len(action.If) == 1 { // then it checks nothing
						dropped = slices.Delete(dropped, i, i+1)
					}
					if len(dropped) == 0 || commit(t, r.before, dropped) {
						alone[id] = true
					}
				}
			}
		}
		if len(all) == 0 {
			t.Errorf("%s: the write has no condition", name)
		}
		for id := range all {
			if !alone[id] {
				t.Errorf("%s: no state shows what %s holds", name, id)
			}
		}
	}
}

// commit tells whether the write is done after what came before; a refusal must
// have changed nothing.
func commit(t *testing.T, before [][]table.Action, write []table.Action) bool {
	t.Helper()
	engine := embedded.Memory()
	defer engine.Close()
	for _, actions := range before {
		if err := engine.Write(context.Background(), actions...); err != nil {
			t.Fatalf("what came before: %v", err)
		}
	}
	was := fmt.Sprint(scan(t, engine))
	err := engine.Write(context.Background(), write...)
	if err != nil && !store.Refused(err) {
		t.Fatal(err)
	}
	if err != nil && fmt.Sprint(scan(t, engine)) != was {
		t.Error("a refused write has changed something")
	}
	return err == nil
}

func scan(t *testing.T, engine *embedded.Engine) []table.Item {
	t.Helper()
	page, err := engine.Scan(context.Background(), table.Scan{Segments: 1, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	return page.Items
}

func one(actions ...table.Action) [][]table.Action { return [][]table.Action{actions} }

func writes(t *testing.T) map[string][]refusal {
	t.Helper()
	at := time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC)
	member, other := loyalty.MemberID("m1"), loyalty.MemberID("m2")
	phone := loyalty.Identity{Kind: loyalty.IdentityPhone, Value: "token"}
	key := loyalty.OrderKey{Channel: "tmall", Shop: "flagship", Order: "1"}
	code := cards.Code{KeyID: 'K', Batch: 7, Card: 3}
	account := store.CreateAccount(member, store.Profile{}, nil, at)

	waits := store.Adjustment{Fact: points.Fact{Kind: points.FactAdjusted, Member: member}, ID: "a", Points: 10, Reason: "r", Proposed: store.Hand{Operator: "o", At: at}}
	made := waits
	made.Approved, made.At, made.Entries = &store.Hand{Operator: "p", At: at}, at, []points.Entry{{ID: "e", Kind: points.EntryAdjust, Available: 10}}

	claim := store.Claim{Member: member, Order: key, Cause: "c1", At: at, Proof: points.Proof{PhoneLast4: "0001"}}
	newer := claim
	newer.Cause = "c2"
	claim.State = points.ClaimWaiting

	tpl := coupons.Template{ID: "t", Name: "t", Kind: coupons.KindOwn, Discount: 100, Validity: coupons.Validity{Days: 3}}
	spring := campaign.Campaign{ID: "c", Audience: "a", Template: "t", State: campaign.StateActive, CreatedAt: at}
	rule := audience.Definition{ID: "a", Rule: "true"}
	rules := program.Default()
	rules.Version = 1
	fact := points.Fact{Kind: points.FactPaid, At: at, Lines: []points.Line{{ID: "1", Paid: 100}}}
	record := store.FriendRecord{Seq: 1, Welcome: friend.WelcomeDue, Fact: friend.Fact{Change: friend.Added, At: at, User: "zhang"}}
	won := store.Redemption{Batch: code.BatchID(), Card: code.Card, Identity: phone, Fact: points.Fact{Kind: points.FactPrize, At: at}}
	theirs := won
	theirs.Member = other
	withheld := won
	withheld.Withheld = true
	profile := store.Profile{Birthday: "2024-05"}
	changes, held := store.ChangeProfile(store.Profile{}, profile)
	elsewhere := store.Profile{Birthday: "2020-01"}
	elsewhereChanges, elsewhereHeld := store.ChangeProfile(store.Profile{}, elsewhere)

	return map[string][]refusal{
		"GiveIdentity":   {{"the identity has an owner", one(store.GiveIdentity(phone, other)), []table.Action{store.GiveIdentity(phone, member)}}},
		"IdentityStands": {{"the identity is another's", one(store.GiveIdentity(phone, other)), []table.Action{store.IdentityStands(phone, member)}}},
		"ProposeAdjustment": {
			{"the id is taken", one(store.ProposeAdjustment(waits)), []table.Action{store.ProposeAdjustment(made)}},
		},
		"MakeAdjustment": {
			{"it took effect meanwhile", one(store.ProposeAdjustment(made)), []table.Action{store.MakeAdjustment(waits, made)}},
			{"it was never proposed", nil, []table.Action{store.MakeAdjustment(waits, made)}},
		},
		"PutProgram": {{"the version is there", one(store.PutProgram(rules)), []table.Action{store.PutProgram(rules)}}},
		"AddOperator": {
			{"the name is taken", one(store.AddOperator("h1", store.Operator{Name: "li", Role: "viewer"})...), store.AddOperator("h2", store.Operator{Name: "li", Role: "admin"})},
			{"the token is taken", one(store.AddOperator("h1", store.Operator{Name: "li", Role: "viewer"})...), store.AddOperator("h1", store.Operator{Name: "wang", Role: "admin"})},
		},
		"CreateAccount": {{"the member is there", one(account...), store.CreateAccount(member, profile, nil, at)}},
		"ChangeProfile": {
			{
				"the profile has changed",
				[][]table.Action{account, {store.UpdateAccount(member, elsewhereChanges, elsewhereHeld...)}},
				[]table.Action{table.Update(table.AccountKey(member), changes, held...)},
			},
		},
		"PutClaim, the first": {{"a claim stands", one(store.PutClaim(claim, nil)), []table.Action{store.PutClaim(newer, nil)}}},
		"PutClaim, instead of one": {
			{"another took its place", one(store.PutClaim(newer, nil)), []table.Action{store.PutClaim(newer, &claim)}},
			{"it was decided", [][]table.Action{{store.PutClaim(claim, nil)}, {store.DecideClaim(claim, points.ClaimRefused)}}, []table.Action{store.PutClaim(newer, &claim)}},
		},
		"DecideClaim": {
			{"another took its place", one(store.PutClaim(newer, nil)), []table.Action{store.DecideClaim(claim, points.ClaimCredited)}},
			{"it was decided", [][]table.Action{{store.PutClaim(claim, nil)}, {store.DecideClaim(claim, points.ClaimRefused)}}, []table.Action{store.DecideClaim(claim, points.ClaimCredited)}},
		},
		"ClaimStands": {
			{"another took its place", one(store.PutClaim(newer, nil)), []table.Action{store.ClaimStands(claim)}},
			{"it was decided", [][]table.Action{{store.PutClaim(claim, nil)}, {store.DecideClaim(claim, points.ClaimRefused)}}, []table.Action{store.ClaimStands(claim)}},
		},
		"AppendFact":       {{"the number is taken", one(store.AppendFact(key, 1, fact)), []table.Action{store.AppendFact(key, 1, fact)}}},
		"AppendFriendFact": {{"the number is taken", one(store.AppendFriendFact("wm", record)), []table.Action{store.AppendFriendFact("wm", record)}}},
		"EndWelcome": {
			{"it has ended", [][]table.Action{{store.AppendFriendFact("wm", record)}, {store.EndWelcome("wm", 1, friend.WelcomeSent)}}, []table.Action{store.EndWelcome("wm", 1, friend.WelcomeLate)}},
		},
		"TieFriend":        {{"the card brought somebody", one(store.TieFriend(code, "wm")), []table.Action{store.TieFriend(code, "other")}}},
		"RedeemCard":       {{"the card is redeemed", one(store.RedeemCard(code, won)), []table.Action{store.RedeemCard(code, theirs)}}},
		"ChangeRedemption": {{"it has changed", one(store.RedeemCard(code, withheld)), []table.Action{store.ChangeRedemption(code, won, theirs)}}},
		"PutTemplate":      revised(func(was store.Revision) table.Action { return store.PutTemplate(tpl, was) }),
		"PutCampaign":      revised(func(was store.Revision) table.Action { return store.PutCampaign(spring, was) }),
		"PutAudience":      revised(func(was store.Revision) table.Action { return store.PutAudience(rule, was) }),
	}
}

// revised are the states in which a document is not the revision that was read.
func revised(put func(store.Revision) table.Action) []refusal {
	return []refusal{
		{"somebody made it meanwhile", one(put(0)), []table.Action{put(0)}},
		{"somebody changed it meanwhile", [][]table.Action{{put(0)}, {put(1)}}, []table.Action{put(1)}},
	}
}

// A request's key is one request's, and moves on from what was remembered.
func TestARequestIsBegunOnceAndReplacedAsItWasRead(t *testing.T) {
	s := store.Store{Table: embedded.Memory()}
	at := time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC)
	begun, taken := store.Request{BodyHash: "b", First: at, Until: at.Add(time.Minute)}, store.Request{BodyHash: "other", First: at}
	if _, fresh, err := s.BeginRequest(t.Context(), "li", "k", begun, at); err != nil || !fresh {
		t.Fatalf("%v, %v", fresh, err)
	}
	if known, fresh, err := s.BeginRequest(t.Context(), "li", "k", taken, at); err != nil || fresh || known != begun {
		t.Errorf("begun twice: %+v, %v, %v", known, fresh, err)
	}
	done := store.Request{BodyHash: "b", Status: 200, Answer: "yes"}
	for i, want := range []bool{true, false} {
		if won, err := s.ReplaceRequest(t.Context(), "li", "k", begun, done, at); err != nil || won != want {
			t.Errorf("replaced %d times: %v, %v", i+1, won, err)
		}
	}
	if known, _, err := s.BeginRequest(t.Context(), "li", "k", begun, at); err != nil || known != done {
		t.Errorf("%+v is remembered, %v", known, err)
	}
}

// The average order of a member with one order is that order.
func TestTheAverageOrderOfAFirstTimeBuyer(t *testing.T) {
	is := store.AudienceMember(store.Account{Orders: 1, Paid: 29_900}, time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC), time.UTC)
	if is.AverageOrder != 29_900 {
		t.Errorf("%d fen", is.AverageOrder)
	}
}
