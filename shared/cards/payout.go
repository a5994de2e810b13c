package cards

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/strictjson"
)

// Packet is the money of one red packet (红包), MinRedPacket to MaxRedPacket fen.
// No other amount can be made or read, so a sum in yuan taken for fen, or a
// negative one, is stopped here whatever the code around it does. The zero
// Packet is none.
type Packet struct{ fen loyalty.Fen }

// NewPacket refuses with KindInvalid code "out_of_range" what is no red packet.
func NewPacket(fen loyalty.Fen) (Packet, error) {
	if fen < MinRedPacket || fen > MaxRedPacket {
		return Packet{}, loyalty.Invalid("/amount", "out_of_range", "a red packet is 100 to 20000 fen")
	}
	return Packet{fen}, nil
}

// Fen is the packet's money.
func (p Packet) Fen() loyalty.Fen { return p.fen }

// MarshalJSON writes the fen.
func (p Packet) MarshalJSON() ([]byte, error) {
	if p == (Packet{}) {
		return nil, errors.New("cards: a packet without money")
	}
	return json.Marshal(p.fen)
}

// UnmarshalJSON reads what NewPacket takes.
func (p *Packet) UnmarshalJSON(text []byte) (err error) {
	var fen loyalty.Fen
	if err := strictjson.Exact(text, &fen); err != nil {
		return err
	}
	*p, err = NewPacket(fen)
	return err
}

// Bill is the number of a payout at whoever pays it (商户单号): one card has one
// bill for ever, however often it is asked for and by whom.
type Bill string

const billMark = "HT"

// Bill is a pure function of the card: "HT", the root key's id, five digits of
// batch and seven of card.
func (c Code) Bill() Bill {
	return Bill(fmt.Sprintf("%s%c%05d%07d", billMark, c.KeyID, c.Batch, c.Card))
}

// ParseBill reads a bill exactly as Bill wrote it; false for anything else.
func ParseBill(text string) (Code, bool) {
	const length = len(billMark) + 1 + 5 + 7
	if len(text) != length || !strings.HasPrefix(text, billMark) || strings.IndexByte(Alphabet, text[2]) < 0 {
		return Code{}, false
	}
	code := Code{KeyID: text[2]}
	for i, digit := range []byte(text[3:]) {
		if digit < '0' || digit > '9' {
			return Code{}, false
		}
		number := &code.Batch
		if i >= 5 {
			number = &code.Card
		}
		*number = *number*10 + int(digit-'0')
	}
	return code, code.Batch < MaxBatches && code.Card < MaxCount
}

// PayoutState is where the money of a red packet is. It only moves forward.
type PayoutState string

// The states.
const (
	PayoutRequested PayoutState = "requested"    // won; the payer was never asked
	PayoutPaying    PayoutState = "paying"       // the payer was asked; what it did is not known for sure
	PayoutPaid      PayoutState = "paid"         // for good
	PayoutFailed    PayoutState = "failed_final" // for good: nothing was paid and nothing will be under this bill
)

// PayoutStates are all states, in order.
var PayoutStates = []PayoutState{PayoutRequested, PayoutPaying, PayoutPaid, PayoutFailed}

// Final tells the states that nothing leaves.
func (s PayoutState) Final() bool { return s == PayoutPaid || s == PayoutFailed }

// PayoutStep is one change of state with its evidence.
type PayoutStep struct {
	State     PayoutState `json:"state"`
	At        time.Time   `json:"at"`
	By        string      `json:"by"`                  // "card", "payer", or the name of an operator or integration
	Approved  string      `json:"approved,omitempty"`  // the second operator, where it was done by hand
	Reference string      `json:"reference,omitempty"` // the payer's own number
	Code      string      `json:"code,omitempty"`      // why it failed, in the payer's words
	Reason    string      `json:"reason,omitempty"`    // in the operator's
}

// The makers of a step beside people.
const (
	ByCard  = "card"
	ByPayer = "payer"
)

// Payout is a red packet that somebody won (红包兑付). It is asked for under one
// bill until the payer says what became of it: an unknown outcome never makes a
// second payout. Amount and recipient are those of the redemption; no step
// changes them, and there is no step that takes money back.
type Payout struct {
	Bill   Bill             `json:"bill"`
	Batch  string           `json:"batch"`
	Card   int              `json:"card"`
	Member loyalty.MemberID `json:"member_id"`
	// Recipient is the openid that redeemed the card, its channel names the
	// application that the openid is of; or the WeCom contact (外部联系人) that
	// proved it, which the platform turns into an openid for the corporation's own
	// account (convert_to_openid). Empty for a member who came otherwise: the payer
	// knows them by their id, and nobody guesses an openid for them. It is personal
	// data, and gone once the payout ended.
	Recipient loyalty.Identity `json:"recipient,omitzero"`
	Amount    Packet           `json:"amount"`
	Steps     []PayoutStep     `json:"steps"` // only ever appended to; the last one is the state

	Asked    int         `json:"asked,omitempty"`   // times that the payer was asked
	AskedAt  time.Time   `json:"asked_at,omitzero"` // when it was last
	NextAsk  time.Time   `json:"next_ask"`          // the payer is asked again from then on
	Said     string      `json:"said,omitempty"`    // what it said last, while that settled nothing
	Proposed *Resolution `json:"proposed,omitempty"`
}

// State is where the money is.
func (p Payout) State() PayoutState { return p.Steps[len(p.Steps)-1].State }

// At is when the payout came to its state.
func (p Payout) At() time.Time { return p.Steps[len(p.Steps)-1].At }

// RequestPayout is the payout that a card's red packet begins with. It refuses
// an award that is none with KindInvalid.
func RequestPayout(code Code, award Award, member loyalty.MemberID, redeemedBy loyalty.Identity, now time.Time) (Payout, error) {
	if award.Kind != PrizeRedPacket {
		return Payout{}, loyalty.Invalid("/kind", "not_a_red_packet", "only red packets are paid out")
	}
	amount, err := NewPacket(loyalty.Fen(award.Amount))
	if err != nil {
		return Payout{}, err
	}
	payout := Payout{
		Bill: code.Bill(), Batch: code.BatchID(), Card: code.Card, Member: member, Amount: amount, NextAsk: now,
		Steps: []PayoutStep{{State: PayoutRequested, At: now, By: ByCard}},
	}
	if redeemedBy.Kind == loyalty.IdentityOpenID || redeemedBy.Kind == loyalty.IdentityWeCom {
		payout.Recipient = redeemedBy
	}
	return payout, nil
}

// How long the payer is left alone after it was asked.
const (
	firstPatience = 10 * time.Minute
	mostPatience  = 24 * time.Hour
)

// answerOnItsWay tells whether the payer was asked so lately that its answer
// may still come.
func (p Payout) answerOnItsWay(now time.Time) bool {
	return p.Asked > 0 && now.Before(p.AskedAt.Add(time.Minute))
}

func inFlight() error {
	return loyalty.Refuse(loyalty.KindConflict, "payout_in_flight", "the payer was asked a moment ago; try again in a minute")
}

// Due tells whether the payer is to be asked now. It is not asked while an
// operator's resolution waits for a second one.
func (p Payout) Due(now time.Time) bool {
	return !p.State().Final() && p.Proposed == nil && !now.Before(p.NextAsk)
}

// Ask is the payout as it has to be recorded before the payer is asked, so that
// no answer is needed to know that it may have been.
func (p Payout) Ask(now time.Time) Payout {
	if p.State() == PayoutRequested {
		p = p.step(PayoutStep{State: PayoutPaying, At: now, By: ByPayer})
	}
	patience := mostPatience
	if p.Asked < 8 { // 10 minutes doubled eight times are more than a day
		patience = min(firstPatience<<p.Asked, mostPatience)
	}
	p.Asked++
	p.AskedAt, p.NextAsk = now, now.Add(patience)
	return p
}

// Hasten has the payer asked now instead of at NextAsk (立即重新请款), for somebody
// who knows that the payer can be reached again. The request stays the same: one
// bill, one amount. It fails with KindConflict: "payout_settled" once the payout
// ended, "resolution_proposed" while operators are ending it, "payout_in_flight"
// while an answer may be on its way.
func (p Payout) Hasten(now time.Time) (Payout, error) {
	switch {
	case p.State().Final():
		return p, settled()
	case p.Proposed != nil:
		return p, loyalty.Refuse(loyalty.KindConflict, "resolution_proposed", "an operator proposes to end this payout by hand; agree, or withdraw that first")
	case p.answerOnItsWay(now):
		return p, inFlight()
	case now.Before(p.NextAsk):
		p.NextAsk = now
	}
	return p, nil
}

// step appends a step. The recipient of a payout that has ended is forgotten.
func (p Payout) step(step PayoutStep) Payout {
	p.Steps = append(slices.Clip(p.Steps), step)
	if step.State.Final() {
		p.Recipient = loyalty.Identity{}
	}
	return p
}

// PayoutOrder is what a payer is asked to pay. It is the same each time that it
// is asked for a bill.
type PayoutOrder struct {
	Bill      Bill              `json:"bill"`
	Amount    Packet            `json:"amount"` // fen
	Currency  string            `json:"currency"`
	Member    loyalty.MemberID  `json:"member_id"`
	Recipient *loyalty.Identity `json:"recipient,omitempty"`
	Reason    string            `json:"reason"`
}

// Order is what the payer is asked.
func (p Payout) Order() PayoutOrder {
	order := PayoutOrder{Bill: p.Bill, Amount: p.Amount, Currency: "CNY", Member: p.Member, Reason: fmt.Sprintf("card:%s:%d", p.Batch, p.Card)}
	if p.Recipient != (loyalty.Identity{}) {
		recipient := p.Recipient
		order.Recipient = &recipient
	}
	return order
}

// Outcome is what a payer says of a bill.
type Outcome string

// The outcomes. Whatever else happened, such as no answer, a refusal or
// "not found", says nothing of the money: the payout stays as it is.
const (
	OutcomeAccepted Outcome = "accepted" // it will be paid, or not; ask again
	OutcomePaid     Outcome = "paid"
	OutcomeFailed   Outcome = "failed" // for good: nothing was paid, or all of it came back, and the bill will never be paid
)

// PayoutAnswer is a payer's word about a bill.
type PayoutAnswer struct {
	Bill      Bill    `json:"bill"`
	Amount    Packet  `json:"amount"`
	Outcome   Outcome `json:"state"`
	Reference string  `json:"reference,omitempty"`
	Code      string  `json:"code,omitempty"`
}

const maxEvidence = 128 // bytes of Reference and of Code

// Validate refuses (KindInvalid) an answer that says nothing about the payout:
// of another bill or amount, of no known outcome, or one that ends it without
// evidence: the payer's number for what was paid, a code for what failed.
func (a PayoutAnswer) Validate(p Payout) error {
	switch {
	case a.Bill != p.Bill:
		return loyalty.Invalid("/bill", "bill_differs", "the answer is about another bill")
	case a.Amount != p.Amount:
		return loyalty.Invalid("/amount", "amount_differs", "the answer is about another amount")
	case a.Outcome != OutcomeAccepted && a.Outcome != OutcomePaid && a.Outcome != OutcomeFailed:
		return loyalty.Invalid("/state", "unknown", "a state is accepted, paid or failed")
	case !evidence(a.Reference, a.Outcome == OutcomePaid):
		return loyalty.Invalid("/reference", "required", "what was paid has a reference of up to 128 printable characters")
	case !evidence(a.Code, a.Outcome == OutcomeFailed):
		return loyalty.Invalid("/code", "required", "what failed has a code of up to 128 printable characters")
	}
	return nil
}

func evidence(text string, required bool) bool {
	if text == "" {
		return !required
	}
	return len(text) <= maxEvidence && line(text, maxEvidence)
}

// Hear is the payout after a payer's word, which somebody named brought. A word
// that was heard before changes nothing. One against what is settled is refused
// with KindConflict code "payout_settled", one about a payout that the payer was never
// asked for with "payout_not_asked".
func (p Payout) Hear(answer PayoutAnswer, by string, now time.Time) (Payout, error) {
	if err := answer.Validate(p); err != nil {
		return p, err
	}
	state := map[Outcome]PayoutState{OutcomePaid: PayoutPaid, OutcomeFailed: PayoutFailed}[answer.Outcome]
	switch {
	case p.State() == state, p.State().Final() && answer.Outcome == OutcomeAccepted:
		return p, nil
	case p.State().Final():
		return p, settled()
	case p.State() == PayoutRequested:
		return p, loyalty.Refuse(loyalty.KindConflict, "payout_not_asked", "nobody was asked to pay this bill yet")
	case answer.Outcome == OutcomeAccepted:
		p.Said = string(OutcomeAccepted)
		return p, nil
	}
	p.Said = ""
	return p.step(PayoutStep{State: state, At: now, By: by, Reference: answer.Reference, Code: answer.Code}), nil
}

func settled() error {
	return loyalty.Refuse(loyalty.KindConflict, "payout_settled", "this payout ended otherwise, and stays so")
}

// Unheard is the payout after the payer was asked and said nothing that counts:
// its code is kept for operators to see.
func (p Payout) Unheard(code string) Payout {
	if !p.State().Final() {
		p.Said = code
	}
	return p
}

// Resolution is how an operator ends a payout by hand (人工处理), under the same
// bill: they paid it themselves, or saw in the payer's books that it never will
// be.
type Resolution struct {
	State     PayoutState `json:"state"`
	Reference string      `json:"reference,omitempty"`
	Reason    string      `json:"reason"`
	Operator  string      `json:"operator"`
	At        time.Time   `json:"at"`
}

const maxReasonRunes = 200

func (r Resolution) validate() error {
	switch {
	case !r.State.Final():
		return loyalty.Invalid("/state", "unknown", "a resolution is paid or failed_final")
	case !evidence(r.Reference, r.State == PayoutPaid):
		return loyalty.Invalid("/reference", "required", "what was paid has a reference of up to 128 printable characters")
	case !line(r.Reason, maxReasonRunes) || utf8.RuneCountInString(r.Reason) < 2:
		return loyalty.Invalid("/reason", "required", "a reason is one line of 2 to 200 characters")
	}
	return nil
}

// Resolve takes one operator's resolution. Two different ones are needed: the
// first only proposes, and from then on the payer is not asked; when a second
// says the same, with the same reference, the payout ends. The first again
// changes nothing. It fails with KindConflict: "payout_settled" when it ended
// otherwise, "resolution_differs" when what is proposed is something else,
// "payout_in_flight" when the second comes while the payer may be at it.
func (p Payout) Resolve(wish Resolution) (Payout, error) {
	if err := wish.validate(); err != nil {
		return p, err
	}
	same := p.Proposed != nil && p.Proposed.State == wish.State && p.Proposed.Reference == wish.Reference
	switch {
	case p.State() == wish.State:
		return p, nil
	case p.State().Final():
		return p, settled()
	case p.Proposed == nil:
		p.Proposed = &wish
		return p, nil
	case !same:
		return p, loyalty.Refuse(loyalty.KindConflict, "resolution_differs", "something else is proposed; agree to it, or withdraw it first")
	case p.Proposed.Operator == wish.Operator:
		return p, nil
	case p.answerOnItsWay(wish.At):
		return p, inFlight()
	}
	return p.step(PayoutStep{
		State: wish.State, At: wish.At, By: p.Proposed.Operator, Approved: wish.Operator,
		Reference: wish.Reference, Reason: p.Proposed.Reason,
	}), nil
}

// Withdraw drops what is proposed: the payer is asked again. It is refused with
// KindConflict code "payout_settled" once the payout ended.
func (p Payout) Withdraw() (Payout, error) {
	if p.State().Final() {
		return p, settled()
	}
	p.Proposed = nil
	return p, nil
}

type payoutMessage struct {
	Type string `json:"type"`
	Bill Bill   `json:"bill"`
}

const payoutType = "payout.due"

// Message asks for the payout to be looked at. Sending it again is harmless.
func (b Bill) Message() []byte {
	raw, err := json.Marshal(payoutMessage{payoutType, b})
	if err != nil {
		panic(err) // strings only
	}
	return raw
}

// ReadPayoutMessage reads such a message, KindInvalid code "message_malformed"
// for anything else.
func ReadPayoutMessage(body []byte) (Code, error) {
	var message payoutMessage
	err := strictjson.Known(body, &message)
	code, ok := ParseBill(string(message.Bill))
	if err != nil || message.Type != payoutType || !ok {
		return Code{}, &loyalty.Error{Kind: loyalty.KindInvalid, Code: "message_malformed", Cause: err}
	}
	return code, nil
}
