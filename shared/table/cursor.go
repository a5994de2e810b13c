package table

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strconv"
	"strings"
)

// A cursor is base64url of an 8-byte sum and the keys where the page ended.
// The sum covers the query (or the scan's segment) too, so that a cursor is
// good for the very listing it came from and for no other. It protects against
// mistakes, not against forgery, and need not: a forged cursor can name another
// place in the same partition and nothing else.

// Position is where a page ended. The item need not be there any more.
type Position struct {
	Key     Key
	IndexSK string // its sort key in the index, "" in the table itself
}

// CursorAt is the cursor of what follows the position in the query's order.
func (q Query) CursorAt(last Position) string {
	if q.Index == "" {
		return seal(q.scope(), last.Key.SK)
	}
	return seal(q.scope(), last.Key.PK, last.Key.SK, last.IndexSK)
}

// Position reads q.Cursor: nil for the first page, a KindInvalid error with
// code invalid_cursor for one that another listing made or that was changed.
func (q Query) Position() (*Position, error) {
	if q.Cursor == "" {
		return nil, nil
	}
	if q.Index == "" {
		keys, err := unseal(q.Cursor, q.scope(), 1)
		if err != nil {
			return nil, err
		}
		return &Position{Key: Key{q.PK, keys[0]}}, nil
	}
	keys, err := unseal(q.Cursor, q.scope(), 3)
	if err != nil {
		return nil, err
	}
	return &Position{Key: Key{keys[0], keys[1]}, IndexSK: keys[2]}, nil
}

func (q Query) scope() []string {
	direction := "ascending"
	if q.Descending {
		direction = "descending"
	}
	return []string{"query", q.Index, q.PK, q.Prefix, q.From, q.To, direction}
}

// CursorAt is the cursor of what follows the key in the scan's segment.
func (s Scan) CursorAt(last Key) string { return seal(s.scope(), last.PK, last.SK) }

// Position reads s.Cursor, as Query.Position does.
func (s Scan) Position() (*Key, error) {
	if s.Cursor == "" {
		return nil, nil
	}
	keys, err := unseal(s.Cursor, s.scope(), 2)
	if err != nil {
		return nil, err
	}
	return &Key{keys[0], keys[1]}, nil
}

func (s Scan) scope() []string {
	return []string{"scan", strconv.Itoa(s.Segment), strconv.Itoa(s.Segments)}
}

const sumSize = 8

func seal(scope []string, keys ...string) string {
	body := appendStrings(make([]byte, sumSize, 128), keys)
	copy(body, sum(scope, body[sumSize:]))
	return base64.RawURLEncoding.EncodeToString(body)
}

func unseal(cursor string, scope []string, parts int) ([]string, error) {
	foreign := invalid("invalid_cursor", "the cursor does not belong to this listing")
	body, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	// The decoder passes over line breaks: only what seal wrote is a cursor.
	if err != nil || strings.ContainsAny(cursor, "\r\n") || len(body) < sumSize || string(sum(scope, body[sumSize:])) != string(body[:sumSize]) {
		return nil, foreign
	}
	rest := body[sumSize:]
	keys := make([]string, parts)
	for i := range keys {
		length, n := binary.Uvarint(rest)
		if n <= 0 || length == 0 || length > uint64(len(rest)-n) {
			return nil, foreign
		}
		keys[i] = string(rest[n : n+int(length)])
		rest = rest[n+int(length):]
	}
	if len(rest) > 0 {
		return nil, foreign
	}
	return keys, nil
}

func sum(scope []string, keys []byte) []byte {
	whole := sha256.Sum256(append(appendStrings(nil, scope), keys...))
	return whole[:sumSize]
}

func appendStrings(body []byte, list []string) []byte {
	for _, text := range list {
		body = binary.AppendUvarint(body, uint64(len(text)))
		body = append(body, text...)
	}
	return body
}
