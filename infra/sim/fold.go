package sim

import (
	"maps"
	"slices"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
)

// purse is the checker's own fold of all entries of one member.
type purse struct {
	points.Balance
	lots    map[int64]*lot            // by their ends
	growth  map[string]loyalty.Points // that counts, by month
	growing loyalty.Points

	// Double entry, by the kinds of the entries: with what the balance has, these
	// come to nothing.
	issued, spent, clawed, expired loyalty.Points

	own     own  // of all that, what others did not bring him
	forever bool // some of it may have no end, whatever the rules say
}

// lot is a lot as its entries tell.
type lot struct {
	until         time.Time
	left, expired loyalty.Points
	filled        int // the commit that filled it last
}

func (c *checker) purse(member loyalty.MemberID) *purse {
	p := c.purses[member]
	if p == nil {
		p = &purse{lots: map[int64]*lot{}, growth: map[string]loyalty.Points{}, own: own{growth: map[string]loyalty.Points{}}}
		c.purses[member] = p
	}
	return p
}

func (p *purse) lot(until time.Time) *lot {
	l := p.lots[until.Unix()]
	if l == nil {
		l = &lot{until: until}
		p.lots[until.Unix()] = l
	}
	return l
}

// ends lists the lots, earliest end first.
func (p *purse) ends() []*lot {
	var lots []*lot
	for _, end := range slices.Sorted(maps.Keys(p.lots)) {
		lots = append(lots, p.lots[end])
	}
	return lots
}

// endless are the available points of no lot.
func (p *purse) endless() loyalty.Points {
	sum := p.Available
	for _, l := range p.lots {
		sum -= l.left
	}
	return sum
}

// spendable is what of the available points has not ended by then.
func (p *purse) spendable(then time.Time) loyalty.Points {
	sum := p.Available
	for _, l := range p.lots {
		if !l.until.After(then) {
			sum -= l.left
		}
	}
	return sum
}

// clocks is how far the clock by which something was decided may be from when it
// lands: skew, a clock that goes back, a freeze, a late write.
const clocks = 10 * time.Minute

// late is how much later than that a schedule's firing may land after the
// instant that it stands for.
const late = 2 * time.Hour

// delay is how much later than it was decided an entry may land: what a schedule
// gives back, where the lot has ended, ends at the instant that the schedule
// stands for.
func delay(entry points.Entry) time.Duration {
	if entry.Kind == points.EntryReturn {
		return late
	}
	return clocks
}

// credit folds a fact's entries, which are the member's own.
func (c *checker) credit(by *invocation, fact points.Fact) {
	for _, entry := range fact.Entries {
		c.purse(fact.Member).own.add(entry)
	}
	c.post(by, fact, "")
}

// post folds a fact's entries. They have ids of their own in each ledger that
// they stand in.
func (c *checker) post(by *invocation, fact points.Fact, ledger string) {
	if len(fact.Entries) > 0 && fact.Member == "" {
		c.s.violate("I3", "entries of nobody: %s", fact.Entries[0].ID)
		return
	}
	p := c.purse(fact.Member)
	for _, entry := range fact.Entries {
		id := ledger + entry.ID
		if entry.Kind == points.EntryCheckIn || entry.Kind == points.EntryExpire || entry.Kind == points.EntryOpening {
			id = string(fact.Member) + id // an id of his own ledger
		}
		if c.entries[id] {
			c.s.violate("I3", "entry %s is written twice", entry.ID)
		}
		c.entries[id] = true
		c.taken(by, fact, entry, p)
		p.add(entry, c.s.commits)
		c.folded(fact, entry, p)
	}
}

// add is the fold itself.
func (p *purse) add(entry points.Entry, commit int) {
	p.Balance = p.Plus(entry)
	for _, share := range entry.Lots {
		l := p.lot(share.Until)
		l.left += share.Points
		l.expired += share.Expired
		p.expired += share.Expired
		if share.Points > 0 {
			l.filled = commit
		}
	}
	if g := entry.Growth; g != nil {
		p.growing += g.Pending
		p.growth[g.Month] += g.Counting
	}
	switch amount := entry.Available + entry.Pending - entry.Debt + entry.Expired(); entry.Kind {
	case points.EntryAdjust:
		if amount < 0 {
			p.clawed -= amount
		} else {
			p.issued += amount
		}
	case points.EntryEarn, points.EntryPrize, points.EntryCheckIn, points.EntryOpening, points.EntryMerge, points.EntryUnmerge:
		p.issued += amount
	case points.EntrySpend, points.EntryReturn:
		p.spent -= amount
	case points.EntryClaw, points.EntryUnbind:
		p.clawed -= amount
	}
}

// taken holds, before the entry is folded, which lots it takes from: none that
// has ended, the one that ends first before the others, those without an end
// last. Somebody who put points back since the writer looked is excused.
func (c *checker) taken(by *invocation, fact points.Fact, entry points.Entry, p *purse) {
	if entry.Kind != points.EntrySpend && (entry.Kind != points.EntryAdjust || entry.Available >= 0) {
		return
	}
	if c.s.now().Sub(fact.At).Abs() > clocks {
		c.s.violate("I8", "%s is decided at %s", entry.ID, fact.At.In(zone))
	}
	left := map[int64]loyalty.Points{}
	endless, last := -entry.Available, int64(0)
	for _, share := range entry.Lots {
		end := share.Until.Unix()
		if !share.Until.After(fact.At) {
			c.s.violate("I8", "%s spends at %s what ended at %s", entry.ID, fact.At.In(zone), share.Until.In(zone))
		}
		if share.Points >= 0 || share.Expired != 0 {
			c.s.violate("I8", "%s spends %d of a lot", entry.ID, -share.Points)
		}
		left[end] += share.Points
		endless += share.Points
		last = max(last, end)
	}
	if endless < 0 {
		c.s.violate("I8", "%s takes %d points more out of lots than it takes", entry.ID, -endless)
	}
	for _, l := range p.ends() {
		end := l.until.Unix()
		excused := by == nil || l.filled > by.looks[fact.Member]
		if rest := l.left + left[end]; rest > 0 && l.until.After(fact.At) && !excused && (end < last || endless > 0) {
			c.s.violate("I8", "%s leaves %d points that end at %s and takes some that end later", entry.ID, rest, l.until.In(zone))
		}
	}
}

// folded holds what must be right after every entry: I6, I7 and I8.
func (c *checker) folded(fact points.Fact, entry points.Entry, p *purse) {
	amount := entry.Available + entry.Pending - entry.Debt + entry.Expired()
	now := c.s.now()
	switch entry.Kind {
	case points.EntrySettle, points.EntryExpire:
		if amount != 0 {
			c.s.violate("I7", "%s makes %d points", entry.ID, amount)
		}
	case points.EntryEarn, points.EntryPrize, points.EntryCheckIn, points.EntryReturn, points.EntryOpening:
		if amount < 0 {
			c.s.violate("I7", "%s takes %d points", entry.ID, -amount)
		}
	case points.EntrySpend, points.EntryClaw, points.EntryUnbind:
		if amount > 0 {
			c.s.violate("I7", "%s gives %d points", entry.ID, amount)
		}
	case points.EntryAdjust, points.EntryMerge, points.EntryUnmerge:
	default:
		c.s.violate("I7", "an entry of no known kind: %s %q", entry.ID, entry.Kind)
	}
	if p.issued != p.Available+p.Pending+p.spent+p.expired+p.clawed-p.Debt {
		c.s.violate("I7", "after %s %s has %+v: issued %d, spent %d, expired %d, clawed back %d", entry.ID, fact.Member, p.Balance, p.issued, p.spent, p.expired, p.clawed)
	}
	moved := entry.Kind == points.EntryMerge || entry.Kind == points.EntryUnmerge
	if rest := p.spendable(now.Add(clocks)); moved && p.Debt > 0 && rest > 0 {
		c.s.violate("I6", "%s leaves %s a debt of %d beside %d points", entry.ID, fact.Member, p.Debt, rest)
	}
	if entry.Available > 0 && p.Debt > 0 && !moved {
		c.s.violate("I6", "%s gives %d points to %s, who owes %d", entry.ID, entry.Available, fact.Member, p.Debt)
	}
	if rest := p.spendable(now.Add(clocks)); entry.Debt > 0 && rest > 0 && !moved {
		c.s.violate("I6", "%s makes a debt of %d, and %s has %d points", entry.ID, entry.Debt, fact.Member, rest)
	}
	since := now
	if c.letGo && c.s.plan.endOf(fact.At).After(now.Add(clocks)) {
		since = fact.At // as it was redeemed, while that is not over
	}
	for _, share := range entry.Lots {
		l := p.lot(share.Until)
		if l.left < 0 || l.expired < 0 {
			c.s.violate("I8", "%s leaves %d points in a lot of %s, and %d expired", entry.ID, l.left, fact.Member, l.expired)
		}
		switch {
		case moved || entry.Kind == points.EntryOpening: // they keep the ends that they had
		case entry.Kind == points.EntryExpire:
			if share.Until.After(fact.At) || share.Points >= 0 || share.Points != -share.Expired || l.left != 0 {
				c.s.violate("I8", "%s ends %d points of a lot that ends at %s, and leaves %d", entry.ID, share.Expired, share.Until.In(zone), l.left)
			}
		case share.Points > 0 && share.Until.Before(now.Add(-delay(entry))):
			c.s.violate("I8", "%s puts %d points where %s's ended at %s", entry.ID, share.Points, fact.Member, share.Until.In(zone))
		case share.Points > 0 && entry.Kind != points.EntryReturn && !c.s.plan.ends(share.Until, since):
			c.s.violate("I8", "%s gives points that end at %s", entry.ID, share.Until.In(zone))
		case share.Expired > 0:
			c.s.violate("I8", "%s lets points expire", entry.ID)
		}
	}
	if moved || entry.Kind == points.EntryOpening {
		p.forever = p.forever || p.endless() > 0
	}
	if entry.Available > 0 && !p.forever && c.s.plan.rules.Points.Expiry != nil && entry.Kind != points.EntryReturn && p.endless() > 0 {
		c.s.violate("I8", "%s gives points without an end", entry.ID)
	}
	if rest := p.endless(); rest < 0 {
		c.s.violate("I8", "%s leaves %d points more in lots than %s has", entry.ID, -rest, fact.Member)
	}
}

// ends tells whether points end then that became available about now.
func (p *plan) ends(until, now time.Time) bool {
	if p.rules.Points.Expiry == nil {
		return false
	}
	for _, at := range []time.Time{now.Add(-late), now.Add(clocks)} {
		if until.Equal(p.endOf(at)) {
			return true
		}
	}
	return false
}

// endOf is when points end that became available at a time; zero for never.
func (p *plan) endOf(at time.Time) time.Time {
	if p.rules.Points.Expiry == nil {
		return time.Time{}
	}
	local := at.In(zone)
	return time.Date(local.Year(), local.Month()+time.Month(p.rules.Points.Expiry.Months)+1, 1, 0, 0, 0, 0, zone)
}

// counted holds I1 to an account after a write: its counters are what its
// entries sum to.
func (c *checker) counted(account store.Account) {
	p, member := c.purse(account.Member), account.Member
	if account.Balance != p.Balance {
		c.s.violate("I1", "%s has %+v, and his entries sum to %+v", member, account.Balance, p.Balance)
	}
	if is, want := account.Turnover, (points.Turnover{Issued: p.issued, Spent: p.spent, Clawed: p.clawed}); is != want {
		c.s.violate("I7", "%s has the totals %+v, and his entries sum to %+v", member, is, want)
	}
	if b := account.Balance; b.Available < 0 || b.Pending < 0 || b.Debt < 0 {
		c.s.violate("I1", "%s has a negative balance %+v", member, b)
	}
	seen := map[int64]bool{}
	for _, is := range account.Lots {
		seen[is.Until.Unix()] = true
		if l := p.lot(is.Until); is.Left != l.left || is.Expired != l.expired {
			c.s.violate("I1", "%s has %d points left until %s and %d expired, and his entries sum to %d and %d", member, is.Left, is.Until.In(zone), is.Expired, l.left, l.expired)
		}
	}
	for _, l := range p.ends() {
		if !seen[l.until.Unix()] && (l.left != 0 || l.expired != 0) {
			c.s.violate("I1", "%s has no lot until %s, and his entries sum to %d left and %d expired", member, l.until.In(zone), l.left, l.expired)
		}
	}
	if account.GrowthPending != p.growing {
		c.s.violate("I1", "%s has %d growth pending, and his entries sum to %d", member, account.GrowthPending, p.growing)
	}
	for _, month := range slices.Sorted(maps.Keys(p.growth)) {
		if is := account.Growth[month]; is != p.growth[month] || is < 0 {
			c.s.violate("I1", "%s has %d growth of %s, and his entries sum to %d", member, is, month, p.growth[month])
		}
	}
	for month, is := range account.Growth {
		if is != p.growth[month] {
			c.s.violate("I1", "%s has %d growth of %s, and his entries sum to %d", member, is, month, p.growth[month])
		}
	}
	if was := c.account[member].Tier.Level; account.Tier.Level != was && c.tiers[member] != account.Tier.Level {
		c.s.violate("I1", "%s passes from tier %q to %q, and no fact says so", member, was, account.Tier.Level)
	}
	if c.tiers[member] != account.Tier.Level {
		c.s.violate("I1", "%s has tier %q, and the last fact says %q", member, account.Tier.Level, c.tiers[member])
	}
}

// tierFact is what the checker reads of a change of tier.
type tierFact struct {
	points.Fact
	From string `json:"from"`
	To   string `json:"to"`
}

// written holds I2 to a fact that has an item of its own: it is put once and
// stays. It reports whether the fact is new.
func (c *checker) written(key table.Key, item *table.Item) bool {
	if item == nil {
		c.s.violate("I2", "a fact is gone: %s %s", key.PK, key.SK)
		return false
	}
	text := item.Text("doc")
	was, known := c.facts[key]
	if known && was != text {
		c.s.violate("I2", "a fact has changed: %s %s", key.PK, key.SK)
	}
	c.facts[key] = text
	return !known
}

// tier follows the tiers by the facts of their changes.
func (c *checker) tier(key table.Key, item *table.Item) {
	if !c.written(key, item) {
		return
	}
	fact := document[tierFact](c.s, item)
	if c.tiers[fact.Member] != fact.From || fact.From == fact.To {
		c.s.violate("I2", "%s passes from tier %q to %q, and has %q", fact.Member, fact.From, fact.To, c.tiers[fact.Member])
	}
	c.tiers[fact.Member] = fact.To
	c.held[[2]string{string(fact.Member), fact.To}] = true
}

// ended folds lots that ended.
func (c *checker) ended(by *invocation, key table.Key, item *table.Item) {
	if c.written(key, item) {
		c.credit(by, document[points.Fact](c.s, item))
	}
}

// rested holds what time does to a world at rest: where no schedule has anything
// to do, no points are left that have ended, tiers are what the growth gives,
// and no reservation is open that is over.
func (c *checker) rested() {
	now := c.s.now()
	for _, member := range slices.Sorted(maps.Keys(c.account)) {
		account, p := c.account[member], c.purse(member)
		if at := account.SettleAt; !at.IsZero() && !at.After(now) {
			continue
		}
		for _, l := range p.ends() {
			if l.left > 0 && !l.until.After(now) {
				c.s.violate("I8", "%d points of %s ended at %s and are still there", l.left, member, l.until.In(zone))
			}
		}
		if c.s.plan.rules.Tiers == nil {
			continue
		}
		reached, atOnce := c.s.plan.reached(p.growth, now), c.s.plan.rules.Tiers.Demotion == "at_once"
		if is := account.Tier.Level; is != reached && (atOnce || rank(is) < rank(reached)) {
			c.s.violate("I1", "%s has tier %q, and his growth gives %q", member, is, reached)
		}
		if until := account.Tier.Until; !until.IsZero() && !until.After(now) {
			c.s.violate("I1", "the tier of %s was to be judged at %s", member, until.In(zone))
		}
	}
}

func rank(tier string) int { return slices.Index([]string{"", "silver", "gold", "black"}, tier) }
