package store

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/table"
)

// Claim is a member's claim of an order (凭单号认领), one for each order: a later
// one takes the place of the one before.
type Claim struct {
	Member loyalty.MemberID `json:"member"`
	Order  loyalty.OrderKey `json:"order"`
	Cause  string           `json:"cause"` // tells this claim from the member's others of the same order
	At     time.Time        `json:"at"`    // to the second
	Proof  points.Proof     `json:"proof"`
	// State is what became of it when it was looked at, ClaimWaiting before.
	// The order's log knows more.
	State points.Claim `json:"-"`
	// Replaced are the causes of the claims whose place it took, the latest last,
	// at most maxReplaced: none of them comes back when its request is repeated.
	Replaced []string `json:"-"`
}

const (
	claimReplaced = "replaced"
	claimCause    = "cause"
	claimState    = "state"

	failuresCount = "n"
)

// maxReplaced bounds how many causes a claim remembers, so that its item does not
// grow with what a member sends. A request is repeated within minutes; nobody
// makes as many claims of one order meanwhile.
const maxReplaced = 8

// failuresLife is how long a counter is kept beyond its hour.
const failuresLife = 2 * time.Hour

// PutClaim keeps a new claim in the place of the one that was read before, nil
// for none; its condition fails when that is another by now, or was decided: a
// write that lands late must not undo what came after it. It is cleaned up once
// it has long expired.
func PutClaim(claim Claim, instead *Claim) table.Action {
	item := documentItem(table.ClaimKey(claim.Member, claim.Order), claim)
	item.Attributes[claimCause] = table.String(claim.Cause)
	item.Attributes[claimState] = table.String(string(points.ClaimWaiting))
	item.Attributes[table.ExpiresAttribute] = table.Number(claim.At.Add(2 * points.ClaimLife).Unix())
	if instead == nil {
		return table.Put(item, table.Absent())
	}
	replaced := append(slices.Clone(instead.Replaced), instead.Cause)
	item.Attributes[claimReplaced] = table.String(strings.Join(replaced[max(0, len(replaced)-maxReplaced):], " "))
	return table.Put(item,
		table.Equals(claimCause, table.String(instead.Cause)),
		table.Equals(claimState, table.String(string(instead.State))))
}

// DecideClaim records what became of a claim; its conditions fail when that is
// recorded already or the member made another.
func DecideClaim(claim Claim, state points.Claim) table.Action {
	return table.Update(table.ClaimKey(claim.Member, claim.Order),
		[]table.Change{table.Set(claimState, table.String(string(state)))},
		table.Equals(claimCause, table.String(claim.Cause)),
		table.Equals(claimState, table.String(string(points.ClaimWaiting))))
}

// ClaimStands holds that the claim is undecided and the member's last.
func ClaimStands(claim Claim) table.Action {
	return table.Check(table.ClaimKey(claim.Member, claim.Order),
		table.Equals(claimCause, table.String(claim.Cause)),
		table.Equals(claimState, table.String(string(points.ClaimWaiting))))
}

// CountFailure counts a refused claim in its hour.
func CountFailure(claim Claim) table.Action {
	return table.Update(table.FailuresKey(claim.Member, claim.At), []table.Change{
		table.Add(failuresCount, 1),
		table.Set(table.ExpiresAttribute, table.Number(claim.At.Truncate(time.Hour).Add(failuresLife).Unix())),
	})
}

// ClaimAndFailures reads the member's claim of an order, nil when there is
// none, and how many of their claims were refused in the hour of at, in one
// round trip.
func (s Store) ClaimAndFailures(ctx context.Context, member loyalty.MemberID, order loyalty.OrderKey, at time.Time) (*Claim, int64, error) {
	items, err := s.Table.Get(ctx, table.Strong, table.ClaimKey(member, order), table.FailuresKey(member, at))
	if err != nil {
		return nil, 0, err
	}
	var failures int64
	if items[1] != nil {
		failures = items[1].Int(failuresCount)
	}
	if items[0] == nil {
		return nil, failures, nil
	}
	claim, err := readClaim(*items[0])
	return &claim, failures, err
}

// Claims is one page of a member's claims, by order.
func (s Store) Claims(ctx context.Context, member loyalty.MemberID, limit int, cursor string) ([]Claim, string, error) {
	page, err := s.Table.Query(ctx, table.Query{
		PK: table.MemberPK(member), Prefix: table.ClaimPrefix, Limit: limit, Cursor: cursor, Consistency: table.Strong,
	})
	if err != nil {
		return nil, "", err
	}
	claims := make([]Claim, len(page.Items))
	for i, item := range page.Items {
		if claims[i], err = readClaim(item); err != nil {
			return nil, "", err
		}
	}
	return claims, page.Next, nil
}

// ClaimNamed names a member's claim of an order.
type ClaimNamed struct {
	Member loyalty.MemberID
	Order  loyalty.OrderKey
}

// ClaimsNamed reads up to 100 claims strongly and in one round trip, nil for
// those that are not there.
func (s Store) ClaimsNamed(ctx context.Context, named ...ClaimNamed) ([]*Claim, error) {
	keys := make([]table.Key, len(named))
	for i, claim := range named {
		keys[i] = table.ClaimKey(claim.Member, claim.Order)
	}
	items, err := s.Table.Get(ctx, table.Strong, keys...)
	if err != nil {
		return nil, err
	}
	claims := make([]*Claim, len(items))
	for i, item := range items {
		if item == nil {
			continue
		}
		claim, err := readClaim(*item)
		if err != nil {
			return nil, err
		}
		claims[i] = &claim
	}
	return claims, nil
}

func readClaim(item table.Item) (Claim, error) {
	claim, err := decode[Claim](item)
	claim.State = points.Claim(item.Text(claimState))
	claim.Replaced = strings.Fields(item.Text(claimReplaced))
	return claim, err
}
