package sim

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
)

// union is what an operator does to two members: he merges the one into the
// other (会员合并), or undoes that.
type union struct {
	into, part *person
	undo       bool
	at         time.Time
	key        string
	held       bool // until a function looks at either, if that comes first
	begun      bool
}

// drawTwin adds somebody who is a member twice.
func (p *plan) drawTwin(r *rand.Rand) {
	twin := drawPerson(r, 5)
	p.people = slices.Insert(p.people, len(p.people)-1, twin)
	for i := range 1 + r.IntN(3) {
		o := p.drawOrder(r, 40+i)
		o.buyer, o.phone = twin, false
		for _, n := range o.news {
			n.held, n.event.Buyer.ID, n.event.Buyer.Phone = false, twin.buyer.Value, ""
		}
		p.orders = append(p.orders, o)
	}
}

// drawUnions merges members, undoes some of it, and merges some again: also the
// other way round, and both ways at one instant.
func (p *plan) drawUnions(r *rand.Rand) {
	var people []*person
	for _, who := range p.people {
		if !who.stranger {
			people = append(people, who)
		}
	}
	if len(people) < 2 {
		return
	}
	add := func(into, part *person, undo bool, at time.Time) *union {
		u := &union{into: into, part: part, undo: undo, at: earlier(at, day(lastDay-1, 0)), key: fmt.Sprint("union-", len(p.unions))}
		p.unions = append(p.unions, u)
		into.family = append(into.family, part)
		part.family = append(part.family, into)
		return u
	}
	jitter := func(most int) time.Duration { return time.Duration(r.IntN(2*most)-most) * time.Millisecond }
	for range 1 + r.IntN(2) {
		r.Shuffle(len(people), func(i, j int) { people[i], people[j] = people[j], people[i] })
		into, part := people[0], people[1]
		at := p.moment(r, into, part)
		u := add(into, part, false, at)
		if r.IntN(3) == 0 {
			u.held, u.at = true, later(at, day(16, 0))
		}
		switch r.IntN(6) {
		case 0:
			add(part, into, false, u.at.Add(jitter(300)))
		case 1:
			if len(people) > 2 {
				add(into, people[2], false, u.at.Add(jitter(300)))
			}
		}
		if r.IntN(5) == 0 {
			continue
		}
		at = []time.Time{u.at.Add(jitter(4000)), u.at.Add(30 * time.Hour), later(u.at, p.moment(r, into, part)), later(u.at, day(34, 10*time.Hour+20*time.Minute)), later(u.at, monthEnds)}[r.IntN(5)]
		add(into, part, true, at.Add(jitter(2000)))
		if r.IntN(3) == 0 {
			if r.IntN(2) == 0 {
				into, part = part, into
			}
			add(into, part, false, at.Add(time.Duration(r.IntN(100))*time.Hour))
		}
	}
}

// moment is when something else happens to either of two people.
func (p *plan) moment(r *rand.Rand, one, other *person) time.Time {
	moments := []time.Time{
		burst(r, r.IntN(3)), day(8+2*r.IntN(4), 10*time.Hour+15*time.Minute), day([]int{11, 12, 13, 21}[r.IntN(4)], 9*time.Hour+5*time.Minute),
		day(15, 12*time.Hour), monthEnds,
	}
	for _, o := range p.orders {
		if o.buyer == one || o.buyer == other {
			moments = append(moments, o.news[r.IntN(len(o.news))].arrives)
		}
	}
	for _, sp := range p.spendings {
		if sp.by == one || sp.by == other {
			moments = append(moments, sp.at, sp.over)
		}
	}
	return moments[r.IntN(len(moments))].Add(time.Duration(r.IntN(4000)-800) * time.Millisecond)
}

// related tells whether two people ever are, or are to be, one member.
func (p *person) related(other *person) bool {
	if p == nil || other == nil {
		return false
	}
	seen := []*person{p}
	for i := 0; i < len(seen); i++ {
		for _, next := range seen[i].family {
			if !slices.Contains(seen, next) {
				seen = append(seen, next)
			}
		}
	}
	return slices.Contains(seen, other)
}

// adopted tells whether a person may have become another's by joining: what
// identities he brings while he is a part of that one are the whole's.
func (p *person) adopted(by *person) bool { return p != nil && !p.joins.IsZero() && p.related(by) }

// unite merges, or undoes that, as the operators' endpoints do.
func (s *simulation) unite(u *union) {
	if u.begun {
		return
	}
	u.begun = true
	s.tryUnite(u, 0)
}

func (s *simulation) tryUnite(u *union, tries int) {
	verb := "merge"
	if u.undo {
		verb = "unmerge"
	}
	into, part := s.memberOf(u.into), s.memberOf(u.part)
	if into == "" || part == "" {
		return
	}
	s.ask(act{
		what: fmt.Sprintf("%s %s and %s", verb, u.into.name, u.part.name), method: http.MethodPost, path: func() string { return "/v1/members/" + string(into) + "/" + verb }, key: u.key,
		body: map[string]any{"member_id": part, "reason": "simulated"},
	}, func(status int, body string) {
		switch {
		case status == http.StatusOK && !u.undo && !s.check.acts[[2]loyalty.MemberID{into, part}]:
			s.violate("I12", "an operator was told that %s is merged into %s, and nothing says so", part, into)
		case status == http.StatusOK && u.undo && !s.check.undone[[2]loyalty.MemberID{into, part}]:
			s.violate("I12", "an operator was told that %s lets %s go, and nothing says so", into, part)
		case status == http.StatusOK:
		case status == http.StatusConflict && strings.Contains(body, "reservation_open") && tries < 3:
			u.key += "'"
			s.in(2*time.Hour, func() { s.tryUnite(u, tries+1) })
		case status != http.StatusConflict && status != http.StatusNotFound:
			s.violate("I12", "to %s %s and %s is answered with %d %s", verb, u.into.name, u.part.name, status, body)
		}
	})
}

// united lets what operators do to a member happen while a function is at work
// on him.
func (s *simulation) united(member loyalty.MemberID) {
	for _, u := range s.plan.unions {
		if u.held && !u.begun && (s.memberOf(u.into) == member || s.memberOf(u.part) == member) {
			s.in(time.Duration(s.rng.IntN(400))*time.Millisecond, func() { s.unite(u) })
		}
	}
}

// acting is the member as whom a person acts: the one of whom he is a part, if he
// is; "" while he is nobody.
func (s *simulation) acting(ctx context.Context, data store.Store, who *person) (loyalty.MemberID, error) {
	owners, err := data.Owners(ctx, who.openID)
	if err != nil {
		return "", err
	}
	if owners[0] == "" || len(who.family) == 0 {
		return owners[0], nil
	}
	account, err := data.Account(ctx, owners[0])
	if err == nil && account.Merged != nil {
		return account.Merged.Into, nil
	}
	return owners[0], err
}

// own is what a member's own entries sum to, without those that others brought
// him.
type own struct {
	value, pending, growing loyalty.Points
	growth                  map[string]loyalty.Points
}

func (o *own) add(entry points.Entry) {
	o.value += entry.Amount()
	o.pending += entry.Pending
	if g := entry.Growth; g != nil {
		o.growing += g.Pending
		o.growth[g.Month] += g.Counting
	}
}

// value is all that a member has, wherever it lies.
func (p *purse) value() loyalty.Points { return p.Available + p.Pending - p.Debt + p.expired }

// merged holds a merge, and its undoing, to what the part has at that moment:
// that much comes, or goes, of points and of growth, and it happens to members
// who are not parts, or wholes, of others.
func (c *checker) merged(by *invocation, key table.Key, item *table.Item) {
	if !c.written(key, item) {
		return
	}
	fact := document[points.Fact](c.s, item)
	part := loyalty.MemberID(strings.Split(key.SK, "#")[1])
	sign := loyalty.Points(1)
	switch {
	case fact.Kind == points.FactMerged && (c.wholes[part] != "" || c.wholes[fact.Member] != "" || c.has(part)):
		c.s.violate("I30", "%s is merged into %s, and one is merged", part, fact.Member)
	case fact.Kind == points.FactMerged:
		c.wholes[part], c.acts[[2]loyalty.MemberID{fact.Member, part}] = fact.Member, true
	case fact.Kind == points.FactUnmerged && c.wholes[part] != fact.Member:
		c.s.violate("I30", "%s lets %s go, who is no part of him", fact.Member, part)
	case fact.Kind == points.FactUnmerged:
		sign = -1
		delete(c.wholes, part)
		c.undone[[2]loyalty.MemberID{fact.Member, part}] = true
	default:
		c.s.violate("I2", "a merge says %q", fact.Kind)
	}
	var moved own
	moved.growth = map[string]loyalty.Points{}
	for _, entry := range fact.Entries {
		moved.add(entry)
	}
	has := c.purse(part)
	if moved.value != sign*has.value() || moved.pending != sign*has.Pending {
		c.s.violate("I7", "%s of %s moves %d points, %d pending, and he has %d and %d", fact.Kind, part, moved.value, moved.pending, has.value(), has.Pending)
	}
	if moved.growing != sign*has.growing {
		c.s.violate("I7", "%s of %s moves %d pending growth of %d", fact.Kind, part, moved.growing, has.growing)
	}
	for month := range has.growth {
		moved.growth[month] -= sign * has.growth[month]
	}
	for _, month := range slices.Sorted(maps.Keys(moved.growth)) {
		if off := moved.growth[month]; off != 0 {
			c.s.violate("I7", "%s of %s moves %d growth of %s too much", fact.Kind, part, off, month)
		}
	}
	c.post(by, fact, "")
}

// has tells whether anybody is a part of the member.
func (c *checker) has(member loyalty.MemberID) bool {
	for _, whole := range c.wholes {
		if whole == member {
			return true
		}
	}
	return false
}

// mirrored keeps what an order's fact did to the member whose part its owner is,
// for the fact to be held to it.
func (c *checker) mirrored(by *invocation, key table.Key, item *table.Item) {
	if c.written(key, item) {
		record := document[store.Record](c.s, item)
		c.mirrors = append(c.mirrors, mirror{by, record})
	}
}

type mirror struct {
	by     *invocation
	record store.Record
}

// reflected holds the facts of a commit to their mirrors: where the owner of an
// order is a part of another, what happens to his points happens to the other's,
// by the same write and to the point; and nothing else does.
func (c *checker) reflected(facts []store.Record) {
	for _, fact := range facts {
		whole := c.wholes[fact.Member]
		if whole == "" || len(fact.Entries) == 0 {
			continue
		}
		at := slices.IndexFunc(c.mirrors, func(m mirror) bool {
			of := m.record.Mirror
			return of != nil && m.record.Member == whole && of.Part == fact.Member && of.Order == fact.Order && of.Seq == fact.Seq
		})
		if at < 0 {
			c.s.violate("I7", "%s of %s moves the points of %s, and not those of %s, whose part he is", fact.Kind, fact.Order.Order, fact.Member, whole)
			continue
		}
		m := c.mirrors[at]
		c.mirrors = slices.Delete(c.mirrors, at, at+1)
		if !slices.EqualFunc(fact.Entries, m.record.Entries, func(a, b points.Entry) bool {
			return a.ID == b.ID && a.Kind == b.Kind && a.Amount() == b.Amount() && a.Pending == b.Pending
		}) {
			c.s.violate("I7", "%s of %s does %+v to %s and %+v to %s", fact.Kind, fact.Order.Order, fact.Entries, fact.Member, m.record.Entries, whole)
		}
		c.post(m.by, m.record.Fact, "mirrored for "+string(whole)+" ")
	}
	for _, m := range c.mirrors {
		c.s.violate("I7", "%s of %s is mirrored for %s, and did not happen", m.record.Kind, m.record.Mirror.Order.Order, m.record.Member)
	}
	c.mirrors = nil
}

// together holds what a member has to what he and his parts brought, each by
// himself.
func (c *checker) together(member loyalty.MemberID) {
	if whole := c.wholes[member]; whole != "" {
		c.together(whole)
	}
	is := c.purse(member)
	want := own{growth: map[string]loyalty.Points{}}
	for _, of := range c.partsOf(member) {
		brought := c.purse(of).own
		want.value, want.pending, want.growing = want.value+brought.value, want.pending+brought.pending, want.growing+brought.growing
		for month, counting := range brought.growth {
			want.growth[month] += counting
		}
	}
	if is.value() != want.value || is.Pending != want.pending {
		c.s.violate("I7", "%s has %d points, %d of them pending, and he and his parts brought %d and %d", member, is.value(), is.Pending, want.value, want.pending)
	}
	if is.growing != want.growing {
		c.s.violate("I7", "%s has %d growth pending, and he and his parts brought %d", member, is.growing, want.growing)
	}
	for _, month := range slices.Sorted(maps.Keys(is.growth)) {
		if is.growth[month] != want.growth[month] {
			c.s.violate("I7", "%s has %d growth of %s, and he and his parts brought %d", member, is.growth[month], month, want.growth[month])
		}
	}
}

// partsOf are the member and who was merged into him.
func (c *checker) partsOf(member loyalty.MemberID) []loyalty.MemberID {
	all := []loyalty.MemberID{member}
	for _, part := range slices.Sorted(maps.Keys(c.wholes)) {
		if c.wholes[part] == member {
			all = append(all, part)
		}
	}
	return all
}

// finishUnions holds the purchases that members count at rest: those of their own
// orders and of their parts'.
func (s *simulation) finishUnions() {
	type counted struct {
		orders int64
		paid   loyalty.Fen
	}
	of := map[loyalty.MemberID]counted{}
	bought := map[[2]string]int64{}
	for _, o := range s.plan.orders {
		log := s.check.logs[o.key]
		if log == nil || log.member == "" || len(log.paid) == 0 {
			continue
		}
		count := of[log.member]
		var left loyalty.Fen
		kept := map[string]bool{}
		for _, line := range o.lines {
			paid, known := log.paid[line.LineID]
			if !known {
				continue
			}
			count.paid += paid
			left += max(0, paid-log.back(line.LineID))
			if log.back(line.LineID) < paid && !log.cancelled {
				kept[line.Category] = true
			}
		}
		if left > 0 && !log.cancelled {
			count.orders++
		}
		of[log.member] = count
		for category := range kept {
			bought[[2]string{string(log.member), category}]++
		}
	}
	for _, member := range slices.Sorted(maps.Keys(s.check.account)) {
		account := s.check.account[member]
		var want counted
		count := map[string]int64{}
		for _, part := range s.check.partsOf(member) {
			want.orders, want.paid = want.orders+of[part].orders, want.paid+of[part].paid
			for _, category := range []string{milk, wipes, "toys"} {
				count[category] += bought[[2]string{string(part), category}]
			}
		}
		if account.Orders != want.orders || account.Paid != want.paid {
			s.violate("I1", "%s has %d orders of %d fen, and the logs say %d of %d", member, account.Orders, account.Paid, want.orders, want.paid)
		}
		for _, category := range []string{milk, wipes, "toys"} {
			if is := account.Bought[category].Count; is != count[category] {
				s.violate("I1", "%s bought %s %d times, and the logs say %d", member, category, is, count[category])
			}
		}
	}
}
