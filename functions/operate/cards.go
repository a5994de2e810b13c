package operate

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/coupons"
	"github.com/huitou/huitou/shared/friend"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/rest"
	"github.com/huitou/huitou/shared/strictjson"
)

// BatchBody is a print run as an operator asks for it.
type BatchBody struct {
	Name      string    `json:"name" minLength:"1" maxLength:"60" doc:"customers see it with the prize rules"`
	Count     int       `json:"count" minimum:"1" maximum:"1048576" doc:"cards"`
	Canaries  int       `json:"canaries,omitempty" minimum:"0" maximum:"1000" doc:"codes beyond count that are printed and taken out before packing (暗桩); one that is tried means that the codes have leaked"`
	Arms      []armBody `json:"arms" minItems:"1" maxItems:"8"`
	ValidFrom time.Time `json:"valid_from"`
	ValidTo   time.Time `json:"valid_to" doc:"first instant after the window"`
	RulesText string    `json:"rules_text,omitempty" maxLength:"4000" doc:"shown to customers on the card's page and with the prize rules"`

	CardCost loyalty.Fen `json:"card_cost,omitempty" minimum:"0" maximum:"10000" doc:"what making and packing one card costs, in fen; results reckon with it"`
}

type armBody struct {
	Name   string      `json:"name"`
	Form   cards.Form  `json:"form" enum:"scratch,reveal,plain" doc:"reveal: every card of the arm wins"`
	Weight int         `json:"weight" minimum:"1" maximum:"10000" default:"1"`
	Prizes []PrizeBody `json:"prizes" maxItems:"32"`
}

type PrizeBody struct {
	Kind     cards.PrizeKind `json:"kind" enum:"points,coupon,gift,red_packet,none"`
	Value    any             `json:"value,omitempty" doc:"points: points; red_packet: fen; coupon: template id; gift: text"`
	Quantity int             `json:"quantity,omitempty" minimum:"0"`
	Worth    loyalty.Fen     `json:"worth,omitempty" doc:"what one is worth, in fen; the law caps the top prize at 5000000"`
}

type batchAnswer struct {
	ID string `json:"id"`
	BatchBody
	Notices   []notice         `json:"notices,omitempty" doc:"what the law asks of the brand: worth_undeclared, a prize whose worth nobody declared; announce_winners, one above 50000 fen, whose winners have to be announced"`
	Friends   *friend.Funnel   `json:"friends,omitempty" doc:"WeCom friends (企业微信好友) whom its cards brought; on one batch alone"`
	State     cards.State      `json:"state" enum:"created,printed,received,active,frozen,expired"`
	PrintRun  int              `json:"print_run" doc:"codes in the printing house's file: count and canaries"`
	Created   *cards.Signature `json:"created,omitempty"`
	Printed   *cards.Delivery  `json:"printed,omitempty" doc:"the file that went to the printing house"`
	Received  *cards.Delivery  `json:"received,omitempty" doc:"the cards that came back, and the file that they were made of"`
	Approved  *cards.Signature `json:"approved,omitempty" doc:"the first of the two operators who activate"`
	Activated *cards.Signature `json:"activated,omitempty"`
	Frozen    *cards.Signature `json:"frozen,omitempty"`
}

type notice struct {
	Pointer string `json:"pointer"`
	Code    string `json:"code" enum:"worth_undeclared,announce_winners"`
}

// BatchPath names a batch.
type BatchPath struct {
	ID string `path:"id" maxLength:"16"`
}

func (f Function) registerCards(api rest.API) {
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodPost, Path: "/v1/card-batches", ID: "create-batch", Act: "card-batch.create", Tag: "cards", Roles: shopkeepers, Status: http.StatusAccepted,
		Summary: "Create a batch of package cards (包裹卡批次)",
	}, f.createBatch)
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodGet, Path: "/v1/card-batches", ID: "batches", Tag: "cards", Roles: readers, Summary: "All batches",
	}, func(ctx context.Context, in *rest.Paging) (*rest.Body[rest.List[batchAnswer]], error) {
		batches, next, err := f.Store.Batches(ctx, in.Limit, in.Cursor)
		if err != nil {
			return nil, err
		}
		answer := rest.List[batchAnswer]{Items: []batchAnswer{}, NextCursor: next}
		for _, batch := range batches {
			answer.Items = append(answer.Items, f.shownBatch(batch))
		}
		return rest.Answer(answer), nil
	})
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodGet, Path: "/v1/card-batches/{id}", ID: "batch", Tag: "cards", Roles: readers, Summary: "One batch",
	}, func(ctx context.Context, in *BatchPath) (*rest.Body[batchAnswer], error) {
		batch, err := f.Store.Batch(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		shown := f.shownBatch(batch)
		shown.Friends, err = f.friends(ctx, in.ID)
		return rest.Answer(shown), err
	})
	f.registerPrinting(api)
	f.registerRules(api)
	f.registerResult(api)
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodPost, Path: "/v1/card-batches/{id}/activation", ID: "activate-batch", Act: "card-batch.activate", Tag: "cards", Roles: shopkeepers,
		Summary: "Activate: 202 for the first operator, 200 for a second, different one",
		Also:    map[int]string{http.StatusAccepted: "Accepted: a second operator has to agree"},
	}, f.activate)
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodPost, Path: "/v1/card-batches/{id}/freeze", ID: "freeze-batch", Act: "card-batch.freeze", Tag: "cards", Roles: shopkeepers,
		Summary: "Close a batch for good",
	}, func(ctx context.Context, in *BatchPath) (*rest.Body[batchAnswer], error) {
		return f.changeBatch(ctx, in.ID, func(b cards.Batch, operator string, now time.Time) (cards.Batch, error) {
			return b.Freeze(operator, now), nil
		})
	})
}

// friends sums up whom the batch's cards brought.
func (f Function) friends(ctx context.Context, batch string) (*friend.Funnel, error) {
	cohorts, tallies, err := f.Store.FriendCohorts(ctx, batch)
	if err != nil {
		return nil, err
	}
	rules, err := f.rules(ctx)
	if err != nil {
		return nil, err
	}
	funnel := friend.FunnelOf(cohorts, tallies, f.Clock(), rules.Zone())
	return &funnel, nil
}

// changeBatch takes a batch one step on.
func (f Function) changeBatch(ctx context.Context, id string, step func(b cards.Batch, operator string, now time.Time) (cards.Batch, error)) (*rest.Body[batchAnswer], error) {
	batch, err := f.Store.Batch(ctx, id)
	if err != nil {
		return nil, err
	}
	next, err := step(batch, f.whoCalls(ctx), f.Clock())
	if err != nil {
		return nil, err
	}
	return rest.Answer(f.shownBatch(next)), f.Store.ChangeBatch(ctx, batch, next)
}

func (f Function) whoCalls(ctx context.Context) string {
	operator, _ := rest.Operator(ctx) // the call asked for a role
	return operator.Name
}

// createBatch gives the batch a number that comes from the request, or the
// first free one after it: a repeat of the request walks the same way and finds
// the batch it made.
func (f Function) createBatch(ctx context.Context, in *rest.Body[BatchBody]) (*rest.Body[batchAnswer], error) {
	batch, err := readBatch(in.Body)
	if err != nil {
		return nil, err
	}
	if err := batch.Validate(); err != nil {
		return nil, err
	}
	if err := f.checkTemplates(ctx, batch); err != nil {
		return nil, err
	}
	request := derivedID(ctx, "batch")
	sum := sha256.Sum256([]byte(request))
	first := int(binary.BigEndian.Uint32(sum[:])) % cards.MaxBatches
	batch.KeyID = string(f.Keys.SigningKeyID())
	batch.State = cards.StateCreated
	batch.Created = &cards.Signature{Operator: f.whoCalls(ctx), At: f.Clock()}
	const tries = 64
	for try := range tries {
		batch.Number = (first + try) % cards.MaxBatches
		existing, own, err := f.Store.CreateBatch(ctx, batch, request)
		switch {
		case err != nil:
			return nil, err
		case existing == nil:
			return rest.Answer(f.shownBatch(batch)), nil
		case own:
			return rest.Answer(f.shownBatch(*existing)), nil
		}
	}
	return nil, loyalty.Refuse(loyalty.KindConflict, "batch_numbers_used_up", "the signing key has given out nearly all its batch numbers; add a new card key")
}

// checkTemplates refuses prizes of coupons that do not exist.
func (f Function) checkTemplates(ctx context.Context, batch cards.Batch) error {
	for i, arm := range batch.Arms {
		for j, prize := range arm.Prizes {
			if prize.Kind != cards.PrizeCoupon {
				continue
			}
			pointer := fmt.Sprintf("/arms/%d/prizes/%d/value", i, j)
			template, _, err := f.Store.Template(ctx, prize.Text)
			if err != nil {
				return missing(err, pointer, "there is no coupon template of this id")
			}
			if template.Issuable() != nil {
				return loyalty.Invalid(pointer, "not_issuable", "a template of kind pool holds a platform's codes, which cards cannot give yet; use one of kind own or link")
			}
			if template.Discount > cards.TopPrize {
				return loyalty.Invalid(pointer, "top_prize_too_high", "one prize may be worth 5000000 fen at most, and this coupon takes off more")
			}
		}
	}
	return nil
}

func (f Function) activate(ctx context.Context, in *BatchPath) (*struct {
	Status int
	Body   batchAnswer
}, error,
) {
	agreed, err := f.changeBatch(ctx, in.ID, func(b cards.Batch, operator string, now time.Time) (cards.Batch, error) {
		agreed, err := b.Activate(operator, now)
		if err != nil || b.Approved != nil || agreed.Approved == nil {
			return agreed, err
		}
		agreed.Terms, err = f.terms(ctx, b)
		return agreed, err
	})
	if err != nil {
		return nil, err
	}
	answer := &struct {
		Status int
		Body   batchAnswer
	}{http.StatusOK, agreed.Body}
	if agreed.Body.State != cards.StateActive {
		answer.Status = http.StatusAccepted
	}
	return answer, nil
}

// terms are those of every coupon that the batch gives, as they are now; they
// are refused with KindConflict code "prize_not_issuable" when one of them
// cannot be given any more, for the batch would promise what nobody can keep.
func (f Function) terms(ctx context.Context, batch cards.Batch) ([]cards.Terms, error) {
	if err := f.checkTemplates(ctx, batch); err != nil {
		if loyalty.KindOf(err) != loyalty.KindInvalid {
			return nil, err
		}
		return nil, &loyalty.Error{Kind: loyalty.KindConflict, Code: "prize_not_issuable", Cause: err, Detail: "a coupon template of this batch cannot be given any more"}
	}
	var all []cards.Terms
	for _, arm := range batch.Arms {
		for _, prize := range arm.Prizes {
			known := slices.ContainsFunc(all, func(t cards.Terms) bool { return t.Template == prize.Text })
			if prize.Kind != cards.PrizeCoupon || known {
				continue
			}
			template, _, err := f.Store.Template(ctx, prize.Text)
			if err != nil {
				return nil, err
			}
			all = append(all, termsOf(template))
		}
	}
	return all, nil
}

func termsOf(template coupons.Template) cards.Terms {
	return cards.Terms{
		Template: template.ID, Name: template.Name, Threshold: template.Threshold, Discount: template.Discount,
		Days: template.Validity.Days, Months: template.Validity.Months, Link: template.Link,
	}
}

// readBatch takes the request's document through the rules' own reader.
func readBatch(in BatchBody) (cards.Batch, error) {
	raw, err := json.Marshal(in)
	if err != nil {
		return cards.Batch{}, err
	}
	var batch cards.Batch
	if err := strictjson.Known(raw, &batch); err != nil {
		return cards.Batch{}, loyalty.Invalid("/arms", "malformed", "a prize's value is a number for points and red packets, a text for coupons and gifts")
	}
	return batch, nil
}

func (f Function) shownBatch(batch cards.Batch) batchAnswer {
	answer := batchAnswer{
		ID: batch.ID(), State: batch.StateAt(f.Clock()), PrintRun: batch.PrintRun(),
		Created: batch.Created, Printed: batch.Printed, Received: batch.Received, Approved: batch.Approved, Activated: batch.Activated, Frozen: batch.Frozen,
		BatchBody: BatchBody{
			Name: batch.Name, Count: batch.Count, Canaries: batch.Canaries, ValidFrom: batch.ValidFrom, ValidTo: batch.ValidTo, RulesText: batch.RulesText, Arms: []armBody{},
			CardCost: batch.CardCost,
		},
	}
	for i, arm := range batch.Arms {
		answer.Arms = append(answer.Arms, armBody{arm.Name, arm.Form, arm.Weight, shownPrizes(arm)})
		for j, prize := range arm.Prizes {
			pointer := fmt.Sprintf("/arms/%d/prizes/%d/worth", i, j)
			if _, known := batch.WorthOf(prize); !known && prize.Kind != cards.PrizeCoupon {
				answer.Notices = append(answer.Notices, notice{pointer, "worth_undeclared"})
			}
			if batch.Announced(prize) {
				answer.Notices = append(answer.Notices, notice{pointer, "announce_winners"})
			}
		}
	}
	return answer
}

func shownPrizes(arm cards.Arm) []PrizeBody {
	shown := []PrizeBody{}
	for _, prize := range arm.Prizes {
		shown = append(shown, shownPrize(prize))
	}
	return shown
}

func shownPrize(prize cards.Prize) PrizeBody {
	shown := PrizeBody{Kind: prize.Kind, Quantity: prize.Quantity, Worth: prize.Worth}
	switch {
	case prize.Text != "":
		shown.Value = prize.Text
	case prize.Amount != 0:
		shown.Value = prize.Amount
	}
	return shown
}
