// Package welcomefriends records who became a WeCom friend (企业微信好友) of the
// brand's staff and who left, ties each to the package card that brought them
// and gives them its prize where that waited for proof (好友核实), and greets them
// (欢迎语).
package welcomefriends

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/huitou/huitou/shared/batch"
	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/friend"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/notify"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/queue"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
)

// attempts bounds how often a lost race is decided again: with another change
// of the same contact, or another friend of the same card.
const attempts = 8

// Function is welcomefriends and what it needs.
type Function struct {
	Store    store.Store
	Orders   queue.Sender // told of claims that waited on a card, see claim.Message
	Payouts  queue.Sender // told of red packets, see cards.Bill.Message
	Keys     *cards.Keyring
	Notifier notify.Notifier
	Random   io.Reader // for the ids of new members and the codes of coupons
	Clock    func() time.Time
	// RealClock is the platform's time, by which a greeting comes too late. It
	// differs from Clock only where somebody has moved the clock to try a
	// schedule.
	RealClock func() time.Time
	Log       *slog.Logger
}

// Handle deals with each message by itself; the answer names those to deliver
// again. A change is recorded before the greeting leaves. A delivery that finds
// it recorded and the greeting still due hands that over again while the 20
// seconds last, and records that they are over afterwards. The consequences of
// a prize that they were given are sent last, and again with each repeat.
func (f Function) Handle(ctx context.Context, event events.SQSEvent) (events.SQSEventResponse, error) {
	versions, err := f.Store.Programs(ctx)
	if err != nil {
		return events.SQSEventResponse{}, err
	}
	return batch.Each(ctx, event, f.Log, func(ctx context.Context, body []byte, _ time.Time) error {
		change, err := friend.Decode(body)
		if err != nil {
			return err
		}
		rules := program.At(versions, f.Clock())
		record, err := f.record(ctx, rules, change)
		if err != nil {
			return err
		}
		if err := f.welcome(ctx, rules, change, record); err != nil {
			return err
		}
		return f.follow(ctx, change, record)
	})
}

// record appends the change to the contact's log, with everything that hangs on
// it, in one write; or finds it there.
func (f Function) record(ctx context.Context, rules program.Program, change friend.Event) (store.FriendRecord, error) {
	for range attempts {
		log, err := f.Store.Friend(ctx, change.External)
		if err != nil {
			return store.FriendRecord{}, err
		}
		if known := slices.IndexFunc(log, func(r store.FriendRecord) bool { return r.Tells(change) }); known >= 0 {
			return log[known], nil
		}
		record, actions, err := f.decide(ctx, rules, change, log)
		if err != nil {
			return store.FriendRecord{}, err
		}
		err = f.Store.Table.Write(ctx, actions...)
		if _, lost := errors.AsType[*table.ConditionError](err); lost {
			continue
		}
		if err != nil {
			return store.FriendRecord{}, err
		}
		f.Log.InfoContext(ctx, "friend recorded", slog.String("change", string(record.Change)),
			slog.Bool("card", record.Card != nil), slog.String("untied", record.Untied), slog.Bool("member", record.Member != ""), slog.String("prize", string(record.Prize)))
		return record, nil
	}
	return store.FriendRecord{}, loyalty.Refuse(loyalty.KindUnavailable, "lost_race", "others changed the same friend at the same time")
}

// decide makes the record of a change that the log does not hold, and the write
// that it is part of.
func (f Function) decide(ctx context.Context, rules program.Program, change friend.Event, log []store.FriendRecord) (store.FriendRecord, []table.Action, error) {
	record := store.FriendRecord{
		Seq:  store.NextFriendSeq(log),
		Fact: friend.Fact{Change: change.Change, At: change.At, User: change.User, State: change.State},
	}
	var actions []table.Action
	if code, err := f.Keys.ParseReference(change.State); err == nil && change.Change == friend.Added {
		if actions, err = f.tie(ctx, rules, code, change.External, &record.Fact); err != nil {
			return record, nil, err
		}
	}
	record.Welcome = friend.Greet(change, rules.Brand.Greeting(record.Prize), greeted(log, change.User), f.RealClock())
	was := make([]friend.Fact, len(log))
	for i, known := range log {
		was[i] = known.Fact
	}
	is := append(slices.Clone(was), record.Fact)
	counts := store.CountFriends(change.External, friend.Difference(friend.Stays(was), friend.Stays(is), rules.Zone()))
	return record, slices.Concat([]table.Action{store.AppendFriendFact(change.External, record)}, actions, counts), nil
}

// tie gives the card its friend, and what that proves: a prize that is reserved
// to them, or their identity to the member who won the card. It completes the
// fact.
func (f Function) tie(ctx context.Context, rules program.Program, code cards.Code, external string, fact *friend.Fact) ([]table.Action, error) {
	look, err := f.Store.LookAtCardFriend(ctx, code, external)
	if err != nil {
		return nil, err
	}
	fact.Member = look.Owner
	var actions []table.Action
	if look.Owner != "" { // whoever is erased meanwhile stands in no fact
		actions = append(actions, store.IdentityStands(store.WeComIdentity(external), look.Owner))
	}
	switch {
	case look.Redemption == nil:
		fact.Untied = friend.UntiedUnredeemed
		return actions, nil
	case look.Friend != "" && look.Friend != external:
		fact.Untied = friend.UntiedTaken
		fact.Prize, err = f.standing(ctx, *look.Redemption, look.Owner)
		return actions, err
	}
	fact.Card = &friend.Card{Batch: look.Redemption.Batch, Card: look.Redemption.Card, Arm: look.Redemption.Arm}
	if look.Friend == "" {
		actions = append(actions, store.TieFriend(code, external))
	}
	given, err := f.prove(ctx, rules, code, look, external, fact)
	return append(actions, given...), err
}

// greeted tells whether the same staff greeted the contact in the friendship
// that is going on. One that the customer began (免验证) is told of twice.
func greeted(log []store.FriendRecord, user string) bool {
	found := false
	for _, record := range log {
		if record.User == user {
			found = record.Change == friend.Added && (found || record.Welcome == friend.WelcomeDue || record.Welcome == friend.WelcomeSent)
		}
	}
	return found
}

// welcome brings a greeting that is due to its end. The platform takes one for
// each code, so handing it over twice greets once.
func (f Function) welcome(ctx context.Context, rules program.Program, change friend.Event, record store.FriendRecord) error {
	if record.Welcome != friend.WelcomeDue {
		f.Log.InfoContext(ctx, "no welcome", slog.String("welcome", string(record.Welcome)))
		return nil
	}
	end := friend.WelcomeLate
	if left := friend.WelcomeWithin - f.RealClock().Sub(change.At); left > 0 {
		var err error
		if end, err = f.send(ctx, rules, change, record, left); err != nil {
			return err
		}
	}
	f.Log.InfoContext(ctx, "welcome ended", slog.String("welcome", string(end)))
	err := f.Store.Table.Write(ctx, store.EndWelcome(change.External, record.Seq, end))
	if store.Refused(err) {
		return nil // another delivery of the same event came to its end first
	}
	return err
}

// send hands the greeting over in the time that is left.
func (f Function) send(ctx context.Context, rules program.Program, change friend.Event, record store.FriendRecord, left time.Duration) (friend.Welcome, error) {
	ctx, cancel := context.WithTimeout(ctx, left)
	defer cancel()
	err := f.Notifier.Send(ctx, notify.Message{
		ID: welcomeID(change), Member: record.Member, Kind: notify.KindWelcome,
		Text: rules.Brand.Greeting(record.Prize), WelcomeCode: change.WelcomeCode, At: f.RealClock().UTC(),
	})
	switch {
	case err == nil:
		return friend.WelcomeSent, nil
	case loyalty.KindOf(err) == loyalty.KindInvalid:
		f.Log.WarnContext(ctx, "welcome refused", slog.Any("error", err))
		return friend.WelcomeRefused, nil
	case f.RealClock().Sub(change.At) >= friend.WelcomeWithin:
		return friend.WelcomeLate, nil
	}
	return "", err
}

// welcomeID names the one greeting of an event, without naming the customer.
func welcomeID(change friend.Event) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %d", change.External, change.User, change.At.Unix()))
	return "welcome:" + hex.EncodeToString(sum[:12])
}
