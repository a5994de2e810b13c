package store

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/table"
)

// Operator is a named operator (操作员). The name is never given to another
// person: it stands in the audit log.
type Operator struct {
	Name     string          `json:"name"`
	Role     string          `json:"role"`
	Batches  []string        `json:"batches,omitempty"`  // of a printing house: those whose codes it may read
	Made     *Hand           `json:"made,omitempty"`     // nil for one of an older version
	Rotated  *Hand           `json:"rotated,omitempty"`  // last; nil for never
	Disabled *Hand           `json:"disabled,omitempty"` // for good; nil for not
	Tokens   []OperatorToken `json:"tokens,omitempty"`   // those that may still be good, oldest first
	// Used is when tokens that are not in Tokens any more were last used; see
	// LastUse.
	Used time.Time `json:"used,omitzero"`

	stored string // the document as it was read
}

// OperatorToken is one token of an operator, by its hash.
type OperatorToken struct {
	Hash  string    `json:"hash"`
	Until time.Time `json:"until,omitzero"` // the first instant at which it is not good any more; zero for none
}

// Good tells whether the token opens anything at a time.
func (t OperatorToken) Good(now time.Time) bool { return t.Until.IsZero() || now.Before(t.Until) }

// tokenRow is what is kept under a token's hash. It is never deleted: a request
// from long ago that is repeated must not make its token good again.
type tokenRow struct {
	Name  string    `json:"name"`
	Role  string    `json:"role"`
	Until time.Time `json:"until,omitzero"`
	Ended bool      `json:"ended,omitempty"` // not good, whatever anybody's clock says
}

// tokenUsed is when a token was last used, an instant, to the hour.
const tokenUsed = "used"

// lastUse is how exactly the last use of a token is kept: a finer one would cost
// more writes than it tells.
const lastUse = time.Hour

// Credential is what a token's hash tells of its holder.
type Credential struct {
	Name, Role string
	Used       time.Time // to the hour; zero for never
}

// CredentialOf reads, strongly, whose token it is that is good at a time;
// KindNotFound code "operator_unknown" for one that is not, or not any more.
func (s Store) CredentialOf(ctx context.Context, hash string, now time.Time) (Credential, error) {
	row, used, err := s.tokenRow(ctx, hash)
	if err != nil {
		return Credential{}, err
	}
	if row.Ended || !(OperatorToken{Until: row.Until}).Good(now) {
		return Credential{}, loyalty.Refuse(loyalty.KindNotFound, "operator_unknown", notThere)
	}
	return Credential{row.Name, row.Role, used}, nil
}

// TokenGiven tells to whom a token was ever given; "" for nobody.
func (s Store) TokenGiven(ctx context.Context, hash string) (string, error) {
	row, _, err := s.tokenRow(ctx, hash)
	if loyalty.KindOf(err) == loyalty.KindNotFound {
		return "", nil
	}
	return row.Name, err
}

func (s Store) tokenRow(ctx context.Context, hash string) (tokenRow, time.Time, error) {
	items, err := s.Table.Get(ctx, table.Strong, table.TokenKey(hash))
	if err != nil {
		return tokenRow{}, time.Time{}, err
	}
	if items[0] == nil {
		return tokenRow{}, time.Time{}, loyalty.Refuse(loyalty.KindNotFound, "operator_unknown", notThere)
	}
	row, err := decode[tokenRow](*items[0])
	if err != nil {
		return tokenRow{}, time.Time{}, err
	}
	used, err := usedAt(*items[0])
	return row, used, err
}

func usedAt(item table.Item) (time.Time, error) {
	text := item.Text(tokenUsed)
	if text == "" {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return at, malformed("token", err)
	}
	return at, nil
}

// NoteUse keeps that a token is used, unless it is kept for this hour already:
// one write unit a token and hour, whatever its holder does in it.
func (s Store) NoteUse(ctx context.Context, hash string, credential Credential, now time.Time) error {
	hour := now.UTC().Truncate(lastUse)
	if !credential.Used.Before(hour) {
		return nil
	}
	err := s.Table.Write(ctx, table.Update(table.TokenKey(hash),
		[]table.Change{table.Set(tokenUsed, table.String(table.Instant(hour)))},
		table.Exists(), table.MissingOrAtMost(tokenUsed, table.String(table.Instant(hour.Add(-time.Second))))))
	if Refused(err) {
		return nil // a call beside this one was first
	}
	return err
}

// AddOperator names an operator and gives them a token by its hash. The
// conditions fail when the name or the token is taken, by whomever and however
// long ago.
func AddOperator(hash string, operator Operator) []table.Action {
	operator.Tokens = []OperatorToken{{Hash: hash}}
	return []table.Action{
		table.Put(documentItem(table.DocumentKey(table.DocumentOperator, operator.Name), operator), table.Absent()),
		giveToken(hash, operator),
	}
}

func giveToken(hash string, operator Operator) table.Action {
	return table.Put(documentItem(table.TokenKey(hash), tokenRow{Name: operator.Name, Role: operator.Role}), table.Absent())
}

// ChangeOperator replaces an operator that is still as it was read. A token that
// is new is given, one that ends at another time does, and one that is not in
// the list any more is not good from then on. The conditions fail when somebody
// else changed the operator since, or a new token was given to anybody before.
func ChangeOperator(was, is Operator) []table.Action {
	actions := []table.Action{table.Put(
		documentItem(table.DocumentKey(table.DocumentOperator, is.Name), is), table.Equals(doc, table.String(was.stored)))}
	before, after := ends(was.Tokens), ends(is.Tokens)
	for _, held := range was.Tokens {
		until, stays := after[held.Hash]
		if stays && until.Equal(held.Until) {
			continue
		}
		row := tokenRow{Name: is.Name, Role: is.Role, Until: until, Ended: !stays}
		actions = append(actions, table.Update(table.TokenKey(held.Hash), []table.Change{table.Set(doc, encode(row))}, table.Exists()))
	}
	for _, held := range is.Tokens {
		if _, known := before[held.Hash]; !known {
			actions = append(actions, giveToken(held.Hash, is))
		}
	}
	return actions
}

// ends is until when tokens are good, by hash.
func ends(tokens []OperatorToken) map[string]time.Time {
	until := make(map[string]time.Time, len(tokens))
	for _, held := range tokens {
		until[held.Hash] = held.Until
	}
	return until
}

// Operator reads one operator strongly; KindNotFound code "operator_unknown".
func (s Store) Operator(ctx context.Context, name string) (Operator, error) {
	items, err := s.Table.Get(ctx, table.Strong, table.DocumentKey(table.DocumentOperator, name))
	if err != nil {
		return Operator{}, err
	}
	if items[0] == nil {
		return Operator{}, loyalty.Refuse(loyalty.KindNotFound, "operator_unknown", notThere)
	}
	return readOperator(*items[0])
}

// Operators is one page of all operators, by name.
func (s Store) Operators(ctx context.Context, limit int, cursor string) ([]Operator, string, error) {
	page, err := s.Table.Query(ctx, table.Query{
		PK: table.DocumentPK(table.DocumentOperator), Limit: limit, Cursor: cursor, Consistency: table.Strong,
	})
	if err != nil {
		return nil, "", err
	}
	operators := make([]Operator, len(page.Items))
	for i, item := range page.Items {
		if operators[i], err = readOperator(item); err != nil {
			return nil, "", err
		}
	}
	return operators, page.Next, nil
}

// readOperator knows the form of an older version, whose operators had one
// token.
func readOperator(item table.Item) (Operator, error) {
	entry := struct {
		Operator
		TokenHash string `json:"token_hash"`
	}{}
	stored := item.Text(doc)
	if err := json.Unmarshal([]byte(stored), &entry); err != nil {
		return Operator{}, malformed("operator", err)
	}
	if entry.TokenHash != "" && len(entry.Tokens) == 0 && entry.Disabled == nil {
		entry.Tokens = []OperatorToken{{Hash: entry.TokenHash}}
	}
	entry.stored = stored
	return entry.Operator, nil
}

// LastUses tells when each of the operators last called, to the hour; zero for
// one who never did.
func (s Store) LastUses(ctx context.Context, operators ...Operator) ([]time.Time, error) {
	const most = 100 // keys of one round trip
	used := make([]time.Time, len(operators))
	var keys []table.Key
	var whose []int
	for i, operator := range operators {
		used[i] = operator.Used
		for _, held := range operator.Tokens {
			keys, whose = append(keys, table.TokenKey(held.Hash)), append(whose, i)
		}
	}
	var failed error
	for from := 0; from < len(keys); from += most {
		items, err := s.Table.Get(ctx, table.Strong, keys[from:min(from+most, len(keys))]...)
		if err != nil {
			return nil, err
		}
		for i, item := range items {
			if item == nil {
				continue
			}
			at, err := usedAt(*item)
			failed = errors.Join(failed, err)
			if holder := whose[from+i]; at.After(used[holder]) {
				used[holder] = at
			}
		}
	}
	return used, failed
}
