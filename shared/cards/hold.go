package cards

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
)

// Holds says which runs of redemptions are suspicious (可疑兑换). A person's
// cards are counted in windows of fixed length; cards redeemed beyond a bound
// are held (暂缓发奖): the card is the customer's, and the prize waits for an
// operator. Cards that win nothing are not counted.
//
// Nothing is counted by network address: carriers put thousands of customers
// behind one.
type Holds struct {
	WindowHours int `json:"window_hours" minimum:"1" maximum:"168" doc:"how long cards are counted together, in hours"`
	// PerPerson and PerCarton are how many prizes nobody looks at; 0 is no bound.
	PerPerson int `json:"cards_per_person" minimum:"0" maximum:"60" doc:"prizes of one member, or of one phone that nobody has proved, in a window, points and other prizes each; what is beyond is held; 0: no bound"`
	PerCarton int `json:"cards_per_carton" minimum:"0" maximum:"60" doc:"of those that are not points of a member, with neighbouring numbers (整箱连号); 0: no bound"`
	Carton    int `json:"carton_cards" minimum:"2" maximum:"10000" doc:"how many neighbouring numbers of a batch make a carton"`
	// VoidLimit is in fen.
	VoidLimit loyalty.Fen `json:"void_limit" minimum:"0" maximum:"5000000" doc:"worth of a held prize, in fen, above which two operators have to agree to void it, and what one operator may void alone on a day; so they have to where the worth is not known"`
}

// Bounds of Holds, and what a program without them has. A person's count of a
// window is a kilobyte, or a write unit, for each 20 cards at the most.
const (
	maxHoldWindow = 168
	maxPerRun     = 60
	maxCarton     = 10_000
)

var defaultHolds = Holds{WindowHours: 24, PerPerson: 20, PerCarton: 12, Carton: 100, VoidLimit: 5_000}

// Suspects is the rule in force on suspicious runs; the default one where the
// program says nothing.
func (r *Rules) Suspects() Holds {
	if r == nil || r.Holds == nil {
		return defaultHolds
	}
	return *r.Holds
}

func (h Holds) validate(pointer string) error {
	switch {
	case h.WindowHours < 1 || h.WindowHours > maxHoldWindow:
		return loyalty.Invalid(pointer+"/window_hours", "out_of_range", "a window has 1 to 168 hours")
	case h.PerPerson < 0 || h.PerPerson > maxPerRun:
		return loyalty.Invalid(pointer+"/cards_per_person", "out_of_range", "a person may redeem 0 (no bound) to 60 prizes in a window")
	case h.PerCarton < 0 || h.PerCarton > maxPerRun:
		return loyalty.Invalid(pointer+"/cards_per_carton", "out_of_range", "a person may redeem 0 (no bound) to 60 prizes of a carton in a window")
	case h.Carton < 2 || h.Carton > maxCarton:
		return loyalty.Invalid(pointer+"/carton_cards", "out_of_range", "a carton has 2 to 10000 cards")
	case h.VoidLimit < 0 || h.VoidLimit > TopPrize:
		return loyalty.Invalid(pointer+"/void_limit", "out_of_range", "the limit is 0 to 5000000 fen")
	}
	return nil
}

// Counts tells whether there is anything to count.
func (h Holds) Counts() bool { return h.PerPerson > 0 || h.PerCarton > 0 }

// Window is the window of a time: when it begins and how long it is.
func (h Holds) Window(at time.Time) (from time.Time, length time.Duration) {
	length = time.Duration(h.WindowHours) * time.Hour
	return at.UTC().Truncate(length), length
}

// CartonOf is which of its batch's cartons a card counts with.
func (h Holds) CartonOf(card int) int { return card / h.Carton }

// Run is what a person has redeemed in a window.
type Run struct {
	Cards  int // in all
	Carton int // of the carton of the card in question
}

// Judge tells why the next card after a run is held; "" for one that is not.
func (h Holds) Judge(run Run) Suspicion {
	switch {
	case h.PerCarton > 0 && run.Carton >= h.PerCarton:
		return SuspectCarton
	case h.PerPerson > 0 && run.Cards >= h.PerPerson:
		return SuspectMany
	}
	return ""
}

// Suspicion is why a card is held.
type Suspicion string

// The suspicions.
const (
	SuspectMany   Suspicion = "many_cards" // one person, more cards than usual
	SuspectCarton Suspicion = "one_carton" // one person, a run of neighbouring numbers
)

// HoldState is where a held card is. It moves forward, once.
type HoldState string

// The states.
const (
	HoldOpen     HoldState = "open"     // 待审核: the prize waits
	HoldReleased HoldState = "released" // 已放行: the prize was given
	HoldVoided   HoldState = "voided"   // 已作废: it never will be
)

// HoldStates are all states, in order.
var HoldStates = []HoldState{HoldOpen, HoldReleased, HoldVoided}

// VoidReason is why a card is voided, of a closed list: the customer is told,
// in words that stand with the page.
type VoidReason string

// The reasons.
const (
	VoidStolen    VoidReason = "stolen"   // the card was in goods that were stolen or lost
	VoidUnbought  VoidReason = "unbought" // it was collected without the goods, by staff or a reseller
	VoidReturned  VoidReason = "returned" // the goods were given back
	VoidLeaked    VoidReason = "leaked"   // its code was copied before it reached a customer
	VoidMisprint  VoidReason = "misprint" // it should not have been printed as it was
	VoidOwnerLeft VoidReason = "erased"   // its owner had their personal data erased
)

// VoidReasons are all reasons.
var VoidReasons = []VoidReason{VoidStolen, VoidUnbought, VoidReturned, VoidLeaked, VoidMisprint, VoidOwnerLeft}

// Ground is what an appeal says (申诉理由), of a closed list: nobody has to write
// about themselves, and nothing of their words is kept.
type Ground string

// The grounds.
const (
	GroundBought Ground = "bought" // I bought these goods
	GroundGiven  Ground = "given"  // somebody gave them to me
	GroundOther  Ground = "other"  // the brand will hear from me
)

// Grounds are all grounds.
var Grounds = []Ground{GroundBought, GroundGiven, GroundOther}

// Appeal is a customer's objection to a hold or a void.
type Appeal struct {
	Ground Ground    `json:"ground"`
	At     time.Time `json:"at"`
}

// Decision is how an operator ends a hold.
type Decision struct {
	State    HoldState  `json:"state"`
	Reason   VoidReason `json:"reason,omitempty"` // of a void
	Operator string     `json:"operator"`
	Approved string     `json:"approved,omitempty"` // the second operator, where one was needed
	At       time.Time  `json:"at"`
}

// Hold is a card that was redeemed in a suspicious run. It holds nothing that
// names a person.
type Hold struct {
	ID     string           `json:"id"` // a function of the card
	Batch  string           `json:"batch"`
	Card   int              `json:"card"`
	Member loyalty.MemberID `json:"member_id,omitempty"` // "" while reserved for a phone that nobody has proved
	Award  Award            `json:"award"`
	Why    Suspicion        `json:"why"`
	HeldAt time.Time        `json:"held_at"`

	Appeal   *Appeal   `json:"appeal,omitempty"`
	Proposed *Decision `json:"proposed,omitempty"` // a void that waits for a second operator
	Decided  *Decision `json:"decided,omitempty"`
}

// State is where the hold is.
func (h Hold) State() HoldState {
	if h.Decided == nil {
		return HoldOpen
	}
	return h.Decided.State
}

// At is when the hold came to its state.
func (h Hold) At() time.Time {
	if h.Decided == nil {
		return h.HeldAt
	}
	return h.Decided.At
}

// HoldID names the hold of a card.
func (c Code) HoldID() string { return fmt.Sprintf("%s-%07d", c.BatchID(), c.Card) }

// ParseHoldID reads an id exactly as HoldID wrote it; false for anything else.
func ParseHoldID(id string) (Code, bool) {
	code, ok := ParseBill(billMark + strings.ReplaceAll(id, "-", ""))
	return code, ok && code.HoldID() == id
}

// HoldCard is the hold of a card that somebody just redeemed.
func HoldCard(code Code, award Award, member loyalty.MemberID, why Suspicion, now time.Time) Hold {
	return Hold{ID: code.HoldID(), Batch: code.BatchID(), Card: code.Card, Member: member, Award: award, Why: why, HeldAt: now}
}

// Object is the hold after its customer's appeal; the first one counts, and a
// repeat changes nothing. A hold that was released needs none.
func (h Hold) Object(ground Ground, now time.Time) (Hold, error) {
	switch {
	case !slices.Contains(Grounds, ground):
		return h, loyalty.Invalid("/ground", "unknown", "a ground is bought, given or other")
	case h.Appeal == nil && h.State() != HoldReleased:
		h.Appeal = &Appeal{Ground: ground, At: now}
	}
	return h, nil
}

// Release is the hold after an operator let the prize go; a void that was only
// proposed is dropped. A repeat changes nothing. It fails with KindConflict code
// "hold_settled" once the card is void.
func (h Hold) Release(operator string, now time.Time) (Hold, error) {
	switch h.State() {
	case HoldReleased:
		return h, nil
	case HoldVoided:
		return h, holdSettled()
	}
	h.Proposed, h.Decided = nil, &Decision{State: HoldReleased, Operator: operator, At: now}
	return h, nil
}

// Void is the hold after an operator's word that the prize will not be given.
// Where two are needed the first only proposes, and may change their reason; a
// second one who gives the same ends it. The same word again changes nothing. It
// fails with KindConflict: "hold_settled" when it ended otherwise,
// "reason_differs" when another reason is proposed.
func (h Hold) Void(reason VoidReason, operator string, both bool, now time.Time) (Hold, error) {
	wish := Decision{State: HoldVoided, Reason: reason, Operator: operator, At: now}
	switch {
	case !slices.Contains(VoidReasons, reason):
		return h, loyalty.Invalid("/reason", "unknown", "the reason is none of the list")
	case h.Decided != nil && (h.Decided.State != HoldVoided || h.Decided.Reason != reason):
		return h, holdSettled()
	case h.Decided != nil:
		return h, nil
	case !both:
		h.Proposed, h.Decided = nil, &wish
	case h.Proposed == nil || h.Proposed.Operator == operator && h.Proposed.Reason != reason:
		h.Proposed = &wish
	case h.Proposed.Operator == operator:
	case h.Proposed.Reason != reason:
		return h, loyalty.Refuse(loyalty.KindConflict, "reason_differs", "another operator proposed another reason; give the same, or release the card")
	default:
		wish.Operator, wish.Approved = h.Proposed.Operator, operator
		h.Proposed, h.Decided = nil, &wish
	}
	return h, nil
}

func holdSettled() error {
	return loyalty.Refuse(loyalty.KindConflict, "hold_settled", "this hold ended otherwise, and stays so")
}

// NeedsTwo tells whether two operators have to agree to void a prize of the
// batch: it is worth more than the limit, or nobody knows what. Points whose
// worth nobody declared are held against pointsLimit instead, above which a
// correction by hand needs two.
func (h Holds) NeedsTwo(batch Batch, award Award, pointsLimit loyalty.Points) bool {
	points, fen, known := batch.VoidWorth(award)
	return !known || points > pointsLimit || fen > h.VoidLimit
}

// VoidWorth is what a prize of the batch counts for when it is voided: its worth
// in fen, or the points themselves where nobody declared what they are worth; of
// several prizes with this award the most. known is false where nobody knows.
func (b Batch) VoidWorth(award Award) (points loyalty.Points, fen loyalty.Fen, known bool) {
	for _, arm := range b.Arms {
		for _, prize := range arm.Prizes {
			if prize.Award != award {
				continue
			}
			known = true
			switch worth, declared := b.WorthOf(prize); {
			case declared:
				fen = max(fen, worth)
			case award.Kind == PrizePoints:
				points = loyalty.Points(award.Amount)
			default:
				return 0, 0, false
			}
		}
	}
	return points, fen, known
}
