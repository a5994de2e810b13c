package members

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"time"

	"github.com/huitou/huitou/shared/claim"
	"github.com/huitou/huitou/shared/idempotency"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/orders"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/rest"
	"github.com/huitou/huitou/shared/statement"
	"github.com/huitou/huitou/shared/store"
)

// claimBody is an order that the caller says is theirs.
type claimBody struct {
	Channel loyalty.Channel `json:"channel" minLength:"1" maxLength:"64"`
	Shop    string          `json:"shop" minLength:"1" maxLength:"64"`
	OrderID string          `json:"order_id" minLength:"1" maxLength:"128"`
	Proof   claimProof      `json:"proof"`
}

// claimProof is one thing that only the buyer knows beside the number.
type claimProof struct {
	PhoneLast4 string `json:"phone_last4,omitempty" pattern:"^[0-9]{4}$" doc:"the last four digits of the order's phone; this or buyer"`
	Buyer      string `json:"buyer,omitempty" maxLength:"128" doc:"the platform's id of the buyer"`
}

// takenClaim says that a claim was taken, and nothing about the order.
type takenClaim struct {
	Channel loyalty.Channel `json:"channel"`
	Shop    string          `json:"shop"`
	OrderID string          `json:"order_id"`
	TakenAt time.Time       `json:"taken_at"`
}

func (f Function) registerClaims(api rest.API) {
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodPost, Path: "/v1/me/orders", ID: "claim-order", Tag: "me", Security: "member", Status: http.StatusAccepted, Throttled: true,
		Summary: "Claim an order by its number; GET /v1/me/claims tells what became of it",
	}, f.claim)
	registerList(f, api, "/v1/me/claims", "my-claims", "My claims of orders: credited, waiting or refused",
		func(ctx context.Context, s store.Store, account store.Account, limit int, cursor string) ([]statement.Claim, string, error) {
			return statement.Claims(ctx, s, account.Member, limit, cursor, f.Clock())
		})
}

func (f Function) claim(ctx context.Context, in *rest.Body[claimBody]) (*rest.Body[takenClaim], error) {
	account, err := f.account(ctx)
	if err != nil {
		return nil, err
	}
	order := loyalty.OrderKey{Channel: in.Body.Channel, Shop: in.Body.Shop, Order: in.Body.OrderID}
	if err := orders.CheckKey(order); err != nil {
		return nil, err
	}
	proof, err := in.Body.Proof.of(order)
	if err != nil {
		return nil, err
	}
	cause := sha256.Sum256([]byte(idempotency.Cause(ctx)))
	taken, err := claim.Take(ctx, f.Store, account.Member, order, proof, hex.EncodeToString(cause[:16]), f.Clock())
	if err != nil {
		return nil, err
	}
	if err := f.Orders.Send(ctx, claim.Message(taken)); err != nil {
		return nil, err
	}
	return rest.Answer(takenClaim{order.Channel, order.Shop, order.Order, taken.At}), nil
}

func (p claimProof) of(order loyalty.OrderKey) (points.Proof, error) {
	switch {
	case (p.PhoneLast4 == "") == (p.Buyer == ""):
		return points.Proof{}, loyalty.Invalid("/proof", "one_of", "prove it by phone_last4 or by buyer, one of them")
	case orders.IsMasked(p.Buyer):
		return points.Proof{}, loyalty.Invalid("/proof/buyer", "masked", "a masked name or ciphertext stands for nobody")
	case p.Buyer != "" && !loyalty.IsName(p.Buyer, orders.MaxIDBytes):
		return points.Proof{}, loyalty.Invalid("/proof/buyer", "malformed", "a buyer's id has 1 to 128 bytes of printable characters, and no blank at either end")
	case p.Buyer != "":
		return points.Proof{Buyer: points.ProveBuyer(order, p.Buyer)}, nil
	}
	return points.Proof{PhoneLast4: p.PhoneLast4}, nil
}
