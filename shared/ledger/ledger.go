// Package ledger records what happens to orders: it loads an order's log,
// lets the rules of points and repurchase decide, and commits the new fact,
// the member's counters, their purchase history and their next wake-up calls in
// one conditional write. It is the one way in which an order's log grows.
package ledger

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
)

// attempts bounds how often a lost race is decided again. Two facts of one
// order rarely meet; two orders of one member may, but lose only a conditional
// counter, not a turn.
const attempts = 8

// News is something that happened to an order.
type News struct {
	Order loyalty.OrderKey
	Fact  points.Fact // without Program, Rate, Window and Entries
	// Identities are what the event tells of the buyer, best known first. An
	// order whose identities nobody owns waits for each of them.
	Identities []loyalty.Identity
	// Release are waiting marks to remove with the commit.
	Release []loyalty.Identity
	// With is written together with the fact, or not at all where the log knew the
	// news: what the news was kept in until now ends in the same write.
	With []table.Action
	// Seen is what was read just before; the first attempt does not read it again.
	Seen Seen
	// Rest is what the schedule that settles knows of the order's owner.
	Rest *Rest
}

// Seen is an order's whole log, read strongly, and its owner's account as it
// stood at that time or earlier. Nil is what was not read.
type Seen struct {
	Log     []points.Fact
	Account *store.Account
}

// Rest is for the schedule that settles: it looked at the owner's account as
// Looked, and so many points are pending before the fact. With the Last fact
// that this takes it has dealt with all that it saw and need not look again
// before Until, a lot's end or a change of the tier; unless anything was asked
// for since.
type Rest struct {
	Looked  store.Account
	Pending loyalty.Points
	Last    bool
	Until   time.Time
}

// Post records the news once. It reports false when the log knew it all. It
// fails with KindUnavailable when it lost every race; then the news has changed
// nothing.
//
// News that is too much for one write is committed in parts (see points.Part), each
// whole. The next call that posts to the order, or posts the same news again,
// finishes what stopped between them. So is what a refund gives back of points that
// were spent on the order, in a write for each member who spent them.
//
// Where the order's owner is a part of another member (see Merge), their own
// account goes on as if they were not, and the same write mirrors what happens in
// that of the whole. Nobody looks for that beforehand: the first attempt is
// refused by the owner's account, which then tells.
func Post(ctx context.Context, s store.Store, versions []program.Program, news News, now time.Time) (bool, error) {
	var changed, byHand bool
	seen := news.Seen
	err := settle(ctx, posting{store: s, versions: versions, news: news, now: now, log: seen.Log, account: seen.Account}, func(p *posting) error {
		fresh, err := p.try(ctx)
		changed, byHand = changed || fresh && (err == nil || errors.Is(err, errMore)), p.byHand
		return err
	})
	if err == nil && byHand && len(news.Identities) > 0 {
		err = settle(ctx, posting{store: s, versions: versions, news: news, now: now}, func(p *posting) error { return p.name(ctx) })
	}
	return changed && err == nil, err
}

// errMore says that a part was committed, and that more is to be done.
var errMore = errors.New("ledger: more is to be done")

// settle decides and commits until no race is lost, each time on what is known
// then.
func settle(ctx context.Context, start posting, try func(*posting) error) error {
	for lost := 0; lost < attempts; {
		p := start
		err := try(&p)
		if errors.Is(err, errMore) {
			start.log, start.account, start.whole, start.news.Rest = nil, nil, nil, nil
			continue
		}
		if !store.Refused(err) {
			return err
		}
		lost++
		start.log, start.account, start.whole, start.lost = nil, nil, nil, true
		if p.member != "" {
			if err := p.look(ctx); err != nil {
				return err
			}
			start.account, start.whole = p.account, p.whole
		}
	}
	return loyalty.Refuse(loyalty.KindUnavailable, "lost_race", "others changed the same order at the same time")
}

// posting is one attempt.
type posting struct {
	store    store.Store
	versions []program.Program
	news     News
	now      time.Time
	log      []points.Fact  // nil where it was not read
	account  *store.Account // nil at the first attempt, which needs no look at it as a rule
	whole    *store.Account // of the member whose part the owner is; nil for none
	lost     bool           // an attempt was refused

	member loyalty.MemberID
	byHand bool // an operator gave the order to its owner
	rules  program.Program
	zone   *time.Location
	buyer  *points.Buyer // nil unless the rules ask for the buyer
}

func (p *posting) try(ctx context.Context) (bool, error) {
	order, waitFor, err := p.load(ctx)
	if err != nil {
		return false, err
	}
	if order.Behind() != "" {
		return false, p.resume(ctx, order)
	}
	if owed := order.Owed(); len(owed) > 0 {
		return false, p.giveBack(ctx, order, owed[0])
	}
	p.byHand = order.Binding != nil
	news := p.news.Fact
	p.freeze(order, &news)
	if news.Member == "" {
		news.Member = p.member
	}
	fact, fresh, err := order.Decide(news, p.points())
	if err != nil {
		return false, err
	}
	var actions []table.Action
	switch {
	case fresh:
		if actions, err = p.commit(order, fact, waitFor); err != nil {
			return false, err
		}
	case p.byHand && p.news.Fact.Kind == points.FactClaimed:
		if actions, err = p.named(order, p.news.Fact.Member); err != nil {
			return false, err
		}
	case order.Member == "" && p.member != "" && !byHand(p.news.Fact.Kind):
		// The log knows the news but not the owner, who joined in between.
		claimed := points.Fact{Kind: points.FactClaimed, At: p.now, Member: p.member}
		p.freeze(order, &claimed)
		fact, _, err = order.Decide(claimed, p.points())
		if err != nil {
			return false, err
		}
		if actions, err = p.commit(order, fact, nil); err != nil {
			return false, err
		}
	default:
		if actions, err = p.tellMore(order, waitFor); err != nil {
			return false, err
		}
	}
	if !fact.More() { // whoever dies before all is done must find the order by its mark again
		for _, identity := range p.news.Release {
			actions = append(actions, store.StopWaiting(identity, p.news.Order))
		}
	}
	if len(actions) == 0 {
		return false, nil
	}
	if fresh {
		actions = append(actions, p.news.With...)
	}
	err = p.store.Table.Write(ctx, actions...)
	if err == nil && fact.More() {
		err = errMore
	}
	if err == nil && fresh && order.OwesAfter(fact) {
		err = errMore
	}
	return fresh, err
}

// resume does the next part of what an earlier fact left to do.
func (p *posting) resume(ctx context.Context, order *points.Order) error {
	p.member, p.buyer, p.news.Rest = order.Behind(), nil, nil
	if err := p.look(ctx); err != nil {
		return err
	}
	rest := points.Fact{Kind: points.FactContinued, At: p.now}
	p.freeze(order, &rest)
	fact, _, err := order.Decide(rest, p.points())
	if err != nil {
		return err
	}
	actions, err := p.commit(order, fact, nil)
	if err != nil {
		return err
	}
	if err := p.store.Table.Write(ctx, actions...); err != nil {
		return err
	}
	return errMore
}

// named notes that an event names a member as the buyer of an order that an
// operator gave to another: it becomes theirs should the operator take it back.
func (p *posting) named(order *points.Order, member loyalty.MemberID) ([]table.Action, error) {
	fact, fresh, err := order.Decide(points.Fact{Kind: points.FactNamed, At: p.now, Claimant: member}, p.points())
	if err != nil || !fresh {
		return nil, err
	}
	return []table.Action{store.AppendFact(p.news.Order, order.Facts+1, fact)}, nil
}

// name keeps who is named as the buyer of an order that an operator gave to
// another, and waits for the names that are nobody's yet.
func (p *posting) name(ctx context.Context) error {
	log, err := p.store.Log(ctx, p.news.Order)
	if err != nil {
		return err
	}
	order := points.Replay(p.news.Order, log)
	if order.Binding == nil {
		return nil
	}
	owners, err := p.store.Owners(ctx, p.news.Identities...)
	if err != nil {
		return err
	}
	var actions []table.Action
	for i, owner := range owners {
		if owner == "" {
			actions = append(actions, store.Wait(p.news.Identities[i], p.news.Order)...)
		}
	}
	if at := slices.IndexFunc(owners, func(owner loyalty.MemberID) bool { return owner != "" }); at >= 0 {
		named, err := p.named(order, owners[at])
		if err != nil {
			return err
		}
		actions = append(actions, named...)
	}
	if len(actions) == 0 {
		return nil
	}
	return p.store.Table.Write(ctx, actions...)
}

// byHand tells the facts that come from an operator, who means this owner and
// no other.
func byHand(kind points.FactKind) bool { return kind == points.FactBound || kind == points.FactUnbound }

// tellMore is what a repeat knows beyond the log: more of the buyer, by which
// the order may be claimed, discount codes, and names that the first telling did
// not have.
func (p *posting) tellMore(order *points.Order, waitFor []loyalty.Identity) ([]table.Action, error) {
	if p.news.Fact.Proof != nil || len(p.news.Fact.Codes) > 0 {
		told := points.Fact{Kind: points.FactTold, At: p.news.Fact.At, Proof: p.news.Fact.Proof, Codes: p.news.Fact.Codes}
		fact, adds, err := order.Decide(told, p.points())
		if err != nil {
			return nil, err
		}
		if adds {
			return p.commit(order, fact, waitFor)
		}
	}
	var actions []table.Action
	for _, identity := range waitFor {
		actions = append(actions, store.Wait(identity, p.news.Order)...)
	}
	return actions, nil
}

// load reads the order and finds its owner; waitFor are the identities that
// nobody owns when the order has no owner.
func (p *posting) load(ctx context.Context) (order *points.Order, waitFor []loyalty.Identity, err error) {
	if order, err = p.order(ctx); err != nil {
		return nil, nil, err
	}
	if p.member == "" {
		p.member = p.news.Fact.Member
	}
	var claimants []loyalty.MemberID
	if p.news.Fact.Member == "" { // who is named is meant and no other
		claimants = order.Claimants(p.news.Fact.Proof, p.now)
	}
	if p.member == "" && len(claimants) > 0 {
		p.member, claimants = claimants[0], claimants[1:]
	}
	happened := p.news.Fact.At
	if p.news.Fact.Kind != points.FactPaid && order.Paid() {
		happened = order.PaidAt
	}
	if p.news.Fact.History() || order.History() {
		happened = p.now // there were no rules when it was paid
	}
	p.rules = program.At(p.versions, happened)
	if err := p.sameCurrency(order, happened); err != nil {
		return nil, nil, err
	}
	p.zone = p.rules.Zone()
	// A completion brings the settlement forward, so the call that stands is in
	// its way as a rule: looking first is cheaper than losing.
	look := p.news.Fact.History() || order.Settled() || p.news.Fact.Kind == points.FactSettled || p.news.Fact.Kind == points.FactCompleted
	if p.account != nil && p.account.Member != p.member {
		p.account, p.whole = nil, nil // of who was the owner before the race was lost
	}
	// The things that the schedule saw of a part tell nothing of the whole.
	partAlone := p.account != nil && p.account.Merged != nil && p.whole == nil
	if (look && p.account == nil || partAlone) && p.member != "" {
		if err := p.look(ctx); err != nil {
			return nil, nil, err
		}
	}
	for order.Member == "" && p.account != nil && p.account.Erased != nil {
		// The person was erased meanwhile, or a claim of theirs was left in the
		// log: then the next claim counts.
		p.member, p.account, p.whole, p.news.Fact.Member = "", nil, nil, ""
		if len(claimants) == 0 {
			break
		}
		p.member, claimants = claimants[0], claimants[1:]
		if err := p.look(ctx); err != nil {
			return nil, nil, err
		}
	}
	if p.member == "" {
		waitFor = p.news.Identities
	}
	return order, waitFor, p.meet(ctx, order)
}

// sameCurrency holds the amounts of the news against the currency of the order,
// which the first fact that tells one decides: huitou converts none. An order is
// rated by rules in its own currency, those in force when it was paid or the
// first that came later. It fails with KindInvalid code "currency" for news in
// another currency than the order's, and for an order in one that no rules are in;
// a refund may be in a currency of earlier rules, since its order may be.
func (p *posting) sameCurrency(order *points.Order, happened time.Time) error {
	currency := order.Currency
	if currency == "" && order.Paid() {
		currency = p.rules.Currency // from before facts told it
	}
	told := p.news.Fact.Currency
	if currency != "" && told != "" && told != currency {
		return foreign("the order is in another currency")
	}
	if currency = cmp.Or(currency, told); currency == "" {
		return nil
	}
	rules, ok := program.In(p.versions, currency, happened, p.now)
	switch {
	case ok:
		p.rules = rules
	case p.news.Fact.Kind == points.FactPaid,
		told != "" && !slices.ContainsFunc(p.versions, func(v program.Program) bool { return v.Currency == told && !v.EffectiveAt.After(p.now) }):
		return foreign("the brand's program has another currency")
	}
	return nil
}

func foreign(detail string) error {
	return &loyalty.Error{
		Kind: loyalty.KindInvalid, Code: "currency", Detail: detail + ", and huitou converts none",
		Fields: []loyalty.Field{{Pointer: "/currency", Code: "foreign"}},
	}
}

// order reads the order and, where nobody owns it yet, who has the identities.
func (p *posting) order(ctx context.Context) (order *points.Order, err error) {
	var owners []loyalty.MemberID
	log, known := p.log, p.log != nil
	if !known && p.news.Fact.Kind == points.FactPaid {
		// The order is new as a rule, and the two questions are one round trip.
		var hasLog bool
		hasLog, owners, err = p.store.Start(ctx, p.news.Order, p.news.Identities)
		if err != nil {
			return nil, err
		}
		known = !hasLog
	}
	if !known {
		if log, err = p.store.Log(ctx, p.news.Order); err != nil {
			return nil, err
		}
	}
	order = points.Replay(p.news.Order, log)
	if p.member = order.Member; p.member != "" {
		return order, nil
	}
	if owners == nil && len(p.news.Identities) > 0 {
		if owners, err = p.store.Owners(ctx, p.news.Identities...); err != nil {
			return nil, err
		}
	}
	for i := 0; i < len(owners) && p.member == ""; i++ {
		p.member = owners[i]
	}
	return order, nil
}

// meet looks at the buyer where the rules ask for them: a payment by a member
// who was not given the order by hand, since an operator may take that back.
func (p *posting) meet(ctx context.Context, order *points.Order) error {
	rules, paid := p.rules.Points, p.news.Fact
	if paid.Kind != points.FactPaid || paid.History() || !rules.Personal() || p.member == "" || order.Binding != nil || len(order.Unknown(paid.Lines)) == 0 {
		return nil
	}
	var buyer points.Buyer
	switch {
	case rules.CapPerDay > 0:
		account, earned, err := p.store.AccountAndEarned(ctx, p.member, p.day())
		if err != nil {
			return err
		}
		p.account, buyer.Earned = &account, earned
		if err := p.lookAtWhole(ctx); err != nil {
			return err
		}
	case p.account == nil:
		if err := p.look(ctx); err != nil {
			return err
		}
	}
	buyer.Tier = p.account.Tier.Level
	buyer.FirstOrder = p.account.FirstOrder == p.news.Order || p.account.FirstOrder == loyalty.OrderKey{} && p.account.Orders == 0
	if p.whole != nil { // this is the person whose tier and first order count
		buyer.Tier = p.whole.Tier.Level
		buyer.FirstOrder = buyer.FirstOrder && p.whole.FirstOrder == (loyalty.OrderKey{}) && p.whole.Orders == 0
	}
	p.buyer = &buyer
	return nil
}

// day is the day of the payment by the brand's calendar.
func (p *posting) day() string { return p.news.Fact.At.In(p.zone).Format(time.DateOnly) }

// freeze writes the rules in force into the fact, so that no later change of
// the program reaches it.
func (p *posting) freeze(order *points.Order, fact *points.Fact) {
	if order.Settled() || fact.Kind == points.FactSettled {
		fact.Until = p.rules.Points.Expiry.Until(p.now, p.zone)
	}
	if fact.Kind == points.FactPaid {
		fact.Conflicts, fact.Lines = order.Differing(fact.Lines), order.Unknown(fact.Lines)
	}
	*fact = p.rules.Freeze(*fact, points.Payment{
		Channel: p.news.Order.Channel, Zone: p.zone, Granted: order.Granted(), Buyer: p.buyer,
	})
}

func (p *posting) points() points.Account { return p.known().Points(p.now) }

// known is the member's account as far as it was read.
func (p *posting) known() store.Account {
	if p.account == nil {
		return store.Account{Member: p.member}
	}
	return *p.account
}

// commit is the one write: the fact, and what follows from it for the member.
func (p *posting) commit(order *points.Order, fact points.Fact, waitFor []loyalty.Identity) ([]table.Action, error) {
	after := order.With(fact)
	actions := p.record(order, fact)
	for _, identity := range waitFor {
		actions = append(actions, store.Wait(identity, p.news.Order)...)
	}
	forPerson, err := kept(p.news.Order, order, after, fact, p.now)
	if err != nil {
		return nil, err
	}
	actions = append(actions, forPerson...)
	if fact.Member == "" {
		return actions, nil
	}
	tier := p.judge(fact.Entries)
	actions = append(actions, tier.actions...)
	settle := p.settleAt(order, after)
	look := tier.next
	if after.Settled() { // what is credited may ask for the same call
		look, settle = store.Earliest(look, settle), time.Time{}
	}
	changes, conditions := p.credit(fact.Entries, look)
	changes, conditions = append(changes, tier.changes...), append(conditions, tier.conditions...)
	counted, held := p.count(order, after, settle)
	changes = append(changes, counted...)
	conditions = append(conditions, held...)
	if p.buyer != nil {
		if bonus := p.rules.Points.Bonuses.FirstOrder; bonus > 0 && p.buyer.FirstOrder {
			taken, free := store.TakeFirstOrder(p.news.Order)
			changes, conditions = append(changes, taken), append(conditions, free)
		}
		if earned, most := granted(fact.Lines), p.rules.Points.CapPerDay; earned > 0 && most > 0 {
			actions = append(actions, store.AddEarned(fact.Member, p.day(), earned, most))
		}
	}
	if order.Member == "" && fact.Kind != points.FactContinued { // nobody who was erased gets an order
		if len(changes) == 0 {
			return append(actions, store.StillAlive(fact.Member)), nil
		}
		conditions = append(conditions, store.Alive())
	}
	if len(changes) == 0 {
		return actions, nil
	}
	mirrored, lent, stands, err := p.mirror(order, fact)
	changes, conditions = append(changes, lent...), append(conditions, stands...)
	return append(append(actions, store.UpdateAsRead(p.known(), changes, conditions...)), mirrored...), err
}

// mostUnlisted bounds how many claims of an order leave the list of those that
// wait in the write that gives it an owner. More than that is a flood, and the
// order's log tells that it does not wait any more.
const mostUnlisted = 50

// record appends the fact, and keeps the lists of what waits for a person: the
// orders that nobody owns, and the claims of them.
func (p *posting) record(order *points.Order, fact points.Fact) []table.Action {
	key, seq := p.news.Order, order.Facts+1
	switch {
	case fact.Kind == points.FactUnbound:
		return []table.Action{store.AppendFact(key, seq, fact), store.ListAgain(key, order.Heard, order.HeardAt)}
	case order.Member != "", fact.Kind == points.FactContinued:
		return []table.Action{store.AppendFact(key, seq, fact)}
	case fact.Member == "" && order.Heard == 0:
		return []table.Action{store.AppendFirstOfNobody(key, seq, fact, len(p.news.Identities) == 0)}
	}
	actions := []table.Action{store.AppendFact(key, seq, fact)}
	if fact.Member == "" {
		return actions
	}
	if order.Heard > 0 {
		actions = append(actions, store.UnlistFact(key, order.Heard))
	}
	asking := order.Asking()
	for _, claim := range asking[:min(len(asking), mostUnlisted)] {
		actions = append(actions, store.UnlistFact(key, claim))
	}
	return actions
}

func (p *posting) credit(entries []points.Entry, look time.Time) ([]table.Change, []table.Condition) {
	rest := p.news.Rest
	switch {
	case rest == nil || p.lost:
		return store.CreditAndLook(entries, p.known(), look)
	case !rest.Last:
		return store.CreditWhileAwake(entries, p.known(), rest.Looked)
	}
	// The account may have been read again since; what was asked for must not.
	changes, conditions := store.CreditAndRest(entries, p.known(), store.Earliest(rest.Until, look))
	return changes, append(conditions, store.WakeSettle.Unasked(rest.Looked), store.PendingStands(rest.Pending))
}

// judge is what entries that count growth do to the member's tier. Where the
// schedule's call is answered it is judged in any case: the answer must not
// forget when time may change it. An account was read before anything is done to
// an order that is settled.
func (p *posting) judge(entries []points.Entry) tierChange {
	counts := slices.ContainsFunc(entries, func(e points.Entry) bool { return e.Growth != nil && e.Growth.Counting != 0 })
	answers := p.news.Rest != nil && p.news.Rest.Last
	if !counts && !answers || p.account == nil {
		return tierChange{}
	}
	return judge(program.At(p.versions, p.now), *p.account, entries, p.now)
}

// granted is what lines earned when they were paid.
func granted(lines []points.Line) loyalty.Points {
	var sum loyalty.Points
	for _, line := range lines {
		sum += line.Granted()
	}
	return sum
}

// settleAt is when the schedule has to look at the owner for what the fact makes
// pending; zero where that is asked for already.
func (p *posting) settleAt(before, after *points.Order) time.Time {
	settle := after.SettleAt()
	// A late line brings new pending points although the date stays the same. Those
	// of a part's order are settled when the schedule looks at the part.
	if after.Member != p.member || settle.Equal(before.SettleAt()) && len(after.Counted()) <= len(before.Counted()) {
		return time.Time{}
	}
	return settle
}

// count is what the fact changes in the member's purchase history and in when
// the schedules must look at the member: settle is when points settle.
func (p *posting) count(before, after *points.Order, settle time.Time) (changes []table.Change, conditions []table.Condition) {
	changes = make([]table.Change, 0, 16) // as many as an order of one category brings
	was := purchases(before)
	is := purchases(after)
	if was.lines == 0 && is.lines > 0 {
		changes = append(changes, store.Home(p.news.Order.Channel))
	}
	changes = append(changes, store.CountOrder(is.kept()-was.kept(), is.paid-was.paid, is.refunded-was.refunded)...)
	categories := slices.Concat(is.categories, was.categories)
	slices.Sort(categories)
	for _, category := range slices.Compact(categories) {
		now, then := is.bought[category], was.bought[category]
		if now != then {
			changes = append(changes, store.CountPurchase(category, now.count-then.count, now.quantity-then.quantity)...)
		}
		if now.count > then.count {
			bought, held := p.bought(category, after)
			changes = append(changes, bought...)
			conditions = append(conditions, held...)
		}
	}
	if is.other.count > was.other.count && !p.known().LastOther.After(after.PaidAt) {
		last, held := store.LastOther(after.PaidAt)
		changes, conditions = append(changes, last), append(conditions, held)
	}
	remind := p.remindAt(is, was, after)
	if p.known().Merged != nil {
		remind = time.Time{} // a part is not reminded: the whole is
	}
	calls, held := store.AskBoth(p.known(), remind, settle)
	return append(changes, calls...), append(conditions, held...)
}

// bought records a purchase of a category. Orders come in time order as a
// rule, so the first attempt bets on it; when the bet is lost, the account
// tells.
func (p *posting) bought(category string, order *points.Order) ([]table.Change, []table.Condition) {
	at := order.PaidAt
	changes := []table.Change{store.FirstPurchase(category, at)}
	if p.account != nil && p.account.Bought[category].Last.After(at) {
		return changes, nil
	}
	last, held := store.LastPurchase(category, at, p.news.Order)
	changes, conditions := append(changes, last...), []table.Condition{held}
	if p.withheld(category, order) {
		withheld, held := store.RecordReminder(p.known(), category, store.Reminded{
			Bought: at, Outcome: store.OutcomeHistory, At: p.now, Program: p.rules.Version,
		})
		changes, conditions = append(changes, withheld), append(conditions, held)
	}
	return changes, conditions
}

// historyNotice is how long before its date a reminder of a purchase that came
// as history has to be known.
const historyNotice = 24 * time.Hour

// withheld tells whether nobody is reminded of the purchase of a category
// because it came as history when the date was past, or no more than
// historyNotice away: an import of years writes to nobody on its day. Reminders
// that fall due later are like all others, and spread as the purchases were.
func (p *posting) withheld(category string, order *points.Order) bool {
	due, cycles := p.rules.Repurchase.DueAt(category, order.PaidAt, p.zone)
	return order.History() && cycles && !due.After(p.now.Add(historyNotice))
}

// remindAt is the earliest due date that the new purchases bring; zero when
// they bring none that still lies before the goods are used up.
func (p *posting) remindAt(is, was history, order *points.Order) time.Time {
	var earliest time.Time
	rules, zone, paidAt := p.rules.Repurchase, p.zone, order.PaidAt
	for _, category := range is.categories {
		if is.bought[category].count <= was.bought[category].count || rules.TooLate(category, paidAt, p.now, zone) || p.withheld(category, order) {
			continue
		}
		if due, ok := rules.DueAt(category, paidAt, zone); ok && (earliest.IsZero() || due.Before(earliest)) {
			earliest = due
		}
	}
	return earliest
}
