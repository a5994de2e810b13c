package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/table"
)

// PersonRun is what one person redeemed in a window of time. The window is in
// the key, so that a count that was not cleaned up means nothing later.
type PersonRun struct {
	Person string // nothing that names them in the clear
	From   time.Time
	Window time.Duration
}

func (r PersonRun) key() table.Key { return table.PersonRunKey(r.Person, r.From) }

// runLife is how long a run is kept beyond its window.
const runLife = time.Hour

// Attributes of a run: how many cards, how many of a carton, and which.
const (
	runCards  = "n"
	runCarton = "k:" // of the batch and carton
	runCard   = "c:"
)

// CountCard counts a card with a person's run and tells why it is suspicious,
// for one write unit; "" where it is not. However many ask at once, no more than
// the bounds pass. A card counts once with its person, whatever came of it.
func (s Store) CountCard(ctx context.Context, run PersonRun, code cards.Code, bounds cards.Holds) (cards.Suspicion, error) {
	batch := fmt.Sprintf("%c%d.", code.KeyID, code.Batch)
	carton, card := runCarton+batch+fmt.Sprint(bounds.CartonOf(code.Card)), runCard+batch+fmt.Sprint(code.Card)
	conditions := []table.Condition{table.Missing(card)}
	if bounds.PerPerson > 0 {
		conditions = append(conditions, table.MissingOrAtMost(runCards, table.Number(int64(bounds.PerPerson)-1)))
	}
	if bounds.PerCarton > 0 {
		conditions = append(conditions, table.MissingOrAtMost(carton, table.Number(int64(bounds.PerCarton)-1)))
	}
	err := s.Table.Write(ctx, table.Update(run.key(), []table.Change{
		table.Add(runCards, 1), table.Add(carton, 1), table.Set(card, table.Number(1)),
		table.Set(table.ExpiresAttribute, table.Number(run.From.Add(run.Window+runLife).Unix())),
	}, conditions...))
	refused, counted := refusedBy(err)
	if !refused || counted == nil || counted.Has(card) {
		if refused {
			err = nil
		}
		return "", err
	}
	return bounds.Judge(cards.Run{Cards: int(counted.Int(runCards)), Carton: int(counted.Int(carton))}), nil
}

// PrizeCount counts a prize of points with those that its member won in the same
// window, in the write that gives it, for nothing. The zero PrizeCount counts
// nothing.
type PrizeCount struct {
	From time.Time // of the window
	Most int       // prizes that pass
}

// window names the window in as few letters as an account should keep for a day.
func (c PrizeCount) window() string { return strconv.FormatInt(c.From.Unix()/3600, 36) }

// Change is of the member's account; the condition fails when there were as many
// as pass.
func (c PrizeCount) Change() ([]table.Change, []table.Condition) {
	if c.Most == 0 {
		return nil, nil
	}
	name := accountPrizes + c.window()
	return []table.Change{table.Add(name, 1)}, []table.Condition{table.MissingOrAtMost(name, table.Number(int64(c.Most)-1))}
}

// Counted is how many were counted with an account.
func (c PrizeCount) Counted(account Account) int { return int(account.Prizes[c.window()]) }

// PutHold keeps a new hold; the condition fails when the card has one.
func PutHold(hold cards.Hold) table.Action { return table.Put(holdItem(hold), table.Absent()) }

// ChangeHold replaces a hold that is still as it was read.
func ChangeHold(was, is cards.Hold) table.Action {
	return table.Put(holdItem(is), table.Equals(doc, encode(was)))
}

func holdItem(hold cards.Hold) table.Item {
	item := documentItem(table.Key{}, hold)
	code, _ := cards.ParseHoldID(hold.ID) // HoldCard wrote it
	item.Key = holdKey(code)
	item.Attributes["mpk"] = table.String(table.HoldsPK(string(hold.State()), hold.Appeal != nil))
	item.Attributes["msk"] = table.String(table.HistorySK(hold.At(), item.Key))
	return item
}

func holdKey(code cards.Code) table.Key { return table.HoldKey(code.BatchID(), int64(code.Card)) }

// HeldCard is a hold and the redemption that it is of.
type HeldCard struct {
	Hold       cards.Hold
	Redemption Redemption
}

// HeldCard reads both, strongly and in one round trip; KindNotFound code
// "hold_unknown".
func (s Store) HeldCard(ctx context.Context, code cards.Code) (HeldCard, error) {
	items, err := s.Table.Get(ctx, table.Strong, cardKey(code), holdKey(code))
	if err != nil {
		return HeldCard{}, err
	}
	if items[0] == nil || items[1] == nil {
		return HeldCard{}, loyalty.Refuse(loyalty.KindNotFound, "hold_unknown", notThere)
	}
	redemption, errCard := decode[Redemption](*items[0])
	hold, errHold := decode[cards.Hold](*items[1])
	return HeldCard{hold, redemption}, errors.Join(errCard, errHold)
}

// ChangeHeldCard replaces what changed of both, if it is still as it was read;
// none where nothing did.
func ChangeHeldCard(code cards.Code, was, is HeldCard) (actions []table.Action) {
	if encode(was.Redemption) != encode(is.Redemption) {
		actions = append(actions, ChangeRedemption(code, was.Redemption, is.Redemption))
	}
	if encode(was.Hold) != encode(is.Hold) {
		actions = append(actions, ChangeHold(was.Hold, is.Hold))
	}
	return actions
}

// Holds is one page of the holds in a state, or of those that were appealed
// against alone: these first, each kind oldest first. It may lag behind by a
// moment.
func (s Store) Holds(ctx context.Context, state cards.HoldState, appealed bool, limit int, cursor string) ([]cards.Hold, string, error) {
	const others = "others."
	all := []cards.Hold{}
	inner, rest := strings.CutPrefix(cursor, others)
	if !rest {
		page, next, err := s.holds(ctx, state, true, limit, cursor)
		if err != nil || next != "" || appealed {
			return page, next, err
		}
		if all, inner = page, ""; len(all) == limit {
			return all, others, nil
		}
	}
	page, next, err := s.holds(ctx, state, false, limit-len(all), inner)
	if next != "" {
		next = others + next
	}
	return append(all, page...), next, err
}

func (s Store) holds(ctx context.Context, state cards.HoldState, appealed bool, limit int, cursor string) ([]cards.Hold, string, error) {
	return documents[cards.Hold](ctx, s.Table, table.Query{
		Index: table.IndexMember, PK: table.HoldsPK(string(state), appealed), Limit: limit, Cursor: cursor,
	})
}
