package tabletest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/table"
)

// together runs n writes at the same moment, each again while it loses a
// conflict, and counts those that were done and those that were refused.
func (c *c) together(n int, actions func(i int) []table.Action) (done, refused int) {
	var mu sync.Mutex
	var group sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		group.Go(func() {
			<-start
			err := c.write(actions(i)...)
			for again := 0; again < 100 && loyalty.KindOf(err) == loyalty.KindUnavailable; again++ {
				err = c.write(actions(i)...)
			}
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				done++
			} else if _, ok := errors.AsType[*table.ConditionError](err); ok {
				refused++
			} else {
				c.bad("write %d: %v", i, err)
			}
		})
	}
	close(start)
	group.Wait()
	return done, refused
}

func (s *suite) races() {
	n := table.Number
	s.group("races", func() {
		s.check("race: of 64 who put where nothing is, one wins", func(c *c) {
			done, refused := c.together(64, func(i int) []table.Action {
				return []table.Action{table.Put(item(c.key("a"), attributes{"who": n(int64(i))}), table.Absent())}
			})
			c.same("winners", done, 1)
			c.same("losers", refused, 63)
		})
		s.check("race: of 64 transactions for one item, one wins whole", func(c *c) {
			done, refused := c.together(64, func(i int) []table.Action {
				return []table.Action{
					table.Put(item(c.key("card"), attributes{"who": n(int64(i))}), table.Absent()),
					table.Put(item(c.sort(fmt.Sprintf("%02d", i)), nil), table.Absent()),
					table.Update(c.key("counter"), []table.Change{table.Add("n", 1)}),
				}
			})
			c.same("winners", done, 1)
			c.same("losers", refused, 63)
			c.is(c.key("counter"), attributes{"n": n(1)})
			page, err := c.table.Query(context.Background(), table.Query{PK: c.prefix + "p", Limit: 100, Consistency: table.Strong})
			c.must(err)
			c.same("ledger entries", len(page.Items), 1)
		})
		s.check("race: 64 adds add up", func(c *c) {
			done, _ := c.together(64, func(int) []table.Action {
				return []table.Action{table.Update(c.key("a"), []table.Change{table.Add("n", 3)})}
			})
			c.same("done", done, 64)
			c.is(c.key("a"), attributes{"n": n(192)})
		})
		s.check("race: 64 who take from 10 get 10", func(c *c) {
			c.put(item(c.key("stock"), attributes{"left": n(10)}))
			done, refused := c.together(64, func(i int) []table.Action {
				return []table.Action{
					table.Update(c.key("stock"), []table.Change{table.Add("left", -1)}, table.AtLeast("left", 1)),
					table.Put(item(c.sort(fmt.Sprintf("%02d", i)), nil), table.Absent()),
				}
			})
			c.same("winners", done, 10)
			c.same("losers", refused, 54)
			c.is(c.key("stock"), attributes{"left": n(0)})
		})
		s.check("race: money moves between accounts and none is lost", func(c *c) {
			c.put(item(c.key("0"), attributes{"n": n(20)}), item(c.key("1"), attributes{"n": n(20)}), item(c.key("2"), attributes{"n": n(20)}))
			done, refused := c.together(60, func(i int) []table.Action {
				from, to := c.key(fmt.Sprint(i%3)), c.key(fmt.Sprint((i+1+i%2)%3))
				return []table.Action{
					table.Update(from, []table.Change{table.Add("n", -7)}, table.AtLeast("n", 7)),
					table.Update(to, []table.Change{table.Add("n", 7)}),
				}
			})
			c.same("settled", done+refused, 60)
			got, err := c.table.Get(context.Background(), table.Strong, c.key("0"), c.key("1"), c.key("2"))
			c.must(err)
			sum := int64(0)
			for _, one := range got {
				if one.Int("n") < 0 {
					c.bad("an account is at %d", one.Int("n"))
				}
				sum += one.Int("n")
			}
			c.same("sum", sum, int64(60))
		})
	})
}
