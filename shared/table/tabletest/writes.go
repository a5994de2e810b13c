package tabletest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/table"
)

// conditions holds every test against every state of the item, through every
// operation, alone and in a transaction.
func (s *suite) conditions() {
	n, text := table.Number, table.String
	states := []struct {
		name string
		item attributes // nil: there is no item
	}{
		{"no item", nil},
		{"no attribute", attributes{}},
		{"4", attributes{"a": n(4)}},
		{"5", attributes{"a": n(5)}},
		{"6", attributes{"a": n(6)}},
		{"-5", attributes{"a": n(-5)}},
		{"10", attributes{"a": n(10)}},
		{"text b", attributes{"a": text("b")}},
		{"text a", attributes{"a": text("a")}},
		{"text 中", attributes{"a": text("中")}},
		{"text empty", attributes{"a": text("")}},
	}
	tests := []struct {
		name      string
		condition table.Condition
		holds     string // the states in which it holds
	}{
		{"exists", table.Exists(), "no attribute,4,5,6,-5,10,text b,text a,text 中,text empty"},
		{"absent", table.Absent(), "no item"},
		{"missing", table.Missing("a"), "no item,no attribute"},
		{"equals 5", table.Equals("a", n(5)), "5"},
		{"equals text b", table.Equals("a", text("b")), "text b"},
		{"equals text 5", table.Equals("a", text("5")), ""},
		{"equals text empty", table.Equals("a", text("")), "text empty"},
		{"at least 5", table.AtLeast("a", 5), "5,6,10"},
		{"at least -5", table.AtLeast("a", -5), "4,5,6,-5,10"},
		{"at most 5", table.AtMost("a", 5), "4,5,-5"},
		{"missing or equals 5", table.MissingOrEquals("a", n(5)), "no item,no attribute,5"},
		{"missing or equals text a", table.MissingOrEquals("a", text("a")), "no item,no attribute,text a"},
		{"missing or at most 5", table.MissingOrAtMost("a", n(5)), "no item,no attribute,4,5,-5"},
		{"missing or at most text b", table.MissingOrAtMost("a", text("b")), "no item,no attribute,text b,text a,text empty"},
	}
	operations := []struct {
		name string
		do   func(key table.Key, condition table.Condition) table.Action
	}{
		{"put", func(k table.Key, condition table.Condition) table.Action {
			return table.Put(item(k, attributes{"new": n(1)}), condition)
		}},
		{"update", func(k table.Key, condition table.Condition) table.Action {
			return table.Update(k, []table.Change{table.Set("new", n(1))}, condition)
		}},
		{"delete", func(k table.Key, condition table.Condition) table.Action { return table.Delete(k, condition) }},
		{"check", func(k table.Key, condition table.Condition) table.Action { return table.Check(k, condition) }},
	}
	after := func(operation string, before attributes) attributes {
		switch operation {
		case "put":
			return attributes{"new": n(1)}
		case "update":
			merged := attributes{"new": n(1)}
			for name, value := range before {
				merged[name] = value
			}
			return merged
		case "delete":
			return nil
		}
		return before
	}
	s.group("conditions", func() {
		for _, test := range tests {
			for _, state := range states {
				holds := test.holds != "" && slices.Contains(strings.Split(test.holds, ","), state.name)
				s.check(fmt.Sprintf("condition %s on %s is %v", test.name, state.name, holds), func(c *c) {
					for _, operation := range operations {
						for _, transaction := range []bool{false, true} {
							key := c.key(fmt.Sprint(operation.name, transaction))
							other := c.key(fmt.Sprint(operation.name, transaction, "other"))
							var old *table.Item
							if state.item != nil {
								c.put(item(key, state.item))
								stored := item(key, state.item)
								old = &stored
							}
							actions := []table.Action{operation.do(key, test.condition)}
							at := 0
							if transaction {
								actions = []table.Action{table.Put(item(other, nil)), actions[0]}
								at = 1
							}
							err := c.write(actions...)
							if holds {
								c.must(err)
								c.is(key, after(operation.name, state.item))
								continue
							}
							c.refused(err, table.Failure{Action: at, Old: old})
							c.is(key, state.item)
							c.is(other, nil)
						}
					}
				})
			}
		}
		s.check("all conditions of an action must hold", func(c *c) {
			key := c.key("a")
			c.put(item(key, attributes{"a": n(1), "b": n(2)}))
			old := item(key, attributes{"a": n(1), "b": n(2)})
			c.refused(c.write(table.Delete(key, table.Equals("a", n(1)), table.Equals("b", n(3)))), table.Failure{Old: &old})
			c.refused(c.write(table.Delete(key, table.Missing("a"), table.Equals("b", n(2)))), table.Failure{Old: &old})
			c.refused(c.write(table.Delete(key, table.MissingOrEquals("a", n(2)), table.Exists())), table.Failure{Old: &old})
			c.must(c.write(table.Delete(key, table.Equals("a", n(1)), table.Equals("b", n(2)), table.MissingOrAtMost("c", n(0)))))
		})
		s.check("conditions see the item before the write", func(c *c) {
			key := c.key("a")
			c.put(item(key, attributes{"a": n(1)}))
			c.must(c.write(table.Update(key, []table.Change{table.Add("a", 5)}, table.AtMost("a", 1))))
			c.is(key, attributes{"a": n(6)})
		})
		s.check("attribute names that are reserved words", func(c *c) {
			key := c.key("a")
			c.must(c.write(table.Update(key, []table.Change{table.Set("size", n(1)), table.Set("name", text("x")), table.Set("a.b-c", n(2)), table.Set("状态", n(3))}, table.Missing("status"))))
			c.must(c.write(table.Update(key, []table.Change{table.Remove("size")}, table.Equals("name", text("x")), table.Equals("a.b-c", n(2)), table.AtLeast("状态", 3))))
			c.is(key, attributes{"name": text("x"), "a.b-c": n(2), "状态": n(3)})
		})
	})
}

func (s *suite) changes() {
	n, text := table.Number, table.String
	s.group("changes", func() {
		for _, test := range []struct {
			name   string
			before attributes
			change []table.Change
			after  attributes
		}{
			{"set on no item", nil, []table.Change{table.Set("a", n(1))}, attributes{"a": n(1)}},
			{"set a new attribute", attributes{"b": n(2)}, []table.Change{table.Set("a", text("x"))}, attributes{"a": text("x"), "b": n(2)}},
			{"set replaces, also by another type", attributes{"a": n(2)}, []table.Change{table.Set("a", text("x"))}, attributes{"a": text("x")}},
			{"set an empty string", attributes{}, []table.Change{table.Set("a", text(""))}, attributes{"a": text("")}},
			{"set if missing on no item", nil, []table.Change{table.SetIfMissing("a", n(1))}, attributes{"a": n(1)}},
			{"set if missing on no attribute", attributes{}, []table.Change{table.SetIfMissing("a", n(1))}, attributes{"a": n(1)}},
			{"set if missing keeps", attributes{"a": n(7)}, []table.Change{table.SetIfMissing("a", n(1))}, attributes{"a": n(7)}},
			{"add on no item", nil, []table.Change{table.Add("a", 3)}, attributes{"a": n(3)}},
			{"add on no attribute", attributes{"b": n(1)}, []table.Change{table.Add("a", -3)}, attributes{"a": n(-3), "b": n(1)}},
			{"add to a number", attributes{"a": n(40)}, []table.Change{table.Add("a", 2)}, attributes{"a": n(42)}},
			{"add a negative number", attributes{"a": n(1)}, []table.Change{table.Add("a", -42)}, attributes{"a": n(-41)}},
			{"add nothing", attributes{"a": n(1)}, []table.Change{table.Add("a", 0)}, attributes{"a": n(1)}},
			{"add nothing to nothing", attributes{}, []table.Change{table.Add("a", 0)}, attributes{"a": n(0)}},
			{"remove", attributes{"a": n(1), "b": n(2)}, []table.Change{table.Remove("a")}, attributes{"b": n(2)}},
			{"remove what is not there", attributes{"b": n(2)}, []table.Change{table.Remove("a")}, attributes{"b": n(2)}},
			{"remove on no item", nil, []table.Change{table.Remove("a")}, attributes{}},
			{"all kinds at once", attributes{"a": n(1), "b": n(2), "c": n(3)}, []table.Change{table.Remove("a"), table.Add("b", 1), table.SetIfMissing("c", n(9)), table.Set("d", n(4)), table.SetIfMissing("e", n(5)), table.Add("f", 6)}, attributes{"b": n(3), "c": n(3), "d": n(4), "e": n(5), "f": n(6)}},
			{"the largest numbers", nil, []table.Change{table.Set("a", n(9223372036854775807)), table.Set("b", n(-9223372036854775808)), table.Set("c", n(9007199254740993)), table.Set("d", n(1000000000000000000))}, attributes{"a": n(9223372036854775807), "b": n(-9223372036854775808), "c": n(9007199254740993), "d": n(1000000000000000000)}},
			{"text of every kind", nil, []table.Change{table.Set("a", text("\x00\u2028\"\\<>&')😀")), table.Set("b", text(" 空 "))}, attributes{"a": text("\x00\u2028\"\\<>&')😀"), "b": text(" 空 ")}},
		} {
			for _, form := range []string{"alone", "in a transaction"} {
				s.check("change: "+test.name+", "+form, func(c *c) {
					key := c.key("a")
					if test.before != nil {
						c.put(item(key, test.before))
					}
					actions := []table.Action{table.Update(key, test.change)}
					if form != "alone" {
						actions = append(actions, table.Put(item(c.key("other"), nil)))
					}
					c.must(c.write(actions...))
					c.is(key, test.after)
				})
			}
		}
		s.check("put replaces the whole item", func(c *c) {
			key := c.key("a")
			c.put(item(key, attributes{"a": n(1), "b": n(2)}))
			c.put(item(key, attributes{"b": text("x")}))
			c.is(key, attributes{"b": text("x")})
		})
		s.check("delete, and delete of nothing", func(c *c) {
			key := c.key("a")
			c.put(item(key, nil))
			c.must(c.write(table.Delete(key)))
			c.is(key, nil)
			c.must(c.write(table.Delete(key)))
		})
		for _, form := range []string{"alone", "in a transaction"} {
			write := func(c *c, action table.Action) error {
				if form == "alone" {
					return c.write(action)
				}
				return c.write(table.Put(item(c.key("other"), nil)), action)
			}
			s.check("add to a string is refused, "+form, func(c *c) {
				key := c.key("a")
				c.put(item(key, attributes{"a": text("x"), "b": n(1)}))
				c.invalid(write(c, table.Update(key, []table.Change{table.Add("b", 1), table.Add("a", 1)})), "not_a_number")
				c.is(key, attributes{"a": text("x"), "b": n(1)})
				c.is(c.key("other"), nil)
			})
			s.check("an update may not grow an item over 400 KB, "+form, func(c *c) {
				key := c.key("a")
				big := sized(key, 399<<10, nil)
				c.put(big)
				c.invalid(write(c, table.Update(key, []table.Change{table.Set("more", text(strings.Repeat("y", 2000)))})), "item_too_large")
				c.is(key, big.Attributes)
				c.is(c.key("other"), nil)
			})
			s.check("a condition that fails comes before an update that cannot be, "+form, func(c *c) {
				key := c.key("a")
				c.put(item(key, attributes{"a": text("x")}))
				err := write(c, table.Update(key, []table.Change{table.Add("a", 1)}, table.Absent()))
				if _, ok := errors.AsType[*table.ConditionError](err); !ok {
					c.bad("want a ConditionError, got %v", err)
				}
				c.is(key, attributes{"a": text("x")})
			})
		}
	})
}

func (s *suite) transactions() {
	n := table.Number
	s.group("transactions", func() {
		s.check("all operations in one write", func(c *c) {
			a, b, d, e := c.key("a"), c.key("b"), c.key("d"), c.key("e")
			c.put(item(b, attributes{"n": n(1)}), item(d, nil), item(e, attributes{"ok": n(1)}))
			c.must(c.write(
				table.Put(item(a, attributes{"x": n(1)}), table.Absent()),
				table.Update(b, []table.Change{table.Add("n", 1)}, table.AtLeast("n", 1)),
				table.Delete(d, table.Exists()),
				table.Check(e, table.Equals("ok", n(1))),
			))
			c.is(a, attributes{"x": n(1)})
			c.is(b, attributes{"n": n(2)})
			c.is(d, nil)
			c.is(e, attributes{"ok": n(1)})
		})
		for at, name := range []string{"put", "update", "delete", "check"} {
			s.check("a refused "+name+" undoes all and names its place", func(c *c) {
				a, b, d, e := c.key("a"), c.key("b"), c.key("d"), c.key("e")
				olds := []table.Item{item(a, attributes{"o": n(0)}), item(b, attributes{"o": n(1)}), item(d, attributes{"o": n(2)}), item(e, attributes{"o": n(3)})}
				c.put(olds...)
				wrong := []table.Condition{table.Exists(), table.Exists(), table.Exists(), table.Exists()}
				wrong[at] = table.Missing("o")
				c.refused(c.write(
					table.Put(item(a, nil), wrong[0]),
					table.Update(b, []table.Change{table.Add("o", 1)}, wrong[1]),
					table.Delete(d, wrong[2]),
					table.Check(e, wrong[3]),
				), table.Failure{Action: at, Old: &olds[at]})
				for _, old := range olds {
					c.is(old.Key, old.Attributes)
				}
			})
		}
		s.check("every refused action is named, with its item", func(c *c) {
			a, b, d := c.key("a"), c.key("b"), c.key("d")
			old := item(a, attributes{"x": n(1)})
			c.put(old)
			c.refused(c.write(
				table.Put(item(a, nil), table.Absent()),
				table.Put(item(b, nil), table.Absent()),
				table.Check(d, table.Exists()),
			), table.Failure{Action: 0, Old: &old}, table.Failure{Action: 2})
			c.is(a, attributes{"x": n(1)})
			c.is(b, nil)
		})
		s.check("a refused action on an absent item has no old item", func(c *c) {
			c.refused(c.write(table.Delete(c.key("a"), table.Exists())), table.Failure{})
			c.refused(c.write(table.Check(c.key("a"), table.Exists())), table.Failure{})
		})
		s.check("a check alone writes nothing", func(c *c) {
			key := c.key("a")
			c.must(c.write(table.Check(key, table.Absent())))
			c.is(key, nil)
			c.put(item(key, attributes{"x": n(1)}))
			c.must(c.write(table.Check(key, table.Equals("x", n(1)))))
			c.is(key, attributes{"x": n(1)})
		})
		s.check("100 actions", func(c *c) {
			var actions []table.Action
			for i := range 100 {
				actions = append(actions, table.Put(item(c.sort(fmt.Sprintf("%03d", i)), nil), table.Absent()))
			}
			c.must(c.write(actions...))
			err := c.write(actions...)
			refusal, ok := errors.AsType[*table.ConditionError](err)
			if !ok || len(refusal.Failed) != 100 {
				c.bad("want 100 failures, got %v", err)
			}
		})
		s.check("the old item of a refused write is whole, index keys too", func(c *c) {
			key := c.key("a")
			old := item(key, attributes{"mpk": table.String(c.prefix + "m"), "msk": table.String("1"), "x": n(-3), "doc": table.String(`{"a":1}`)})
			c.put(old)
			c.refused(c.write(table.Put(item(key, nil), table.Absent())), table.Failure{Old: &old})
			c.refused(c.write(table.Put(item(key, nil), table.Absent()), table.Put(item(c.key("b"), nil))), table.Failure{Old: &old})
		})
	})
}

// limits checks that an engine refuses before any round trip, with the words
// of package table, and changes nothing.
func (s *suite) limits() {
	text := table.String
	at := func(n int) table.Key { return table.Key{PK: "limits", SK: fmt.Sprint(n)} }
	many := func(n int) (actions []table.Action) {
		for i := range n {
			actions = append(actions, table.Put(item(at(i), nil)))
		}
		return actions
	}
	put := func(a attributes) []table.Action { return []table.Action{table.Put(item(at(1), a))} }
	update := func(changes ...table.Change) []table.Action { return []table.Action{table.Update(at(1), changes)} }
	check := func(conditions ...table.Condition) []table.Action {
		return []table.Action{table.Check(at(1), conditions...)}
	}
	var big []table.Action
	for i := range 11 {
		big = append(big, table.Put(sized(at(i), 400<<10, nil)))
	}
	var changes101 []table.Change
	for i := range 101 {
		changes101 = append(changes101, table.Set(fmt.Sprint("a", i), table.Number(1)))
	}
	var conditions61 []table.Condition
	for range 61 {
		conditions61 = append(conditions61, table.Absent())
	}
	s.group("limits", func() {
		for _, test := range []struct {
			name    string
			actions []table.Action
			code    string
		}{
			{"no action", nil, "no_actions"},
			{"101 actions", many(101), "too_many_actions"},
			{"a key twice", []table.Action{table.Put(item(at(1), nil)), table.Delete(at(1))}, "duplicate_key"},
			{"a key twice among many", append(many(50), table.Check(at(49), table.Absent())), "duplicate_key"},
			{"an empty partition key", []table.Action{table.Delete(table.Key{SK: "s"})}, "empty_key"},
			{"an empty sort key", []table.Action{table.Put(item(table.Key{PK: "p"}, nil))}, "empty_key"},
			{"a partition key of 2,049 bytes", []table.Action{table.Delete(table.Key{PK: strings.Repeat("p", 2049), SK: "s"})}, "key_too_long"},
			{"a sort key of 1,025 bytes", []table.Action{table.Delete(table.Key{PK: "p", SK: strings.Repeat("s", 1025)})}, "key_too_long"},
			{"a key that is not UTF-8", []table.Action{table.Delete(table.Key{PK: "\xff", SK: "s"})}, "invalid_text"},
			{"text that is not UTF-8", put(attributes{"a": text("\xc3\x28")}), "invalid_text"},
			{"an item of 400 KB and a byte", []table.Action{table.Put(sized(at(1), 400<<10+1, nil))}, "item_too_large"},
			{"an update over 400 KB", update(table.Set("a", text(strings.Repeat("x", 400<<10)))), "item_too_large"},
			{"over 4 MB together", big, "write_too_large"},
			{"pk as an attribute", put(attributes{"pk": text("x")}), "reserved_attribute"},
			{"sk as a change", update(table.Set("sk", text("x"))), "reserved_attribute"},
			{"pk as a condition", check(table.Equals("pk", text("x"))), "reserved_attribute"},
			{"an attribute without a name", put(attributes{"": text("x")}), "invalid_attribute"},
			{"an attribute's name of 256 bytes", put(attributes{strings.Repeat("n", 256): text("x")}), "invalid_attribute"},
			{"an index key that is a number", put(attributes{"mpk": table.Number(1)}), "invalid_index_key"},
			{"an index key that is empty", put(attributes{"rsk": text("")}), "invalid_index_key"},
			{"an index key set to a number", update(table.Set("ssk", table.Number(1))), "invalid_index_key"},
			{"an index key added to", update(table.Add("msk", 1)), "invalid_index_key"},
			{"an index sort key of 1,025 bytes", put(attributes{"msk": text(strings.Repeat("x", 1025))}), "invalid_index_key"},
			{"an index partition key of 2,049 bytes", put(attributes{"mpk": text(strings.Repeat("x", 2049))}), "invalid_index_key"},
			{"an attribute changed twice", update(table.Add("a", 1), table.Remove("a")), "attribute_twice"},
			{"an update without a change", update(), "invalid_action"},
			{"101 changes", update(changes101...), "too_many_changes"},
			{"61 conditions", check(conditions61...), "too_many_conditions"},
			{"a check without a condition", check(), "invalid_action"},
			{"an unknown operation", []table.Action{{Op: 9, Item: item(at(1), nil)}}, "invalid_action"},
			{"an unknown change", update(table.Change{Op: 9, Name: "a"}), "invalid_change"},
			{"an unknown test", check(table.Condition{Test: 99, Name: "a"}), "invalid_condition"},
			{"a text added", update(table.Change{Op: table.ChangeAdd, Name: "a", Value: text("1")}), "invalid_change"},
			{"a bound that is a text", check(table.Condition{Test: table.TestAtLeast, Name: "a", Value: text("1")}), "invalid_condition"},
			{"attributes on a delete", []table.Action{{Op: table.OpDelete, Item: item(at(1), attributes{"a": text("x")})}}, "invalid_action"},
			{"changes on a put", []table.Action{{Op: table.OpPut, Item: item(at(1), nil), Changes: []table.Change{table.Remove("a")}}}, "invalid_action"},
		} {
			s.check("limit: "+test.name, func(c *c) {
				good := c.key("good")
				for _, actions := range [][]table.Action{test.actions, append([]table.Action{table.Put(item(good, nil))}, test.actions...)} {
					if len(actions) == 1 && test.code == "no_actions" {
						continue
					}
					err := c.cost(table.Usage{}, func(ctx context.Context) error { return c.table.Write(ctx, actions...) })
					c.invalid(err, test.code)
					if want := table.Validate(actions); err == nil || err.Error() != want.Error() {
						c.bad("got the words %v, want %v", err, want)
					}
				}
				c.is(good, nil)
				c.is(at(1), nil)
			})
		}
		s.check("limit: 100 changes and 60 conditions are taken", func(c *c) {
			key := c.key("a")
			conditions := []table.Condition{}
			for i := range 60 {
				conditions = append(conditions, table.MissingOrAtMost(fmt.Sprint("a", i), table.Number(1)))
			}
			changes := changes101[:100:100]
			for i := range changes {
				if i%2 == 0 {
					changes[i].Op = table.ChangeSetIfMissing
				}
			}
			c.must(c.write(table.Update(key, changes, conditions...)))
			c.must(c.write(table.Update(key, changes, conditions...), table.Put(item(c.key("b"), nil))))
		})
		s.check("limit: the longest keys and the largest item are taken", func(c *c) {
			key := table.Key{PK: strings.Repeat("p", 2048), SK: strings.Repeat("s", 1024)}
			big := sized(key, 400<<10, attributes{"mpk": text(strings.Repeat("m", 2048)), "msk": text(strings.Repeat("n", 1024))})
			c.put(big)
			c.is(key, big.Attributes)
			c.must(c.write(table.Delete(key)))
		})
		s.check("limit: a whole transaction of just under 4 MB is taken", func(c *c) {
			var actions []table.Action
			for i := range 10 {
				actions = append(actions, table.Put(sized(c.key(fmt.Sprint(i)), 400<<10, nil)))
			}
			c.must(c.write(actions...))
			for i := range 10 {
				c.must(c.write(table.Delete(c.key(fmt.Sprint(i)))))
			}
		})
		s.check("limit: a cancelled context writes nothing", func(c *c) {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			err := c.table.Write(ctx, table.Put(item(c.key("a"), nil)))
			refusal, ok := errors.AsType[*loyalty.Error](err)
			if !ok || refusal.Kind != loyalty.KindUnavailable || refusal.Code != "timeout" {
				c.bad("want KindUnavailable timeout, got %v", err)
			}
			if _, err := c.table.Get(ctx, table.Strong, c.key("a")); loyalty.KindOf(err) != loyalty.KindUnavailable {
				c.bad("get: want KindUnavailable, got %v", err)
			}
			c.is(c.key("a"), nil)
		})
	})
}
