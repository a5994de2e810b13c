// Package sim runs the real functions in a world of its own: virtual time, the
// embedded table, queues and schedules, with everything going wrong that can go
// wrong, and holds the invariants after every commit.
//
// One seed is one world and one interleaving, and nothing else decides
// anything: an invocation is a coroutine that stops before and after every call
// to the table, a queue or the notifier, and a seeded scheduler goes on with
// one of them. There is no goroutine whose order the runtime picks, no wall
// clock and no other source of chance, so that a seed always leaves the same
// trace.
//
// What is not injected: a strong read is never stale, and a write that was
// acknowledged is never lost. DynamoDB promises both.
package sim

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/huitou/huitou/shared/audience"
	"github.com/huitou/huitou/shared/campaign"
	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/coupons"
	"github.com/huitou/huitou/shared/enrolment"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/table/embedded"
)

// simulation is one seed's world.
type simulation struct {
	*clockwork
	seed   uint64
	plan   *plan
	faults *faults
	check  *checker
	ctx    context.Context

	engine  *embedded.Engine
	replica replica
	commits int
	writer  map[table.Key]written

	orders, coupons, messages *line
	payouts, friends          *line
	desk                      *desk     // the operators' API, once it was needed
	active                    *instance // whose invocation goes on
	pool                      map[string][]*instance
	ordinals                  map[string]int
	running                   int

	keys                      *cards.Keyring
	draws                     *cards.Draws
	random                    io.Reader
	throttledUntil, lostUntil int64
	frozen                    bool              // the card batch
	freezes                   time.Time         // when it will be; zero: never
	reactions                 map[string]func() // to a body that is put on a queue
	called                    func(a *ask, began int64, status int, body string)

	violation *Violation
	hash      uint64
	trace     io.Writer
}

// Violation is an invariant that did not hold.
type Violation struct {
	Invariant string
	What      string
	Commit    int // how many commits there had been
	At        time.Time
}

// Result is what came of one seed.
type Result struct {
	Seed      uint64
	Steps     int
	Commits   int
	Virtual   time.Duration
	Faults    [kinds]int
	Injected  []Injection
	Hash      uint64 // of the trace
	Violation *Violation
}

// Run simulates one seed. Of the faults only those whose ids are in only
// happen, unless it is nil. A trace, if not nil, gets a line for each step.
func Run(seed uint64, only map[uint64]bool, trace io.Writer) Result {
	s := simulate(seed, draw(seed), only, trace)
	defer s.leave()
	s.setUp()
	s.schedule()
	began := s.now()
	s.drain()
	s.settle()
	s.finish()
	return s.result(began)
}

func (s *simulation) result(began time.Time) Result {
	return Result{
		Seed: s.seed, Steps: s.steps, Commits: s.commits, Virtual: s.now().Sub(began), Faults: s.faults.counts,
		Injected: s.faults.injected, Hash: s.hash, Violation: s.violation,
	}
}

// simulate makes the world of a plan, before anything has happened in it.
func simulate(seed uint64, p *plan, only map[uint64]bool, trace io.Writer) *simulation {
	s := &simulation{
		clockwork: &clockwork{rng: rand.New(rand.NewPCG(seed, 2))},
		seed:      seed, plan: p, faults: newFaults(seed, only), ctx: context.Background(),
		engine: embedded.Memory(), replica: replica{engine: embedded.Memory()},
		writer: map[table.Key]written{}, pool: map[string][]*instance{}, ordinals: map[string]int{},
		random:    rand.NewChaCha8([32]byte(bytes.Repeat([]byte{byte(seed), byte(seed >> 8), byte(seed >> 16), byte(seed >> 24)}, 8))),
		reactions: map[string]func(){}, trace: trace, hash: 14695981039346656037,
	}
	s.check = newChecker(s)
	s.nanos = dawn.UnixNano()
	s.orders = &line{simulation: s, name: "orders", function: convertOrders, visibility: 180 * time.Second, timeout: timeouts[convertOrders], batch: 10, workers: 4, maxReceive: 5}
	s.coupons = &line{simulation: s, name: "coupons", function: issueCoupons, visibility: 360 * time.Second, timeout: timeouts[issueCoupons], batch: 5, workers: 4, maxReceive: 5}
	s.messages = &line{simulation: s, name: "messages", function: sendMessages, visibility: 360 * time.Second, timeout: timeouts[sendMessages], batch: 5, workers: 3, maxReceive: 10}
	s.payouts = &line{simulation: s, name: "payouts", function: payPrizes, visibility: 360 * time.Second, timeout: timeouts[payPrizes], batch: 5, workers: 3, maxReceive: 5}
	s.friends = &line{simulation: s, name: "friends", function: welcomeFriends, visibility: 180 * time.Second, timeout: timeouts[welcomeFriends], batch: 1, workers: 4, maxReceive: 5}
	s.keys = keyring()
	var err error
	if s.draws, err = s.keys.Draws(s.plan.batch); err != nil {
		panic(err)
	}
	return s
}

// keyring holds the simulated brand's one key for cards.
func keyring() *cards.Keyring {
	keys, err := cards.NewKeyring(cards.RootKey{ID: 'K', Secret: [32]byte{1, 2, 3}})
	if err != nil {
		panic(err) // a fixed key
	}
	return keys
}

// lines are all queues.
func (s *simulation) lines() []*line {
	return []*line{s.orders, s.coupons, s.messages, s.payouts, s.friends}
}

// record adds a line to the trace.
func (s *simulation) record(who, what string) {
	h := s.hash
	for _, part := range [2]string{who, what} {
		for i := range len(part) {
			h = (h ^ uint64(part[i])) * 1099511628211
		}
	}
	s.hash = (h ^ uint64(s.nanos)) * 1099511628211
	if s.trace != nil {
		fmt.Fprintf(s.trace, "%s  %5d  %-22s %s\n", s.now().In(zone).Format("01-02 15:04:05.000"), s.commits, who, what)
	}
}

// violate notes the first invariant that does not hold.
func (s *simulation) violate(invariant, format string, values ...any) {
	if s.violation != nil {
		return
	}
	s.violation = &Violation{Invariant: invariant, What: fmt.Sprintf(format, values...), Commit: s.commits, At: s.now()}
	s.record("VIOLATION", invariant+": "+s.violation.What)
}

// setUp is the brand as its operators have set it up, before anything happens.
func (s *simulation) setUp() {
	p := s.plan
	welcome := coupons.Template{ID: "welcome", Name: "welcome", Kind: coupons.KindOwn, Discount: 500, Validity: coupons.Validity{Months: 1}}
	actions := []table.Action{
		store.PutTemplate(p.template, 0), store.PutTemplate(welcome, 0),
		store.PutAudience(audience.Definition{ID: "audience", Rule: p.audience}, 0),
	}
	for _, c := range p.campaigns() {
		actions = append(actions, store.PutCampaign(c, 0))
	}
	for _, version := range p.programs() {
		s.must(version.Validate())
		actions = append(actions, store.PutProgram(version))
	}
	for _, action := range actions {
		s.must(s.commit(nil, []table.Action{action}))
	}
	_, _, err := store.Store{Table: direct{s}}.CreateBatch(s.ctx, p.batch, "setup")
	s.must(err)
	if p.staffed {
		s.hire()
	}
	for _, who := range p.people {
		if who.stranger || !who.joins.IsZero() {
			continue
		}
		random := s.random
		if p.crowded {
			random = bytes.NewReader(s.neighbour())
		}
		member, _, err := enrolment.Enrol(s.ctx, store.Store{Table: direct{s}}, enrolment.Request{
			Identities: who.identities(), Consents: who.consents, Birthday: "2025-10", Facts: map[string]string{"nickname": who.nickname()},
		}, random, dawn)
		s.must(err)
		who.member = member
	}
	s.nanos += int64(time.Hour)
}

// neighbour draws the random bytes of a member's id until the member falls into
// the first shard, so that a page of a campaign has several members.
func (s *simulation) neighbour() []byte {
	for {
		raw := make([]byte, 10)
		_, err := io.ReadFull(s.random, raw)
		s.must(err)
		id, err := enrolment.NewMemberID(bytes.NewReader(raw))
		s.must(err)
		if table.RosterKey(id).PK == table.RosterPK(0) {
			return raw
		}
	}
}

func (s *simulation) must(err error) {
	if err != nil {
		panic(fmt.Sprintf("seed %d cannot be set up: %v", s.seed, err))
	}
}

// direct is the table without faults and steps, under the same watch.
type direct struct{ s *simulation }

func (d direct) Get(ctx context.Context, consistency table.Consistency, keys ...table.Key) ([]*table.Item, error) {
	return d.s.engine.Get(ctx, consistency, keys...)
}

func (d direct) Query(ctx context.Context, query table.Query) (table.Page, error) {
	return d.s.engine.Query(ctx, query)
}

func (d direct) Scan(ctx context.Context, scan table.Scan) (table.Page, error) {
	return d.s.engine.Scan(ctx, scan)
}

func (d direct) Write(_ context.Context, actions ...table.Action) error {
	return d.s.commit(nil, actions)
}

// schedule puts the plan on the agenda.
func (s *simulation) schedule() {
	p := s.plan
	for _, o := range p.orders {
		for _, n := range o.news {
			s.at(n.arrives, func() {
				if !n.accepted {
					s.push(n, 0)
				}
			})
			if n.twice {
				s.at(n.arrives.Add(s.latency()/10), func() { s.push(n, 100) })
			}
		}
	}
	for _, who := range p.people {
		if !who.joins.IsZero() {
			s.at(who.joins, func() { s.hurry(who) })
		}
		if !who.optsOut.IsZero() {
			s.at(who.optsOut, func() { s.optOut(who) })
		}
	}
	for _, sp := range p.spendings {
		s.at(sp.at, func() { s.spend(sp) })
	}
	for _, a := range p.corrections {
		s.at(a.at, func() { s.correct(a) })
	}
	for _, c := range p.claims {
		s.at(c.at, func() { s.claimOrder(c) })
	}
	for _, b := range p.bindings {
		s.at(b.at, func() { s.bind(b) })
	}
	for _, u := range p.unions {
		s.at(u.at, func() { s.unite(u) })
	}
	for _, o := range p.openings {
		s.at(o.at, func() { s.open(o) })
	}
	for _, e := range p.erasures {
		s.at(e.at, func() { s.erase(e) })
	}
	for _, a := range p.asks {
		s.at(a.at, func() { s.redeem(a) })
	}
	for _, v := range p.visits {
		s.at(v.at, func() { s.checkIn(v) })
	}
	s.crowd()
	s.befriend()
	s.reviewKept()
	s.claimOnPages()
	for _, at := range p.runs {
		for minute := range 3 {
			s.tick(runCampaigns, at.Add(time.Duration(minute)*time.Minute))
		}
	}
	for onDay := 2; onDay < lastDay; onDay++ {
		if onDay%2 == 0 && (onDay > 6 || p.early) {
			s.tick(settlePoints, day(onDay, 10*time.Hour+15*time.Minute))
		}
		for _, hour := range []time.Duration{9, 14, 20} {
			if onDay < 7 {
				break
			}
			if hour == 9 || s.rng.IntN(3) == 0 {
				s.tick(remindRepurchase, day(onDay, hour*time.Hour+5*time.Minute))
			}
		}
	}
	s.meddle()
}

// crowd lets more people ask for a card at the very instant at which somebody
// does.
func (s *simulation) crowd() {
	p := s.plan
	r := rand.New(rand.NewPCG(s.seed, 3))
	for _, a := range p.asks[:len(p.asks):len(p.asks)] {
		place := []uint64{number("crowd"), uint64(a.number)}
		if r.IntN(3) == 0 {
			device := p.ask(r, a.card, a.by, a.at)
			device.way = a.way
			s.onlyIf(OtherDevice, a.key, place, func() { s.at(a.at, func() { s.redeem(device) }) }, func() { device.final = true })
		}
		if r.IntN(2) == 0 {
			other := p.ask(r, a.card, p.people[r.IntN(len(p.people))], a.at)
			s.onlyIf(OtherMember, a.key, place, func() { s.at(a.at, func() { s.redeem(other) }) }, func() { other.final = true })
		}
	}
}

func (s *simulation) onlyIf(kind Kind, where string, place []uint64, happens, otherwise func()) {
	if _, strikes := s.faults.strikes(kind, where, place...); strikes {
		happens()
	} else if otherwise != nil {
		otherwise()
	}
}

// meddle is what operators, time and strangers do to a world that is at work.
func (s *simulation) meddle() {
	r := rand.New(rand.NewPCG(s.seed, 4))
	run := s.plan.runs[0]
	place := []uint64{number("meddle")}
	shortly := func(at time.Time) time.Time { return at.Add(time.Duration(r.IntN(20_000)) * time.Millisecond) }
	paused, lowered, resumed := shortly(run), shortly(run), shortly(run.Add(10*time.Second))
	s.onlyIf(CampaignEdited, "campaign", place, func() {
		s.at(paused, func() { s.edit(campaign.StatePaused) })
		s.at(resumed, func() { s.edit(campaign.StateActive) })
	}, nil)
	s.onlyIf(BudgetLowered, "budget", place, func() { s.at(lowered, s.lower) }, nil)
	frozenAt := day(r.IntN(3), 13*time.Hour).Add(time.Duration(r.IntN(1500)) * time.Millisecond)
	if r.IntN(3) == 0 {
		s.onlyIf(BatchFrozen, "batch", place, func() {
			s.freezes = frozenAt
			s.lateClaims(r)
			s.at(frozenAt, func() {
				s.frozen = true
				s.freezeBatch()
			})
		}, nil)
	}
	for _, poison := range s.plan.poison {
		to := []*line{s.orders, s.coupons, s.messages}[poison.queue]
		s.onlyIf(Poison, to.name, append(place, uint64(poison.at.UnixNano())), func() { s.at(poison.at, func() { to.put(poison.body) }) }, nil)
	}
	for _, who := range s.plan.people {
		member := s.memberOf(who)
		if member == "" {
			continue
		}
		// The page that has him, asked for again while it is worked on.
		s.onlyIf(PageTwice, who.name, append(place, number(who.name)), func() {
			var shard int
			for table.RosterPK(shard) != table.RosterKey(member).PK {
				shard++
			}
			page := campaign.Page{Campaign: s.plan.campaign.ID, Template: s.plan.template.ID, Occurrence: s.occurrence(run), Shard: shard}
			body, err := json.Marshal(page)
			s.must(err)
			again := func() { s.coupons.put(string(body)) }
			s.onSend(s.coupons, string(body), func() { s.in(s.latency(), again) })
			// And once more when its lease is long gone.
			s.at(day(33, 12*time.Hour), again)
		}, nil)
	}
	redrive := func(kind Kind, at time.Time) {
		s.at(at, func() {
			for _, l := range s.lines() {
				if len(l.dead) > 0 {
					s.onlyIf(kind, l.name, append(place, uint64(at.UnixNano())), func() { l.redrive() }, nil)
				}
			}
		})
	}
	redrive(RedriveInTraffic, burst(r, 1))
	redrive(RedriveInTraffic, burst(r, 2))
	redrive(RedriveLater, day(6+r.IntN(4), 12*time.Hour))
	redrive(RedriveLater, day(31+r.IntN(4), 12*time.Hour))
	s.at(day(31, 3*time.Hour), s.expire)
}

// lateClaims lets somebody whose prize is reserved for his phone prove it while
// the batch is frozen, from two devices.
func (s *simulation) lateClaims(r *rand.Rand) {
	who := s.plan.people[r.IntN(len(s.plan.people))]
	if who.stranger {
		return
	}
	card := r.IntN(s.plan.batch.Count)
	for _, claim := range []struct {
		way  way
		from time.Duration
	}{{byPhone, -3 * time.Minute}, {byToken, -2 * time.Second}, {byToken, 0}} {
		a := s.plan.ask(r, card, who, s.freezes.Add(claim.from+time.Duration(r.IntN(3000))*time.Millisecond))
		a.way = claim.way
		s.at(a.at, func() { s.redeem(a) })
	}
}

// expire deletes items whose time to live is over, as DynamoDB does within
// days, or not at all.
func (s *simulation) expire() {
	for _, item := range s.items() {
		expires := item.Int(table.ExpiresAttribute)
		if expires == 0 || expires > s.now().Unix() {
			continue
		}
		s.onlyIf(LateTTL, item.Key.PK, []uint64{number(item.Key.PK + item.Key.SK)}, func() {
			s.must(s.commit(nil, []table.Action{table.Delete(item.Key)}))
		}, nil)
	}
}

// drain lets happen what is on the agenda, until nothing is or an invariant
// does not hold.
func (s *simulation) drain() {
	for events := 0; s.violation == nil && s.next(); events++ {
		if s.steps > 400_000 || events > 2_000_000 {
			s.violate("I37", "no end after %d steps and %d events", s.steps, events)
		}
	}
}

// settle ends the faults and lets the world come to rest: dead letters are
// redriven, schedules run until they find nothing more to do.
func (s *simulation) settle() {
	s.faults.off, s.calm = true, true
	s.nanos = max(s.nanos, day(lastDay, 12*time.Hour).UnixNano())
	for range 3 {
		for _, l := range s.lines() {
			l.redrive()
		}
		for _, e := range s.plan.erasures { // an index may have been behind
			s.erase(e)
		}
		s.withdrawProposals()
		for _, at := range s.plan.runs {
			s.fire(runCampaigns, at, 2)
		}
		s.drain()
	}
	s.reviewAll()
	for range 120 {
		at, wakes := s.wakes()
		if !wakes || s.violation != nil {
			return
		}
		// To the next hour, as the schedules fire, and when messages may leave.
		at = s.plan.rules.Repurchase.Allowed(at.Truncate(time.Hour).Add(time.Hour), zone)
		s.nanos = max(s.nanos, at.UnixNano())
		s.fire(settlePoints, s.now(), 2)
		s.fire(remindRepurchase, s.now(), 2)
		s.drain()
		for _, l := range []*line{s.orders, s.messages, s.payouts, s.friends} {
			if !l.idle() {
				s.violate("I37", "queue %s is not empty at rest", l.name)
			}
		}
		s.check.rested()
	}
	s.violate("I37", "the schedules find no rest")
}

// wakes is when the first member wants to be looked at.
func (s *simulation) wakes() (first time.Time, any bool) {
	for _, account := range s.check.account {
		for _, at := range []time.Time{account.RemindAt, account.SettleAt} {
			if !at.IsZero() && (!any || at.Before(first)) {
				first, any = at, true
			}
		}
	}
	for _, open := range s.check.reservations {
		if open.state == store.ReservationReserved && (!any || open.over.Before(first)) {
			first, any = open.over, true
		}
	}
	for _, payout := range s.check.payouts {
		if !payout.State().Final() && (!any || payout.NextAsk.Before(first)) {
			first, any = payout.NextAsk, true
		}
	}
	if any && first.Before(s.now()) {
		first = s.now()
	}
	return first, any
}

// stock is how many cards of the batch give the award.
func (s *simulation) stock(award cards.Award) int {
	stock := 0
	rest := s.plan.batch.Count
	for _, prize := range s.plan.batch.Arms[0].Prizes {
		rest -= prize.Quantity
		if prize.Award == award {
			stock += prize.Quantity
		}
	}
	if award.Kind == cards.PrizeNone {
		return rest
	}
	return stock
}

// members are the people as members, those who are any.
func (s *simulation) members() map[*person]loyalty.MemberID {
	members := map[*person]loyalty.MemberID{}
	for _, who := range s.plan.people {
		if member := s.memberOf(who); member != "" {
			members[who] = member
		}
		if who.erased {
			members[who] = who.member
		}
	}
	return members
}
