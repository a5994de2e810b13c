package operate

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/binary"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/friend"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/qr"
	"github.com/huitou/huitou/shared/rest"
	"github.com/huitou/huitou/shared/token"
)

// batchBody is a print run as an operator asks for it.
type batchBody struct {
	Name      string    `json:"name" minLength:"1" maxLength:"60" doc:"customers see it with the prize rules"`
	Count     int       `json:"count" minimum:"1" maximum:"1048576" doc:"cards"`
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
	Prizes []prizeBody `json:"prizes" maxItems:"32"`
}

type prizeBody struct {
	Kind     cards.PrizeKind `json:"kind" enum:"points,coupon,gift,red_packet,none"`
	Value    any             `json:"value,omitempty" doc:"points: points; red_packet: fen; coupon: template id; gift: text"`
	Quantity int             `json:"quantity,omitempty" minimum:"0"`
	Worth    loyalty.Fen     `json:"worth,omitempty" doc:"what one is worth, in fen; the law caps the top prize at 5000000"`
}

type batchAnswer struct {
	ID string `json:"id"`
	batchBody
	Friends   *friend.Funnel   `json:"friends,omitempty" doc:"WeCom friends (企业微信好友) whom its cards brought; on one batch alone"`
	State     cards.State      `json:"state" enum:"created,printed,active,frozen"`
	Created   *cards.Signature `json:"created,omitempty"`
	Approved  *cards.Signature `json:"approved,omitempty" doc:"the first of the two operators who activate"`
	Activated *cards.Signature `json:"activated,omitempty"`
	Frozen    *cards.Signature `json:"frozen,omitempty"`
}

// BatchPath names a batch.
type BatchPath struct {
	ID string `path:"id" maxLength:"16"`
}

var printers = []token.Role{token.RoleOperator, token.RolePrinter}

func (f Function) registerCards(api huma.API) {
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
			answer.Items = append(answer.Items, shownBatch(batch))
		}
		return rest.Answer(answer), nil
	})
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodGet, Path: "/v1/card-batches/{id}", ID: "batch", Tag: "cards",
		Roles: []token.Role{token.RoleViewer, token.RoleOperator, token.RoleIntegration, token.RolePrinter}, Summary: "One batch",
	}, func(ctx context.Context, in *BatchPath) (*rest.Body[batchAnswer], error) {
		batch, err := f.Store.Batch(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		shown := shownBatch(batch)
		shown.Friends, err = f.friends(ctx, in.ID)
		return rest.Answer(shown), err
	})
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodGet, Path: "/v1/card-batches/{id}/cards.csv", ID: "batch-codes", Tag: "cards", Roles: printers,
		Summary: "Codes and URLs for the printing house, up to 20000 cards a call",
	}, f.codesCSV)
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodGet, Path: "/v1/card-batches/{id}/sheet.html", ID: "batch-sheet", Tag: "cards", Roles: printers,
		Summary: "A sheet of QR codes that prints true on A4, up to 480 cards a call",
	}, f.sheet)
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
		batch, err := f.Store.Batch(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		frozen := batch.Freeze(f.whoCalls(ctx), f.Clock())
		return rest.Answer(shownBatch(frozen)), f.Store.ChangeBatch(ctx, batch, frozen)
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

func (f Function) whoCalls(ctx context.Context) string {
	operator, _ := rest.Operator(ctx) // the call asked for a role
	return operator.Name
}

// createBatch gives the batch a number that comes from the request, or the
// first free one after it: a repeat of the request walks the same way and finds
// the batch it made.
func (f Function) createBatch(ctx context.Context, in *rest.Body[batchBody]) (*rest.Body[batchAnswer], error) {
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
			return rest.Answer(shownBatch(batch)), nil
		case own:
			return rest.Answer(shownBatch(*existing)), nil
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
				return loyalty.Invalid(pointer, "not_issuable", "coupons of this template cannot be given by huitou")
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
	batch, err := f.Store.Batch(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	agreed, err := batch.Activate(f.whoCalls(ctx), f.Clock())
	if err != nil {
		return nil, err
	}
	answer := &struct {
		Status int
		Body   batchAnswer
	}{http.StatusOK, shownBatch(agreed)}
	if agreed.State != cards.StateActive {
		answer.Status = http.StatusAccepted
	}
	return answer, f.Store.ChangeBatch(ctx, batch, agreed)
}

// readBatch takes the request's document through the rules' own reader.
func readBatch(in batchBody) (cards.Batch, error) {
	raw, err := json.Marshal(in)
	if err != nil {
		return cards.Batch{}, err
	}
	var batch cards.Batch
	if err := json.Unmarshal(raw, &batch); err != nil {
		return cards.Batch{}, loyalty.Invalid("/arms", "malformed", "a prize's value is a number for points and red packets, a text for coupons and gifts")
	}
	return batch, nil
}

func shownBatch(batch cards.Batch) batchAnswer {
	answer := batchAnswer{
		ID: batch.ID(), State: batch.State,
		Created: batch.Created, Approved: batch.Approved, Activated: batch.Activated, Frozen: batch.Frozen,
		batchBody: batchBody{
			Name: batch.Name, Count: batch.Count, ValidFrom: batch.ValidFrom, ValidTo: batch.ValidTo, RulesText: batch.RulesText, Arms: []armBody{},
			CardCost: batch.CardCost,
		},
	}
	for _, arm := range batch.Arms {
		answer.Arms = append(answer.Arms, armBody{arm.Name, arm.Form, arm.Weight, shownPrizes(arm)})
	}
	return answer
}

func shownPrizes(arm cards.Arm) []prizeBody {
	shown := []prizeBody{}
	for _, prize := range arm.Prizes {
		p := prizeBody{Kind: prize.Kind, Quantity: prize.Quantity, Worth: prize.Worth}
		switch {
		case prize.Text != "":
			p.Value = prize.Text
		case prize.Amount != 0:
			p.Value = prize.Amount
		}
		shown = append(shown, p)
	}
	return shown
}

// codes is a run of a batch's cards.
type codes struct {
	BatchPath
	From  int `query:"from" minimum:"0" default:"0" doc:"first card, from 0"`
	Limit int `query:"limit" minimum:"1" maximum:"20000" default:"20000"`
}

type file struct {
	ContentType        string `header:"Content-Type"`
	ContentDisposition string `header:"Content-Disposition"`
	CacheControl       string `header:"Cache-Control"`
	Body               []byte
}

// each visits the codes of a run.
func (f Function) each(ctx context.Context, id string, from, limit int, visit func(card int, qrToken, typed string) error) (cards.Batch, error) {
	if f.PublicURL == "" {
		return cards.Batch{}, loyalty.Refuse(loyalty.KindConflict, "public_url_unset",
			"codes hold the address customers reach; deploy with the parameter PublicUrl or DomainName first")
	}
	batch, err := f.Store.Batch(ctx, id)
	if err != nil {
		return batch, err
	}
	codec := f.Keys.Codec()
	for card := from; card < min(batch.Count, from+limit); card++ {
		qrToken, err := codec.Token(batch.Code(card))
		if err != nil {
			return batch, err
		}
		typed, err := codec.Typed(batch.Code(card))
		if err != nil {
			return batch, err
		}
		if err := visit(card, qrToken, typed); err != nil {
			return batch, err
		}
	}
	return batch, nil
}

func (f Function) codesCSV(ctx context.Context, in *codes) (*file, error) {
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	_ = w.Write([]string{"card", "url", "code"}) // a buffer takes everything
	batch, err := f.each(ctx, in.ID, in.From, in.Limit, func(card int, qrToken, typed string) error {
		return w.Write([]string{strconv.Itoa(card + 1), cards.URL(f.PublicURL, qrToken), typed})
	})
	if err != nil {
		return nil, err
	}
	w.Flush()
	return &file{
		ContentType: "text/csv; charset=utf-8", CacheControl: "no-store", Body: out.Bytes(),
		ContentDisposition: fmt.Sprintf("attachment; filename=%q", batch.ID()+".csv"),
	}, w.Error()
}

//go:embed sheet.html
var sheetFile embed.FS

var sheetPage = template.Must(template.ParseFS(sheetFile, "sheet.html"))

type sheetCard struct {
	Number int
	QR     template.HTML
	Typed  string
}

func (f Function) sheet(ctx context.Context, in *struct {
	BatchPath
	From  int `query:"from" minimum:"0" default:"0" doc:"first card, from 0"`
	Limit int `query:"limit" minimum:"1" maximum:"480" default:"24"`
},
) (*file, error) {
	var shown []sheetCard
	batch, err := f.each(ctx, in.ID, in.From, in.Limit, func(card int, qrToken, typed string) error {
		symbol, err := qr.Encode(cards.URL(f.PublicURL, qrToken))
		if err != nil {
			return err
		}
		shown = append(shown, sheetCard{card + 1, template.HTML(symbol.SVG(fmt.Sprintf("%d", card+1))), typed}) // #nosec G203 -- drawn by shared/qr from our own code
		return nil
	})
	if err != nil {
		return nil, err
	}
	rules, err := f.rules(ctx)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := sheetPage.Execute(&out, map[string]any{"Batch": batch, "ID": batch.ID(), "Brand": rules.Brand, "Cards": shown}); err != nil {
		return nil, err
	}
	return &file{ContentType: "text/html; charset=utf-8", CacheControl: "no-store", ContentDisposition: "inline", Body: out.Bytes()}, nil
}
