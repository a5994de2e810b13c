package store

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/orders"
	"github.com/huitou/huitou/shared/refused"
	"github.com/huitou/huitou/shared/table"
)

// RefusedState is what became of an input that was kept for a person.
type RefusedState string

// The states.
const (
	RefusedWaiting   RefusedState = "waiting"
	RefusedApplied   RefusedState = "applied"   // again, after a remedy
	RefusedDismissed RefusedState = "dismissed" // a person decided that it is not to be applied
)

// RefusedInput is an input that is kept for a person (待人工处理).
type RefusedInput struct {
	ID string
	refused.Input
	First, Last time.Time // when its content came
	Count       int64     // how often, deliveries of one message counted each
	State       RefusedState
	Ends        time.Time // when it is kept no longer, though its item may be there
	Retried     *Hand     // who asked last that it is applied again
	Ended       *Ending   // who ended the waiting: asked for what was applied, or dismissed it
}

// Ending is an operator's last word on a kept input.
type Ending struct {
	Hand
	Reason string `json:"reason,omitempty"` // why it was dismissed
}

// Attributes of a kept input beside its document.
const (
	refusedCount   = "n"
	refusedFirst   = "first"
	refusedLast    = "last"
	refusedState   = "state"
	refusedRetried = "retried"
	refusedEnded   = "ended"
)

// refusedHourLife is how long the count of an hour is kept.
const refusedHourLife = 7 * 24 * time.Hour

// KeepRefused keeps an input for a person, in the Write that records what it is
// about: one row for the same content however often it comes. The actions have
// no conditions, so they never make the Write fail. There are two, one more
// where Order is known, and one more for each of Names; they cost two units each
// in a transaction, and one for the index.
//
// It is for what happens seldom and once, such as a contradiction that a fact of
// an order's log tells: it knows no bound. Code that keeps what strangers send
// calls Keep. Content holds no phone, only tokens (see refused.Input); for what
// cannot be applied again, such as a conflict, Form is refused.Record and Content
// says in JSON what contradicts what:
//
//	actions = append(actions, store.KeepRefused(refused.Input{
//		Source: string(order.Channel), Reason: refused.Conflict, Order: order, Form: refused.Record, Content: `{"line":"1","paid":…,"told":…}`,
//	}, now)...)
func KeepRefused(input refused.Input, now time.Time) []table.Action {
	input = input.Bounded()
	id, last := input.ID(), table.String(table.Instant(now))
	head := refusedHead(input)
	changes := []table.Change{
		table.SetIfMissing(doc, encode(head)),
		table.SetIfMissing(refusedFirst, last), table.Set(refusedLast, last), table.Add(refusedCount, 1),
		table.SetIfMissing(refusedState, table.String(string(RefusedWaiting))),
		table.SetIfMissing("mpk", table.String(table.RefusedPK(string(RefusedWaiting)))),
		table.SetIfMissing("msk", table.String(table.HistorySK(now, table.RefusedKey(id)))),
		table.Set(table.ExpiresAttribute, refusedEnd(now)),
	}
	return append([]table.Action{table.Update(table.RefusedKey(id), changes)}, keepContent(input, id, now)...)
}

// refusedHead is the input without its content.
func refusedHead(input refused.Input) refused.Input {
	input.Content = ""
	return input
}

func refusedEnd(last time.Time) table.Value {
	return table.Number(last.Add(refused.Life).Unix())
}

// keepContent keeps the content of an input and the marks by which it is found.
func keepContent(input refused.Input, id string, now time.Time) []table.Action {
	put := func(key table.Key, attributes map[string]table.Value) table.Action {
		attributes[table.ExpiresAttribute] = refusedEnd(now)
		return table.Put(table.Item{Key: key, Attributes: attributes})
	}
	actions := []table.Action{put(table.RefusedContentKey(id), map[string]table.Value{doc: table.String(input.Content)})}
	if input.Order != (loyalty.OrderKey{}) {
		actions = append(actions, put(table.RefusedOfOrderKey(input.Order, id), map[string]table.Value{}))
	}
	seen := map[loyalty.Identity]bool{}
	for _, identity := range input.Names {
		if !seen[identity] {
			seen[identity] = true
			actions = append(actions, put(table.RefusedOfIdentityKey(identity, id), map[string]table.Value{}))
		}
	}
	return actions
}

// Kept is what Keep did with an input.
type Kept string

// The outcomes.
const (
	KeptNew   Kept = "new"
	KeptAgain Kept = "again"   // the same content is there: it was counted
	KeptCount Kept = "counted" // refused.MaxAnHour of this hour are there: nothing is left of it but that it came
)

// keepAttempts bounds how often it is looked again at an input that others keep,
// or an hour that others fill, at the same moment.
const keepAttempts = 8

// Keep keeps an input for a person, at most refused.MaxAnHour new ones an hour:
// of those beyond only the number is kept. conditions must hold as well, of
// other items: where one does not, it fails as a Write does and has kept
// nothing. It fails with KindUnavailable when it lost every race.
func (s Store) Keep(ctx context.Context, input refused.Input, now time.Time, conditions ...table.Action) (Kept, error) {
	input = input.Bounded()
	id, hour := input.ID(), table.RefusedHourKey(now)
	count := []table.Change{
		table.Add(refusedCount, 1), table.Set(table.ExpiresAttribute, table.Number(now.Truncate(time.Hour).Add(refusedHourLife).Unix())),
	}
	room := table.Update(hour, count, table.MissingOrAtMost(refusedCount, table.Number(refused.MaxAnHour-1)))
	for range keepAttempts {
		items, err := s.Table.Get(ctx, table.Strong, table.RefusedKey(id), hour)
		if err != nil {
			return "", err
		}
		was, kept := items[0], KeptNew
		actions := KeepRefused(input, now)
		switch {
		case was != nil && was.Int(table.ExpiresAttribute) > now.Add(refused.Life/2).Unix():
			kept, actions = KeptAgain, []table.Action{table.Update(table.RefusedKey(id),
				[]table.Change{table.Add(refusedCount, 1), table.Set(refusedLast, table.String(table.Instant(now)))}, table.Exists())}
		case was != nil && was.Int(table.ExpiresAttribute) > now.Unix():
			kept = KeptAgain // and what it consists of is kept longer
		case items[1] != nil && items[1].Int(refusedCount) >= refused.MaxAnHour:
			kept, actions = KeptCount, []table.Action{table.Update(hour, count)}
		case was != nil:
			// It ended, and nobody has cleaned up yet: it begins anew.
			actions[0] = table.Put(newRefused(input, now), table.Equals(refusedLast, was.Attributes[refusedLast]))
			actions = append(actions, room)
		default:
			actions = append(actions, room)
		}
		err = s.Table.Write(ctx, slices.Concat(conditions, actions)...)
		if !lostAfter(err, len(conditions)) {
			return kept, err
		}
	}
	return "", loyalty.Refuse(loyalty.KindUnavailable, "lost_race", "others keep the same input at the same time")
}

// LogStands holds that an order's log has no more than so many facts.
func LogStands(order loyalty.OrderKey, facts int) table.Action {
	return table.Check(table.FactKey(order, facts+1), table.Absent())
}

// lostAfter tells whether a write was refused by none of its first actions, but
// by one behind them.
func lostAfter(err error, first int) bool {
	refusal, ok := errors.AsType[*table.ConditionError](err)
	return ok && !slices.ContainsFunc(refusal.Failed, func(f table.Failure) bool { return f.Action < first })
}

// newRefused is the item of an input that has just come.
func newRefused(input refused.Input, now time.Time) table.Item {
	key := table.RefusedKey(input.ID())
	return table.Item{Key: key, Attributes: map[string]table.Value{
		doc:          encode(refusedHead(input)),
		refusedFirst: table.String(table.Instant(now)), refusedLast: table.String(table.Instant(now)), refusedCount: table.Number(1),
		refusedState: table.String(string(RefusedWaiting)),
		"mpk":        table.String(table.RefusedPK(string(RefusedWaiting))), "msk": table.String(table.HistorySK(now, key)),
		table.ExpiresAttribute: refusedEnd(now),
	}}
}

// RefusedInput reads a kept input with its content, strongly; KindNotFound code
// "refused_unknown", also once it has ended.
func (s Store) RefusedInput(ctx context.Context, id string, now time.Time) (RefusedInput, error) {
	items, err := s.Table.Get(ctx, table.Strong, table.RefusedKey(id), table.RefusedContentKey(id))
	if err != nil {
		return RefusedInput{}, err
	}
	unknown := loyalty.Refuse(loyalty.KindNotFound, "refused_unknown", notThere)
	if items[0] == nil || items[1] == nil {
		return RefusedInput{}, unknown
	}
	input, err := readRefused(*items[0])
	if err == nil && !now.Before(input.Ends) {
		return RefusedInput{}, unknown
	}
	input.Content = items[1].Text(doc)
	return input, err
}

// RefusedInputs is one page of the inputs in a state, newest first and without
// their content; the page can be shorter than limit and yet have a next one. It
// may lag behind by a moment.
func (s Store) RefusedInputs(ctx context.Context, state RefusedState, limit int, cursor string, now time.Time) ([]RefusedInput, string, error) {
	page, err := s.Table.Query(ctx, table.Query{
		Index: table.IndexMember, PK: table.RefusedPK(string(state)), Limit: limit, Cursor: cursor, Descending: true,
	})
	if err != nil {
		return nil, "", err
	}
	inputs := make([]RefusedInput, 0, len(page.Items))
	for _, item := range page.Items {
		input, err := readRefused(item)
		if err != nil {
			return nil, "", err
		}
		if now.Before(input.Ends) {
			inputs = append(inputs, input)
		}
	}
	return inputs, page.Next, nil
}

// RefusedOfOrder are the ids of the inputs that are kept about an order, 100 at
// most, read strongly. One of them may have ended.
func (s Store) RefusedOfOrder(ctx context.Context, order loyalty.OrderKey) ([]string, error) {
	page, err := s.Table.Query(ctx, table.Query{
		PK: table.FactKey(order, 1).PK, Prefix: table.RefusedPrefix, Limit: 100, Consistency: table.Strong,
	})
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(page.Items))
	for i, item := range page.Items {
		ids[i] = table.RefusedOf(item.Key)
	}
	return ids, nil
}

// RefusedThisHour is how many new inputs came to be kept in the hour of now;
// beyond refused.MaxAnHour only their number is left.
func (s Store) RefusedThisHour(ctx context.Context, now time.Time) (int64, error) {
	items, err := s.Table.Get(ctx, table.Eventual, table.RefusedHourKey(now))
	if err != nil || items[0] == nil {
		return 0, err
	}
	return items[0].Int(refusedCount), nil
}

func readRefused(item table.Item) (RefusedInput, error) {
	input, err := decode[refused.Input](item)
	if err != nil {
		return RefusedInput{}, err
	}
	read := RefusedInput{
		ID: table.RefusedOf(item.Key), Input: input, Count: item.Int(refusedCount), State: RefusedState(item.Text(refusedState)),
	}
	first, errFirst := time.Parse(time.RFC3339, item.Text(refusedFirst))
	last, errLast := time.Parse(time.RFC3339, item.Text(refusedLast))
	read.First, read.Last, read.Ends = first, last, time.Unix(item.Int(table.ExpiresAttribute), 0).UTC()
	return read, errors.Join(errFirst, errLast, readAct(item, refusedRetried, &read.Retried), readAct(item, refusedEnded, &read.Ended))
}

// readAct reads an attribute that is there once somebody did something.
func readAct(item table.Item, attribute string, into any) error {
	if !item.Has(attribute) {
		return nil
	}
	return json.Unmarshal([]byte(item.Text(attribute)), into)
}

// stillWaiting holds that nobody has ended the waiting of an input.
func stillWaiting() table.Condition {
	return table.Equals(refusedState, table.String(string(RefusedWaiting)))
}

// RefusedWaits holds that an input waits still.
func RefusedWaits(id string) table.Action { return table.Check(table.RefusedKey(id), stillWaiting()) }

// RetryRefused records who asks that a waiting input is applied again; its
// condition fails when it waits no longer.
func RetryRefused(id string, by Hand) table.Action {
	return table.Update(table.RefusedKey(id), []table.Change{table.Set(refusedRetried, encode(by))}, stillWaiting())
}

// RefuseAgain replaces why an input waits, after it was refused for another
// reason; its condition fails when it waits no longer.
func RefuseAgain(input RefusedInput, reason refused.Reason, faults []loyalty.Field) table.Action {
	again := input.Input
	again.Reason, again.Faults = reason, faults
	return table.Update(table.RefusedKey(input.ID), []table.Change{table.Set(doc, encode(refusedHead(again.Bounded())))}, stillWaiting())
}

// EndRefused ends the waiting of an input; its condition fails when it waits no
// longer.
func EndRefused(id string, state RefusedState, by Ending) table.Action {
	return table.Update(table.RefusedKey(id), []table.Change{
		table.Set(refusedState, table.String(string(state))), table.Set(refusedEnded, encode(by)),
		table.Set("mpk", table.String(table.RefusedPK(string(state)))),
	}, stillWaiting())
}

// forgetRefused takes an identity out of the inputs in whose content it stands.
// An order event goes on without its buyer, and can be applied as an order of
// nobody; of anything else the content goes.
func (s Store) forgetRefused(ctx context.Context, identity loyalty.Identity) error {
	query := table.Query{PK: table.IdentityKey(identity).PK, Prefix: table.RefusedPrefix, Limit: 100, Consistency: table.Strong}
	for {
		page, err := s.Table.Query(ctx, query)
		if err != nil {
			return err
		}
		for _, item := range page.Items {
			if err := s.forgetContent(ctx, table.RefusedOf(item.Key)); err != nil {
				return err
			}
			if err := s.Table.Write(ctx, table.Delete(item.Key)); err != nil {
				return err
			}
		}
		if page.Next == "" {
			return nil
		}
		query.Cursor = page.Next
	}
}

// forgetContent is forgetRefused of one input; it is read again where others
// change it meanwhile.
func (s Store) forgetContent(ctx context.Context, id string) error {
	for {
		items, err := s.Table.Get(ctx, table.Strong, table.RefusedKey(id), table.RefusedContentKey(id))
		if err != nil || items[0] == nil || items[1] == nil {
			return err
		}
		input, err := decode[refused.Input](*items[0])
		if err != nil {
			return err
		}
		content := ""
		if event, err := orders.DecodeQueued([]byte(items[1].Text(doc))); input.Form == refused.Order && err == nil {
			event.Buyer = orders.Buyer{}
			raw, err := orders.EncodeQueued(event)
			if err != nil {
				return err
			}
			content = string(raw)
		}
		input.Names, input.Cut = nil, input.Cut || content == ""
		err = s.Table.Write(ctx,
			table.Update(table.RefusedKey(id), []table.Change{table.Set(doc, encode(input))}, table.Equals(doc, items[0].Attributes[doc])),
			table.Update(table.RefusedContentKey(id), []table.Change{table.Set(doc, table.String(content))}, table.Equals(doc, items[1].Attributes[doc])))
		if !Refused(err) {
			return err
		}
	}
}
