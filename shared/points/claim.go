package points

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
)

// ClaimLife is how long a claim waits for its order, by the clock.
const ClaimLife = 90 * 24 * time.Hour

// How many claims may wait in one order's log, and of one member: a log that
// strangers can lengthen without end would be paid for by every later event.
const (
	maxAsked       = 100
	maxAskedMember = 5
)

// Proof is what tells the buyer of an order from somebody who saw its number:
// as little as decides, so that a log that outlives the person names nobody.
type Proof struct {
	PhoneLast4 string `json:"phone_last4,omitempty"`
	Buyer      string `json:"buyer,omitempty"` // see ProveBuyer
}

// ProveBuyer is the proof that a platform's buyer id gives for one order. It
// differs from order to order, so that logs cannot be joined by it.
func ProveBuyer(order loyalty.OrderKey, buyer string) string {
	var told []byte
	for _, part := range []string{string(order.Channel), order.Shop, order.Order, buyer} {
		told = append(strconv.AppendQuote(told, part), ' ')
	}
	sum := sha256.Sum256(told[:len(told)-1])
	return hex.EncodeToString(sum[:8])
}

// Binding is an owner whom an operator gave.
type Binding struct {
	Operator, Reason string
	At               time.Time
}

// Claim is how a member's claim of an order (凭单号认领) stands.
type Claim string

// The states of a claim. ClaimRefused says neither which part was wrong nor
// whether the order has another owner.
const (
	ClaimCredited Claim = "credited"
	ClaimWaiting  Claim = "waiting"
	ClaimRefused  Claim = "refused"
)

// asked is a claim that the log holds.
type asked struct {
	member loyalty.MemberID
	proof  Proof
	at     time.Time
	seq    int  // which fact of the log it is
	closed bool // the order had an owner since
}

// Judge says what becomes of a claim that was made at a time. Refused are a proof that
// differs from what is known of the buyer, the order of another member, and a
// claim for which the log has no more room.
func (o *Order) Judge(member loyalty.MemberID, proof Proof, at time.Time) Claim {
	switch {
	case o.Member == member && member != "":
		return ClaimCredited
	case o.Member != "":
		return ClaimRefused
	}
	agrees, known := o.agrees(proof)
	switch {
	case agrees:
		return ClaimCredited
	case known:
		return ClaimRefused
	}
	if o.hasAsked(member, proof, at) {
		return ClaimWaiting
	}
	mine := 0
	for _, claim := range o.asked {
		if claim.member == member {
			mine++
		}
	}
	if mine >= maxAskedMember || len(o.asked) >= maxAsked {
		return ClaimRefused
	}
	return ClaimWaiting
}

// ClaimOf says how the claim stands that a member made at a time, as the log
// tells; ClaimWaiting for one that the log has not seen, whosever the order is.
func (o *Order) ClaimOf(member loyalty.MemberID, at, now time.Time) Claim {
	switch {
	case o.Member == member && member != "":
		return ClaimCredited
	case expired(at, now):
		return ClaimRefused
	}
	claim := o.latest(member)
	if claim == nil || !claim.at.Equal(at) {
		return ClaimWaiting
	}
	agrees, known := o.agrees(claim.proof)
	if o.Member != "" || claim.closed || known && !agrees {
		return ClaimRefused
	}
	return ClaimWaiting
}

// Claimants are those whom events named while an operator had given the order to
// another, and then those who made the claims that agree with what is known of the
// buyer, or with what the news tells, the first of them first; none where the
// order is somebody's. It is the first one's who was not erased since, which the
// log does not know. Of one member only the last claim counts, from when it was
// made.
func (o *Order) Claimants(told *Proof, now time.Time) []loyalty.MemberID {
	if o.Member != "" {
		return nil
	}
	claimants := slices.Clone(o.named)
	if len(o.asked) == 0 {
		return claimants
	}
	next := o
	if told != nil && o.adds(*told) {
		next = o.With(Fact{Kind: FactTold, Proof: told})
	}
	for i, claim := range next.asked {
		agrees, _ := next.agrees(claim.proof)
		if agrees && !claim.closed && !expired(claim.at, now) && next.latest(claim.member) == &next.asked[i] {
			claimants = append(claimants, claim.member)
		}
	}
	return claimants
}

// Known tells whether anything was heard of the order but claims.
func (o *Order) Known() bool { return o.Heard > 0 }

// Asking are the facts of the claims that no owner of the order has closed, by
// their place in the log: of each member the last.
func (o *Order) Asking() []int {
	var facts []int
	for i, claim := range o.asked {
		if !claim.closed && o.latest(claim.member) == &o.asked[i] {
			facts = append(facts, claim.seq)
		}
	}
	return facts
}

// Told tells what events told of the buyer by which the order can be claimed.
func (o *Order) Told() (phone, buyer bool) {
	for _, told := range o.told {
		phone, buyer = phone || told.PhoneLast4 != "", buyer || told.Buyer != ""
	}
	return phone, buyer
}

// Returned tells whether an owner was taken from the order.
func (o *Order) Returned() bool { return o.unbound > 0 }

// AskedBefore is the fact of the last claim that a member made of the order, by
// its place in the log; 0 for none that is open.
func (o *Order) AskedBefore(member loyalty.MemberID) int {
	if claim := o.latest(member); claim != nil && !claim.closed {
		return claim.seq
	}
	return 0
}

func expired(at, now time.Time) bool { return now.Sub(at) >= ClaimLife }

func (o *Order) latest(member loyalty.MemberID) *asked {
	for i := len(o.asked) - 1; i >= 0; i-- {
		if o.asked[i].member == member {
			return &o.asked[i]
		}
	}
	return nil
}

func (o *Order) hasAsked(member loyalty.MemberID, proof Proof, at time.Time) bool {
	claim := o.latest(member)
	return claim != nil && !claim.closed && claim.proof == proof && claim.at.Equal(at)
}

// agrees tells whether the proof is one of those that events told; known,
// whether they told any of its kind.
func (o *Order) agrees(proof Proof) (agrees, known bool) {
	for _, told := range o.told {
		switch {
		case proof.PhoneLast4 != "" && told.PhoneLast4 != "":
			known, agrees = true, agrees || told.PhoneLast4 == proof.PhoneLast4
		case proof.Buyer != "" && told.Buyer != "":
			known, agrees = true, agrees || told.Buyer == proof.Buyer
		}
	}
	return agrees, known
}

// adds tells whether an event told something of the buyer that no other did.
func (o *Order) adds(proof Proof) bool {
	phone := proof.PhoneLast4 != "" && !slices.ContainsFunc(o.told, func(told Proof) bool { return told.PhoneLast4 == proof.PhoneLast4 })
	buyer := proof.Buyer != "" && !slices.ContainsFunc(o.told, func(told Proof) bool { return told.Buyer == proof.Buyer })
	return phone || buyer
}

// own takes from a fact who owns the order and what tells it.
func (o *Order) own(fact Fact) {
	switch {
	case fact.Kind == FactUnbound:
		o.Member, o.Binding = "", nil
		o.unbound++
	case fact.Kind == FactNamed:
		o.named = append(slices.Clip(o.named), fact.Claimant)
	case o.Member == "" && fact.Member != "" && fact.Kind != FactContinued && fact.Kind != FactReturned:
		o.Member, o.Since = fact.Member, o.Facts
		if fact.Kind == FactBound {
			o.Binding = &Binding{fact.Operator, fact.Reason, fact.At}
		} else {
			o.named = nil
		}
		o.asked = slices.Clone(o.asked)
		for i := range o.asked {
			o.asked[i].closed = true
		}
	}
	switch {
	case fact.Proof == nil:
	case fact.Kind == FactAsked:
		o.asked = append(slices.Clip(o.asked), asked{member: fact.Claimant, proof: *fact.Proof, at: fact.At, seq: o.Facts})
	default:
		o.told = append(slices.Clip(o.told), *fact.Proof)
	}
}
