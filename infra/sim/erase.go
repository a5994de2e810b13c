package sim

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/huitou/huitou/shared/friend"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
)

// erasure is that a person has himself erased (注销).
type erasure struct {
	of   *person
	at   time.Time
	done bool
}

func (p *plan) drawErasures(r *rand.Rand) {
	for range 1 + r.IntN(2) {
		who := p.people[r.IntN(len(p.people)-1)] // the last is a stranger
		if who.joins.IsZero() && !slices.ContainsFunc(p.erasures, func(e *erasure) bool { return e.of == who }) {
			e := &erasure{of: who, at: p.moment(r, who, who).Add(time.Duration(r.IntN(300)) * time.Hour)}
			p.erasures = append(p.erasures, e)
			for _, a := range p.asks {
				if a.by == who && r.IntN(2) == 0 { // the link of his card is still in use
					later := e.at.Add(2 * time.Hour).UTC().Truncate(time.Second)
					p.friends = append(p.friends, &friendship{
						card: a.card, told: []time.Time{later.Add(2 * time.Second)},
						event: friend.Event{Change: friend.Added, At: later, User: "zhang", External: who.external()},
					})
				}
			}
		}
	}
}

// erase has a person erased as the operators' endpoint does: of one who is a part
// of another, that one.
func (s *simulation) erase(e *erasure) {
	path := func() string {
		member := e.of.member
		if account, err := s.raw().Account(s.ctx, member); err == nil && account.Merged != nil {
			member = account.Merged.Into
		}
		return "/v1/members/" + string(member) + "?reason=simulated"
	}
	s.ask(act{what: e.of.name + " is erased", method: http.MethodDelete, path: path}, func(status int, body string) {
		switch {
		case status == http.StatusNoContent:
			e.done = true
		case status == http.StatusConflict && strings.Contains(body, "member_merged"): // meanwhile
			s.in(s.patience(0), func() { s.erase(e) })
		default:
			s.violate("I12", "to erase %s is answered with %d %s", e.of.name, status, body)
		}
	})
}

// marks are what a person is known by, as it may stand in the table: nothing of
// it may be left when he is erased.
func (p *person) marks() map[string]string {
	marks := map[string]string{
		"his phone": p.phone, "his phone, masked": p.phone[:3] + "****" + p.phone[7:], "his openid": p.openID.Value, "his buyer id": p.buyer.Value,
		"what the brand knows of him": p.nickname(), "his contact": p.external(),
	}
	for _, identity := range p.identities() {
		if identity.Kind == loyalty.IdentityPhone {
			marks["his phone's token"] = identity.Value
		}
	}
	return marks
}

// nickname is a fact that the brand knows of the person.
func (p *person) nickname() string { return "nickname of " + p.name }

// finishErasures holds that of who was erased nothing is left but a bare id: not
// in his items and not in those of others. What came under his names afterwards
// is a stranger's.
func (s *simulation) finishErasures() {
	for _, e := range s.plan.erasures {
		if !e.done {
			s.violate("I37", "%s is not erased", e.of.name)
		}
	}
	var erased []*person
	for _, who := range s.plan.people {
		if who.erased {
			erased = append(erased, who)
		}
	}
	if len(erased) == 0 {
		return
	}
	for _, item := range s.items() {
		text := item.Key.PK + " " + item.Key.SK
		for _, name := range slices.Sorted(maps.Keys(item.Attributes)) {
			value := item.Attributes[name]
			text += " " + name
			if value.IsString() {
				text += " " + value.Text()
			}
		}
		for _, who := range erased {
			if item.Int(table.ExpiresAttribute) != 0 {
				continue // a counter against abuse, which is gone in days
			}
			since := s.check.since[item.Key]
			if since.commit > who.forgotten.commit && !strings.Contains(text, string(who.member)) {
				continue
			}
			if owner := s.check.owners[item.Key]; owner != "" && owner != who.member {
				continue // the card is another's: of him whose part he was, or who proved what was reserved for his phone
			}
			missed := who.forgotten.at.Sub(since.at) < most || s.faults.counts[IndexItemMissing] > 0
			if missed && kindOf(item.Key) == cardItem && !strings.Contains(text, `"member"`) {
				continue // it was reserved for his phone, and the index did not show it
			}
			marks := who.marks()
			if s.check.contactOf[store.WeComIdentity(who.external())] != who.member {
				delete(marks, "his contact") // nobody knows that it is his
			}
			for _, what := range slices.Sorted(maps.Keys(marks)) {
				if holds(text, marks[what]) {
					s.violate("I34", "%s is erased, and %s stands in %s %s", who.name, what, item.Key.PK, item.Key.SK)
				}
			}
		}
	}
}

// items are all of the table.
func (s *simulation) items() []table.Item {
	var all []table.Item
	for scan := (table.Scan{Segments: 1, Limit: 1000}); ; {
		page, err := s.engine.Scan(s.ctx, scan)
		s.must(err)
		all = append(all, page.Items...)
		if scan.Cursor = page.Next; page.Next == "" {
			return all
		}
	}
}

// holds tells whether a text holds a mark that does not go on with a digit.
func holds(text, mark string) bool {
	for {
		_, rest, found := strings.Cut(text, mark)
		if !found {
			return false
		}
		if rest == "" || rest[0] < '0' || rest[0] > '9' {
			return true
		}
		text = rest
	}
}

// forgot keeps when the first of a person's identities was nobody's any more, but
// for his member who joins anew.
func (c *checker) forgot(key table.Key) {
	for _, who := range c.s.plan.people {
		if who.forgotten.commit != 0 || who.member == "" {
			continue
		}
		for _, identity := range who.identities() {
			if table.IdentityKey(identity.Identity) == key {
				who.forgotten = moment{c.s.commits, c.s.now()}
			}
		}
	}
}

// known keeps whose a contact is.
func (c *checker) known(key table.Key) {
	for _, who := range c.s.plan.people {
		identity := store.WeComIdentity(who.external())
		if table.IdentityKey(identity) == key {
			owners, err := c.s.raw().Owners(c.s.ctx, identity)
			c.s.must(err)
			c.contactOf[identity] = owners[0]
		}
	}
}

// outlived keeps who was erased.
func (c *checker) outlived(member loyalty.MemberID) {
	for _, who := range c.s.plan.people {
		if who.member == member && !who.erased {
			who.erased = true
			if who.forgotten.commit == 0 {
				who.forgotten = moment{c.s.commits, c.s.now()}
			}
			c.s.record(who.name, fmt.Sprint("is erased: ", member))
		}
	}
}
