package tabletest

import (
	"context"
	"errors"
	"fmt"

	"github.com/huitou/huitou/shared/table"
)

// writeUnits checks what every write is billed, in round trips and units.
func (s *suite) writeUnits() {
	text := table.String
	const kb = 1 << 10
	s.group("write units", func() {
		for _, test := range []struct {
			name  string
			setup func(c *c, k table.Key) []table.Item
			write func(c *c, k table.Key) []table.Action
			units float64
		}{
			{"put", nil, func(c *c, k table.Key) []table.Action { return []table.Action{table.Put(item(k, nil))} }, 1},
			{"put of 1 KB", nil, func(c *c, k table.Key) []table.Action { return []table.Action{table.Put(sized(k, kb, nil))} }, 1},
			{"put of 1 KB and a byte", nil, func(c *c, k table.Key) []table.Action { return []table.Action{table.Put(sized(k, kb+1, nil))} }, 2},
			{"put of 400 KB", nil, func(c *c, k table.Key) []table.Action { return []table.Action{table.Put(sized(k, 400*kb, nil))} }, 400},
			{
				"put of little over much", func(c *c, k table.Key) []table.Item { return []table.Item{sized(k, 3*kb, nil)} },
				func(c *c, k table.Key) []table.Action { return []table.Action{table.Put(item(k, nil))} }, 3,
			},
			{
				"put of the same again", func(c *c, k table.Key) []table.Item { return []table.Item{item(k, c.member("m", "1"))} },
				func(c *c, k table.Key) []table.Action {
					return []table.Action{table.Put(item(k, c.member("m", "1")))}
				}, 1,
			},
			{"update of nothing there", nil, func(c *c, k table.Key) []table.Action {
				return []table.Action{table.Update(k, []table.Change{table.Add("n", 1)})}
			}, 1},
			{
				"update of a large item", func(c *c, k table.Key) []table.Item { return []table.Item{sized(k, 3*kb-100, nil)} },
				func(c *c, k table.Key) []table.Action {
					return []table.Action{table.Update(k, []table.Change{table.Set("a", text("x"))})}
				}, 3,
			},
			{
				"update that shrinks", func(c *c, k table.Key) []table.Item { return []table.Item{sized(k, 3*kb, nil)} },
				func(c *c, k table.Key) []table.Action {
					return []table.Action{table.Update(k, []table.Change{table.Remove("fill")})}
				}, 3,
			},
			{"update that grows", nil, func(c *c, k table.Key) []table.Action {
				return []table.Action{table.Update(k, []table.Change{table.Set("a", text(string(make([]byte, 2*kb))))})}
			}, 3},
			{
				"delete", func(c *c, k table.Key) []table.Item { return []table.Item{item(k, nil)} },
				func(c *c, k table.Key) []table.Action { return []table.Action{table.Delete(k)} }, 1,
			},
			{
				"delete of a large item", func(c *c, k table.Key) []table.Item { return []table.Item{sized(k, 5*kb, nil)} },
				func(c *c, k table.Key) []table.Action { return []table.Action{table.Delete(k)} }, 5,
			},
			{"delete of nothing", nil, func(c *c, k table.Key) []table.Action { return []table.Action{table.Delete(k)} }, 1},
			{"check alone", nil, func(c *c, k table.Key) []table.Action { return []table.Action{table.Check(k, table.Absent())} }, 2},
			{
				"check alone of a large item", func(c *c, k table.Key) []table.Item { return []table.Item{sized(k, 3*kb, nil)} },
				func(c *c, k table.Key) []table.Action { return []table.Action{table.Check(k, table.Exists())} }, 6,
			},
			{"transaction of two puts", nil, func(c *c, k table.Key) []table.Action {
				return []table.Action{table.Put(item(k, nil)), table.Put(item(c.key("b"), nil))}
			}, 4},
			{
				"transaction of all operations", func(c *c, k table.Key) []table.Item { return []table.Item{sized(k, 2*kb, nil), item(c.key("u"), nil)} },
				func(c *c, k table.Key) []table.Action {
					return []table.Action{
						table.Delete(k), table.Put(sized(c.key("p"), 3*kb, nil)),
						table.Update(c.key("u"), []table.Change{table.Add("n", 1)}), table.Check(c.key("none"), table.Absent()),
					}
				}, 4 + 6 + 2 + 2,
			},
			{"put into an index of all attributes", nil, func(c *c, k table.Key) []table.Action {
				return []table.Action{table.Put(item(k, c.member("m", "1")))}
			}, 2},
			{"put of 3 KB into an index of all attributes", nil, func(c *c, k table.Key) []table.Action {
				return []table.Action{table.Put(sized(k, 3*kb, c.member("m", "1")))}
			}, 6},
			{"put into an index of keys", nil, func(c *c, k table.Key) []table.Action {
				return []table.Action{table.Put(item(k, c.wake("d", "1")))}
			}, 2},
			{"put of 3 KB into an index of keys", nil, func(c *c, k table.Key) []table.Action {
				return []table.Action{table.Put(sized(k, 3*kb, c.wake("d", "1")))}
			}, 4},
			{"put with half an index key", nil, func(c *c, k table.Key) []table.Action {
				return []table.Action{table.Put(item(k, attributes{"rpk": text("d")}))}
			}, 1},
			{
				"change of what an index projects", func(c *c, k table.Key) []table.Item { return []table.Item{item(k, c.member("m", "1"))} },
				func(c *c, k table.Key) []table.Action {
					return []table.Action{table.Update(k, []table.Change{table.Set("a", text("x"))})}
				}, 2,
			},
			{
				"change of what an index of keys does not project", func(c *c, k table.Key) []table.Item { return []table.Item{item(k, c.wake("d", "1"))} },
				func(c *c, k table.Key) []table.Action {
					return []table.Action{table.Update(k, []table.Change{table.Set("a", text("x"))})}
				}, 1,
			},
			{
				"update to the same value", func(c *c, k table.Key) []table.Item { return []table.Item{item(k, c.member("m", "1"))} },
				func(c *c, k table.Key) []table.Action {
					return []table.Action{table.Update(k, []table.Change{table.Set("msk", text("1"))})}
				}, 1,
			},
			{
				"move in an index of keys", func(c *c, k table.Key) []table.Item { return []table.Item{item(k, c.wake("d", "1"))} },
				func(c *c, k table.Key) []table.Action {
					return []table.Action{table.Update(k, []table.Change{table.Set("rsk", text("2"))})}
				}, 3,
			},
			{
				"move in an index of all attributes, 2 KB", func(c *c, k table.Key) []table.Item { return []table.Item{sized(k, 2*kb, c.member("m", "1"))} },
				func(c *c, k table.Key) []table.Action {
					return []table.Action{table.Update(k, []table.Change{table.Set("msk", text("2"))})}
				}, 6,
			},
			{
				"removal from an index", func(c *c, k table.Key) []table.Item { return []table.Item{item(k, c.wake("d", "1"))} },
				func(c *c, k table.Key) []table.Action {
					return []table.Action{table.Update(k, []table.Change{table.Remove("rsk"), table.Remove("rpk")})}
				}, 2,
			},
			{
				"delete of an indexed item", func(c *c, k table.Key) []table.Item { return []table.Item{item(k, c.wake("d", "1"))} },
				func(c *c, k table.Key) []table.Action { return []table.Action{table.Delete(k)} }, 2,
			},
			{"transaction: index entries are not doubled", nil, func(c *c, k table.Key) []table.Action {
				return []table.Action{table.Put(item(k, c.wake("d", "1"))), table.Put(item(c.key("b"), nil))}
			}, 2 + 1 + 2},
			{
				"transaction: a move is not doubled", func(c *c, k table.Key) []table.Item { return []table.Item{item(k, c.member("m", "1"))} },
				func(c *c, k table.Key) []table.Action {
					return []table.Action{table.Update(k, []table.Change{table.Set("msk", text("2"))}), table.Put(item(c.key("b"), nil))}
				}, 2 + 2 + 2,
			},
			{
				"transaction: a check on an indexed item", func(c *c, k table.Key) []table.Item { return []table.Item{item(k, c.member("m", "1"))} },
				func(c *c, k table.Key) []table.Action {
					return []table.Action{table.Check(k, table.Exists()), table.Put(item(c.key("b"), nil))}
				}, 2 + 2,
			},
		} {
			s.check("write units: "+test.name, func(c *c) {
				k := c.key("a")
				if test.setup != nil {
					c.put(test.setup(c, k)...)
				}
				c.must(c.cost(table.Usage{WriteUnits: test.units, RoundTrips: 1}, func(ctx context.Context) error {
					return c.table.Write(ctx, test.write(c, k)...)
				}))
			})
		}
		for _, test := range []struct {
			name  string
			write func(c *c, k table.Key) []table.Action // k holds 3 KB
			units float64
		}{
			{"put", func(c *c, k table.Key) []table.Action {
				return []table.Action{table.Put(item(k, nil), table.Absent())}
			}, 3},
			{"put of more", func(c *c, k table.Key) []table.Action {
				return []table.Action{table.Put(sized(k, 4*kb, nil), table.Absent())}
			}, 4},
			{"update", func(c *c, k table.Key) []table.Action {
				return []table.Action{table.Update(k, []table.Change{table.Add("n", 1)}, table.Absent())}
			}, 3},
			{"delete", func(c *c, k table.Key) []table.Action {
				return []table.Action{table.Delete(k, table.Missing("fill"))}
			}, 3},
			{"delete of nothing", func(c *c, k table.Key) []table.Action {
				return []table.Action{table.Delete(c.key("none"), table.Exists())}
			}, 1},
			{"check", func(c *c, k table.Key) []table.Action { return []table.Action{table.Check(k, table.Absent())} }, 6},
			{"transaction", func(c *c, k table.Key) []table.Action {
				return []table.Action{table.Put(item(c.key("b"), c.member("m", "1"))), table.Delete(k, table.Absent())}
			}, 2 + 6},
		} {
			s.check("write units of a refusal: "+test.name, func(c *c) {
				k := c.key("a")
				c.put(sized(k, 3*kb, nil))
				err := c.cost(table.Usage{WriteUnits: test.units, RoundTrips: 1}, func(ctx context.Context) error {
					return c.table.Write(ctx, test.write(c, k)...)
				})
				if _, ok := errors.AsType[*table.ConditionError](err); !ok {
					c.bad("want a ConditionError, got %v", err)
				}
			})
		}
	})
}

func (s *suite) readUnits() {
	const kb = 1 << 10
	s.group("read units", func() {
		for _, test := range []struct {
			name   string
			sizes  []int // of the items that are there
			absent int
			strong float64
		}{
			{"one small item", []int{100}, 0, 1},
			{"4 KB", []int{4 * kb}, 0, 1},
			{"4 KB and a byte", []int{4*kb + 1}, 0, 2},
			{"400 KB", []int{400 * kb}, 0, 100},
			{"nothing there", nil, 1, 1},
			{"three small items are rounded each", []int{100, 100, 100}, 0, 3},
			{"large and small", []int{5 * kb, 100}, 0, 3},
			{"some there, some not", []int{100}, 2, 3},
		} {
			s.check("read units: get "+test.name, func(c *c) {
				var keys []table.Key
				for i, size := range test.sizes {
					keys = append(keys, c.sort(fmt.Sprint(i)))
					c.put(sized(keys[i], size, nil))
				}
				for i := range test.absent {
					keys = append(keys, c.sort(fmt.Sprint("absent", i)))
				}
				for consistency, units := range map[table.Consistency]float64{table.Strong: test.strong, table.Eventual: test.strong / 2} {
					c.must(c.cost(table.Usage{ReadUnits: units, RoundTrips: 1}, func(ctx context.Context) error {
						_, err := c.table.Get(ctx, consistency, keys...)
						return err
					}))
				}
			})
		}
		query := func(c *c, want float64, q table.Query) {
			c.must(c.cost(table.Usage{ReadUnits: want, RoundTrips: 1}, func(ctx context.Context) error {
				_, err := c.table.Query(ctx, q)
				return err
			}))
		}
		for _, test := range []struct {
			name   string
			count  int
			size   int
			limit  int
			strong float64
		}{
			{"nothing there", 0, 0, 10, 1},
			{"ten small items are one", 10, 100, 10, 1},
			{"three of 3 KB", 3, 3 * kb, 10, 3},
			{"as far as the limit", 3, 3 * kb, 1, 1},
			{"two of 2 KB", 2, 2 * kb, 10, 1},
			{"two of 2 KB and a byte", 2, 2*kb + 1, 10, 2},
		} {
			s.check("read units: query "+test.name, func(c *c) {
				for i := range test.count {
					c.put(sized(c.sort(fmt.Sprint(i)), test.size, nil))
				}
				query(c, test.strong, table.Query{PK: c.prefix + "p", Limit: test.limit, Consistency: table.Strong})
				query(c, test.strong/2, table.Query{PK: c.prefix + "p", Limit: test.limit, Consistency: table.Eventual})
			})
		}
		s.check("read units: an index of all attributes counts whole items", func(c *c) {
			for i := range 3 {
				c.put(sized(c.key(fmt.Sprint(i)), 3*kb, c.member("m", fmt.Sprint(i))))
			}
			query(c, 1.5, table.Query{Index: table.IndexMember, PK: c.prefix + "m", Limit: 10})
		})
		s.check("read units: an index of keys counts keys", func(c *c) {
			for i := range 3 {
				c.put(sized(c.key(fmt.Sprint(i)), 3*kb, c.wake("d", fmt.Sprint(i))))
			}
			query(c, 0.5, table.Query{Index: table.IndexRemind, PK: c.prefix + "d", Limit: 10})
			query(c, 0.5, table.Query{Index: table.IndexRemind, PK: c.prefix + "none", Limit: 10})
		})
	})
	s.group("read units of scans", func() {
		s.check("read units: scan", func(c *c) {
			for i := range 5 {
				c.put(sized(c.key(fmt.Sprint(i)), 3*kb, nil))
			}
			for consistency, units := range map[table.Consistency]float64{table.Strong: 4, table.Eventual: 2} {
				c.must(c.cost(table.Usage{ReadUnits: units, RoundTrips: 1}, func(ctx context.Context) error {
					_, err := c.table.Scan(ctx, table.Scan{Segments: 1, Limit: 1000, Consistency: consistency})
					return err
				}))
			}
		})
	})
}
