package sim

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/huitou/huitou/shared/friend"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/notify"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
)

// friendship is one thing that WeCom tells of a contact (企业微信回调), up to three
// times.
type friendship struct {
	event friend.Event
	card  int // whose reference the State is; -1: none
	told  []time.Time
}

// external is the person's id as a WeCom contact (外部联系人).
func (p *person) external() string { return "contact of " + p.name }

// drawFriends lets people who ask for a card become friends of the staff by it,
// leave, and come back; and lets the card's link be passed on.
func (p *plan) drawFriends(r *rand.Rand) {
	add := func(who *person, change friend.Change, at time.Time, staff string, card int) {
		f := &friendship{card: card, event: friend.Event{Change: change, At: at.UTC().Truncate(time.Second), User: staff, External: who.external()}}
		if change == friend.Added && r.IntN(3) > 0 {
			f.event.WelcomeCode = fmt.Sprint("welcome-", len(p.friends))
		}
		for range 1 + r.IntN(3) {
			f.told = append(f.told, f.event.At.Add(time.Duration(500+r.IntN(5000))*time.Millisecond))
		}
		p.friends = append(p.friends, f)
	}
	for _, a := range p.asks[:min(len(p.asks), 6)] {
		if r.IntN(3) == 0 {
			continue
		}
		staff := []string{"zhang", "li"}[r.IntN(2)]
		at := a.at.Add(time.Duration(r.IntN(60)-10) * time.Second)
		if r.IntN(3) == 0 { // he kept the link for weeks
			at = day(3+r.IntN(30), time.Duration(r.IntN(24))*time.Hour)
		}
		add(a.by, friend.Added, at, staff, a.card)
		if r.IntN(4) == 0 { // his link, passed on
			add(p.people[r.IntN(len(p.people))], friend.Added, at.Add(time.Duration(r.IntN(4))*time.Second), staff, a.card)
		}
		switch gone := at.Add(time.Duration(1+r.IntN(20*24)) * time.Hour); r.IntN(4) {
		case 0:
			add(a.by, friend.Removed, gone, staff, -1)
		case 1:
			add(a.by, friend.Added, at.Add(time.Hour), "wang", -1)
			add(a.by, friend.Dropped, gone, staff, -1)
			add(a.by, friend.Removed, gone.Add(time.Duration(r.IntN(3))*time.Second), "wang", -1)
		case 2:
			add(a.by, friend.Removed, gone, staff, -1)
			add(a.by, friend.Added, gone.Add(time.Duration(r.IntN(2))*time.Hour), staff, a.card)
		}
	}
}

// befriend puts on the queue what WeCom tells.
func (s *simulation) befriend() {
	for _, f := range s.plan.friends {
		if f.card >= 0 {
			reference, err := s.keys.Reference(s.plan.batch.Code(f.card))
			s.must(err)
			f.event.State = reference
		}
		for _, at := range f.told {
			s.at(at, func() { s.friends.put(string(f.event.Encode())) })
		}
	}
}

// greeter is WeCom as it takes greetings (欢迎语): one for each code.
type greeter struct{ of *instance }

var _ notify.Notifier = greeter{}

// Send implements notify.Notifier.
func (g greeter) Send(_ context.Context, sent notify.Message) error {
	v := g.of.current
	if err := v.before("greet " + sent.ID); err != nil {
		return err
	}
	timeout := loyalty.Refuse(loyalty.KindUnavailable, "receiver_timeout", "the receiver did not answer")
	if _, lost := v.strikes(NotifierBefore); lost {
		return timeout
	}
	if v.check.greeted[sent.WelcomeCode] {
		return loyalty.Refuse(loyalty.KindInvalid, "message_refused", "the code was used")
	}
	v.check.greeted[sent.WelcomeCode] = true
	if !v.check.due[sent.WelcomeCode] {
		v.violate("I24", "a greeting leaves before it is on record")
	}
	if _, lost := v.strikes(NotifierAfter); lost {
		return timeout
	}
	return v.after()
}

// befriended holds I2 to a contact's log, and counts what it tells.
func (c *checker) befriended(key table.Key, item *table.Item) {
	external := strings.TrimPrefix(key.PK, "F#")
	if item == nil {
		c.forgotFriends = true // with the person: what he counted for stays
		delete(c.facts, key)
		delete(c.welcomes, key)
		return
	}
	fact := document[friend.Fact](c.s, item)
	welcome := friend.Welcome(item.Text("welcome"))
	if was, known := c.facts[key]; known && was != item.Text("doc") {
		c.s.violate("I2", "a contact's fact has changed: %s %s", key.PK, key.SK)
	} else if !known {
		for _, other := range c.contacts[external] {
			if other.Change == fact.Change && other.At.Equal(fact.At) && other.User == fact.User && other.State == fact.State && !c.forgotFriends {
				c.s.violate("I3", "%s of %s is recorded twice", fact.Change, external)
			}
		}
		c.contacts[external] = append(c.contacts[external], fact)
	} else if was := c.welcomes[key]; was != friend.WelcomeDue && was != welcome {
		c.s.violate("I30", "a greeting passes from %q to %q", was, welcome)
	}
	if welcome == friend.WelcomeDue {
		for _, f := range c.s.plan.friends {
			if f.event.External == external && fact.Tells(f.event) {
				c.due[f.event.WelcomeCode] = true
			}
		}
	}
	c.facts[key], c.welcomes[key] = item.Text("doc"), welcome
}

// tied holds that a card brings one contact.
func (c *checker) tied(key table.Key, item *table.Item) {
	if item == nil {
		c.s.violate("I2", "a card has lost its friend: %s %s", key.PK, key.SK)
		return
	}
	is := item.Text("external")
	if was, known := c.facts[key]; known && was != is && is != "erased" {
		c.s.violate("I9", "a card brought %s, and then %s", was, is)
	}
	c.facts[key] = is
}

// tallied holds the counts of friends to the contacts' logs, by a fold of its
// own: a card brings a contact once, and he has left when he is nobody's friend.
func (c *checker) tallied() {
	if c.forgotFriends {
		return // a log was taken away, and what it counted for stays
	}
	want := map[string]int64{}
	for _, log := range c.contacts {
		facts := slices.Clone(log)
		slices.SortStableFunc(facts, func(a, b friend.Fact) int {
			return cmp.Or(a.At.Compare(b.At), strings.Compare(string(a.Change), string(b.Change))) // "added" is the first of them
		})
		staff, stays := map[string]bool{}, map[friend.Card][2]time.Time{}
		for _, fact := range facts {
			switch {
			case fact.Change == friend.Added:
				staff[fact.User] = true
				if _, back := stays[value(fact.Card)]; fact.Card != nil && !back {
					stays[*fact.Card] = [2]time.Time{fact.At}
				}
			case staff[fact.User]:
				delete(staff, fact.User)
				for card, stay := range stays {
					if len(staff) == 0 && stay[1].IsZero() {
						stays[card] = [2]time.Time{stay[0], fact.At}
					}
				}
			}
		}
		for card, stay := range stays {
			cohort := fmt.Sprint(stay[0].In(zone).Format(time.DateOnly), " arm ", card.Arm)
			want[cohort]++
			if !stay[1].IsZero() {
				want[fmt.Sprint(cohort, " gone after ", int(stay[1].Sub(stay[0]).Hours()/24))]++
			}
		}
	}
	page, err := c.s.engine.Query(c.s.ctx, table.Query{PK: table.FriendTallyPK(c.s.plan.batch.ID()), Limit: 1000, Consistency: table.Strong})
	c.s.must(err)
	for _, item := range page.Items {
		cohort := fmt.Sprint(item.Text("day"), " arm ", item.Int("arm"))
		want[cohort] -= item.Int("added")
		for name, count := range item.Attributes {
			if days, gone := strings.CutPrefix(name, "gone:"); gone {
				want[cohort+" gone after "+days] -= count.Int()
			}
		}
	}
	for cohort, off := range want {
		if off != 0 {
			c.s.violate("I3", "of the friends of %s %d are not counted as the logs tell", cohort, off)
		}
	}
}

func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// finishFriends holds at rest that all that WeCom told is known, that no greeting
// is open, and that a contact is only of one who won the card that brought him.
func (s *simulation) finishFriends() {
	for _, f := range s.plan.friends {
		log := s.check.contacts[f.event.External]
		if !slices.ContainsFunc(log, func(fact friend.Fact) bool { return fact.Tells(f.event) }) {
			s.violate("I26", "%s of %s is not known", f.event.Change, f.event.External)
		}
	}
	for key, welcome := range s.check.welcomes {
		if welcome == friend.WelcomeDue {
			s.violate("I37", "a greeting stays due: %s %s", key.PK, key.SK)
		}
	}
	for _, who := range s.plan.people {
		owners, err := s.raw().Owners(s.ctx, store.WeComIdentity(who.external()))
		s.must(err)
		if owners[0] == "" {
			continue
		}
		his := slices.ContainsFunc(s.check.contacts[who.external()], func(fact friend.Fact) bool {
			if fact.Card == nil {
				return false
			}
			won := s.check.owners[table.CardKey(fact.Card.Batch, int64(fact.Card.Card))]
			return won == owners[0] || s.personOf(won).related(s.personOf(owners[0]))
		})
		if !his {
			s.violate("I33", "%s has the contact %s, and no card of his brought it", owners[0], who.external())
		}
	}
}
