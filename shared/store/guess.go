package store

import (
	"context"
	"time"

	"github.com/huitou/huitou/shared/cards"
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

// CountedOf is how many guesses there were, and the batch of the code that is
// given now, nil for one that is not there; where id is "" the code names none.
// Both may lag behind by a moment, for half the price of what does not.
func (s Store) CountedOf(ctx context.Context, guesses Guesses, id string) (int64, *cards.Batch, error) {
	keys := []table.Key{guesses.key()}
	if id != "" {
		keys = append(keys, table.DocumentKey(table.DocumentBatch, id))
	}
	items, err := s.Table.Get(ctx, table.Eventual, keys...)
	if err != nil {
		return 0, nil, err
	}
	var counted int64
	if items[0] != nil {
		counted = items[0].Int(guessesCount)
	}
	if len(items) < 2 || items[1] == nil {
		return counted, nil, nil
	}
	batch, err := decode[cards.Batch](*items[1])
	return counted, &batch, err
}

// CountGuess adds one.
func CountGuess(guesses Guesses) table.Action {
	return table.Update(guesses.key(), []table.Change{
		table.Add(guessesCount, 1),
		table.Set(table.ExpiresAttribute, table.Number(guesses.Ends().Add(guessesLife).Unix())),
	})
}
