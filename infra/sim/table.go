package sim

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/table/embedded"
)

// client is the table as one instance sees it: every call lets the others run
// before and after, and may fail in the ways that DynamoDB's do. A strong read
// is never stale; eventual reads and indexes are answered by the replica.
type client struct{ of *instance }

var _ table.Table = client{}

// Get implements table.Table.
func (c client) Get(_ context.Context, consistency table.Consistency, keys ...table.Key) ([]*table.Item, error) {
	v := c.of.current
	if err := v.before("get " + keys[0].PK + " " + keys[0].SK); err != nil {
		return nil, err
	}
	var items []*table.Item
	var err error
	if consistency == table.Eventual {
		draw, stale := v.strikes(StaleGet)
		v.replica.catchUp(v.clockwork, v.calm, stale, draw)
		items, err = v.replica.engine.Get(context.Background(), consistency, keys...)
	} else {
		items, err = c.strong(v, keys)
	}
	if err != nil {
		return nil, err
	}
	for _, key := range keys {
		if member, ok := table.MemberOfAccount(key); ok {
			v.looks[member] = v.commits
			v.looked(v, member)
		}
	}
	if v.name == convertOrders {
		v.seen(v, keys)
		v.reread(keys)
	}
	return items, v.after()
}

// strong reads the engine. A batch of reads is no transaction: another's write
// may fall between two of its items.
func (c client) strong(v *invocation, keys []table.Key) ([]*table.Item, error) {
	if len(keys) > 1 {
		if draw, torn := v.strikes(TornRead); torn {
			cut := 1 + int(draw%uint64(len(keys)-1))
			first, err := v.engine.Get(context.Background(), table.Strong, keys[:cut]...)
			if err != nil {
				return nil, err
			}
			if !v.pause() {
				return nil, errCrashed
			}
			second, err := v.engine.Get(context.Background(), table.Strong, keys[cut:]...)
			return append(first, second...), err
		}
	}
	return v.engine.Get(context.Background(), table.Strong, keys...)
}

// Query implements table.Table.
func (c client) Query(_ context.Context, query table.Query) (table.Page, error) {
	v := c.of.current
	if err := v.before("query " + query.Index + " " + query.PK); err != nil {
		return table.Page{}, err
	}
	if query.Cursor != "" {
		if _, empty := v.strikes(EmptyPage); empty {
			return table.Page{Next: query.Cursor}, v.after()
		}
	}
	if draw, short := v.strikes(ShortPage); short {
		query.Limit = min(query.Limit, 1+int(draw%3))
	}
	if query.Index == "" && query.Consistency == table.Strong {
		page, err := v.engine.Query(context.Background(), query)
		if err != nil {
			return table.Page{}, err
		}
		if v.name == settlePoints {
			v.leafed(v, query.PK)
		}
		return page, v.after()
	}
	draw, stale := v.strikes(StaleIndex)
	v.replica.catchUp(v.clockwork, v.calm, stale, draw)
	page, err := v.replica.engine.Query(context.Background(), query)
	if err != nil {
		return table.Page{}, err
	}
	if len(page.Items) > 0 {
		if draw, missing := v.strikes(IndexItemMissing); missing {
			at := int(draw % uint64(len(page.Items)))
			page.Items = append(page.Items[:at:at], page.Items[at+1:]...)
		}
	}
	if n := len(page.Items); n > 0 && n < query.Limit { // never more than was asked for
		if draw, twice := v.strikes(IndexItemTwice); twice {
			page.Items = append(page.Items, page.Items[draw%uint64(len(page.Items))])
		}
	}
	return page, v.after()
}

// Scan implements table.Table. No function of these paths scans.
func (c client) Scan(ctx context.Context, scan table.Scan) (table.Page, error) {
	v := c.of.current
	if err := v.before("scan"); err != nil {
		return table.Page{}, err
	}
	page, err := v.engine.Scan(ctx, scan)
	if err != nil {
		return table.Page{}, err
	}
	return page, v.after()
}

// Write implements table.Table.
func (c client) Write(_ context.Context, actions ...table.Action) error {
	v := c.of.current
	if err := v.before("write " + actions[0].Item.Key.PK + " " + actions[0].Item.Key.SK); err != nil {
		return err
	}
	if _, conflict := v.strikes(InjectedConflict); conflict {
		return table.Conflict(nil)
	}
	if draw, crash := v.strikes(CrashBetween); crash {
		// What was sent may still arrive.
		if draw%2 == 0 {
			v.later(time.Duration(1+draw%50)*time.Millisecond, actions)
		}
		v.dead = true
		return errCrashed
	}
	if left := v.expiring(actions); left > 0 {
		if draw, zombie := v.strikes(ZombieAfterExpiry); zombie {
			v.later(min(left+time.Duration(1+draw%10)*time.Second, maxFlight), actions)
			return v.gaveUp()
		}
	}
	if draw, zombie := v.strikes(Zombie); zombie {
		v.later(time.Duration(1+draw%uint64(maxFlight/time.Second))*time.Second, actions)
		return v.gaveUp()
	}
	err := v.commit(v, actions)
	if refusal, refused := errors.AsType[*table.ConditionError](err); refused {
		v.raced(v, actions, refusal)
	}
	if err == nil && len(actions) == 1 {
		// A transaction carries a token and is recognised; a single write is
		// not, and its client repeats it when no answer comes.
		if _, repeats := v.strikes(RepeatedByClient); repeats {
			err = v.commit(v, actions)
		}
	}
	if _, lost := v.strikes(ResponseLost); lost || v.inLostBurst() {
		return v.gaveUp()
	}
	if failed := v.after(); failed != nil {
		return failed
	}
	return err
}

// gaveUp is what a caller hears of a write when the time for its answer is over.
func (v *invocation) gaveUp() error {
	v.frozen = time.Second
	if !v.pause() {
		return errCrashed
	}
	return table.Timeout(nil)
}

// expiring is how long a write of a card's redemption is still ahead of the end
// of its batch, when a late write can land beyond it.
func (v *invocation) expiring(actions []table.Action) time.Duration {
	if actions[0].Op != table.OpPut || kindOf(actions[0].Item.Key) != cardItem {
		return 0
	}
	end := v.plan.batch.ValidTo
	if !v.freezes.IsZero() {
		end = v.freezes.Add(time.Second)
	}
	left := end.Sub(v.now())
	if left >= maxFlight {
		return 0
	}
	return left
}

// later lets a write land when nobody waits for it any more.
func (s *simulation) later(delay time.Duration, actions []table.Action) {
	s.in(delay, func() {
		s.record("zombie", "lands "+actions[0].Item.Key.PK+" "+actions[0].Item.Key.SK)
		_ = s.commit(nil, actions) // refused or not, nobody hears of it
	})
}

// commit writes, and holds the invariants to what has been written. by is nil
// for a write whose invocation is gone.
func (s *simulation) commit(by *invocation, actions []table.Action) error {
	err := s.engine.Write(context.Background(), actions...)
	if err != nil {
		s.record("table", "refuses")
		return err
	}
	s.commits++
	keys := make([]table.Key, 0, len(actions))
	for _, action := range actions {
		if action.Op != table.OpCheck {
			keys = append(keys, action.Item.Key)
		}
	}
	after, err := s.engine.Get(context.Background(), table.Strong, keys...)
	if err != nil {
		return err
	}
	for i, key := range keys {
		s.writer[key] = written{s.commits, by}
		s.replica.log = append(s.replica.log, change{s.nanos, key, after[i]})
		if after[i] == nil {
			delete(s.check.since, key)
		} else if _, known := s.check.since[key]; !known {
			s.check.since[key] = moment{s.commits, s.now()}
		}
	}
	s.record("table", "commits")
	s.check.commit(by, keys, after)
	for _, key := range keys { // the writer knows what he wrote
		if member, ok := table.MemberOfAccount(key); ok && by != nil {
			by.looks[member] = s.commits
		}
	}
	return nil
}

// written is who wrote an item last.
type written struct {
	commit int
	by     *invocation
}

// raced counts a refusal that came because somebody else was faster.
func (s *simulation) raced(v *invocation, actions []table.Action, refusal *table.ConditionError) {
	for _, failure := range refusal.Failed {
		last := s.writer[actions[failure.Action].Item.Key]
		if last.commit > v.began && last.by != v {
			s.faults.met(RealConflict)
			return
		}
	}
}

// replica is the table as eventual reads and indexes see it: behind by as much
// as is drawn, but never by more than its most.
type replica struct {
	engine  *embedded.Engine
	log     []change
	applied int
}

type change struct {
	at   int64
	key  table.Key
	item *table.Item // nil when it was deleted
}

// most is how far the replica is behind at the most.
const most = 10 * time.Second

// catchUp applies what the replica has to know: everything, unless the read is
// to be stale.
func (r *replica) catchUp(c *clockwork, calm, stale bool, draw uint64) {
	until := len(r.log)
	if stale && !calm {
		until = r.applied
		for until < len(r.log) && r.log[until].at < c.nanos-int64(most) {
			until++
		}
		if left := len(r.log) - until; left > 0 {
			until += int(draw % uint64(left))
		}
	}
	for ; r.applied < until; r.applied++ {
		change := r.log[r.applied]
		action := table.Delete(change.key)
		if change.item != nil {
			action = table.Put(*change.item)
		}
		if err := r.engine.Write(context.Background(), action); err != nil {
			panic(err) // the engine took the same item
		}
	}
	if r.applied == len(r.log) {
		r.log, r.applied = r.log[:0], 0
	}
}

// itemKind tells items apart by their keys.
type itemKind int

const (
	otherItem itemKind = iota
	accountItem
	couponItem
	checkInItem
	reservationItem
	returnItem
	backItem
	endedItem
	adjustmentItem
	tierItem
	openingItem
	mergeItem
	mirrorItem
	identityItem
	inputItem
	contentItem
	giftItem
	payoutItem
	contactItem
	tieItem
	holdItem
	cardClaimsItem
	tallyItem
	claimItem
	failuresItem
	factItem
	cardItem
	budgetItem
	leaseItem
	templateItem
	batchItem
)

func kindOf(key table.Key) itemKind {
	if _, ok := table.MemberOfAccount(key); ok {
		return accountItem
	}
	tag := key.PK[:min(2, len(key.PK))]
	sort := key.SK[:min(2, len(key.SK))]
	switch {
	case tag == "M#" && sort == table.CouponPrefix:
		return couponItem
	case tag == "M#" && sort == table.CheckInPrefix:
		return checkInItem
	case tag == "M#" && sort == "V#" && strings.HasSuffix(key.SK, "#R"):
		return returnItem
	case tag == "M#" && sort == "V#" && strings.Count(key.SK, "#") == 3:
		return backItem
	case tag == "M#" && sort == "V#":
		return reservationItem
	case tag == "M#" && sort == "E#":
		return endedItem
	case tag == "M#" && sort == "J#":
		return adjustmentItem
	case tag == "M#" && sort == "B#":
		return openingItem
	case tag == "M#" && sort == table.GiftPrefix && strings.Count(key.SK, "#") == 1:
		return giftItem
	case tag == "Y#":
		return payoutItem
	case tag == "F#":
		return contactItem
	case tag == "B#":
		return tallyItem
	case tag == "C#" && strings.HasSuffix(key.SK, "#F"):
		return tieItem
	case tag == "C#" && strings.HasSuffix(key.SK, "#O"):
		return cardClaimsItem
	case tag == "C#" && strings.HasSuffix(key.SK, "#H"):
		return holdItem
	case tag == "M#" && sort == "G#" && strings.Count(key.SK, "#") == 2:
		return mergeItem
	case tag == "M#" && sort == "G#" && strings.Count(key.SK, "#") > 2:
		return mirrorItem
	case tag == "U#" && key.SK == "A":
		return inputItem
	case tag == "U#" && key.SK == "C":
		return contentItem
	case tag == "I#" && key.SK == "A":
		return identityItem
	case tag == "M#" && sort == "T#":
		return tierItem
	case tag == "M#" && sort == table.ClaimPrefix:
		return claimItem
	case tag == "M#" && sort == "L#":
		return failuresItem
	case tag == "O#" && sort == table.FactPrefix:
		return factItem
	case tag == "C#" && !strings.Contains(key.SK, "#"):
		return cardItem
	case tag == "Q#" && key.SK == "A":
		return budgetItem
	case tag == "Q#" && sort == "L#":
		return leaseItem
	case key.PK == table.DocumentPK(table.DocumentTemplate):
		return templateItem
	case key.PK == table.DocumentPK(table.DocumentBatch):
		return batchItem
	}
	return otherItem
}
