// Package issuecoupons gives the members of a campaign's audience their
// coupons (发券), one page of one shard of the members at a time.
package issuecoupons

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"slices"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/huitou/huitou/shared/audience/rule"
	"github.com/huitou/huitou/shared/batch"
	"github.com/huitou/huitou/shared/campaign"
	"github.com/huitou/huitou/shared/coupons"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/queue"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/strictjson"
	"github.com/huitou/huitou/shared/table"
)

const (
	// pageSize is how many members a page has: what three transactions hold.
	pageSize = 3 * store.MaxIssue
	// attempts bounds how often a page starts over, and how often it looks again
	// at whom it may give a coupon, when another one, or another delivery of its
	// own message, was faster.
	attempts = 16
)

// Function is called by the queue that runcampaigns puts its messages on.
type Function struct {
	Store   store.Store
	Coupons queue.Sender // the same queue: a page asks for the next one
	Rand    io.Reader
	Clock   func() time.Time
	Log     *slog.Logger
}

// Handle issues the coupons of the pages that the messages ask for.
//
// A message may come twice, at the same moment too, and a crash may end it
// anywhere: the page's lease knows how far it came. A member gets one coupon
// for an occurrence, the template's budget is never exceeded, and what was
// reserved and not used goes back. The next page is asked for before the
// message counts as done, and again whenever it comes again.
//
// The template's limits hold for what a member has of it, from whichever
// campaign or card, at the moment of the write: campaigns of one template that
// run at the same time issue to a shard's members one after the other, see
// store.Issues. A coupon of the occurrence itself counts as given, not against
// the limits. The coupons of members who were merged into another count with
// that one. Everything that goes by the accounts, as who belongs to whom does,
// is as they were read: members who are merged, and a card that is redeemed,
// while a page is worked on count as if it had happened after it.
//
// When somebody edits mid-flight, the run uses the rule, the template's terms and limits
// and the holdout that it was frozen with. A budget that was lowered binds every page
// from that moment on but those that have reserved their part. A campaign that was
// paused or removed stops: its pages give back what they hold, and ask for no more.
func (f Function) Handle(ctx context.Context, event events.SQSEvent) (events.SQSEventResponse, error) {
	return batch.Each(ctx, event, f.Log, func(ctx context.Context, body []byte, _ time.Time) error {
		var page campaign.Page
		if err := strictjson.Known(body, &page); err != nil || page.Shard < 0 || page.Shard >= table.RosterShards {
			return loyalty.Refuse(loyalty.KindInvalid, "message_malformed", "not a page of a campaign's run")
		}
		return f.page(ctx, page)
	})
}

func (f Function) page(ctx context.Context, page campaign.Page) error {
	for range attempts {
		last, err := f.issue(ctx, page)
		if store.Refused(err) {
			continue // others were faster: look again at what there is
		}
		if err != nil || last == "" {
			return err
		}
		page.After = last
		body, err := json.Marshal(page)
		if err != nil {
			return err
		}
		return f.Coupons.Send(ctx, body)
	}
	return loyalty.Refuse(loyalty.KindUnavailable, "lost_race", "others took from the same budget at the same time")
}

// issue brings the page to its end and returns its last member, "" when no
// page follows. It fails with a *table.ConditionError when it has to be tried
// again.
func (f Function) issue(ctx context.Context, page campaign.Page) (last loyalty.MemberID, err error) {
	now := f.Clock()
	state, err := f.Store.Issuing(ctx, page)
	if err != nil {
		return "", err
	}
	switch {
	case state.Run == nil || state.Run.Template.ID != page.Template:
		return "", loyalty.Refuse(loyalty.KindNotFound, "run_unknown", "the message belongs to no run of a campaign")
	case state.Campaign == nil || state.Campaign.State != campaign.StateActive || state.Revision == 0:
		return "", f.stop(ctx, page, state, now)
	case state.Lease != nil && state.Lease.Closed:
		return state.Lease.Last, nil
	}
	seen := sight{issues: state.Issues, onCards: state.OnCards}
	if state.Lease != nil {
		return state.Lease.Last, f.resume(ctx, state, seen, now)
	}
	members, more, err := f.Store.RosterAfter(ctx, page.Shard, page.After, "", pageSize)
	if err != nil {
		return "", err
	}
	lease := store.Lease{Page: page}
	if more {
		lease.Last = members[len(members)-1]
	}
	crowd, err := f.choose(ctx, *state.Run, members)
	if err != nil {
		return "", err
	}
	if crowd.candidates, err = f.within(ctx, *state.Run, &crowd, seen, crowd.candidates, now); err != nil {
		return "", err
	}
	lease.Granted = state.Budget.Grant(state.Given, state.Run.Template.Discount, int64(len(crowd.candidates)))
	if lease.Granted == 0 {
		crowd.tally.Unfunded = int64(len(crowd.candidates))
		return lease.Last, f.Store.Table.Write(ctx, store.SkipLease(lease, crowd.tally, now)...)
	}
	if err := f.Store.Table.Write(ctx, store.OpenLease(lease, state.Run.Template, state.Budget, state.Revision)...); err != nil {
		return "", err
	}
	return lease.Last, f.spend(ctx, *state.Run, lease, crowd, seen, now)
}

// resume goes on with a page that another delivery left open: with its members
// of then, by its bounds, as they are now.
func (f Function) resume(ctx context.Context, state store.Issuing, seen sight, now time.Time) error {
	lease := *state.Lease
	var members []loyalty.MemberID
	for after, more := lease.After, true; more; {
		var part []loyalty.MemberID
		var err error
		if part, more, err = f.Store.RosterAfter(ctx, lease.Shard, after, lease.Last, pageSize); err != nil {
			return err
		}
		if len(part) > 0 {
			after = part[len(part)-1]
		}
		members = append(members, part...)
	}
	crowd, err := f.choose(ctx, *state.Run, members)
	if err != nil {
		return err
	}
	have, err := f.Store.HaveCoupon(ctx, campaign.Trigger(lease.Campaign, lease.Occurrence), crowd.candidates)
	if err != nil {
		return err
	}
	rest := crowd.candidates[:0]
	for i, member := range crowd.candidates {
		if !have[i] {
			rest = append(rest, member)
		}
	}
	if crowd.candidates, err = f.within(ctx, *state.Run, &crowd, seen, rest, now); err != nil {
		return err
	}
	return f.spend(ctx, *state.Run, lease, crowd, seen, now)
}

// stop closes what a page of a campaign that was paused or removed holds. A
// page that was not begun is closed too, so that an OpenLease of another
// delivery, which may still be on its way, does not hold a part of the budget
// for ever.
func (f Function) stop(ctx context.Context, page campaign.Page, state store.Issuing, now time.Time) error {
	switch {
	case state.Lease == nil:
		return f.Store.Table.Write(ctx, store.SkipLease(store.Lease{Page: page}, store.Tally{}, now)...)
	case state.Lease.Closed:
		return nil
	}
	return f.Store.Table.Write(ctx, store.CloseLease(*state.Lease, state.Run.Template, store.Tally{}, now)...)
}

// crowd is whom a page gives a coupon, in the order of their ids.
type crowd struct {
	candidates []loyalty.MemberID
	parts      map[loyalty.MemberID][]loyalty.MemberID // who was merged into whom of them
	tally      store.Tally
}

// sight is what was known of a template before its coupons were looked at.
type sight struct {
	issues  store.Issues
	onCards bool // cards give coupons of it
}

// choose matches the members with the run's rule as of the occurrence's time.
// The accounts are read eventually consistent, at half the price, which is most
// of what a run costs: to have read one a second later or earlier is neither
// wrong nor visible, and no coupon rests on it, only on its own absence.
func (f Function) choose(ctx context.Context, run store.Run, members []loyalty.MemberID) (crowd, error) {
	chosen := crowd{parts: map[loyalty.MemberID][]loyalty.MemberID{}}
	rule, err := rule.Compile(run.Rule)
	if err != nil {
		return chosen, err
	}
	zone := program.Document{TimeZone: run.TimeZone}.Zone()
	failed := 0
	for len(members) > 0 {
		n := min(len(members), table.MaxKeys)
		accounts, err := f.Store.Accounts(ctx, table.Eventual, members[:n]...)
		if err != nil {
			return chosen, err
		}
		for _, account := range accounts {
			if account == nil || account.Open() != nil {
				continue // joined within this second, or left the list of members since it was read
			}
			matches, err := rule.Match(store.AudienceMember(*account, run.At, zone))
			switch {
			case err != nil:
				failed++
			case !matches:
			case campaign.HeldOut(run.Campaign, account.Member, run.Holdout):
				chosen.tally.HeldOut++
			default:
				chosen.candidates = append(chosen.candidates, account.Member)
				if len(account.Parts) > 0 {
					chosen.parts[account.Member] = account.Parts
				}
			}
		}
		members = members[n:]
	}
	if failed > 0 { // a division by zero has no answer, and so does not say yes
		f.Log.WarnContext(ctx, "rule failed", slog.String("campaign", run.Campaign), slog.Int("members", failed))
	}
	return chosen, nil
}

// within leaves out the candidates who have the occurrence's coupon, and those
// for whom the template's limits leave none, whom it counts. As long as nobody
// but this run has issued coupons of the template to the shard, and no cards
// give them, there is nothing to look at but the coupons of those who have
// merged members.
func (f Function) within(ctx context.Context, run store.Run, crowd *crowd, seen sight, candidates []loyalty.MemberID, now time.Time) ([]loyalty.MemberID, error) {
	zone := program.Document{TimeZone: run.TimeZone}.Zone()
	trigger := campaign.Trigger(run.Campaign, run.Occurrence)
	everybody := seen.onCards || seen.issues.ByOthers(trigger)
	rest := make([]loyalty.MemberID, 0, len(candidates))
	for _, member := range candidates {
		parts := crowd.parts[member]
		if !everybody && len(parts) == 0 {
			rest = append(rest, member)
			continue
		}
		held, err := f.Store.CouponsOf(ctx, run.Template.ID, append([]loyalty.MemberID{member}, parts...)...)
		switch {
		case err != nil:
			return nil, err
		case slices.ContainsFunc(held, func(c coupons.Coupon) bool { return c.Trigger == trigger }):
		case !run.Template.Limits.Allow(held, run.At, now, zone):
			crowd.tally.Limited++
		default:
			rest = append(rest, member)
		}
	}
	return rest, nil
}

// spend issues the candidates' coupons as far as the lease goes, and closes it.
// From the moment that another write has issued in the shard, it looks at the
// coupons of the members of each of its own writes again.
func (f Function) spend(ctx context.Context, run store.Run, lease store.Lease, crowd crowd, seen sight, now time.Time) error {
	zone := program.Document{TimeZone: run.TimeZone}.Zone()
	trigger := campaign.Trigger(run.Campaign, run.Occurrence)
	lost := 0
	for len(crowd.candidates) > 0 && lease.Issued < lease.Granted {
		n := min(len(crowd.candidates), store.MaxIssue, int(lease.Granted-lease.Issued))
		next, rest := crowd.candidates[:n], crowd.candidates[n:]
		if lost > 0 {
			var err error
			if seen.issues, err = f.Store.Issues(ctx, lease.Page); err != nil {
				return err
			}
			if next, err = f.within(ctx, run, &crowd, seen, next, now); err != nil {
				return err
			}
			crowd.candidates = append(next, rest...)
			if len(next) == 0 {
				continue
			}
		}
		issued := make([]coupons.Coupon, len(next))
		for i, member := range next {
			code, err := coupons.NewCode(member, f.Rand)
			if err != nil {
				return err
			}
			issued[i] = run.Template.Issue(member, trigger, code, now, zone).Of(run.At, zone)
		}
		err := f.Store.Table.Write(ctx, store.IssueCoupons(lease, seen.issues, issued)...)
		if refusal, refused := errors.AsType[*table.ConditionError](err); refused && refusal.FailedAt(0) == nil {
			if refusal.FailedAt(1) != nil {
				lost++
			}
			if lost == attempts {
				return loyalty.Refuse(loyalty.KindUnavailable, "lost_race", "others issued coupons of the same template at the same time")
			}
			crowd.candidates = append(without(next, refusal), rest...)
			continue
		}
		if err != nil {
			return err
		}
		lease.Issued += int64(len(issued))
		seen.issues = seen.issues.After(trigger)
		crowd.candidates = rest
	}
	crowd.tally.Unfunded = int64(len(crowd.candidates))
	return f.Store.Table.Write(ctx, store.CloseLease(lease, run.Template, crowd.tally, now)...)
}

// without leaves out those whom the write found to have a coupon.
func without(candidates []loyalty.MemberID, refusal *table.ConditionError) []loyalty.MemberID {
	rest := make([]loyalty.MemberID, 0, len(candidates))
	for i, member := range candidates {
		if refusal.FailedAt(store.FirstCoupon+i) == nil {
			rest = append(rest, member)
		}
	}
	return rest
}
