package sim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/huitou/huitou/shared/ledger"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
)

// dailyPoints and bonusPoints are what the simulated brand gives for a check-in
// and, beside, on the second day of every three in a row.
const (
	dailyPoints = 20
	bonusPoints = 30
)

var checkInRules = &points.CheckInRules{
	Daily: dailyPoints, Streak: []points.StreakBonus{{Days: 2, Bonus: bonusPoints}}, CycleDays: 3,
}

// visit is one wish to check in; visits of one person may be at one instant.
type visit struct {
	by      *person
	at      time.Time
	request string
	member  loyalty.MemberID // as whom he came
	told    *points.CheckIn
	refused bool
}

// drawVisits lets people check in on some days in a row, now and then from two
// devices at once: at the turn of the day, when points are spent, and when
// refunds come in for what is spent.
func drawVisits(seed uint64, people []*person) []*visit {
	r := rand.New(rand.NewPCG(seed, 5))
	var visits []*visit
	add := func(by *person, at time.Time) {
		visits = append(visits, &visit{by: by, at: at, request: fmt.Sprint("visit-", len(visits))})
	}
	for _, who := range people {
		for range r.IntN(3) {
			first := []int{1, 9, 13, 14, 33, 34}[r.IntN(6)]
			for n := range 1 + r.IntN(4) {
				at := day(min(first+n, lastDay-1), []time.Duration{0, 0, 10*time.Hour + 20*time.Minute, 12 * time.Hour}[r.IntN(4)])
				add(who, at.Add(time.Duration(r.IntN(4000)-2000)*time.Millisecond))
				if r.IntN(2) == 0 {
					add(who, at.Add(time.Duration(r.IntN(4000)-2000)*time.Millisecond))
				}
			}
		}
	}
	return visits
}

// checkIn asks for a visit's check-in until there is an answer.
func (s *simulation) checkIn(v *visit) {
	s.call(v.by.name+" checks in", func(ctx context.Context, data store.Store, i *instance) error {
		member, err := s.acting(ctx, data, v.by)
		if err != nil || member == "" {
			return err
		}
		versions, err := data.Programs(ctx)
		if err != nil {
			return err
		}
		now := i.clock()
		got, _, err := ledger.CheckIn(ctx, data, program.At(versions, now), member, v.request, now)
		switch {
		case err == nil:
			v.told, v.member = &got, member
		case loyalty.KindOf(err) == loyalty.KindConflict && (len(v.by.family) > 0 || v.by.forgotten.commit > 0):
			v.refused = true // he is a part of another by now, or was erased
			return nil
		}
		return err
	})
}

// checkedIn is what the checker reads of a day's item.
type checkedIn struct {
	points.Fact
	Day    string         `json:"day"`
	Streak int64          `json:"streak"`
	Points loyalty.Points `json:"points"`
}

// checkedIn holds I2 and I3 (a day counts once and stays as it is) and, by a
// calendar of its own, what the day gives.
func (c *checker) checkedIn(by *invocation, key table.Key, item *table.Item) {
	if item == nil {
		c.s.violate("I2", "a check-in is gone: %s %s", key.PK, key.SK)
		return
	}
	if was, known := c.facts[key]; known {
		c.s.violate("I3", "%s is checked in again: %s, then %s", key.SK, was, item.Text("doc"))
		return
	}
	c.facts[key] = item.Text("doc")
	is := document[checkedIn](c.s, item)
	days := c.days[is.Member]
	if len(days) > 0 && days[len(days)-1] >= is.Day {
		c.s.violate("I2", "%s of %s is checked in after %s", is.Day, is.Member, days[len(days)-1])
	}
	if is.Day != is.At.In(zone).Format(time.DateOnly) || !strings.HasSuffix(key.SK, is.Day) {
		c.s.violate("I3", "%s checks in for %s at %s", is.Member, is.Day, is.At)
	}
	days = append(days, is.Day)
	c.days[is.Member] = days
	streak, most := c.run(is, days), c.run(is, c.daysTogether(is.Member))
	if streak <= is.Streak && is.Streak <= most { // days of who was merged into the member go on
		streak = is.Streak
	}
	want := loyalty.Points(dailyPoints)
	if streak%3 == 2 {
		want += bonusPoints
	}
	if is.Streak != streak || is.Points != want {
		c.s.violate("I4", "day %s of %s is number %d in a row for %d points, and should be %d for %d", is.Day, is.Member, is.Streak, is.Points, streak, want)
	}
	var sum loyalty.Points
	for _, entry := range is.Entries {
		sum += entry.Available + entry.Pending - entry.Debt
	}
	if sum != want {
		c.s.violate("I4", "day %s of %s gives %d points of %d", is.Day, is.Member, sum, want)
	}
	c.gifts[is.Member] += want
	c.credit(by, is.Fact)
}

// run is how many of the days lie in a row up to that of a check-in.
func (c *checker) run(is checkedIn, days []string) (streak int64) {
	for date := is.At.In(zone); slices.Contains(days, date.Format(time.DateOnly)); date = date.AddDate(0, 0, -1) {
		streak++
	}
	return streak
}

// daysTogether are the days of a member and of all who were ever merged into them.
func (c *checker) daysTogether(member loyalty.MemberID) []string {
	days := slices.Clone(c.days[member])
	for pair := range c.acts {
		if pair[0] == member {
			days = append(days, c.days[pair[1]]...)
		}
	}
	return days
}

// finishVisits holds I12 and I37: everybody was answered, with the check-in
// that is recorded.
func (s *simulation) finishVisits(members map[*person]loyalty.MemberID) {
	for _, v := range s.plan.visits {
		member := members[v.by]
		if v.told == nil {
			if member != "" && !v.refused && v.by.forgotten.commit == 0 && !v.by.stranger && v.by.joins.IsZero() {
				s.violate("I37", "nobody ever answered %s about a check-in", member)
			}
			continue
		}
		if all := s.check.daysTogether(v.member); len(all) > len(s.check.days[v.member]) && slices.Contains(all, string(v.told.Day)) {
			continue // the person's, as whichever of the members
		}
		key := table.CheckInKey(v.member, string(v.told.Day))
		items, err := s.engine.Get(s.ctx, table.Strong, key)
		s.must(err)
		if items[0] == nil {
			s.violate("I12", "%s was told of a check-in on %s, and there is none", member, v.told.Day)
			return
		}
		if is := document[checkedIn](s, items[0]); is.Streak != v.told.Streak || is.Points != v.told.Points {
			s.violate("I12", "%s was told %+v, and day %d for %d points is recorded", member, *v.told, is.Streak, is.Points)
		}
	}
}
