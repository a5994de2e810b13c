package welcomefriends_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"github.com/huitou/huitou/functions/welcomefriends"
	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/enrolment"
	"github.com/huitou/huitou/shared/friend"
	"github.com/huitou/huitou/shared/ledger"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/notify"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/table/crash"
	"github.com/huitou/huitou/shared/table/embedded"
)

const (
	external = "wmAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	winner   = loyalty.MemberID("mwinner")
	greeting = "您好，欢迎来到回头牧场！"
)

var (
	began = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	card  = cards.Code{KeyID: 'K', Batch: 7, Card: 3}
	tied  = friend.Card{Batch: "K-00007", Card: 3, Arm: 1}
)

// platform takes one greeting for each code, as WeCom does, or fails.
type platform struct {
	mu    sync.Mutex
	taken []notify.Message
	err   error
}

func (p *platform) Send(_ context.Context, message notify.Message) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return p.err
	}
	for _, known := range p.taken {
		if known.WelcomeCode == message.WelcomeCode {
			return loyalty.Refuse(loyalty.KindInvalid, "message_refused", "")
		}
	}
	p.taken = append(p.taken, message)
	return nil
}

// brand is the function with everything around it.
type brand struct {
	*testing.T
	function welcomefriends.Function
	store    store.Store // past the faults
	ring     *cards.Keyring
	platform *platform
	now      time.Time
	log      bytes.Buffer
}

func open(t *testing.T) *brand {
	t.Helper()
	ring, err := cards.NewKeyring(cards.RootKey{ID: 'K', Secret: [32]byte{1}})
	if err != nil {
		t.Fatal(err)
	}
	b := &brand{T: t, store: store.Store{Table: embedded.Memory()}, ring: ring, platform: &platform{}, now: began.Add(2 * time.Second)}
	clock := func() time.Time { return b.now }
	b.function = welcomefriends.Function{
		Store: b.store, Keys: ring, Notifier: b.platform, Clock: clock, RealClock: clock,
		Log: slog.New(slog.NewJSONHandler(&b.log, nil)),
	}
	rules := program.Default()
	rules.Version, rules.EffectiveAt, rules.Brand.Welcome = 1, began.AddDate(0, 0, -1), greeting
	b.write(store.PutProgram(rules))
	b.write(store.CreateAccount(winner, store.Profile{}, nil, began)...)
	return b
}

func (b *brand) write(actions ...table.Action) {
	b.Helper()
	if err := b.store.Table.Write(context.Background(), actions...); err != nil {
		b.Fatal(err)
	}
}

// redeem lets a member win a card; nobody keeps it for a phone.
func (b *brand) redeem(code cards.Code, member loyalty.MemberID) {
	b.Helper()
	redemption := store.Redemption{
		Batch: code.BatchID(), Card: code.Card, Arm: 1, Fact: points.Fact{Kind: points.FactPrize, At: began, Member: member},
	}
	if member == "" {
		redemption.Identity = loyalty.Identity{Kind: loyalty.IdentityPhone, Value: "token-of-a-phone"}
	}
	b.write(store.RedeemCard(code, redemption))
}

func (b *brand) reference(code cards.Code) string {
	b.Helper()
	reference, err := b.ring.Reference(code)
	if err != nil {
		b.Fatal(err)
	}
	return reference
}

// added is the event of the fixture.
func (b *brand) added() friend.Event {
	return friend.Event{
		Change: friend.Added, At: began, User: "zhangsan", External: external, State: b.reference(card), WelcomeCode: "WELCOME-CODE-1",
	}
}

func ended(change friend.Change, at time.Time) friend.Event {
	return friend.Event{Change: change, At: at, User: "zhangsan", External: external}
}

// deliver hands bodies over in one batch and returns how many are to come
// again.
func (b *brand) deliver(bodies ...[]byte) int {
	b.Helper()
	var event events.SQSEvent
	for i, body := range bodies {
		event.Records = append(event.Records, events.SQSMessage{MessageId: fmt.Sprint("id-", i), Body: string(body)})
	}
	answer, err := b.function.Handle(context.Background(), event)
	if err != nil {
		b.Fatal(err)
	}
	return len(answer.BatchItemFailures)
}

func (b *brand) tell(changes ...friend.Event) {
	b.Helper()
	for _, change := range changes {
		if failed := b.deliver(change.Encode()); failed != 0 {
			b.Fatalf("%s failed:\n%s", change.Change, &b.log)
		}
	}
}

func (b *brand) records() []store.FriendRecord {
	b.Helper()
	log, err := b.store.Friend(context.Background(), external)
	if err != nil {
		b.Fatal(err)
	}
	return log
}

// counted is the sum of what a batch's cohorts say.
func (b *brand) counted() (added, left int64) {
	b.Helper()
	cohorts, tallies, err := b.store.FriendCohorts(context.Background(), tied.Batch)
	if err != nil {
		b.Fatal(err)
	}
	funnel := friend.FunnelOf(cohorts, tallies, b.now, program.Default().Zone())
	return funnel.Added, funnel.Left
}

func (b *brand) owner() loyalty.MemberID {
	b.Helper()
	owners, err := b.store.Owners(context.Background(), store.WeComIdentity(external))
	if err != nil {
		b.Fatal(err)
	}
	return owners[0]
}

// expect fails unless so many friends came and left, and so many were greeted.
func (b *brand) expect(name string, added, left int64, greeted int) {
	b.Helper()
	if a, l := b.counted(); a != added || l != left || len(b.platform.taken) != greeted {
		b.Errorf("%s: %d added, %d left, %d greeted; want %d, %d, %d", name, a, l, len(b.platform.taken), added, left, greeted)
	}
}

func TestAFriendIsRecordedTiedAndGreeted(t *testing.T) {
	b := open(t)
	b.redeem(card, winner)
	raw, err := os.ReadFile(filepath.Join("testdata", "friends.json"))
	if err != nil {
		t.Fatal(err)
	}
	var event events.SQSEvent
	if err := json.Unmarshal(raw, &event); err != nil {
		t.Fatal(err)
	}
	answer, err := b.function.Handle(t.Context(), event)
	if err != nil || len(answer.BatchItemFailures) > 0 {
		t.Fatalf("%+v, %v\n%s", answer, err, &b.log)
	}
	want := []store.FriendRecord{{Seq: 1, Welcome: friend.WelcomeSent, Fact: friend.Fact{
		Change: friend.Added, At: began, User: "zhangsan", State: b.reference(card), Card: &tied, Member: winner, Prize: friend.PrizeHis,
	}}}
	if diff := cmp.Diff(want, b.records()); diff != "" {
		t.Errorf("the log (-want +got):\n%s", diff)
	}
	b.expect("one friend", 1, 0, 1)
	sent := notify.Message{
		ID: b.platform.taken[0].ID, Member: winner, Kind: notify.KindWelcome, Text: greeting + "\n" + program.Default().Brand.WelcomePrize, WelcomeCode: "WELCOME-CODE-1", At: b.now,
	}
	if diff := cmp.Diff(sent, b.platform.taken[0]); diff != "" || !strings.HasPrefix(sent.ID, "welcome:") || strings.Contains(sent.ID, external) {
		t.Errorf("the greeting (-want +got):\n%s", diff)
	}
	account, err := b.store.Account(t.Context(), winner)
	if err != nil || b.owner() != winner {
		t.Fatalf("the contact is %q's, %v", b.owner(), err)
	}
	if diff := cmp.Diff([]store.ProfileIdentity{{Kind: loyalty.IdentityWeCom, Channel: "wecom", Value: external}}, account.Profile.Identities); diff != "" {
		t.Errorf("the profile (-want +got):\n%s", diff)
	}
	for _, canary := range []string{external, "zhangsan", "WELCOME-CODE-1", b.reference(card), string(winner), greeting} {
		if strings.Contains(b.log.String(), canary) {
			t.Errorf("%q is in the log: %s", canary, &b.log)
		}
	}
}

func TestDoubledEventsCountOnce(t *testing.T) {
	b := open(t)
	b.redeem(card, winner)
	add, leave := b.added(), ended(friend.Removed, began.AddDate(0, 0, 3))
	resent := add
	resent.WelcomeCode = "WELCOME-CODE-2" // the platform's second try may bring a new one
	if failed := b.deliver(add.Encode(), add.Encode(), resent.Encode()); failed != 0 {
		t.Fatalf("%d failed", failed)
	}
	b.expect("added three times", 1, 0, 1)
	b.now = leave.At
	b.tell(leave, leave, add)
	b.expect("left twice", 1, 1, 1)
	if got := b.records(); len(got) != 2 || got[1].Change != friend.Removed || got[1].Welcome != friend.WelcomeNone {
		t.Errorf("the log: %+v", got)
	}
}

// TestAnyOrder delivers the life of a friend in every order: the counts do not
// depend on it, and neither does who they are.
func TestAnyOrder(t *testing.T) {
	day := func(n int) time.Time { return began.AddDate(0, 0, n) }
	back := friend.Event{Change: friend.Added, At: day(5), User: "lisi", External: external, State: "shop-12"}
	var permute func(events, rest []friend.Event, visit func([]friend.Event))
	permute = func(events, rest []friend.Event, visit func([]friend.Event)) {
		if len(rest) == 0 {
			visit(events)
		}
		for i := range rest {
			others := append(append([]friend.Event{}, rest[:i]...), rest[i+1:]...)
			permute(append(append([]friend.Event{}, events...), rest[i]), others, visit)
		}
	}
	orders := 0
	outer := open(t)
	confirmed := outer.added()
	confirmed.At, confirmed.WelcomeCode = began.Add(time.Hour), ""
	permute(nil, []friend.Event{outer.added(), confirmed, ended(friend.Removed, day(3)), back, {Change: friend.Dropped, At: day(9), User: "lisi", External: external}}, func(life []friend.Event) {
		orders++
		b := open(t)
		b.redeem(card, winner)
		b.now = day(10) // the greeting is over whatever comes first
		b.tell(life...)
		cohorts, tallies, err := b.store.FriendCohorts(t.Context(), tied.Batch)
		if err != nil {
			t.Fatal(err)
		}
		want := friend.Funnel{Added: 1, Left: 1, Retained: []friend.Retained{{Days: 1, Of: 1, Kept: 1}, {Days: 7, Of: 1}, {Days: 30}}}
		if diff := cmp.Diff(want, friend.FunnelOf(cohorts, tallies, b.now, program.Default().Zone())); diff != "" || b.owner() != winner {
			t.Errorf("%v: %q (-want +got):\n%s", life, b.owner(), diff)
		}
	})
	if orders != 120 {
		t.Errorf("%d orders", orders)
	}
}

// TestAtOnce lets the same events race: many deliveries of each.
func TestAtOnce(t *testing.T) {
	for range 20 {
		b := open(t)
		b.redeem(card, winner)
		b.function.Log = slog.New(slog.DiscardHandler)
		others := b.added()
		others.External, others.WelcomeCode = "wmBBBB", "WELCOME-CODE-B"
		var group sync.WaitGroup
		for _, body := range [][]byte{b.added().Encode(), ended(friend.Removed, began.Add(time.Minute)).Encode(), others.Encode()} {
			for range 4 {
				group.Go(func() {
					event := events.SQSEvent{Records: []events.SQSMessage{{MessageId: "id", Body: string(body)}}}
					for { // as the queue does
						answer, err := b.function.Handle(context.Background(), event)
						if err != nil {
							t.Error(err)
						}
						if err != nil || len(answer.BatchItemFailures) == 0 {
							return
						}
					}
				})
			}
		}
		group.Wait()
		log, err := b.store.Friend(t.Context(), "wmBBBB")
		if err != nil || len(log) != 1 || len(b.records()) != 2 {
			t.Fatalf("%d and %d facts, %v", len(log), len(b.records()), err)
		}
		first, second := b.records()[0].Card != nil || b.records()[1].Card != nil, log[0].Card != nil
		if first == second {
			t.Errorf("the card brought both, or nobody: %t, %t", first, second)
		}
		left := int64(0)
		if first {
			left = 1
		}
		b.expect("at once", 1, left, 2)
	}
}

func TestStatesThatBringNobody(t *testing.T) {
	other := cards.Code{KeyID: 'K', Batch: 7, Card: 4}
	forged := func(b *brand) string {
		good := b.reference(card)
		return good[:len(good)-1] + string(cards.Alphabet[(strings.IndexByte(cards.Alphabet, good[len(good)-1])+1)%32])
	}
	for name, test := range map[string]struct {
		state  func(*brand) string
		untied string
	}{
		"none":               {func(*brand) string { return "" }, ""},
		"the brand's own":    {func(*brand) string { return "shop-12" }, ""},
		"the platform's odd": {func(*brand) string { return "wb:1:4285486" }, ""},
		"forged":             {forged, ""},
		"not redeemed":       {func(b *brand) string { return b.reference(other) }, friend.UntiedUnredeemed},
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t)
			b.redeem(card, winner)
			event := b.added()
			event.State = test.state(b)
			b.tell(event)
			got := b.records()
			if len(got) != 1 || got[0].Card != nil || got[0].Untied != test.untied || got[0].State != event.State || b.owner() != "" {
				t.Errorf("%+v, the contact is %q's", got, b.owner())
			}
			b.expect(name, 0, 0, 1) // a friend all the same, and greeted
		})
	}
}

func TestALinkThatWasPassedOn(t *testing.T) {
	b := open(t)
	b.redeem(card, winner)
	stranger := b.added()
	stranger.External, stranger.WelcomeCode = "wmBBBB", "WELCOME-CODE-B"
	b.tell(b.added(), stranger)
	log, err := b.store.Friend(t.Context(), "wmBBBB")
	if err != nil || len(log) != 1 || log[0].Card != nil || log[0].Untied != friend.UntiedTaken || log[0].Member != "" {
		t.Errorf("%+v, %v", log, err)
	}
	owners, err := b.store.Owners(t.Context(), store.WeComIdentity("wmBBBB"))
	if err != nil || owners[0] != "" {
		t.Errorf("the stranger is %q, %v", owners[0], err)
	}
	b.expect("one card, one friend", 1, 0, 2)
	stranger.Change, stranger.At, stranger.State, stranger.WelcomeCode = friend.Removed, began.Add(time.Second), "", ""
	b.tell(stranger)
	b.expect("a stranger leaves", 1, 0, 2)
}

func TestAContactWhoIsSomebody(t *testing.T) {
	const member = loyalty.MemberID("mother")
	b := open(t)
	b.redeem(card, winner)
	b.write(append(store.CreateAccount(member, store.Profile{}, nil, began), store.GiveIdentity(store.WeComIdentity(external), member))...)
	b.tell(b.added())
	account, err := b.store.Account(t.Context(), winner)
	if err != nil || len(account.Profile.Identities) != 0 || b.owner() != member || b.records()[0].Member != member || b.platform.taken[0].Member != member {
		t.Errorf("%+v, %v; the contact is %q's; %+v", account.Profile, err, b.owner(), b.records())
	}
	b.expect("another member's", 1, 0, 1)
}

func TestAMemberWhoIsGone(t *testing.T) {
	b := open(t)
	b.redeem(card, "merased")
	b.tell(b.added())
	if b.owner() != "" || b.records()[0].Member != "" {
		t.Errorf("the contact is %q's: %+v", b.owner(), b.records())
	}
	b.expect("erased", 1, 0, 1)
}

func TestWelcomesThatDoNotLeave(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*brand, *friend.Event)
		want   friend.Welcome
	}{
		"an old event":    {func(b *brand, _ *friend.Event) { b.now = began.Add(friend.WelcomeWithin) }, friend.WelcomeLate},
		"the staff's own": {func(_ *brand, e *friend.Event) { e.WelcomeCode = "" }, friend.WelcomeNoCode},
		"the platform says": {func(b *brand, _ *friend.Event) {
			b.platform.err = loyalty.Refuse(loyalty.KindInvalid, "message_refused", "")
		}, friend.WelcomeRefused},
		"no text": {func(b *brand, _ *friend.Event) {
			rules := program.Default()
			rules.Version, rules.EffectiveAt, rules.Brand.Welcome = 2, began, ""
			b.write(store.PutProgram(rules))
		}, friend.WelcomeNoText},
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t)
			b.redeem(card, winner)
			event := b.added()
			test.change(b, &event)
			b.tell(event, event)
			if got := b.records(); len(got) != 1 || got[0].Welcome != test.want {
				t.Errorf("%+v, want %q", got, test.want)
			}
			b.expect(name, 1, 0, 0) // counted all the same
		})
	}
}

func TestOneGreetingForOneFriendship(t *testing.T) {
	b := open(t)
	b.redeem(card, winner)
	confirmed := b.added()
	confirmed.At, confirmed.WelcomeCode = began.Add(time.Second), "WELCOME-CODE-2"
	b.tell(b.added(), confirmed)
	if got := b.records(); len(got) != 2 || got[1].Welcome != friend.WelcomeOnce {
		t.Errorf("%+v", got)
	}
	b.expect("confirmed", 1, 0, 1)
	again := b.added()
	again.At, again.WelcomeCode, again.State = began.Add(3*time.Second), "WELCOME-CODE-3", ""
	b.now = began.Add(4 * time.Second)
	b.tell(ended(friend.Removed, began.Add(2*time.Second)), again)
	if got := b.records(); len(got) != 4 || got[3].Welcome != friend.WelcomeSent {
		t.Errorf("%+v", got)
	}
	b.expect("back again", 1, 1, 2)
}

func TestAGreetingThatFailsComesAgain(t *testing.T) {
	b := open(t)
	b.redeem(card, winner)
	b.platform.err = loyalty.Refuse(loyalty.KindUnavailable, "receiver_unavailable", "")
	if failed := b.deliver(b.added().Encode()); failed != 1 || b.records()[0].Welcome != friend.WelcomeDue {
		t.Fatalf("%d failed: %+v", failed, b.records())
	}
	b.platform.err = nil
	b.tell(b.added())
	if got := b.records(); len(got) != 1 || got[0].Welcome != friend.WelcomeSent {
		t.Errorf("%+v", got)
	}
	b.expect("the second try", 1, 0, 1)

	b = open(t)
	b.redeem(card, winner)
	b.platform.err = loyalty.Refuse(loyalty.KindUnavailable, "receiver_unavailable", "")
	b.deliver(b.added().Encode())
	b.now = began.Add(3 * time.Minute) // when the queue gives it out again
	b.tell(b.added())
	if got := b.records(); len(got) != 1 || got[0].Welcome != friend.WelcomeLate {
		t.Errorf("%+v", got)
	}
	b.expect("too late by then", 1, 0, 0)
}

func TestPoison(t *testing.T) {
	b := open(t)
	b.redeem(card, winner)
	good := b.added().Encode()
	if failed := b.deliver([]byte("{}"), good, []byte("13800000000"), bytes.Replace(good, []byte("added"), []byte("loved"), 1)); failed != 3 {
		t.Errorf("%d failed, want the 3 that say nothing", failed)
	}
	b.expect("beside poison", 1, 0, 1)
	if strings.Contains(b.log.String(), "13800000000") {
		t.Errorf("the log: %s", &b.log)
	}
}

type shakyPlatform struct {
	*platform
	*crash.Point
}

func (s shakyPlatform) Send(ctx context.Context, message notify.Message) error {
	return s.Around(func() error { return s.platform.Send(ctx, message) })
}

// TestACrashAnywhere stops the function at each of its calls and delivers the
// event again, in time and too late: one friend, one member, and never two
// greetings.
func TestACrashAnywhere(t *testing.T) {
	for _, later := range []time.Duration{time.Second, time.Minute} {
		for _, after := range []bool{false, true} {
			for at := 1; ; at++ {
				b := open(t)
				b.redeem(card, winner)
				stop := &crash.Point{At: at, After: after}
				b.function.Store = store.Store{Table: stop.Table(b.store.Table)}
				b.function.Notifier = shakyPlatform{b.platform, stop}
				event := events.SQSEvent{Records: []events.SQSMessage{{MessageId: "id", Body: string(b.added().Encode())}}}
				_, _ = b.function.Handle(t.Context(), event) // it may die in any way
				if stop.Calls < at {
					if at < 6 {
						t.Fatalf("only %d calls", at)
					}
					break
				}
				stop.At = 0
				stop.Revive()
				b.now = b.now.Add(later)
				b.tell(b.added())
				name := fmt.Sprintf("call %d, after %t, %s later", at, after, later)
				if a, l := b.counted(); a != 1 || l != 0 || len(b.records()) != 1 || b.owner() != winner {
					t.Errorf("%s: %d added, %d left, %d facts, %q", name, a, l, len(b.records()), b.owner())
				}
				if end := b.records()[0].Welcome; end == friend.WelcomeDue || len(b.platform.taken) > 1 || later == time.Second && len(b.platform.taken) != 1 {
					t.Errorf("%s: %q, %d greetings", name, end, len(b.platform.taken))
				}
			}
		}
	}
}

// TestUnits keeps what a friend costs where it is.
func TestUnits(t *testing.T) {
	b := open(t)
	b.redeem(card, winner)
	cost := func(change friend.Event) (usage table.Usage) {
		event := events.SQSEvent{Records: []events.SQSMessage{{MessageId: "id", Body: string(change.Encode())}}}
		if _, err := b.function.Handle(table.WithUsage(t.Context(), &usage), event); err != nil {
			t.Fatal(err)
		}
		return usage
	}
	bare := b.added()
	bare.External, bare.State, bare.WelcomeCode = "wmBBBB", "", "WELCOME-CODE-B"
	for _, test := range []struct {
		name   string
		change friend.Event
		want   table.Usage
	}{
		{"brought by a card", b.added(), table.Usage{ReadUnits: 6, WriteUnits: 11, RoundTrips: 6}},
		{"told again", b.added(), table.Usage{ReadUnits: 2, RoundTrips: 2}},
		{"removed", ended(friend.Removed, began.Add(time.Second)), table.Usage{ReadUnits: 2, WriteUnits: 4, RoundTrips: 3}},
		{"without a card", bare, table.Usage{ReadUnits: 2, WriteUnits: 2, RoundTrips: 4}},
	} {
		usage := cost(test.change)
		t.Logf("%s: %g write units, %g read units", test.name, usage.WriteUnits, usage.ReadUnits)
		if usage != test.want {
			t.Errorf("%s: %+v, want %+v", test.name, usage, test.want)
		}
	}
}

// Nobody is given a contact who was erased; a part's is the whole's.
func TestAWinnerWhoIsNoMemberOfTheirOwn(t *testing.T) {
	hand := store.Hand{Operator: "zhang", At: began}
	t.Run("erased", func(t *testing.T) {
		b := open(t)
		b.redeem(card, winner)
		if err := enrolment.Erase(t.Context(), b.store, winner, store.Erasure{By: hand, Reason: "asked"}); err != nil {
			t.Fatal(err)
		}
		b.tell(b.added())
		account, err := b.store.Account(t.Context(), winner)
		if err != nil || b.owner() != "" || len(account.Profile.Identities) != 0 || len(b.records()) != 1 {
			t.Errorf("the contact is %q's, the erased member has %+v (%v)", b.owner(), account.Profile, err)
		}
	})
	t.Run("merged", func(t *testing.T) {
		b := open(t)
		b.redeem(card, winner)
		b.write(store.CreateAccount("mwhole", store.Profile{}, nil, began)...)
		if _, err := ledger.Merge(t.Context(), b.store, store.Merge{ID: "1", Into: "mwhole", Part: winner, By: hand, Reason: "the same"}); err != nil {
			t.Fatal(err)
		}
		b.tell(b.added())
		if added, _ := b.counted(); added != 1 || b.owner() != "mwhole" || len(b.records()) != 1 {
			t.Errorf("%d friends, the contact is %q's", added, b.owner())
		}
	})
}
