package store

import (
	"context"
	"time"

	"github.com/huitou/huitou/shared/table"
)

// Guesses counts the wrong codes of one caller in one window of time. The window
// is in the key, so that a count that was not cleaned up means nothing later.
type Guesses struct {
	Caller string // nothing that names a person in the clear
	From   time.Time
	Window time.Duration
}

// Ends is when the caller begins anew.
func (g Guesses) Ends() time.Time { return g.From.Add(g.Window) }

func (g Guesses) key() table.Key { return table.GuessesKey(g.Caller, g.From) }

// guessesCount is the attribute that counts.
const guessesCount = "n"

// guessesLife is how long a count is kept beyond its window.
const guessesLife = time.Hour

// Counted is how many there were of each. It may lag behind by a moment, for
// half the price of what does not.
func (s Store) Counted(ctx context.Context, guesses ...Guesses) ([]int64, error) {
	items, err := s.Table.Get(ctx, table.Eventual, guessKeys(guesses)...)
	return counts(items), err
}

func guessKeys(guesses []Guesses) []table.Key {
	keys := make([]table.Key, len(guesses))
	for i := range guesses {
		keys[i] = guesses[i].key()
	}
	return keys
}

func counts(items []*table.Item) []int64 {
	counted := make([]int64, len(items))
	for i, item := range items {
		if item != nil {
			counted[i] = item.Int(guessesCount)
		}
	}
	return counted
}

// CountGuess adds one.
func CountGuess(guesses Guesses) table.Action {
	return table.Update(guesses.key(), []table.Change{
		table.Add(guessesCount, 1),
		table.Set(table.ExpiresAttribute, table.Number(guesses.Ends().Add(guessesLife).Unix())),
	})
}

// CountLookup counts that an operator looks members up at a time, for one write
// unit; false once there were most in that hour of UTC. However many ask at once,
// no more pass.
func (s Store) CountLookup(ctx context.Context, operator string, at time.Time, most int64) (bool, error) {
	err := s.Table.Write(ctx, table.Update(table.LookupsKey(operator, at), []table.Change{
		table.Add(guessesCount, 1),
		table.Set(table.ExpiresAttribute, table.Number(at.Truncate(time.Hour).Add(time.Hour+guessesLife).Unix())),
	}, table.MissingOrAtMost(guessesCount, table.Number(most-1))))
	if Refused(err) {
		return false, nil
	}
	return err == nil, err
}
