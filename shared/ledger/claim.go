package ledger

import (
	"context"
	"time"

	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
)

// MaxFailures is how many claims of one member may be refused in one hour of
// the clock; after that nothing that they claim in it is looked at.
const MaxFailures = 10

// Claim settles a member's claim of an order (凭单号认领) once: the order becomes
// theirs when the proof agrees with what is known of the buyer; the claim is
// refused, and counted, when it differs or the order is somebody else's; where
// nothing is known yet it waits in the order's log, and whatever tells of the
// buyer settles it (see Post). A claim that is decided, or that the member
// replaced, changes nothing. It fails with KindUnavailable when it lost every
// race.
func Claim(ctx context.Context, s store.Store, versions []program.Program, claim store.Claim, now time.Time) error {
	news := News{Order: claim.Order, Fact: points.Fact{Kind: points.FactClaimed, At: now, Member: claim.Member}}
	return settle(ctx, posting{store: s, versions: versions, news: news, now: now}, func(p *posting) error {
		actions, err := p.claim(ctx, claim)
		if err != nil || len(actions) == 0 {
			return err
		}
		return s.Table.Write(ctx, actions...)
	})
}

func (p *posting) claim(ctx context.Context, claim store.Claim) ([]table.Action, error) {
	standing, failures, err := p.store.ClaimAndFailures(ctx, claim.Member, claim.Order, claim.At)
	if err != nil || standing == nil || standing.Cause != claim.Cause || standing.State != points.ClaimWaiting {
		return nil, err
	}
	if failures >= MaxFailures {
		return []table.Action{store.DecideClaim(claim, points.ClaimRefused)}, nil
	}
	order, _, err := p.load(ctx)
	if err != nil {
		return nil, err
	}
	if order.Behind() != "" {
		return nil, p.resume(ctx, order)
	}
	if p.news.Fact.Member == "" {
		return nil, nil // the person was erased
	}
	verdict := order.Judge(claim.Member, claim.Proof, claim.At)
	switch {
	case verdict == points.ClaimRefused:
		return []table.Action{store.DecideClaim(claim, verdict), store.CountFailure(claim)}, nil
	case verdict == points.ClaimWaiting:
		fact, fresh, err := order.Decide(points.Fact{Kind: points.FactAsked, At: claim.At, Claimant: claim.Member, Proof: &claim.Proof}, points.Account{})
		if err != nil || !fresh {
			return nil, err
		}
		actions := []table.Action{store.AppendWaitingClaim(claim.Order, order.Facts+1, fact), store.ClaimStands(claim)}
		if before := order.AskedBefore(claim.Member); before > 0 {
			actions = append(actions, store.UnlistFact(claim.Order, before))
		}
		return actions, nil
	case order.Member == claim.Member:
		return []table.Action{store.DecideClaim(claim, verdict)}, nil
	}
	news := p.news.Fact
	p.freeze(order, &news)
	fact, _, err := order.Decide(news, p.points())
	if err != nil {
		return nil, err
	}
	actions, err := p.commit(order, fact, nil)
	if err != nil || !fact.More() {
		return append(actions, store.DecideClaim(claim, verdict)), err
	}
	// It is decided once all is done, so that a repeat finishes it.
	if err := p.store.Table.Write(ctx, append(actions, store.ClaimStands(claim))...); err != nil {
		return nil, err
	}
	return nil, errMore
}
