package sim

import (
	"cmp"
	"encoding/json"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/huitou/huitou/shared/campaign"
	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/coupons"
	"github.com/huitou/huitou/shared/friend"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/notify"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
)

// checker holds the invariants to every commit. It folds what is written by
// itself, so that it agrees with the functions only where they are right.
type checker struct {
	s *simulation

	purses   map[loyalty.MemberID]*purse // the folds of all entries seen
	entries  map[string]bool             // their ids
	facts    map[table.Key]string        // documents of facts and of redeemed cards
	logs     map[loyalty.OrderKey]*logged
	owners   map[table.Key]loyalty.MemberID
	closed   map[table.Key]bool  // cards that nobody will redeem
	given    map[cards.Award]int // prizes of cards
	codes    map[string]bool     // of coupons
	issued   int64               // coupons of the campaign
	budget   coupons.Given
	coupons  map[table.Key]bool
	coupled  map[loyalty.MemberID][]coupons.Coupon // of the campaigns' template
	optedOut map[loyalty.MemberID]int              // commit of the withdrawal
	bought   map[[2]string]bought
	begun    map[loyalty.MemberID][]begun
	spoken   map[string]string // by ReminderID of each category and purchase: the message that spoke of it
	givenUp  map[[2]string]int // commit at which a reminder that was being handed over was given up
	sent     map[string]int    // messages by id
	sentAt   map[loyalty.MemberID][]time.Time
	account  map[loyalty.MemberID]store.Account
	days     map[loyalty.MemberID][]string       // on which he checked in
	gifts    map[loyalty.MemberID]loyalty.Points // for these

	reservations map[table.Key]*reservation
	returned     map[table.Key]bool // of these
	adjustments  map[table.Key]store.Adjustment
	claims       map[table.Key]claimState
	replaced     map[string]bool             // their causes
	refusals     map[string]int64            // of these, by the member's partition
	failures     map[table.Key]int64         // as they are counted
	tiers        map[loyalty.MemberID]string // by the facts of their changes
	held         map[[2]string]bool          // members' tiers, at any time
	first        map[loyalty.MemberID]loyalty.OrderKey
	earned       map[[2]string]loyalty.Points // by member and day of payment

	wholes  map[loyalty.MemberID]loyalty.MemberID // of whom members are parts now
	acts    map[[2]loyalty.MemberID]bool          // merges of a part into a whole, at any time
	undone  map[[2]loyalty.MemberID]bool          // likewise, when they were undone
	mirrors []mirror                              // of the commit that is looked at
	gone    map[loyalty.MemberID]int              // since which commit somebody is a part, or erased
	brought map[[2]string]bool                    // openings by member and source
	since   map[table.Key]moment                  // when items were put

	books     map[string]*book // the payer's, by what the money is for
	payouts   map[table.Key]cards.Payout
	parcels   map[table.Key]cards.Gift
	holds     map[table.Key]cards.Hold
	saidOf    map[string]bool // what operators said of bills
	onCards   map[table.Key][]store.CardClaim
	typed     map[string]points.Proof  // of these, by their causes
	objected  map[int]map[*person]bool // who sent an appeal about a card
	alone     map[string]loyalty.Points
	letGo     bool                     // the prize that is being looked at was held until now
	contacts  map[string][]friend.Fact // logs of WeCom contacts
	welcomes  map[table.Key]friend.Welcome
	due       map[string]bool                       // greetings that are on record, by their codes
	greeted   map[string]bool                       // likewise those that WeCom took
	contactOf map[loyalty.Identity]loyalty.MemberID // whose contacts are, or were last
	kept      map[string]*keptInput                 // what waits, or waited, for a person, by id
	contents  map[string]string                     // ids by content
	keptFor   map[*news]string                      // likewise by what was told
	meanwhile map[string]func()                     // what happens once an input is looked at
	// forgotFriends tells that the log of a contact was erased with the person.
	forgotFriends bool
}

// moment is when something was written.
type moment struct {
	commit int
	at     time.Time
}

// bought is a member's last purchase of a category: when it was, and when the
// account learnt of it.
type bought struct {
	last   time.Time
	commit int
	at     time.Time
}

func newChecker(s *simulation) *checker {
	return &checker{
		s: s, purses: map[loyalty.MemberID]*purse{}, entries: map[string]bool{}, facts: map[table.Key]string{},
		logs: map[loyalty.OrderKey]*logged{}, owners: map[table.Key]loyalty.MemberID{}, closed: map[table.Key]bool{}, given: map[cards.Award]int{},
		codes: map[string]bool{}, coupons: map[table.Key]bool{}, coupled: map[loyalty.MemberID][]coupons.Coupon{}, optedOut: map[loyalty.MemberID]int{},
		bought: map[[2]string]bought{}, begun: map[loyalty.MemberID][]begun{}, spoken: map[string]string{}, givenUp: map[[2]string]int{},
		sent: map[string]int{}, sentAt: map[loyalty.MemberID][]time.Time{},
		account: map[loyalty.MemberID]store.Account{}, days: map[loyalty.MemberID][]string{}, gifts: map[loyalty.MemberID]loyalty.Points{},
		reservations: map[table.Key]*reservation{}, returned: map[table.Key]bool{}, adjustments: map[table.Key]store.Adjustment{},
		claims: map[table.Key]claimState{}, replaced: map[string]bool{}, refusals: map[string]int64{}, failures: map[table.Key]int64{}, tiers: map[loyalty.MemberID]string{}, held: map[[2]string]bool{},
		first: map[loyalty.MemberID]loyalty.OrderKey{}, earned: map[[2]string]loyalty.Points{},
		wholes: map[loyalty.MemberID]loyalty.MemberID{}, acts: map[[2]loyalty.MemberID]bool{}, undone: map[[2]loyalty.MemberID]bool{}, gone: map[loyalty.MemberID]int{}, brought: map[[2]string]bool{}, since: map[table.Key]moment{},
		books: map[string]*book{}, payouts: map[table.Key]cards.Payout{}, parcels: map[table.Key]cards.Gift{}, holds: map[table.Key]cards.Hold{}, onCards: map[table.Key][]store.CardClaim{}, saidOf: map[string]bool{}, typed: map[string]points.Proof{}, objected: map[int]map[*person]bool{}, alone: map[string]loyalty.Points{},
		contacts: map[string][]friend.Fact{}, welcomes: map[table.Key]friend.Welcome{}, contactOf: map[loyalty.Identity]loyalty.MemberID{}, due: map[string]bool{}, greeted: map[string]bool{},
		kept: map[string]*keptInput{}, contents: map[string]string{}, keptFor: map[*news]string{}, meanwhile: map[string]func(){},
	}
}

// redeemed is what the checker reads of a redeemed card.
type redeemed struct {
	points.Fact
	Batch    string           `json:"batch"`
	Card     int              `json:"card"`
	Award    cards.Award      `json:"award"`
	Identity loyalty.Identity `json:"identity"`
	Withheld bool             `json:"withheld"`
	Hold     cards.HoldState  `json:"hold"`
	Void     cards.VoidReason `json:"void"`
}

// suspended tells whether the prize is to be nobody's, for now or for ever.
func (r redeemed) suspended() bool { return r.Hold == cards.HoldOpen || r.Hold == cards.HoldVoided }

// redemption is the one on a card's item; false where nobody redeemed the card.
func (s *simulation) redemption(item *table.Item) (redeemed, bool) {
	if item == nil || item.Text("closed") != "" {
		return redeemed{}, false
	}
	return document[redeemed](s, item), true
}

// commit is called after every write with what it left behind.
func (c *checker) commit(by *invocation, keys []table.Key, after []*table.Item) {
	var facts []store.Record // of orders
	counted := false         // friends are
	for i, key := range keys {
		switch kindOf(key) {
		case factItem:
			if record, fresh := c.fact(by, key, after[i]); fresh {
				facts = append(facts, record)
				kept := func(of table.Key) bool { return of.PK == key.PK && strings.HasPrefix(of.SK, table.RefusedPrefix) }
				if len(record.Conflicts) > 0 && !slices.ContainsFunc(keys, kept) {
					c.s.violate("I26", "%s is told otherwise, and no person learns of it", record.Order.Order)
				}
			}
		case payoutItem:
			c.paidOut(key, after[i])
		case inputItem:
			c.keepsInput(key, after[i])
		case contentItem:
			c.keepsContent(key, after[i])
		case giftItem:
			c.packed(key, after[i])
		case contactItem:
			c.befriended(key, after[i])
			counted = true
		case tieItem:
			c.tied(key, after[i])
		case cardClaimsItem:
			c.claimedOnCard(key, after[i])
		case holdItem:
			c.holding(key, after[i])
		case tallyItem:
			counted = true
		case mirrorItem:
			c.mirrored(by, key, after[i])
		case mergeItem:
			c.merged(by, key, after[i])
		case openingItem:
			var account *table.Item
			if at := slices.IndexFunc(keys, func(k table.Key) bool { return kindOf(k) == accountItem }); at >= 0 {
				account = after[at]
			}
			c.opened(by, key, after[i], account)
		case identityItem:
			if after[i] == nil {
				c.forgot(key)
			} else {
				c.known(key)
			}
		case cardItem:
			c.card(by, key, after[i])
		case reservationItem:
			c.reserved(by, key, after[i])
			defer c.cameBack(key, after[i]) // once the facts are seen that give it back
		case backItem:
			c.backByHand(by, key, after[i])
		case returnItem:
			c.givenBack(by, key, after[i])
		case endedItem:
			c.ended(by, key, after[i])
		case adjustmentItem:
			c.adjusted(by, key, after[i])
		case tierItem:
			c.tier(key, after[i])
		case claimItem:
			c.claimed(key, after[i])
		case failuresItem:
			defer c.failed(key, after[i]) // once the claim is seen that it counts
		case couponItem:
			c.coupon(key, after[i])
		case checkInItem:
			c.checkedIn(by, key, after[i])
		case budgetItem:
			if after[i] != nil {
				c.budgeted(after[i])
			}
		}
	}
	c.reflected(facts)
	if counted {
		c.tallied()
	}
	for i, key := range keys {
		if member, ok := table.MemberOfAccount(key); ok {
			c.member(member, after[i])
		}
	}
	for _, key := range keys {
		if member, ok := table.MemberOfAccount(key); ok {
			c.together(member)
		}
	}
	if c.issued > c.budget.Quantity {
		c.s.violate("I16", "%d coupons of the campaign, but only %d taken from the budget", c.issued, c.budget.Quantity)
	}
}

// document decodes an item's document.
func document[T any](s *simulation, item *table.Item) T {
	var read T
	if err := json.Unmarshal([]byte(item.Text("doc")), &read); err != nil {
		s.violate("I2", "an item does not decode: %v", err)
	}
	return read
}

// fact holds I2 (facts are only appended), I3 and I4 (an order's points are
// those of what was paid and not refunded, at the rates that were in force when
// it was paid), and to whom an order goes.
func (c *checker) fact(by *invocation, key table.Key, item *table.Item) (record store.Record, fresh bool) {
	if !c.written(key, item) {
		return record, false
	}
	record = document[store.Record](c.s, item)
	log := c.logs[record.Order]
	if log == nil {
		log = newLogged()
		c.logs[record.Order] = log
	}
	was := log.member
	log.add(record.Fact)
	c.spentOn(record, log)
	c.again(by, record, log)
	if record.Kind == points.FactPaid {
		maps.Copy(log.earns, c.s.plan.earnings(record.Order.Channel, record.Fact, log.granted(record.Fact)))
		c.personal(record, log)
	}
	if record.Seq != log.facts {
		c.s.violate("I2", "fact %d of %s is written as number %d", log.facts, record.Order.Order, record.Seq)
	}
	if was != log.member && log.member != "" && !c.entitled(log.member, record.Order, record.Kind) {
		c.s.violate("I3", "%s gets %s, which is not his", log.member, record.Order.Order)
	}
	if was == "" && c.account[log.member].Erased != nil {
		c.s.violate("I34", "%s gets %s, and was erased", log.member, record.Order.Order)
	}
	if record.Kind == points.FactUnbound && record.Member != was {
		c.s.violate("I3", "%s is taken from %q, and belongs to %q", record.Order.Order, record.Member, was)
	}
	c.credit(by, record.Fact)
	if record.Kind == points.FactReturned {
		return record, true
	}
	if log.member == "" && record.Kind != points.FactUnbound {
		if len(record.Entries) > 0 {
			c.s.violate("I3", "order %s of nobody is credited", record.Order.Order)
		}
		return record, true
	}
	if want := log.points(); log.held != want {
		c.s.violate("I4", "order %s holds %d points, and %d are due", record.Order.Order, log.held, want)
	}
	if want := log.growth(); log.grown != want {
		c.s.violate("I4", "order %s holds %d growth, and %d are due", record.Order.Order, log.grown, want)
	}
	c.covered(by, record, log)
	c.inTime(record, log)
	return record, true
}

// inTime holds the rest of I5: nothing of an order becomes available before the
// return window of its line is over.
func (c *checker) inTime(record store.Record, log *logged) {
	for _, entry := range record.Entries {
		if entry.Kind != points.EntryEarn && entry.Kind != points.EntrySettle || entry.Available == 0 && entry.Debt == 0 {
			continue
		}
		window := c.s.plan.at(log.at[entry.Line]).Points.WindowOf(record.Order.Channel)
		if closes := log.closes(entry.Line, window); c.s.now().Before(closes.Add(-clocks)) {
			c.s.violate("I5", "%s makes points available, and the return window is open until %s", entry.ID, closes.In(zone))
		}
	}
}

// covered holds the rest of I6: what a refund takes is first what is left of the
// lot that the line's points went into, then what expired of it, and only then
// other points or debt. Points that came back to the lot since the writer looked
// may stay there where he took others, but not where he made a debt.
func (c *checker) covered(by *invocation, record store.Record, log *logged) {
	for i, entry := range record.Entries {
		until, has := log.until[entry.Line]
		filled := slices.ContainsFunc(record.Entries[i+1:], func(next points.Entry) bool { return next.Available > 0 })
		if filled || entry.Kind != points.EntryClaw && entry.Kind != points.EntryUnbind || !has {
			continue
		}
		l := c.purse(record.Member).lot(until)
		beyond := entry.Debt
		for _, share := range entry.Lots {
			if !share.Until.Equal(until) {
				beyond -= share.Points
			}
		}
		excused := entry.Debt == 0 && (by == nil || l.filled > by.looks[record.Member])
		if beyond > 0 && !excused && l.left+l.expired > 0 {
			c.s.violate("I6", "%s takes %d points beyond those of its lot, of which %d are left and %d expired", entry.ID, beyond, l.left, l.expired)
		}
	}
}

// personal holds what a payment earned by who paid it: the tier's bonus to a
// tier that he had, that of the first order to one order, and a day's cap.
func (c *checker) personal(record store.Record, log *logged) {
	rules := c.s.plan.at(record.At).Points
	day := [2]string{string(record.Member), record.At.In(zone).Format(time.DateOnly)}
	for _, line := range record.Lines {
		for _, reason := range line.Because {
			tier, is := strings.CutPrefix(string(reason), "tier:")
			switch {
			case is && !c.held[[2]string{string(record.Member), tier}] && !c.held[[2]string{string(c.wholes[record.Member]), tier}]:
				c.s.violate("I4", "%s earns as %s, which he never was", record.Member, tier)
			case reason == points.ReasonFirstOrder && record.Member == "":
				c.s.violate("I4", "%s of nobody is his first", record.Order.Order)
			case reason == points.ReasonFirstOrder:
				if first, known := c.first[record.Member]; known && first != record.Order {
					c.s.violate("I4", "%s and %s are both the first order of %s", first.Order, record.Order.Order, record.Member)
				}
				c.first[record.Member] = record.Order
			}
		}
		if record.Member != "" && !log.bound { // an operator may take it back
			c.earned[day] += line.Granted()
		}
	}
	if most := rules.CapPerDay; most > 0 && c.earned[day] > most {
		c.s.violate("I4", "%s earns %d points with the orders of %s, and may earn %d", record.Member, c.earned[day], day[1], most)
	}
}

// card holds I9 (one redemption, one owner), I10 and I15 (prizes as drawn).
func (c *checker) card(by *invocation, key table.Key, item *table.Item) {
	owner, known := c.owners[key]
	card, is := c.s.redemption(item)
	switch {
	case !is && known:
		c.s.violate("I9", "a redeemed card is gone")
	case is && c.closed[key]:
		c.s.violate("I13", "card %d is redeemed, and was closed", card.Card)
	case !is:
		c.closed[key] = true // for good, even if the item is cleaned up
	}
	if !is {
		return
	}
	if !known {
		c.given[card.Award]++
		if got, stock := c.given[card.Award], c.s.stock(card.Award); got > stock {
			c.s.violate("I15", "%d prizes %v given of %d", got, card.Award, stock)
		}
		if want := c.s.draws.Award(card.Card); card.Award != want {
			c.s.violate("I15", "card %d gives %v, and %v is drawn", card.Card, card.Award, want)
		}
		if early := card.At.Before(c.s.plan.batch.ValidFrom); early || !card.At.Before(c.s.plan.batch.ValidTo) {
			c.s.violate("I11", "card %d is redeemed outside its window", card.Card)
		}
	}
	var was redeemed
	if known {
		c.s.must(json.Unmarshal([]byte(c.facts[key]), &was))
	}
	decided := c.decided(key, was, card)
	released := decided && card.Hold == cards.HoldReleased && c.acts[[2]loyalty.MemberID{card.Member, owner}]
	if known && owner != "" && owner != card.Member && !released { // who is a part by now is given it with their whole
		c.s.violate("I9", "card %d passes from %s to %s", card.Card, owner, card.Member)
	}
	if card.Withheld && card.Member == "" {
		return // it is as it was
	}
	if known && c.facts[key] != "" && owner == card.Member && c.facts[key] != item.Text("doc") && !decided && !nameless(c.facts[key], item.Text("doc")) {
		c.s.violate("I9", "card %d is redeemed again", card.Card)
	}
	c.facts[key], c.owners[key] = item.Text("doc"), card.Member
	if card.suspended() && len(card.Entries) > 0 {
		c.s.violate("I10", "card %d is %s, and gives %+v", card.Card, card.Hold, card.Entries)
	}
	if (was.Member == "" || was.suspended()) && card.Member != "" && !card.suspended() {
		var sum loyalty.Points
		for _, entry := range card.Entries {
			sum += entry.Available - entry.Debt
		}
		if card.Award.Kind == cards.PrizePoints && sum != loyalty.Points(card.Award.Amount) {
			c.s.violate("I10", "card %d gives %d points of %d", card.Card, sum, card.Award.Amount)
		}
		c.letGo = decided
		c.credit(by, card.Fact)
		c.letGo = false
	}
}

// nameless tells whether a card has lost the name of who redeemed it, and
// nothing else.
func nameless(was, is string) bool {
	var before, after map[string]any
	if json.Unmarshal([]byte(was), &before) != nil || json.Unmarshal([]byte(is), &after) != nil {
		return false
	}
	delete(before, "identity")
	delete(after, "identity")
	return reflect.DeepEqual(before, after)
}

// coupon holds I17 (see limited), I18 (one for a member and trigger, never taken
// back) and I20.
func (c *checker) coupon(key table.Key, item *table.Item) {
	if item == nil {
		c.s.violate("I18", "a coupon is gone")
		return
	}
	coupon := document[coupons.Coupon](c.s, item)
	if c.coupons[key] {
		c.s.violate("I18", "%s gets another coupon for %s", coupon.Member, coupon.Trigger)
		return
	}
	c.coupons[key] = true
	if c.codes[coupon.Code] {
		c.s.violate("I20", "a coupon's code is there twice")
	}
	c.codes[coupon.Code] = true
	c.won(coupon.Trigger, coupon.Member)
	if coupon.Template == c.s.plan.template.ID {
		c.issued++
		c.coupled[coupon.Member] = append(c.coupled[coupon.Member], coupon)
		c.limited(coupon)
		ours := strings.HasPrefix(coupon.Trigger, campaign.Trigger(c.s.plan.campaign.ID, ""))
		if ours && campaign.HeldOut(c.s.plan.campaign.ID, coupon.Member, c.s.plan.campaign.Holdout) {
			c.s.violate("I18", "%s is held out and gets a coupon", coupon.Member)
		}
	}
}

// budgeted holds I16: what is taken from a budget grows only within it.
func (c *checker) budgeted(item *table.Item) {
	is := coupons.Given{Quantity: item.Int("issued"), Amount: loyalty.Fen(item.Int("spent"))}
	if is.Quantity < 0 || is.Amount < 0 {
		c.s.violate("I16", "a budget's counter is below zero: %+v", is)
	}
	if is.Quantity > c.budget.Quantity || is.Amount > c.budget.Amount {
		template, _, err := c.s.raw().Template(c.s.ctx, c.s.plan.template.ID)
		if err != nil {
			c.s.violate("I16", "the template is gone: %v", err)
			return
		}
		if most := template.Budget.Quantity; most > 0 && is.Quantity > most {
			c.s.violate("I16", "%d coupons taken of a budget of %d", is.Quantity, most)
		}
		if most := template.Budget.Amount; most > 0 && is.Amount > most {
			c.s.violate("I16", "%d fen taken of a budget of %d", is.Amount, most)
		}
	}
	c.budget = is
}

// member holds I1: an account's counters are the sums of the member's entries,
// and none is negative; I7, that they are double entry; and what I24 asks of a reminder's record.
func (c *checker) member(member loyalty.MemberID, item *table.Item) {
	if item == nil {
		c.s.violate("I1", "the account of %s is gone", member)
		return
	}
	account, err := store.ReadAccount(member, *item)
	if err != nil {
		c.s.violate("I1", "the account of %s does not decode: %v", member, err)
		return
	}
	c.counted(account)
	c.heard(account)
	was := c.account[member]
	moved := (was.Merged == nil) != (account.Merged == nil) || len(was.Parts) != len(account.Parts)
	c.standing(was, account)
	if last := account.CheckIn; last.Day != was.CheckIn.Day && last.Request == was.CheckIn.Request {
		c.s.violate("I3", "%s checks in on %s and %s by one request", member, was.CheckIn.Day, last.Day)
	}
	if _, given := account.Consents[loyalty.ConsentMarketing]; given {
		delete(c.optedOut, member)
	} else if _, gone := c.optedOut[member]; !gone {
		c.optedOut[member] = c.s.commits
	}
	for _, category := range slices.Sorted(maps.Keys(account.Bought)) {
		is := account.Bought[category]
		if key := [2]string{string(member), category}; !is.Last.Equal(c.bought[key].last) {
			if is.Last.Before(c.bought[key].last) && !moved {
				c.s.violate("I24", "the last purchase of %s goes back", member)
			}
			c.bought[key] = bought{is.Last, c.s.commits, c.s.now()}
		}
	}
	for category := range was.Bought {
		if account.Bought[category].Last.IsZero() && moved {
			delete(c.bought, [2]string{string(member), category}) // it was his part's
		}
	}
	for _, category := range slices.Sorted(maps.Keys(account.Reminded)) {
		is := account.Reminded[category]
		if is == was.Reminded[category] || moved {
			continue
		}
		before := was.Reminded[category]
		if begun := before.Outcome == store.OutcomeHandingOver || before.Outcome == store.OutcomeRejected; is.Outcome == store.OutcomeSent && !(begun && before.Bought.Equal(is.Bought)) {
			c.s.violate("I24", "%s is recorded as reminded, and nothing was being handed over", member)
		}
		if is.Outcome == store.OutcomeSent && c.sent[named(member, category, is)] == 0 {
			c.s.violate("I25", "the reminder of %s is recorded as sent before anybody took it", member)
		}
		if before.Outcome == store.OutcomeHandingOver && before.Bought.Equal(is.Bought) && is.Outcome != store.OutcomeSent {
			c.givenUp[[2]string{string(member), category}] = c.s.commits
		}
		if is.Outcome == store.OutcomeCapped {
			c.useful(account, category, is)
		}
		if is.Outcome != store.OutcomeHandingOver {
			continue
		}
		switch {
		case before.Bought.Equal(is.Bought):
			c.s.violate("I24", "a second reminder to %s for one purchase", member)
		case !account.Bought[category].Last.Equal(is.Bought):
			c.s.violate("I24", "%s is reminded, but has bought again", member)
		}
		if _, out := c.optedOut[member]; out {
			c.s.violate("I24", "%s is reminded after he opted out", member)
		}
		due, _ := c.s.plan.rules.Repurchase.DueAt(category, is.Bought, zone)
		if is.At.Before(due) {
			c.s.violate("I24", "%s is reminded before it is due", member)
		}
		c.apart(member, category, is, due)
	}
	c.account[member] = account
}

// named is the id of the message that the record of a category tells of.
func named(member loyalty.MemberID, category string, is store.Reminded) string {
	first := is.Named(category)
	return notify.ReminderID(member, first.Category, first.Bought)
}

// begun is a message that is recorded as being handed over.
type begun struct {
	id            string
	at, due, told time.Time // told: when the purchase was learnt of
}

// apart holds I24 to two messages to one member that begin in one minute: of
// what fell due at the same time, and was known before, one message speaks.
func (c *checker) apart(member loyalty.MemberID, category string, is store.Reminded, due time.Time) {
	now := begun{named(member, category, is), is.At, due, c.bought[[2]string{string(member), category}].at}
	for _, other := range c.begun[member] {
		known := now.told.Before(due.Add(-24*time.Hour)) && other.told.Before(due.Add(-24*time.Hour))
		if span := now.at.Sub(other.at).Abs(); other.id != now.id && other.due.Equal(due) && known && span < time.Minute {
			c.s.violate("I24", "%s gets two messages in a minute: %s and %s", member, other.id, now.id)
		}
	}
	c.begun[member] = append(c.begun[member], now)
}

// useful holds I25 to a reminder that is let go for the cap: whatever the hour,
// until the goods are used up there is no room for it.
func (c *checker) useful(account store.Account, category string, let store.Reminded) {
	rules := c.s.plan.rules.Repurchase
	span := time.Duration(rules.Cap.Days) * 24 * time.Hour
	for at := let.At; !rules.TooLate(category, let.Bought, at, zone); at = at.Add(15 * time.Minute) {
		recent := 0
		for _, other := range account.Sent {
			if other.After(at.Add(-span)) {
				recent++
			}
		}
		if recent < rules.Cap.Messages && !rules.Quiet(at, zone) {
			c.s.violate("I25", "the reminder of %s to %s is let go, and the cap has room at %s", category, account.Member, at.In(zone))
			return
		}
	}
}

// heard holds what I25 and I37 rest on: a call without an entry of its own rides
// on one that has, and that comes no later.
func (c *checker) heard(account store.Account) {
	if account.RemindRides && (account.SettleAt.IsZero() || account.SettleRides || account.SettleAt.After(account.RemindAt)) {
		c.s.violate("I25", "nobody hears when %s is to be reminded", account.Member)
	}
	if account.SettleRides && (account.RemindAt.IsZero() || account.RemindRides || account.RemindAt.After(account.SettleAt)) {
		c.s.violate("I37", "nobody hears when the points of %s are to be settled", account.Member)
	}
}

// handedOver holds I24 to a message that leaves.
func (c *checker) handedOver(by *invocation, message notify.Message) {
	rules := c.s.plan.rules.Repurchase
	account := c.account[message.Member]
	look, looked := by.looks[message.Member]
	if !looked {
		c.s.violate("I24", "a message to %s leaves without a look at them", message.Member)
	}
	if len(message.Categories) == 0 || message.Categories[0] != message.Category {
		c.s.violate("I24", "a message to %s names %q first of %q", message.Member, message.Category, message.Categories)
		return
	}
	for _, category := range message.Categories {
		c.speaks(message, category, look)
	}
	recorded := account.Reminded[message.Category]
	if out, gone := c.optedOut[message.Member]; gone && out <= look {
		c.s.violate("I24", "a message to %s leaves after he opted out", message.Member)
	}
	if gone, is := c.gone[message.Member]; is && gone <= look {
		c.s.violate("I24", "a message leaves to %s, who is a part of another or was erased", message.Member)
	}
	// An invocation decides by its own clock and may be frozen up to its
	// timeout after that.
	if rules.Quiet(message.At, zone) || rules.Quiet(c.s.now(), zone) && rules.Quiet(c.s.now().Add(-4*time.Minute), zone) && rules.Quiet(c.s.now().Add(4*time.Minute), zone) {
		c.s.violate("I24", "a message to %s leaves in quiet hours", message.Member)
	}
	c.sent[message.ID]++
	if c.sent[message.ID] > 1 {
		return
	}
	times := append(c.sentAt[message.Member], recorded.At)
	c.sentAt[message.Member] = times
	recent := 0
	for _, at := range times {
		if at.After(recorded.At.AddDate(0, 0, -rules.Cap.Days)) {
			recent++
		}
	}
	if recent > rules.Cap.Messages {
		c.s.violate("I24", "%s gets %d messages in %d days", message.Member, recent, rules.Cap.Days)
	}
}

// speaks holds I24 to what a message that leaves says of one category.
func (c *checker) speaks(message notify.Message, category string, look int) {
	account := c.account[message.Member]
	recorded := account.Reminded[category]
	switch {
	case named(message.Member, category, recorded) != message.ID && !recorded.Bought.After(account.Bought[category].Last):
		c.s.violate("I24", "a message to %s leaves without a record: %s", message.Member, message.ID)
	case c.givenUp[[2]string{string(message.Member), category}] > look: // by another delivery, while this one had it in hand
	case recorded.Outcome != store.OutcomeSent && recorded.Outcome != store.OutcomeHandingOver && recorded.Outcome != store.OutcomeRejected:
		c.s.violate("I24", "a message to %s leaves, recorded as %q", message.Member, recorded.Outcome)
	}
	purchase := notify.ReminderID(message.Member, category, recorded.Bought)
	if before, spoken := c.spoken[purchase]; spoken && before != message.ID {
		c.s.violate("I24", "%s and %s both speak of %s", before, message.ID, purchase)
	}
	c.spoken[purchase] = message.ID
	c.flooded(message.Member, category)
	if last := c.bought[[2]string{string(message.Member), category}]; last.commit <= look && last.last.After(recorded.Bought) {
		c.s.violate("I24", "a message to %s leaves after they bought again", message.Member)
	}
}

// standing holds an account to the merges that are known, and keeps since when
// nobody may write to a member.
func (c *checker) standing(was, is store.Account) {
	into := loyalty.MemberID("")
	if is.Merged != nil {
		into = is.Merged.Into
	}
	if whole := c.wholes[is.Member]; whole != into {
		c.s.violate("I30", "%s is a part of %q, and the ledger says of %q", is.Member, into, whole)
	}
	if is.Erased != nil && was.Erased == nil {
		c.outlived(is.Member)
	}
	if _, gone := c.gone[is.Member]; into == "" && is.Erased == nil {
		delete(c.gone, is.Member)
	} else if !gone {
		c.gone[is.Member] = c.s.commits
	}
	for _, consent := range []loyalty.Consent{loyalty.ConsentMembership, loyalty.ConsentMarketing} {
		if _, given := is.Consents[consent]; !given || len(is.Parts) <= len(was.Parts) {
			continue
		}
		for _, part := range is.Parts {
			_, theirs := c.account[part].Consents[consent]
			withdrawn, ever := c.account[part].Withdrawn[consent] // the latest act counts
			if later := ever && is.Consents[consent].After(withdrawn); !theirs && !later && !slices.Contains(was.Parts, part) {
				c.s.violate("I24", "%s consents to %s, and %s, who is merged into him, does not", is.Member, consent, part)
			}
		}
	}
}

// flooded holds that nobody is reminded of what was imported when its date was
// past, or nearer than a day.
func (c *checker) flooded(member loyalty.MemberID, category string) {
	bought := c.account[member].Bought[category]
	o := c.s.plan.found(bought.LastOrder)
	if o == nil || !o.history {
		return
	}
	due, _ := c.s.due(category, bought.Last)
	learnt := c.bought[[2]string{string(member), category}].at
	if due.Before(learnt.Add(24*time.Hour - clocks)) {
		c.s.violate("I24", "%s is written to because %s was imported", member, bought.LastOrder.Order)
	}
}

// answered holds I12 and I13 to a final answer about a card.
func (c *checker) answered(a *ask, status int, body string, sentAt time.Time) {
	a.final = true
	var answer struct {
		Prize cards.Award      `json:"prize"`
		State string           `json:"state"`
		Void  cards.VoidReason `json:"void_reason"`
		// Reference stands on the page with the prize, and on no other.
		Reference string `json:"friend_state"`
	}
	batch := c.s.plan.batch
	switch status {
	case http.StatusOK:
		if err := json.Unmarshal([]byte(body), &answer); err != nil {
			c.s.violate("I12", "the answer about card %d does not decode: %v", a.card, err)
		}
		want := c.s.draws.Award(a.card)
		if answer.State == "held" || answer.State == "voided" {
			want = cards.Award{}
		}
		if answer.Prize != want {
			c.s.violate("I12", "card %d, %s, gives %v, and %v is drawn", a.card, answer.State, answer.Prize, want)
		}
		c.told(a, answer.State, answer.Void)
		if given := want.Kind != ""; given != (answer.Reference != "") {
			c.s.violate("I33", "the answer about card %d, %s, gives its reference: %t", a.card, answer.State, !given)
		}
		a.reference = cmp.Or(answer.Reference, a.reference)
	case http.StatusConflict:
	case http.StatusNotFound:
		over := !c.s.now().Add(2 * time.Minute).Before(batch.ValidTo)
		if !over && !c.s.frozen {
			c.s.violate("I12", "card %d is not found at %s", a.card, sentAt.In(zone))
		}
	default:
		c.s.violate("I37", "the answer about card %d is %d %s", a.card, status, body)
	}
	a.told = append(a.told, told{status, string(answer.Prize.Kind), answer.State})
}
