package tabletest

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"github.com/huitou/huitou/shared/table"
)

func (s *suite) reads() {
	s.group("reads", func() {
		s.check("get keeps the order of the keys, nil for what is not there", func(c *c) {
			c.put(item(c.sort("1"), attributes{"x": table.Number(1)}), item(c.sort("3"), attributes{"x": table.Number(3)}))
			for _, consistency := range []table.Consistency{table.Strong, table.Eventual} {
				got, err := c.table.Get(context.Background(), consistency, c.sort("3"), c.sort("2"), c.sort("1"))
				c.must(err)
				if len(got) != 3 || got[0] == nil || got[1] != nil || got[2] == nil {
					c.bad("got %v", got)
					return
				}
				c.same("first", got[0].Int("x"), int64(3))
				c.same("last", got[2].Int("x"), int64(1))
			}
		})
		s.check("get of 100 keys", func(c *c) {
			var keys []table.Key
			for i := range 100 {
				keys = append(keys, c.sort(fmt.Sprintf("%03d", i)))
				if i%3 == 0 {
					c.put(item(keys[i], attributes{"i": table.Number(int64(i))}))
				}
			}
			got, err := c.table.Get(context.Background(), table.Strong, keys...)
			c.must(err)
			for i, one := range got {
				if (one != nil) != (i%3 == 0) || one != nil && (one.Key != keys[i] || one.Int("i") != int64(i)) {
					c.bad("key %d: got %v", i, one)
				}
			}
		})
		s.check("get of no key is nothing and costs nothing", func(c *c) {
			c.must(c.cost(table.Usage{}, func(ctx context.Context) error {
				got, err := c.table.Get(ctx, table.Strong)
				c.same("items", len(got), 0)
				return err
			}))
		})
		s.check("get of 20 MB", func(c *c) {
			var keys []table.Key
			for i := range 50 {
				keys = append(keys, c.sort(fmt.Sprint(i)))
				c.put(sized(keys[i], 400<<10, nil))
			}
			got, err := c.table.Get(context.Background(), table.Strong, keys...)
			c.must(err)
			for i, one := range got {
				if one == nil || one.Key != keys[i] || table.ItemSize(*one) != 400<<10 {
					c.bad("item %d is not whole", i)
				}
			}
			for _, key := range keys {
				c.must(c.write(table.Delete(key)))
			}
		})
		for _, test := range []struct {
			name string
			keys func() []table.Key
			code string
		}{
			{"101 keys", func() (keys []table.Key) {
				for i := range 101 {
					keys = append(keys, table.Key{PK: "p", SK: fmt.Sprint(i)})
				}
				return keys
			}, "too_many_keys"},
			{"a key twice", func() []table.Key { return []table.Key{{PK: "p", SK: "s"}, {PK: "p", SK: "s"}} }, "duplicate_key"},
			{"an empty key", func() []table.Key { return []table.Key{{PK: "p"}} }, "empty_key"},
			{"a long key", func() []table.Key { return []table.Key{{PK: "p", SK: strings.Repeat("s", 1025)}} }, "key_too_long"},
		} {
			s.check("get refuses "+test.name, func(c *c) {
				c.invalid(c.cost(table.Usage{}, func(ctx context.Context) error {
					_, err := c.table.Get(ctx, table.Strong, test.keys()...)
					return err
				}), test.code)
			})
		}
	})
}

func (s *suite) queries() {
	// In the order of their bytes, which is no order of any language.
	sorted := []string{"", "A", "a", "a#", "a#1", "a#10", "a#2", "b", "b#", "z", "ß", "中", "国", "😀"}
	sorted = sorted[1:]
	s.group("queries", func() {
		for _, test := range []struct {
			name             string
			prefix, from, to string
			want             []string
		}{
			{"everything", "", "", "", sorted},
			{"prefix", "a#", "", "", []string{"a#", "a#1", "a#10", "a#2"}},
			{"prefix that is a whole key", "a#1", "", "", []string{"a#1", "a#10"}},
			{"prefix of nothing", "c", "", "", []string{}},
			{"prefix beyond ASCII", "中", "", "", []string{"中"}},
			{"from", "", "b", "", sorted[6:]},
			{"from between keys", "", "a#11", "", sorted[5:]},
			{"to", "", "", "a#10", sorted[:5]},
			{"from and to", "", "a#1", "b", []string{"a#1", "a#10", "a#2", "b"}},
			{"from is to", "", "b", "b", []string{"b"}},
			{"from and to around nothing", "", "c", "d", []string{}},
		} {
			for _, limit := range []int{1000, 2, 1} {
				for _, descending := range []bool{false, true} {
					s.check(fmt.Sprintf("query %s, limit %d, descending %v", test.name, limit, descending), func(c *c) {
						for _, sk := range sorted {
							c.put(item(c.sort(sk), attributes{"x": table.String(sk)}))
						}
						c.put(item(table.Key{PK: c.prefix + "o", SK: "a"}, nil), item(table.Key{PK: c.prefix + "p2", SK: "a"}, nil))
						want := slices.Clone(test.want)
						if descending {
							slices.Reverse(want)
						}
						for _, consistency := range []table.Consistency{table.Strong, table.Eventual} {
							pages := c.all(table.Query{PK: c.prefix + "p", Prefix: test.prefix, From: test.from, To: test.to, Limit: limit, Descending: descending, Consistency: consistency})
							c.same("sort keys", sks(pages), want)
							for _, page := range pages {
								if len(page.Items) > limit {
									c.bad("a page of %d items", len(page.Items))
								}
								for _, i := range page.Items {
									if i.Key.PK != c.prefix+"p" || i.Text("x") != i.Key.SK {
										c.bad("item is not whole: %v", plain(&i))
									}
								}
							}
						}
					})
				}
			}
		}
		s.check("query of a partition without items", func(c *c) {
			page, err := c.table.Query(context.Background(), table.Query{PK: c.prefix, Limit: 10, Consistency: table.Strong})
			c.must(err)
			c.same("items", len(page.Items), 0)
			c.same("next", page.Next, "")
		})
		for _, descending := range []bool{false, true} {
			s.check(fmt.Sprintf("query pages hold at most 1 MB, descending %v", descending), func(c *c) {
				var want []string
				for i := range 7 {
					sk := fmt.Sprint(i)
					want = append(want, sk)
					c.put(sized(c.sort(sk), 399<<10, nil))
				}
				if descending {
					slices.Reverse(want)
				}
				pages := c.all(table.Query{PK: c.prefix + "p", Limit: 1000, Consistency: table.Strong, Descending: descending})
				c.same("sort keys", sks(pages), want)
				for _, page := range pages {
					size := 0
					for _, i := range page.Items {
						size += table.ItemSize(i)
					}
					if size > 1<<20 {
						c.bad("a page of %d bytes", size)
					}
				}
			})
		}
		good := table.Query{PK: "p", Limit: 10, Consistency: table.Strong}
		for _, test := range []struct {
			name  string
			code  string
			query func(table.Query) table.Query
		}{
			{"limit 0", "invalid_query", func(q table.Query) table.Query { q.Limit = 0; return q }},
			{"limit 1,001", "invalid_query", func(q table.Query) table.Query { q.Limit = 1001; return q }},
			{"a negative limit", "invalid_query", func(q table.Query) table.Query { q.Limit = -1; return q }},
			{"an unknown index", "invalid_query", func(q table.Query) table.Query { q.Index, q.Consistency = "x", table.Eventual; return q }},
			{"a strong read of an index", "strong_index_read", func(q table.Query) table.Query { q.Index = table.IndexMember; return q }},
			{"a prefix and a bound", "invalid_query", func(q table.Query) table.Query { q.Prefix, q.To = "a", "b"; return q }},
			{"bounds the wrong way round", "invalid_query", func(q table.Query) table.Query { q.From, q.To = "b", "a"; return q }},
			{"no partition", "empty_key", func(q table.Query) table.Query { q.PK = ""; return q }},
			{"a long partition", "key_too_long", func(q table.Query) table.Query { q.PK = strings.Repeat("p", 2049); return q }},
			{"a long bound", "key_too_long", func(q table.Query) table.Query { q.From = strings.Repeat("p", 1025); return q }},
			{"a prefix that is not UTF-8", "invalid_text", func(q table.Query) table.Query { q.Prefix = "\xff"; return q }},
		} {
			s.check("query refuses "+test.name, func(c *c) {
				query := test.query(good)
				err := c.cost(table.Usage{}, func(ctx context.Context) error { _, err := c.table.Query(ctx, query); return err })
				c.invalid(err, test.code)
				if want := query.Validate(); err == nil || want == nil || err.Error() != want.Error() {
					c.bad("got the words %v, want %v", err, want)
				}
			})
		}
	})
}

// member are the attributes that put an item into IndexMember, which projects
// everything.
func (c *c) member(who, sk string) attributes {
	return attributes{"mpk": table.String(c.prefix + who), "msk": table.String(sk)}
}

// wake are those for IndexRemind, which projects keys alone.
func (c *c) wake(shard, at string) attributes {
	return attributes{"rpk": table.String(c.prefix + shard), "rsk": table.String(at)}
}

func with(a attributes, name string, value table.Value) attributes {
	a[name] = value
	return a
}

func (c *c) index(name, pk string) []table.Item {
	items := []table.Item{}
	for _, page := range c.all(table.Query{Index: name, PK: c.prefix + pk, Limit: 1000}) {
		items = append(items, page.Items...)
	}
	return items
}

func (s *suite) indexes() {
	text := table.String
	s.group("indexes", func() {
		s.check("an index of all attributes gives whole items", func(c *c) {
			key := c.key("a")
			a := with(c.member("m", "1"), "x", table.Number(7))
			c.put(item(key, a))
			got := c.index(table.IndexMember, "m")
			if len(got) != 1 {
				c.bad("want 1 item, got %d", len(got))
				return
			}
			want := item(key, a)
			c.same("item", plain(&got[0]), plain(&want))
		})
		s.check("an index of keys gives keys", func(c *c) {
			key := c.key("a")
			c.put(item(key, with(with(c.wake("d", "t"), "x", table.Number(7)), "mpk", text("m"))))
			got := c.index(table.IndexRemind, "d")
			if len(got) != 1 {
				c.bad("want 1 item, got %d", len(got))
				return
			}
			want := item(key, c.wake("d", "t"))
			c.same("item", plain(&got[0]), plain(&want))
		})
		s.check("an index is sparse", func(c *c) {
			c.put(item(c.key("none"), nil),
				item(c.key("pk only"), attributes{"mpk": text(c.prefix + "m")}),
				item(c.key("sk only"), attributes{"msk": text("1")}),
				item(c.key("both"), c.member("m", "1")))
			got := c.index(table.IndexMember, "m")
			if len(got) != 1 || got[0].Key != c.key("both") {
				c.bad("got %v", got)
			}
		})
		for _, test := range []struct {
			name  string
			write func(c *c, key table.Key) error
			want  []string // sort keys in the index, after it was in with "1"
		}{
			{"put again keeps it", func(c *c, k table.Key) error {
				return c.write(table.Put(item(k, with(c.member("m", "1"), "x", text("new")))))
			}, []string{"1"}},
			{"put with another key moves it", func(c *c, k table.Key) error { return c.write(table.Put(item(k, c.member("m", "2")))) }, []string{"2"}},
			{"put without takes it out", func(c *c, k table.Key) error { return c.write(table.Put(item(k, nil))) }, []string{}},
			{"put into another partition takes it away", func(c *c, k table.Key) error { return c.write(table.Put(item(k, c.member("n", "1")))) }, []string{}},
			{"update moves it", func(c *c, k table.Key) error {
				return c.write(table.Update(k, []table.Change{table.Set("msk", text("3"))}))
			}, []string{"3"}},
			{"set if missing leaves it", func(c *c, k table.Key) error {
				return c.write(table.Update(k, []table.Change{table.SetIfMissing("msk", text("3"))}))
			}, []string{"1"}},
			{"remove takes it out", func(c *c, k table.Key) error {
				return c.write(table.Update(k, []table.Change{table.Remove("mpk")}))
			}, []string{}},
			{"delete takes it out", func(c *c, k table.Key) error { return c.write(table.Delete(k)) }, []string{}},
			{"a refused write leaves it", func(c *c, k table.Key) error {
				_ = c.write(table.Delete(k, table.Absent()))
				return nil
			}, []string{"1"}},
		} {
			s.check("index: "+test.name, func(c *c) {
				c.put(item(c.key("a"), c.member("m", "1")))
				c.must(test.write(c, c.key("a")))
				got := []string{}
				for _, i := range c.index(table.IndexMember, "m") {
					got = append(got, i.Text("msk"))
				}
				c.same("index sort keys", got, test.want)
			})
		}
		s.check("an update is seen in an index of all attributes", func(c *c) {
			c.put(item(c.key("a"), c.member("m", "1")))
			c.must(c.write(table.Update(c.key("a"), []table.Change{table.Set("x", table.Number(9))})))
			if got := c.index(table.IndexMember, "m"); len(got) != 1 || got[0].Int("x") != 9 {
				c.bad("got %v", got)
			}
		})
		s.check("an update may bring an item into an index", func(c *c) {
			c.put(item(c.key("a"), attributes{"rpk": text(c.prefix + "d")}))
			c.put(item(c.key("b"), attributes{"rsk": text("1")}))
			c.same("entries of half a key", len(c.index(table.IndexRemind, "d")), 0)
			c.must(c.write(table.Update(c.key("a"), []table.Change{table.Set("rsk", text("1"))})))
			c.must(c.write(table.Update(c.key("b"), []table.Change{table.Set("rpk", text(c.prefix+"d"))})))
			c.same("entries", len(c.index(table.IndexRemind, "d")), 2)
		})
		s.check("one item in three indexes", func(c *c) {
			a := c.member("i", "1")
			for name, value := range c.wake("i", "2") {
				a[name] = value
			}
			a["spk"], a["ssk"] = text(c.prefix+"i"), text("3")
			c.put(item(c.key("a"), a))
			for _, index := range table.Indexes {
				c.same(index.Name, len(c.index(index.Name, "i")), 1)
			}
			c.must(c.write(table.Delete(c.key("a"))))
			for _, index := range table.Indexes {
				c.same(index.Name, len(c.index(index.Name, "i")), 0)
			}
		})
		for _, descending := range []bool{false, true} {
			for _, index := range []string{table.IndexMember, table.IndexRemind} {
				s.check(fmt.Sprintf("index %s: many items of one sort key, page by page, descending %v", index, descending), func(c *c) {
					want := map[string]bool{}
					for i := range 23 {
						key := c.key(fmt.Sprint("k", i))
						a := c.member("m", fmt.Sprint(i/10))
						if index == table.IndexRemind {
							a = c.wake("m", fmt.Sprint(i/10))
						}
						c.put(item(key, a))
						want[key.PK] = true
					}
					got, last := map[string]bool{}, ""
					for _, page := range c.all(table.Query{Index: index, PK: c.prefix + "m", Limit: 4, Descending: descending}) {
						for _, i := range page.Items {
							if got[i.Key.PK] {
								c.bad("%s came twice", i.Key.PK)
							}
							got[i.Key.PK] = true
							sk := i.Text("msk") + i.Text("rsk")
							if last != "" && (sk < last) != descending && sk != last {
								c.bad("%s after %s", sk, last)
							}
							last = sk
						}
					}
					c.same("items", got, want)
				})
			}
		}
		for _, test := range []struct {
			name             string
			prefix, from, to string
			want             []string
		}{
			{"prefix", "2026-01", "", "", []string{"2026-01-01", "2026-01-02"}},
			{"from", "", "2026-01-02", "", []string{"2026-01-02", "2026-02-01"}},
			{"to", "", "", "2026-01-02", []string{"2025-12-31", "2026-01-01", "2026-01-02"}},
			{"from and to", "", "2026-01-01", "2026-01-31", []string{"2026-01-01", "2026-01-02"}},
		} {
			for _, descending := range []bool{false, true} {
				for _, limit := range []int{1, 10} {
					s.check(fmt.Sprintf("index: %s, limit %d, descending %v", test.name, limit, descending), func(c *c) {
						for i, at := range []string{"2025-12-31", "2026-01-01", "2026-01-02", "2026-02-01"} {
							c.put(item(c.key(fmt.Sprint(i)), c.wake("d", at)))
						}
						want := slices.Clone(test.want)
						if descending {
							slices.Reverse(want)
						}
						got := []string{}
						for _, page := range c.all(table.Query{Index: table.IndexRemind, PK: c.prefix + "d", Prefix: test.prefix, From: test.from, To: test.to, Limit: limit, Descending: descending}) {
							for _, i := range page.Items {
								got = append(got, i.Text("rsk"))
							}
						}
						c.same("index sort keys", got, want)
					})
				}
			}
		}
	})
}

func (s *suite) cursors() {
	s.group("cursors", func() {
		first := func(c *c, query table.Query) table.Page {
			page, err := c.table.Query(context.Background(), query)
			c.must(err)
			if page.Next == "" {
				c.bad("no cursor")
				panic(stop{})
			}
			return page
		}
		s.check("a cursor is base64url", func(c *c) {
			for i := range 4 {
				c.put(item(c.sort(fmt.Sprint(i)), nil))
			}
			page := first(c, table.Query{PK: c.prefix + "p", Limit: 2, Consistency: table.Strong})
			if _, err := base64.RawURLEncoding.Strict().DecodeString(page.Next); err != nil {
				c.bad("cursor %q: %v", page.Next, err)
			}
		})
		for _, descending := range []bool{false, true} {
			for _, index := range []string{"", table.IndexMember} {
				s.check(fmt.Sprintf("a cursor stays valid while items come and go, index %q, descending %v", index, descending), func(c *c) {
					put := func(i int) { c.put(item(c.sort(fmt.Sprint(i)), c.member("m", fmt.Sprint(i)))) }
					for _, i := range []int{2, 3, 4, 6, 7, 8} {
						put(i)
					}
					query := table.Query{PK: c.prefix + "p", Limit: 3, Descending: descending, Consistency: table.Strong}
					if index != "" {
						query.Index, query.PK, query.Consistency = index, c.prefix+"m", table.Eventual
					}
					page := first(c, query)
					before, at, gone, comes, want := 1, 4, 7, 5, []string{"5", "6", "8", "9"}
					later := 9
					if descending {
						before, at, gone, comes, want = 9, 6, 3, 5, []string{"5", "4", "2", "1"}
						later = 1
					}
					put(before)
					c.must(c.write(table.Delete(c.sort(fmt.Sprint(at)))))
					c.must(c.write(table.Delete(c.sort(fmt.Sprint(gone)))))
					put(comes)
					put(later)
					query.Cursor, query.Limit = page.Next, 1000
					c.same("rest", sks(c.all(query)), want)
				})
			}
		}
		s.check("a cursor is good for another limit and consistency", func(c *c) {
			for i := range 5 {
				c.put(item(c.sort(fmt.Sprint(i)), nil))
			}
			query := table.Query{PK: c.prefix + "p", Limit: 2, Consistency: table.Strong}
			query.Cursor = first(c, query).Next
			query.Limit, query.Consistency = 7, table.Eventual
			c.same("rest", sks(c.all(query)), []string{"2", "3", "4"})
		})
		for _, test := range []struct {
			name   string
			change func(q table.Query) table.Query
		}{
			{"of another partition", func(q table.Query) table.Query { q.PK += "x"; return q }},
			{"of another index", func(q table.Query) table.Query { q.Index, q.Consistency = table.IndexMember, table.Eventual; return q }},
			{"of the other direction", func(q table.Query) table.Query { q.Descending = true; return q }},
			{"of another prefix", func(q table.Query) table.Query { q.Prefix = "a1"; return q }},
			{"of another lower bound", func(q table.Query) table.Query { q.Prefix, q.From = "", "a"; return q }},
			{"of another upper bound", func(q table.Query) table.Query { q.Prefix, q.To = "", "b"; return q }},
			{"cut off", func(q table.Query) table.Query { q.Cursor = q.Cursor[:len(q.Cursor)-4]; return q }},
			{"with something behind", func(q table.Query) table.Query { q.Cursor += "AAAA"; return q }},
			{"with one letter changed at the front", func(q table.Query) table.Query { q.Cursor = flip(q.Cursor, 0); return q }},
			{"with one letter changed in the keys", func(q table.Query) table.Query { q.Cursor = flip(q.Cursor, 12); return q }},
			{"that is no base64url", func(q table.Query) table.Query { q.Cursor = "a+/="; return q }},
			{"that is empty but for its sum", func(q table.Query) table.Query { q.Cursor = "AAAAAAAAAAA"; return q }},
		} {
			s.check("query refuses a cursor "+test.name, func(c *c) {
				for i := range 5 {
					c.put(item(c.sort(fmt.Sprint("a", i)), nil))
				}
				query := table.Query{PK: c.prefix + "p", Prefix: "a", Limit: 2, Consistency: table.Strong}
				query.Cursor = first(c, query).Next
				c.invalid(c.cost(table.Usage{}, func(ctx context.Context) error {
					_, err := c.table.Query(ctx, test.change(query))
					return err
				}), "invalid_cursor")
			})
		}
	})
}

// flip changes one letter of a cursor into another letter of its alphabet.
func flip(cursor string, at int) string {
	letter := byte('A')
	if cursor[at] == letter {
		letter = 'B'
	}
	return cursor[:at] + string(letter) + cursor[at+1:]
}

func (s *suite) scans() {
	segments := func(c *c, n, limit int) []string {
		keys := []string{}
		for segment := range n {
			scan := table.Scan{Segment: segment, Segments: n, Limit: limit, Consistency: table.Strong}
			for {
				page, err := c.table.Scan(context.Background(), scan)
				c.must(err)
				if len(page.Items) > limit {
					c.bad("a page of %d items", len(page.Items))
				}
				for _, i := range page.Items {
					keys = append(keys, i.Key.PK+"/"+i.Key.SK)
				}
				if page.Next == "" {
					break
				}
				scan.Cursor = page.Next
			}
		}
		slices.Sort(keys)
		return keys
	}
	s.group("scans", func() {
		s.check("scan of an empty table", func(c *c) {
			c.same("keys", segments(c, 3, 10), []string{})
		})
		s.check("scan sees everything once, in any number of segments", func(c *c) {
			want := []string{}
			for i := range 40 {
				for j := range 1 + i%3 {
					key := table.Key{PK: fmt.Sprint("p", i), SK: fmt.Sprint("s", j)}
					c.put(item(key, nil))
					want = append(want, key.PK+"/"+key.SK)
				}
			}
			slices.Sort(want)
			for _, n := range []int{1, 2, 3, 7, 64} {
				for _, limit := range []int{1000, 5, 1} {
					c.same(fmt.Sprintf("%d segments, limit %d", n, limit), segments(c, n, limit), want)
				}
			}
		})
		s.check("scan gives whole items", func(c *c) {
			page, err := c.table.Scan(context.Background(), table.Scan{Segments: 1, Limit: 1, Consistency: table.Eventual})
			c.must(err)
			got, err := c.table.Get(context.Background(), table.Strong, page.Items[0].Key)
			c.must(err)
			c.same("item", plain(&page.Items[0]), plain(got[0]))
		})
		s.check("a scan goes on after the item it stopped at is gone", func(c *c) {
			scan := table.Scan{Segments: 1, Limit: 7, Consistency: table.Strong}
			seen := map[table.Key]int{}
			all := segments(c, 1, 1000)
			gone := 0
			for {
				page, err := c.table.Scan(context.Background(), scan)
				c.must(err)
				for _, i := range page.Items {
					seen[i.Key]++
				}
				if page.Next == "" {
					break
				}
				c.must(c.write(table.Delete(page.Items[len(page.Items)-1].Key)))
				gone++
				scan.Cursor = page.Next
			}
			c.same("seen", len(seen), len(all))
			for key, times := range seen {
				if times != 1 {
					c.bad("%v came %d times", key, times)
				}
			}
			c.same("left", len(segments(c, 1, 1000)), len(all)-gone)
		})
		for _, test := range []struct {
			name string
			scan table.Scan
			code string
		}{
			{"limit 0", table.Scan{Segments: 1}, "invalid_scan"},
			{"limit 1,001", table.Scan{Segments: 1, Limit: 1001}, "invalid_scan"},
			{"no segments", table.Scan{Limit: 1}, "invalid_scan"},
			{"1,000,001 segments", table.Scan{Segments: 1_000_001, Limit: 1}, "invalid_scan"},
			{"a segment too many", table.Scan{Segment: 2, Segments: 2, Limit: 1}, "invalid_scan"},
			{"a negative segment", table.Scan{Segment: -1, Segments: 2, Limit: 1}, "invalid_scan"},
			{"a cursor of its own making", table.Scan{Segments: 1, Limit: 1, Cursor: "AAAAAAAAAAAA"}, "invalid_cursor"},
		} {
			s.check("scan refuses "+test.name, func(c *c) {
				c.invalid(c.cost(table.Usage{}, func(ctx context.Context) error { _, err := c.table.Scan(ctx, test.scan); return err }), test.code)
			})
		}
		s.check("scan refuses the cursor of another segment", func(c *c) {
			page, err := c.table.Scan(context.Background(), table.Scan{Segments: 1, Limit: 1, Consistency: table.Strong})
			c.must(err)
			_, err = c.table.Scan(context.Background(), table.Scan{Segments: 2, Limit: 1, Cursor: page.Next})
			c.invalid(err, "invalid_cursor")
		})
	})
}
