// Package claim takes members' claims of orders by their numbers (凭单号认领,
// 订单转积分). The claimant learns nothing from the answer or from what it
// costs: a claim is kept and put on the orders queue, and ledger.Claim decides.
package claim

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/huitou/huitou/shared/ledger"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/strictjson"
)

// attempts bounds how often a claim is looked at again that another of the same
// member and order, or the decision about it, overtook.
const attempts = 4

// Take keeps a member's claim and returns it as it stands; cause is the same
// for every repeat of one request and for nothing else, and holds no blank. A
// member who claims again with the same proof what still waits keeps their place.
// A repeat of a claim that another has replaced changes nothing. It fails with
// KindThrottled code "too_many_refusals" once ledger.MaxFailures of their claims
// were refused in this hour, and with KindUnavailable when it lost every race.
func Take(ctx context.Context, s store.Store, member loyalty.MemberID, order loyalty.OrderKey, proof points.Proof, cause string, now time.Time) (store.Claim, error) {
	claim := store.Claim{Member: member, Order: order, Proof: proof, Cause: cause, At: now.UTC().Truncate(time.Second)}
	for range attempts {
		known, failures, err := s.ClaimAndFailures(ctx, member, order, claim.At)
		switch {
		case err != nil:
			return store.Claim{}, err
		case known != nil && known.Cause == cause:
			return *known, nil // taken before; only its answer was lost
		case known != nil && slices.Contains(known.Replaced, cause):
			return claim, nil // likewise, and the member has made another since
		case known != nil && known.State == points.ClaimWaiting && known.Proof == proof && now.Sub(known.At) < points.ClaimLife:
			return *known, nil
		case failures >= ledger.MaxFailures:
			return store.Claim{}, loyalty.Refuse(loyalty.KindThrottled, "too_many_refusals", "too many of your claims were refused; try again in an hour")
		}
		if err := s.Table.Write(ctx, store.PutClaim(claim, known)); !store.Refused(err) {
			return claim, err
		}
	}
	return store.Claim{}, loyalty.Refuse(loyalty.KindUnavailable, "lost_race", "others of your claims of this order came at the same time")
}

// claimedType tells the message from an order event on the same queue.
const claimedType = "order.claimed"

type claimed struct {
	Type  string      `json:"type"`
	Claim store.Claim `json:"claim"`
}

// Message is what is put on the orders queue when a claim was taken. Sending it
// again is harmless.
func Message(claim store.Claim) []byte {
	raw, err := json.Marshal(claimed{claimedType, claim})
	if err != nil {
		panic(err) // strings and a time of this century
	}
	return raw
}

// Read reads such a message; false for any other.
func Read(body []byte) (store.Claim, bool) {
	if !bytes.Contains(body, []byte(claimedType)) {
		return store.Claim{}, false // most messages are events, and are not read twice
	}
	var message claimed
	if err := strictjson.Known(body, &message); err != nil || message.Type != claimedType {
		return store.Claim{}, false
	}
	return message.Claim, true
}
