package sim

import (
	"math/rand/v2"
	"strings"
	"time"

	"github.com/huitou/huitou/shared/campaign"
	"github.com/huitou/huitou/shared/coupons"
	"github.com/huitou/huitou/shared/table"
)

// drawLimits gives the template limits and takes its budget away, each in some
// worlds, and in some adds a second campaign with it that runs at the same
// instants. A race's world has none of it.
func (p *plan) drawLimits(r *rand.Rand) {
	switch r.IntN(4) {
	case 0:
		p.template.Limits.PerMember = 1 + r.IntN(2)
	case 1:
		p.template.Limits.PerMemberPerDays = coupons.PerDays{Count: 1, Days: 1 + r.IntN(3)}
	}
	if r.IntN(3) == 0 {
		p.template.Budget = coupons.Budget{}
	}
	if r.IntN(2) == 0 {
		p.rival = p.campaign
		p.rival.ID, p.rival.Holdout = "rival", 0
	}
}

// campaigns are all that give the template's coupons.
func (p *plan) campaigns() []campaign.Campaign {
	if p.rival.ID == "" {
		return []campaign.Campaign{p.campaign}
	}
	return []campaign.Campaign{p.campaign, p.rival}
}

// dueOf is when the occurrence was due that a coupon's trigger names.
func (p *plan) dueOf(trigger string) time.Time {
	_, occurrence, _ := strings.Cut(strings.TrimPrefix(trigger, "campaign:"), ":")
	if at, err := time.Parse(time.RFC3339, occurrence); err == nil {
		return at
	}
	return p.runs[0]
}

// limited holds I17: no coupon of a campaign takes a member beyond the
// template's limits. It is given the coupon that was just put, among the others
// of the member.
func (c *checker) limited(coupon coupons.Coupon) {
	held := c.coupled[coupon.Member]
	limits := c.s.plan.template.Limits
	live := 0
	days := map[string]int{}
	for _, other := range held {
		if other.State == coupons.StateIssued && !other.ExpiresAt.Before(coupon.IssuedAt) {
			live++
		}
		days[c.s.plan.dueOf(other.Trigger).In(zone).Format(time.DateOnly)]++
	}
	if limits == (coupons.Limits{}) && live > 1 {
		c.s.violate("I17", "%s gets a coupon and has %d live ones", coupon.Member, live)
	}
	if limits.PerMember > 0 && len(held) > limits.PerMember {
		c.s.violate("I17", "%s gets %d coupons of a template, and the limit is %d", coupon.Member, len(held), limits.PerMember)
	}
	for n := -limits.PerMemberPerDays.Days; limits.PerMemberPerDays.Count > 0 && n < lastDay; n++ {
		within := 0
		for m := range limits.PerMemberPerDays.Days {
			within += days[day(n+m, 0).Format(time.DateOnly)]
		}
		if within > limits.PerMemberPerDays.Count {
			c.s.violate("I17", "%s gets %d coupons within %d days", coupon.Member, within, limits.PerMemberPerDays.Days)
		}
	}
}

// finishRuns holds what is left of I26 for the campaigns: each run reached
// everybody, and their results together count the coupons.
func (s *simulation) finishRuns(edited bool) {
	last := s.plan.runs[len(s.plan.runs)-1]
	issued := int64(0)
	for _, c := range s.plan.campaigns() {
		result, err := s.raw().CampaignResult(s.ctx, c.ID)
		s.must(err)
		issued += result.Issued
		items, err := s.engine.Get(s.ctx, table.Strong, table.RunKey(c.ID, s.occurrence(last)))
		s.must(err)
		paused := edited && c.ID == s.plan.campaign.ID // for ever, perhaps
		if !paused && (items[0] == nil || items[0].Int("shards") < table.RosterShards) {
			s.violate("I26", "the run of %s of %s did not reach everybody", c.ID, last.In(zone))
		}
	}
	if issued != s.check.issued {
		s.violate("I26", "the runs count %d coupons, and there are %d", issued, s.check.issued)
	}
}
