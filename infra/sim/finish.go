package sim

import (
	"maps"
	"slices"
	"time"

	"github.com/huitou/huitou/shared/campaign"
	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/coupons"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
)

// finish holds a world at rest to what must have become of its plan.
func (s *simulation) finish() {
	if s.violation != nil {
		return
	}
	if s.running != 0 || slices.ContainsFunc(s.lines(), func(l *line) bool { return !l.idle() }) {
		s.violate("I37", "%d invocations do not end", s.running)
	}
	members := s.members()
	totals := map[loyalty.MemberID]loyalty.Points{}
	for _, o := range s.plan.orders {
		s.finishOrder(o, members, totals)
	}
	s.finishCards(members, totals)
	s.finishSpendings(totals)
	for part, whole := range s.check.wholes {
		totals[part] += s.check.gifts[part]
		totals[whole] += totals[part]
		totals[part] -= s.check.gifts[part]
	}
	for _, member := range slices.Sorted(maps.Keys(s.check.account)) {
		account := s.check.account[member]
		b := account.Balance
		totals[member] += s.check.gifts[member]
		if got := b.Available + b.Pending - b.Debt + s.check.purse(member).expired; got != totals[member] {
			s.violate("I7", "%s ends with %d points, and %d are due", member, got, totals[member])
		}
		if b.Pending != 0 || account.GrowthPending != 0 {
			s.violate("I37", "%d points of %s stay pending, and %d growth", b.Pending, member, account.GrowthPending)
		}
		for _, l := range s.check.purse(member).ends() {
			if l.left > 0 {
				s.violate("I37", "%d points of %s end at %s, and no schedule is asked for", l.left, member, l.until.In(zone))
			}
		}
		s.finishReminders(account)
	}
	s.finishCampaign(members)
	s.finishVisits(members)
	s.finishClaims()
	s.finishPageClaims()
	s.finishUnions()
	s.finishErasures()
	s.finishPrizes()
	s.finishHolds()
	s.finishByHand()
	s.finishFriends()
}

// finishOrder holds I3, I5 and I26: all news of the order is applied, or stands
// in its log as a contradiction and is kept for a person.
func (s *simulation) finishOrder(o *order, members map[*person]loyalty.MemberID, totals map[loyalty.MemberID]loyalty.Points) {
	log := s.check.logs[o.key]
	if log == nil && !slices.ContainsFunc(o.news, func(n *news) bool { return !n.kept }) {
		log = newLogged()
	}
	if log == nil {
		s.violate("I26", "nothing is known of %s", o.key.Order)
		return
	}
	for _, n := range o.news {
		switch {
		case !n.accepted:
			s.violate("I37", "an event of %s was never accepted", o.key.Order)
		case n.kept:
			s.finishKept(n, log)
		case !log.knows(n):
			s.violate("I26", "an accepted %s of %s is not applied", n.event.Type, o.key.Order)
		}
	}
	if log.facts == 0 {
		return
	}
	var owner loyalty.MemberID
	if o.buyer != nil {
		owner = members[o.buyer]
		if o.buyer.stranger {
			owner = "" // he joined by another identity, if at all
		}
	}
	switch {
	case o.free():
		owner = log.member // see finishClaims, and entitled
	case o.buyer.adopted(s.personOf(log.member)):
		owner = log.member
	case o.buyer.forgotten.commit > 0 && log.member == "":
		owner = "" // it came when he was erased
	}
	if log.member != owner {
		s.violate("I3", "%s belongs to %q, and should to %q", o.key.Order, log.member, owner)
	}
	if owner == "" {
		return
	}
	if want := o.expected(log); log.held != want.points() {
		s.violate("I4", "%s ends with %d points, and %d are due", o.key.Order, log.held, want.points())
	}
	if log.held != log.points() {
		s.violate("I4", "%s ends with %d points of %d", o.key.Order, log.held, log.points())
	}
	totals[owner] += log.held
}

// finishCards holds I12 (whoever was told "yes" owns it) and I13 (nobody told
// "no" does), and adds the prizes up.
func (s *simulation) finishCards(members map[*person]loyalty.MemberID, totals map[loyalty.MemberID]loyalty.Points) {
	for card := range s.plan.batch.Count {
		items, err := s.engine.Get(s.ctx, table.Strong, table.CardKey(s.plan.batch.ID(), int64(card)))
		s.must(err)
		if r, is := s.redemption(items[0]); is && r.Member != "" && r.Award.Kind == cards.PrizePoints && !r.suspended() {
			totals[r.Member] += loyalty.Points(r.Award.Amount)
		}
	}
	for _, a := range s.plan.asks {
		if !a.final {
			s.violate("I37", "nobody ever answered about card %d", a.card)
			return
		}
		if len(a.told) == 0 {
			continue
		}
		items, err := s.engine.Get(s.ctx, table.Strong, table.CardKey(s.plan.batch.ID(), int64(a.card)))
		s.must(err)
		last := a.told[len(a.told)-1].status
		r, given := s.redemption(items[0])
		if !given {
			if last != 404 {
				s.violate("I12", "card %d was given, and is not", a.card)
			}
			continue
		}
		member, known := members[a.by]
		mine := known && r.Member == member || a.way == byOpenID && r.Identity == a.by.openID
		kept := r.Identity.Kind == loyalty.IdentityPhone
		// What is kept for a phone and held is not proved meanwhile, and its owner is
		// told that it is held; they may never ask again.
		mine = mine || r.Hold != "" && r.Member == "" && a.way == byToken && r.Identity == a.by.identities()[2].Identity
		// For which phone it was kept is gone with who proved it and was erased.
		who := s.personOf(r.Member)
		forgotten := r.Identity == (loyalty.Identity{}) && who != nil && who.forgotten.commit > 0
		phone := a.way == byPhone && (forgotten || kept && r.Identity == a.by.identities()[2].Identity)
		if a.way == byPhone {
			// Who typed a phone is told of no other way in which he has the card.
			mine = phone && !forgotten || last == 200 && (phone || mine)
		}
		if len(a.by.family) > 0 || a.by.forgotten.commit > 0 {
			// Whose a card is to whom changes with a merge, and his name goes from it
			// when he is erased. What is kept for his phone a friend may prove.
			if last == 200 && !phone && who != nil && who != a.by && !who.related(a.by) {
				s.violate("I12", "%s was told yes about card %d, and %s has it", a.by.name, a.card, r.Member)
			}
			continue
		}
		// A prize that was reserved for a typed phone is everybody else's "no"
		// until its owner proves himself by a member token; who was refused so in
		// a frozen batch never can.
		refused := s.frozen && last == 404 && a.way == byToken
		if mine && kept && a.way != byPhone && last != 200 && !refused {
			continue
		}
		switch {
		case last == 200 && !mine:
			s.violate("I12", "%s was told yes about card %d, and %s has it", a.by.name, a.card, r.Member)
		case last != 200 && mine:
			s.violate("I13", "%s was told %d about card %d, and has it", a.by.name, last, a.card)
		}
	}
}

// finishReminders holds I25: every reminder that fell due was sent or has a
// reason on record. That one recorded as sent was taken is held when it is
// recorded; after a merge its message has the id of the part.
func (s *simulation) finishReminders(account store.Account) {
	if account.Merged != nil || account.Erased != nil {
		return // the whole is reminded, and nobody who is erased
	}
	for _, category := range slices.Sorted(maps.Keys(account.Bought)) {
		bought := account.Bought[category]
		due, cycles := s.due(category, bought.Last)
		if !cycles || due.After(s.now()) {
			continue
		}
		// An old history that is learnt late is nothing to remind of.
		learnt := s.check.bought[[2]string{string(account.Member), category}].at
		if s.plan.rules.Repurchase.TooLate(category, bought.Last, learnt.Add(-2*time.Minute), zone) || s.plan.rules.Repurchase.TooLate(category, bought.Last, learnt.Add(2*time.Minute), zone) {
			continue
		}
		reminded := account.Reminded[category]
		if !reminded.Bought.Equal(bought.Last) {
			s.violate("I25", "the reminder of %s to %s for %s has no outcome", category, account.Member, bought.Last)
			continue
		}
		if reminded.Outcome == store.OutcomeHandingOver {
			s.violate("I25", "the reminder of %s to %s is never answered", category, account.Member)
		}
	}
}

// finishCampaign holds what remains of I16 and I18 at rest: no lease is open,
// what was taken is what was given, and where the budget suffices for everybody
// nobody is left out.
func (s *simulation) finishCampaign(members map[*person]loyalty.MemberID) {
	key := table.BudgetKey(s.plan.template.ID)
	query := table.Query{PK: key.PK, Limit: 1000, Consistency: table.Strong}
	page, err := s.engine.Query(s.ctx, query)
	s.must(err)
	for _, item := range page.Items {
		if kindOf(item.Key) == leaseItem && item.Text("state") != "closed" {
			s.violate("I16", "a lease stays open: %s", item.Key.SK)
		}
	}
	if s.check.issued != s.check.budget.Quantity {
		s.violate("I16", "%d coupons issued, and %d taken from the budget", s.check.issued, s.check.budget.Quantity)
	}
	edited := s.faults.counts[CampaignEdited] > 0
	s.finishRuns(edited)
	quiet := !edited && s.faults.counts[BudgetLowered] == 0
	everybody := s.plan.audience == "true" && s.plan.campaign.Holdout == 0
	budget := s.plan.template.Budget
	wanted := int64(len(s.check.account) * len(s.plan.runs) * len(s.plan.campaigns()))
	if !quiet || !everybody || budget.Grant(coupons.Given{}, s.plan.template.Discount, wanted) < wanted || len(s.plan.runs) > 1 {
		return
	}
	for _, who := range s.plan.people {
		if who.stranger || !who.joins.IsZero() || len(who.family) > 0 || who.forgotten.commit > 0 {
			continue
		}
		member := members[who]
		if len(s.check.coupled[member]) == 0 {
			s.violate("I18", "%s gets no coupon, though the budget suffices", member)
		}
	}
}

// occurrence is the id of the campaign's occurrence at the time.
func (s *simulation) occurrence(at time.Time) string {
	if s.plan.campaign.Schedule.Cron == "" {
		return campaign.Once
	}
	return at.UTC().Format(time.RFC3339)
}
