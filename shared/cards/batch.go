package cards

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/strictjson"
)

// Form is how a card's page plays (玩法).
type Form string

// The forms.
const (
	FormScratch Form = "scratch" // 刮刮卡: the prize is under a layer
	FormReveal  Form = "reveal"  // 100 % 中奖: every card of the arm wins
	FormPlain   Form = "plain"   // no game
)

// PrizeKind is what a card gives (奖品).
type PrizeKind string

// The kinds of prizes.
const (
	PrizePoints    PrizeKind = "points"     // Amount in points
	PrizeCoupon    PrizeKind = "coupon"     // Text is the id of a coupon template
	PrizeGift      PrizeKind = "gift"       // Text is what comes with the next order
	PrizeRedPacket PrizeKind = "red_packet" // Amount in fen
	PrizeNone      PrizeKind = "none"       // 未中奖
)

// TopPrize is the highest value of one prize of a draw: ¥50,000 (Anti-Unfair
// Competition Law, 2025, art. 11; 2019, art. 10).
const TopPrize loyalty.Fen = 5_000_000

// Bounds of one WeChat red packet (红包), ¥1 to ¥200.
const (
	MinRedPacket loyalty.Fen = 100
	MaxRedPacket loyalty.Fen = 20_000
)

// MaxCardCost keeps a slip of the keyboard out of a batch's costs: ¥100 a card.
const MaxCardCost loyalty.Fen = 10_000

// MaxPrizePoints keeps a slip of the keyboard from becoming a liability.
const MaxPrizePoints loyalty.Points = 1_000_000

// Award is what one card gives. In JSON it is {"kind","value"}: the value is a
// number for points and red packets, a string for coupons and gifts, and
// absent for none.
type Award struct {
	Kind   PrizeKind
	Amount int64  // points, or fen of a red packet
	Text   string // coupon template, or gift
}

// Prize is one line of an arm's pool: Quantity cards of the arm give Award.
// Worth is what one is worth in fen, as the operator declares it; the law's cap
// is judged on it. In JSON it is {"kind","value","quantity","worth"}.
type Prize struct {
	Award
	Quantity int
	Worth    loyalty.Fen
}

// Cost is what giving one costs the brand, as far as the batch tells: the money
// of a red packet, or else the worth that was declared. False for points,
// coupons and gifts whose worth nobody declared.
func (p Prize) Cost() (loyalty.Fen, bool) {
	if p.Kind == PrizeRedPacket {
		return loyalty.Fen(p.Amount), true
	}
	return p.Worth, p.Worth > 0 || p.Kind == PrizeNone
}

type prizeJSON struct {
	Kind     PrizeKind       `json:"kind"`
	Value    json.RawMessage `json:"value,omitempty"`
	Quantity int             `json:"quantity,omitempty"`
	Worth    loyalty.Fen     `json:"worth,omitempty"`
}

// value is the award's value as JSON has it.
func (a Award) value() (json.RawMessage, error) {
	switch {
	case a.Kind == PrizePoints || a.Kind == PrizeRedPacket:
		return json.Marshal(a.Amount)
	case a.Text != "":
		return json.Marshal(a.Text)
	}
	return nil, nil
}

func (w prizeJSON) award() (Award, error) {
	award := Award{Kind: w.Kind}
	if len(w.Value) == 0 || string(w.Value) == "null" {
		return award, nil
	}
	var target any = &award.Text
	if w.Kind == PrizePoints || w.Kind == PrizeRedPacket {
		target = &award.Amount
	}
	if err := strictjson.Exact(w.Value, target); err != nil {
		return Award{}, fmt.Errorf("cards: the value of a %q prize has the wrong type", w.Kind)
	}
	return award, nil
}

// MarshalJSON writes {"kind","value"}.
func (a Award) MarshalJSON() ([]byte, error) {
	value, err := a.value()
	if err != nil {
		return nil, err
	}
	return json.Marshal(prizeJSON{Kind: a.Kind, Value: value})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (a *Award) UnmarshalJSON(text []byte) error {
	var wire prizeJSON
	if err := strictjson.Known(text, &wire); err != nil {
		return err
	}
	award, err := wire.award()
	if err != nil {
		return err
	}
	*a = award
	return nil
}

// MarshalJSON writes {"kind","value","quantity","worth"}.
func (p Prize) MarshalJSON() ([]byte, error) {
	value, err := p.value()
	if err != nil {
		return nil, err
	}
	return json.Marshal(prizeJSON{Kind: p.Kind, Value: value, Quantity: p.Quantity, Worth: p.Worth})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (p *Prize) UnmarshalJSON(text []byte) error {
	var wire prizeJSON
	if err := strictjson.Known(text, &wire); err != nil {
		return err
	}
	award, err := wire.award()
	if err != nil {
		return err
	}
	*p = Prize{Award: award, Quantity: wire.Quantity, Worth: wire.Worth}
	return nil
}

// Arm is one variant of a batch that is compared with the others (分组). It
// gets its share of the cards by Weight.
type Arm struct {
	Name   string  `json:"name"`
	Form   Form    `json:"form"`
	Weight int     `json:"weight"`
	Prizes []Prize `json:"prizes"`
}

// Batch is one print run (批次). The document says all about its cards: with
// the root key, every card's arm and prize follow from it.
type Batch struct {
	KeyID     string    `json:"key_id"` // the root key, one letter of Alphabet
	Number    int       `json:"number"` // 0 to MaxBatches-1, once per root key
	Name      string    `json:"name"`
	Count     int       `json:"count"`              // cards, 1 to MaxCount
	Canaries  int       `json:"canaries,omitempty"` // codes beyond Count that no customer is given, see Draws.Canary
	Arms      []Arm     `json:"arms"`
	ValidFrom time.Time `json:"valid_from"` // first instant of the window
	ValidTo   time.Time `json:"valid_to"`   // first instant after it
	RulesText string    `json:"rules_text,omitempty"`

	// CardCost is what making and packing one card costs, in fen; results
	// reckon with it.
	CardCost loyalty.Fen `json:"card_cost,omitempty"`

	// Terms are frozen with the first agreement to open it, see Terms.
	Terms []Terms `json:"terms,omitempty"`

	// The steps that happened to it, each signed.
	State     State      `json:"state"`
	Created   *Signature `json:"created,omitempty"`
	Printed   *Delivery  `json:"printed,omitempty"`   // the file that went to the printing house
	Received  *Delivery  `json:"received,omitempty"`  // the cards that came back, and the file they were made of
	Approved  *Signature `json:"approved,omitempty"`  // the first of the two who activate
	Activated *Signature `json:"activated,omitempty"` // the second
	Frozen    *Signature `json:"frozen,omitempty"`
}

// PrintRun is how many codes the printing house is given (印量): the cards and
// the canaries among them.
func (b Batch) PrintRun() int { return b.Count + b.Canaries }

// ID is the batch's id, see BatchID; "" while the batch has no key.
func (b Batch) ID() string {
	if len(b.KeyID) != 1 {
		return ""
	}
	return BatchID(b.KeyID[0], b.Number)
}

// Code is the code of the print run's nth card, from 0.
func (b Batch) Code(card int) Code { return Code{KeyID: b.KeyID[0], Batch: b.Number, Card: card} }

// Limits of a batch's document.
const (
	maxArms      = 8
	maxPrizes    = 32
	maxWeight    = 10_000
	maxNameRunes = 60
	maxTextRunes = 4_000
	maxCanaries  = 1_000
)

// CouponTemplates are the coupon templates among the prizes, each once.
func (b Batch) CouponTemplates() []string {
	var templates []string
	for _, arm := range b.Arms {
		for _, prize := range arm.Prizes {
			if prize.Kind == PrizeCoupon && !slices.Contains(templates, prize.Text) {
				templates = append(templates, prize.Text)
			}
		}
	}
	return templates
}

// Validate refuses (KindInvalid, one Field for each fault) a batch that an
// operator may not create: Name, Count, Canaries, Arms, the window and RulesText
// are judged, not the life cycle.
func (b Batch) Validate() error {
	var faults []loyalty.Field
	refuse := func(code, pointer string, parts ...any) {
		faults = append(faults, loyalty.Field{Pointer: fmt.Sprintf(pointer, parts...), Code: code})
	}
	if !line(b.Name, maxNameRunes) {
		refuse("required", "/name")
	}
	if b.Count < 1 || b.Count > MaxCount {
		refuse("out_of_range", "/count")
	}
	if b.Canaries < 0 || b.Canaries > maxCanaries || b.Canaries > 0 && b.PrintRun() > MaxCount {
		refuse("out_of_range", "/canaries")
	}
	if utf8.RuneCountInString(b.RulesText) > maxTextRunes {
		refuse("too_long", "/rules_text")
	}
	if b.CardCost < 0 || b.CardCost > MaxCardCost {
		refuse("out_of_range", "/card_cost")
	}
	if b.ValidFrom.IsZero() {
		refuse("required", "/valid_from")
	}
	if !b.ValidTo.After(b.ValidFrom) {
		refuse("not_after_valid_from", "/valid_to")
	}
	if len(b.Arms) < 1 || len(b.Arms) > maxArms {
		refuse("out_of_range", "/arms")
	}
	names := map[string]bool{}
	weighed := len(faults) == 0
	for i, arm := range b.Arms {
		if !line(arm.Name, maxNameRunes) {
			refuse("required", "/arms/%d/name", i)
		} else if names[arm.Name] {
			refuse("duplicate", "/arms/%d/name", i)
		}
		names[arm.Name] = true
		if arm.Form != FormScratch && arm.Form != FormReveal && arm.Form != FormPlain {
			refuse("unknown", "/arms/%d/form", i)
		}
		if arm.Weight < 1 || arm.Weight > maxWeight {
			refuse("out_of_range", "/arms/%d/weight", i)
			weighed = false
		}
		if len(arm.Prizes) > maxPrizes {
			refuse("out_of_range", "/arms/%d/prizes", i)
		}
		for j, prize := range arm.Prizes {
			if code, part := prize.fault(); code != "" {
				refuse(code, "/arms/%d/prizes/%d/%s", i, j, part)
			}
			if arm.Form == FormReveal && prize.Kind == PrizeNone {
				refuse("reveal_must_win", "/arms/%d/prizes/%d/kind", i, j)
			}
		}
	}
	if weighed && len(faults) == 0 {
		for i, arm := range b.Arms {
			size, stock := b.ArmSize(i), 0
			for _, prize := range arm.Prizes {
				stock += prize.Quantity
			}
			switch {
			case stock > size:
				refuse("more_prizes_than_cards", "/arms/%d/prizes", i)
			case stock < size && arm.Form == FormReveal:
				refuse("reveal_must_win", "/arms/%d/prizes", i)
			}
		}
	}
	if len(faults) == 0 {
		return nil
	}
	return &loyalty.Error{
		Kind: loyalty.KindInvalid, Code: "invalid_batch", Fields: faults,
		Detail: "The batch cannot be created as it is. An arm has count × weight ÷ total weight cards; its prizes may not be more, and in the form reveal must be exactly so many.",
	}
}

func (p Prize) fault() (code, part string) {
	if p.Quantity < 1 || p.Quantity > MaxCount {
		return "out_of_range", "quantity"
	}
	if p.Worth < 0 {
		return "out_of_range", "worth"
	}
	if p.Worth > TopPrize {
		return "top_prize_too_high", "worth"
	}
	switch p.Kind {
	case PrizePoints:
		if p.Amount < 1 || p.Amount > int64(MaxPrizePoints) {
			return "out_of_range", "value"
		}
	case PrizeRedPacket:
		if loyalty.Fen(p.Amount) > TopPrize {
			return "top_prize_too_high", "value"
		}
		if loyalty.Fen(p.Amount) < MinRedPacket || loyalty.Fen(p.Amount) > MaxRedPacket {
			return "out_of_range", "value"
		}
	case PrizeCoupon, PrizeGift:
		if !line(p.Text, maxNameRunes) {
			return "required", "value"
		}
	case PrizeNone:
		if p.Text != "" || p.Amount != 0 {
			return "not_allowed", "value"
		}
	default:
		return "unknown", "kind"
	}
	return "", ""
}

// line tells whether text is one line of 1 to most runes.
func line(text string, most int) bool {
	return strings.TrimSpace(text) != "" && utf8.RuneCountInString(text) <= most && utf8.ValidString(text) &&
		!strings.ContainsFunc(text, unicode.IsControl)
}

// ArmSize is how many cards the arm has: the batch is cut where the running
// share of the weights falls, rounded down, so an arm's size is less than one
// card off its share and the sizes sum to Count.
func (b Batch) ArmSize(arm int) int { return b.armEnd(arm) - b.armEnd(arm-1) }

// armEnd is how many cards the arms up to and with this one have.
func (b Batch) armEnd(arm int) int {
	var upTo, total int
	for i := range b.Arms {
		total += b.Arms[i].Weight
		if i <= arm {
			upTo += b.Arms[i].Weight
		}
	}
	return b.Count * upTo / total
}

// AlwaysWins tells whether every card of the form gives a prize, in whichever arm
// it is: only then may a page that does not know the card's prize promise one.
func (b Batch) AlwaysWins(form Form) bool {
	for i, arm := range b.Arms {
		if arm.Form != form {
			continue
		}
		prizes := 0
		for _, prize := range arm.Prizes {
			if prize.Kind != PrizeNone {
				prizes += prize.Quantity
			}
		}
		if prizes < b.ArmSize(i) {
			return false
		}
	}
	return true
}

// PoolCost is what all prizes of an arm cost together, in fen; false when the
// worth of any is not known, which then counts as nothing.
func (b Batch) PoolCost(arm int) (pool loyalty.Fen, known bool) {
	known = true
	for _, prize := range b.Arms[arm].Prizes {
		cost, ok := prize.Cost()
		pool += cost * loyalty.Fen(prize.Quantity)
		known = known && ok
	}
	return pool, known
}

// Draws assigns arms and prizes to the cards of one batch. It serves one
// goroutine at a time.
type Draws struct {
	batch   Batch
	shuffle *permutation
}

// Draws prepares the draw of a valid batch; ErrNotFound when its root key is
// not in the ring.
//
// The print run is shuffled by a keyed permutation of [0, count + canaries). The
// first count shuffled places are dealt to the arms in order, and within an arm
// to its prizes in order; places beyond the prizes give PrizeNone, and those
// beyond the count are canaries. Each prize is therefore given exactly Quantity
// times, nobody without the key can tell which card has it, and whoever has key
// and document can repeat every draw.
func (k *Keyring) Draws(batch Batch) (*Draws, error) {
	for root, id := range k.ids {
		if batch.KeyID == string(id) {
			key := derive(k.prks[root], purposeDraw, batch.Number, 16)
			return &Draws{batch: batch, shuffle: newPermutation(key, uint64(batch.PrintRun()))}, nil // #nosec G115 -- valid: 1 to 2^20
		}
	}
	return nil, ErrNotFound
}

// Canary tells whether the card is one that stands in the printing house's file
// and is printed like the others, but is taken out before the packs are made
// (金丝雀码, 暗桩): no customer ever holds it, so whoever tries it has read the
// file or the shelf. It can never be redeemed.
func (d *Draws) Canary(card int) bool { return d.rank(card) >= d.batch.Count }

// Canaries are the cards that are to be taken out before packing, ascending,
// counted from 0.
func (d *Draws) Canaries() []int {
	found := make([]int, 0, d.batch.Canaries)
	for rank := d.batch.Count; rank < d.batch.PrintRun(); rank++ {
		found = append(found, int(d.shuffle.backward(uint64(rank)))) // #nosec G115 -- below 2^20
	}
	slices.Sort(found)
	return found
}

// Arm is the position of the card's arm. The card is 0 to PrintRun-1; a canary
// is in the first arm and gives nothing.
func (d *Draws) Arm(card int) int {
	arm, _ := d.place(card)
	return arm
}

// Award is what the card gives.
func (d *Draws) Award(card int) Award {
	arm, place := d.place(card)
	for _, prize := range d.batch.Arms[arm].Prizes {
		if place < prize.Quantity {
			return prize.Award
		}
		place -= prize.Quantity
	}
	return Award{Kind: PrizeNone}
}

// Holder is the nth card, from 0, that gives a prize of an arm: Award turned
// round. All three are positions in the batch's document, in their ranges.
func (d *Draws) Holder(arm, prize, n int) int {
	rank := d.batch.armEnd(arm-1) + n
	for _, before := range d.batch.Arms[arm].Prizes[:prize] {
		rank += before.Quantity
	}
	return int(d.shuffle.backward(uint64(rank))) // #nosec G115 -- below 2^20
}

// rank is where the card lands in the shuffle.
func (d *Draws) rank(card int) int {
	return int(d.shuffle.forward(uint64(card))) // #nosec G115 -- below 2^20
}

// place is the card's arm and its shuffled place within it.
func (d *Draws) place(card int) (arm, place int) {
	rank := d.rank(card)
	if rank >= d.batch.Count {
		return 0, MaxCount
	}
	for rank >= d.batch.armEnd(arm) {
		arm++
	}
	return arm, rank - d.batch.armEnd(arm-1)
}
