package store

import (
	"context"
	"fmt"
	"time"

	"github.com/huitou/huitou/shared/campaign"
	"github.com/huitou/huitou/shared/coupons"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/table"
)

// Attribute names of a template's budget and of the leases on it.
const (
	budgetQuantity = "issued"
	budgetAmount   = "spent"
	budgetOnCards  = "cards" // that there is a batch of cards which gives the template's coupons

	leaseState   = "state"
	leaseGranted = "granted"
	leaseIssued  = "issued"
	leaseLast    = "last"

	leaseOpen   = "open"
	leaseClosed = "closed"

	issuesWrites = "writes"
	issuesRun    = "run"
)

// LeaseLife is how long a closed lease is kept, counted from its closing: as
// long as a message can wait on a queue and its dead-letter queue together. A
// repeat that comes later still does no harm, only work.
const LeaseLife = 28 * 24 * time.Hour

// Lease is the part of a template's budget that one page of a run holds while
// it issues coupons. It counts the coupons in the very transactions that put
// them, so that after a crash it is known to the coupon what of it is used.
//
// The budget's counters hold what is leased, used or not, and give back the
// rest when the lease closes. So at every moment coupons ≤ counters ≤ budget,
// and where no lease is open, coupons = counters.
type Lease struct {
	campaign.Page
	Last            loyalty.MemberID // id of the page's last member, "" when the shard ends with it
	Granted, Issued int64
	Closed          bool
}

func (l Lease) key() table.Key {
	return table.LeaseKey(l.Template, l.Campaign, l.Occurrence, fmt.Sprintf("%02d:%s", l.Shard, l.After))
}

func (l Lease) item() table.Item {
	state := leaseOpen
	if l.Closed {
		state = leaseClosed
	}
	return table.Item{Key: l.key(), Attributes: map[string]table.Value{
		leaseState: table.String(state), leaseGranted: table.Number(l.Granted), leaseIssued: table.Number(l.Issued), leaseLast: table.String(string(l.Last)),
	}}
}

// Tally is what a page of a run came to, beside its coupons.
type Tally struct{ HeldOut, Unfunded, Limited int64 }

// Issues is what campaigns have issued so far of a template to the members of
// one shard of the list of all members. It is the order in which two campaigns
// with one template issue: whoever looked at the members' coupons writes under
// the condition that nobody has issued since.
type Issues struct {
	Writes int64  // that issued; 0 for none
	Run    string // trigger of the only run that has issued, "" where there are several
}

// ByOthers tells whether a member of the shard may have a coupon of another run
// than that of the trigger.
func (i Issues) ByOthers(trigger string) bool { return i.Writes > 0 && i.Run != trigger }

// After is what stands there once the run of the trigger has issued.
func (i Issues) After(trigger string) Issues {
	if i.ByOthers(trigger) {
		trigger = ""
	}
	return Issues{Writes: i.Writes + 1, Run: trigger}
}

// issue moves the count on; the condition fails when others have since it was
// read.
func (i Issues) issue(page campaign.Page) table.Action {
	stands := table.Equals(issuesWrites, table.Number(i.Writes))
	if i.Writes == 0 {
		stands = table.Absent()
	}
	after := i.After(campaign.Trigger(page.Campaign, page.Occurrence))
	return table.Update(table.IssuesKey(page.Template, page.Shard), []table.Change{
		table.Set(issuesWrites, table.Number(after.Writes)), table.Set(issuesRun, table.String(after.Run)),
	}, stands)
}

func readIssues(item *table.Item) Issues {
	if item == nil {
		return Issues{}
	}
	return Issues{Writes: item.Int(issuesWrites), Run: item.Text(issuesRun)}
}

// Issues reads, strongly, what campaigns have issued of the page's template in
// its shard.
func (s Store) Issues(ctx context.Context, page campaign.Page) (Issues, error) {
	items, err := s.Table.Get(ctx, table.Strong, table.IssuesKey(page.Template, page.Shard))
	if err != nil {
		return Issues{}, err
	}
	return readIssues(items[0]), nil
}

// Issuing is what a page of a run decides on.
type Issuing struct {
	Campaign *campaign.Campaign // as it is now; nil when it is gone
	Run      *Run               // nil when it was never frozen
	Budget   coupons.Budget     // of the template as it is now
	Revision Revision           // of that template; 0 when it is gone
	OnCards  bool               // cards give coupons of that template too
	Given    coupons.Given
	Issues   Issues
	Lease    *Lease // nil when the page was not begun
}

// Issuing reads it, strongly and in one round trip.
func (s Store) Issuing(ctx context.Context, page campaign.Page) (Issuing, error) {
	lease := Lease{Page: page}
	items, err := s.Table.Get(ctx, table.Strong,
		table.DocumentKey(table.DocumentCampaign, page.Campaign),
		table.RunKey(page.Campaign, page.Occurrence),
		table.DocumentKey(table.DocumentTemplate, page.Template),
		table.BudgetKey(page.Template),
		table.IssuesKey(page.Template, page.Shard),
		lease.key())
	if err != nil {
		return Issuing{}, err
	}
	var issuing Issuing
	if item := items[0]; item != nil {
		c, err := readCampaign(*item)
		if err != nil {
			return Issuing{}, err
		}
		issuing.Campaign = &c
	}
	if item := items[1]; item != nil {
		run, err := decode[Run](*item)
		if err != nil {
			return Issuing{}, err
		}
		issuing.Run = &run
	}
	if item := items[2]; item != nil {
		template, err := decode[coupons.Template](*item)
		if err != nil {
			return Issuing{}, err
		}
		issuing.Budget, issuing.Revision = template.Budget, Revision(item.Int(revision))
	}
	issuing.Given, issuing.Issues = readGiven(items[3]), readIssues(items[4])
	issuing.OnCards = items[3] != nil && items[3].Has(budgetOnCards)
	if item := items[5]; item != nil {
		lease.Last = loyalty.MemberID(item.Text(leaseLast))
		lease.Granted, lease.Issued = item.Int(leaseGranted), item.Int(leaseIssued)
		lease.Closed = item.Text(leaseState) == leaseClosed
		issuing.Lease = &lease
	}
	return issuing, nil
}

// Given is what a template's campaigns have given away or hold in leases.
func (s Store) Given(ctx context.Context, template string) (coupons.Given, error) {
	items, err := s.Table.Get(ctx, table.Strong, table.BudgetKey(template))
	if err != nil {
		return coupons.Given{}, err
	}
	return readGiven(items[0]), nil
}

func readGiven(item *table.Item) coupons.Given {
	if item == nil {
		return coupons.Given{}
	}
	return coupons.Given{Quantity: item.Int(budgetQuantity), Amount: loyalty.Fen(item.Int(budgetAmount))}
}

// putOnCards notes that cards give coupons of the template, which its budget
// does not count.
func putOnCards(template string) table.Action {
	return table.Update(table.BudgetKey(template), []table.Change{table.Set(budgetOnCards, table.Number(1))})
}

// OpenLease takes lease.Granted coupons, each worth the discount, out of the
// budget. The conditions fail when the page was begun by another delivery, when
// less than that is left, and when the template, and so perhaps its budget, was
// edited since its revision: a budget that was lowered binds every lease from
// that moment on.
func OpenLease(lease Lease, terms coupons.Template, budget coupons.Budget, revisionRead Revision) []table.Action {
	var conditions []table.Condition
	amount := int64(terms.Discount) * lease.Granted
	if budget.Quantity > 0 {
		conditions = append(conditions, table.MissingOrAtMost(budgetQuantity, table.Number(budget.Quantity-lease.Granted)))
	}
	if budget.Amount > 0 {
		conditions = append(conditions, table.MissingOrAtMost(budgetAmount, table.Number(int64(budget.Amount)-amount)))
	}
	return []table.Action{
		table.Put(lease.item(), table.Absent()),
		table.Update(table.BudgetKey(terms.ID), []table.Change{table.Add(budgetQuantity, lease.Granted), table.Add(budgetAmount, amount)}, conditions...),
		table.Check(table.DocumentKey(table.DocumentTemplate, terms.ID), table.Equals(revision, table.Number(int64(revisionRead)))),
	}
}

// SkipLease closes a page that issues nothing without opening it; the condition
// fails when another delivery began it.
func SkipLease(lease Lease, tally Tally, now time.Time) []table.Action {
	lease.Closed = true
	item := lease.item()
	item.Attributes[table.ExpiresAttribute] = table.Number(now.Add(LeaseLife).Unix())
	return append([]table.Action{table.Put(item, table.Absent())}, lease.count(tally)...)
}

// MaxIssue is how many coupons one transaction puts.
const MaxIssue = table.MaxActions - FirstCoupon

// FirstCoupon is the action of IssueCoupons that puts the first coupon.
const FirstCoupon = 2

// IssueCoupons puts up to MaxIssue coupons and counts them on the lease. Action
// 0 fails when the lease is closed or does not suffice, action 1 when another
// write has issued coupons of the template in the shard since issues was read,
// action FirstCoupon+i when the member of the ith coupon has one from the
// trigger.
func IssueCoupons(lease Lease, issues Issues, issued []coupons.Coupon) []table.Action {
	n := int64(len(issued))
	actions := make([]table.Action, 0, FirstCoupon+len(issued))
	actions = append(actions, table.Update(lease.key(), []table.Change{table.Add(leaseIssued, n)},
		table.Equals(leaseState, table.String(leaseOpen)), table.AtMost(leaseIssued, lease.Granted-n)), issues.issue(lease.Page))
	for _, coupon := range issued {
		actions = append(actions, PutCoupon(coupon))
	}
	return actions
}

// CloseLease gives back what the lease did not use and counts what it did. The
// conditions fail when the lease is closed, or has issued more than it was read
// with.
func CloseLease(lease Lease, terms coupons.Template, tally Tally, now time.Time) []table.Action {
	actions := []table.Action{table.Update(lease.key(), []table.Change{
		table.Set(leaseState, table.String(leaseClosed)),
		table.Set(table.ExpiresAttribute, table.Number(now.Add(LeaseLife).Unix())),
	}, table.Equals(leaseState, table.String(leaseOpen)), table.Equals(leaseIssued, table.Number(lease.Issued)))}
	if unused := lease.Granted - lease.Issued; unused > 0 {
		actions = append(actions, table.Update(table.BudgetKey(terms.ID), []table.Change{
			table.Add(budgetQuantity, -unused), table.Add(budgetAmount, -unused*int64(terms.Discount)),
		}, table.Exists()))
	}
	return append(actions, lease.count(tally)...)
}

// count adds the page to its run, if it adds anything.
func (l Lease) count(tally Tally) []table.Action {
	var shards int64
	if l.Last == "" {
		shards = 1
	}
	var changes []table.Change
	for _, counter := range []struct {
		name string
		n    int64
	}{{runIssued, l.Issued}, {runHeldOut, tally.HeldOut}, {runUnfunded, tally.Unfunded}, {runLimited, tally.Limited}, {runShards, shards}} {
		if counter.n != 0 {
			changes = append(changes, table.Add(counter.name, counter.n))
		}
	}
	if len(changes) == 0 {
		return nil
	}
	return []table.Action{table.Update(table.RunKey(l.Campaign, l.Occurrence), changes, table.Exists())}
}
