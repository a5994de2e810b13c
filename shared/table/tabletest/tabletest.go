// Package tabletest is the suite that every engine of table.Table passes: one
// numbered case for each rule, and a property test against a small model.
package tabletest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/table"
)

// Divergence is where an engine of other people's is known to differ from
// DynamoDB, so that a case is expected not to hold on it.
type Divergence struct {
	Case   string // the case's name without its number; a trailing * stands for any rest
	What   string // what the engine does instead
	Source string // who says that the engine is wrong: documentation, an issue
}

// Run proves an engine of ours. open gives an empty table; the engine is
// closed by a t.Cleanup of open's.
func Run(t *testing.T, open func(t *testing.T) table.Table) {
	RunReference(t, open, nil)
}

// RunReference proves an engine through a reference whose divergences are
// known: a known divergence is printed and does not fail; one that does not
// show any more fails, so that the list stays true. It returns how many cases
// it ran.
func RunReference(t *testing.T, open func(t *testing.T) table.Table, known []Divergence) int {
	s := &suite{t: t, open: open, known: known, met: make([]bool, len(known))}
	s.conditions()
	s.changes()
	s.transactions()
	s.limits()
	s.reads()
	s.queries()
	s.indexes()
	s.cursors()
	s.scans()
	s.writeUnits()
	s.readUnits()
	s.races()
	s.model()
	for i, met := range s.met {
		if !met {
			t.Errorf("known divergence %q does not show any more: take it off the list", known[i].Case)
		}
	}
	t.Logf("tabletest: %d cases, %d on known divergences", s.cases, s.diverged)
	return s.cases
}

type suite struct {
	t        *testing.T
	open     func(t *testing.T) table.Table
	known    []Divergence
	met      []bool
	cases    int
	diverged int
	shared   table.Table // of the group under way
}

// group opens a table that the cases of the group share; they keep apart by
// their partition keys.
func (s *suite) group(name string, cases func()) {
	s.t.Run(name, func(t *testing.T) {
		outer := s.t
		s.t, s.shared = t, s.open(t)
		defer func() { s.t = outer }()
		cases()
	})
}

// check is one case: what it found wrong is an error, unless the engine is
// known for it.
func (s *suite) check(name string, body func(c *c)) {
	s.cases++
	number := s.cases
	s.t.Run(fmt.Sprintf("%03d %s", number, name), func(t *testing.T) {
		c := &c{T: t, table: s.shared, prefix: fmt.Sprintf("case-%03d-", number)}
		func() {
			defer func() {
				if r := recover(); r != nil {
					if _, stopped := r.(stop); !stopped {
						panic(r)
					}
				}
			}()
			body(c)
		}()
		divergence := s.divergence(name)
		switch {
		case divergence < 0:
			for _, wrong := range c.wrong {
				t.Error(wrong)
			}
		case len(c.wrong) > 0:
			s.met[divergence] = true
			s.diverged++
			t.Logf("known divergence: %s (%s): %s", s.known[divergence].What, s.known[divergence].Source, strings.Join(c.wrong, "; "))
		}
	})
}

func (s *suite) divergence(name string) int {
	for i, d := range s.known {
		if prefix, any := strings.CutSuffix(d.Case, "*"); d.Case == name || any && strings.HasPrefix(name, prefix) {
			return i
		}
	}
	return -1
}

// c is one case under way.
type c struct {
	*testing.T
	table  table.Table
	prefix string
	wrong  []string
}

type stop struct{}

func (c *c) bad(format string, args ...any) { c.wrong = append(c.wrong, fmt.Sprintf(format, args...)) }

func (c *c) must(err error) {
	if err != nil {
		c.bad("unexpected error: %v", err)
		panic(stop{})
	}
}

func (c *c) key(name string) table.Key { return table.Key{PK: c.prefix + name, SK: "s"} }

func (c *c) sort(sk string) table.Key { return table.Key{PK: c.prefix + "p", SK: sk} }

type attributes map[string]table.Value

func item(key table.Key, a attributes) table.Item {
	if a == nil {
		a = attributes{}
	}
	return table.Item{Key: key, Attributes: a}
}

// sized is an item of exactly that many bytes by DynamoDB's rules.
func sized(key table.Key, size int, a attributes) table.Item {
	i := table.Item{Key: key, Attributes: attributes{"fill": table.String("")}}
	for name, value := range a {
		i.Attributes[name] = value
	}
	i.Attributes["fill"] = table.String(strings.Repeat("x", size-table.ItemSize(i)))
	return i
}

func (c *c) write(actions ...table.Action) error {
	return c.table.Write(context.Background(), actions...)
}

func (c *c) put(items ...table.Item) {
	for _, i := range items {
		c.must(c.write(table.Put(i)))
	}
}

// is checks what is stored under a key; nil is nothing.
func (c *c) is(key table.Key, want attributes) {
	got, err := c.table.Get(context.Background(), table.Strong, key)
	c.must(err)
	var wanted *table.Item
	if want != nil {
		i := item(key, want)
		wanted = &i
	}
	if diff := diffItem(wanted, got[0]); diff != "" {
		c.bad("stored item differs (-want +got): %s", diff)
	}
}

func diffItem(want, got *table.Item) string {
	return cmp.Diff(plain(want), plain(got))
}

// plain is an item in a form that go-cmp compares and prints.
func plain(i *table.Item) map[string]string {
	if i == nil {
		return nil
	}
	out := map[string]string{"pk": i.Key.PK, "sk": i.Key.SK}
	for name, value := range i.Attributes {
		if value.IsString() {
			out["."+name] = fmt.Sprintf("%.60q", value.Text())
		} else {
			out["."+name] = fmt.Sprint(value.Int())
		}
	}
	return out
}

// refused checks that conditions refused a write: the actions by position and
// the items that refused, in order.
func (c *c) refused(err error, want ...table.Failure) {
	refusal, ok := errors.AsType[*table.ConditionError](err)
	if !ok {
		c.bad("want a ConditionError, got %v", err)
		return
	}
	if len(refusal.Failed) != len(want) {
		c.bad("want %d failures, got %d", len(want), len(refusal.Failed))
		return
	}
	for i := range want {
		if refusal.Failed[i].Action != want[i].Action {
			c.bad("failure %d is of action %d, want %d", i, refusal.Failed[i].Action, want[i].Action)
		}
		if diff := diffItem(want[i].Old, refusal.Failed[i].Old); diff != "" {
			c.bad("failure %d: old item differs (-want +got): %s", i, diff)
		}
	}
}

// invalid checks a refusal by its code.
func (c *c) invalid(err error, code string) {
	refusal, ok := errors.AsType[*loyalty.Error](err)
	if !ok || refusal.Kind != loyalty.KindInvalid || refusal.Code != code {
		c.bad("want KindInvalid %s, got %v", code, err)
	}
}

// cost checks what a call is billed.
func (c *c) cost(want table.Usage, call func(ctx context.Context) error) error {
	got := table.Usage{}
	err := call(table.WithUsage(context.Background(), &got))
	if got != want {
		c.bad("usage: got %+v, want %+v", got, want)
	}
	return err
}

// all reads a query to its end and gives the pages.
func (c *c) all(query table.Query) (pages []table.Page) {
	for {
		page, err := c.table.Query(context.Background(), query)
		c.must(err)
		pages = append(pages, page)
		if page.Next == "" {
			return pages
		}
		if len(pages) > 10_000 {
			c.bad("a query does not end")
			panic(stop{})
		}
		query.Cursor = page.Next
	}
}

// sks are the sort keys of pages in order.
func sks(pages []table.Page) []string {
	keys := []string{}
	for _, page := range pages {
		for _, i := range page.Items {
			keys = append(keys, i.Key.SK)
		}
	}
	return keys
}

func (c *c) same(what string, got, want any) {
	if diff := cmp.Diff(want, got); diff != "" {
		c.bad("%s (-want +got): %s", what, diff)
	}
}
