// Package redeemcard is where a customer meets the brand: the page behind the
// QR on a package card (包裹卡), and the one redemption that a card is good for.
package redeemcard

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/gateway"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/problem"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/queue"
	"github.com/huitou/huitou/shared/store"
)

// Function is redeemcard and what it needs. It is safe for concurrent use and
// must not be copied once it is in use.
type Function struct {
	Store    store.Store
	Orders   queue.Sender // told when an identity got an owner, see enrolment.JoinedMessage
	Payouts  queue.Sender // told when a red packet was won, see cards.Bill.Message
	Keys     *cards.Keyring
	PhoneKey []byte // see identity.Phone.Identity
	TokenKey []byte // see token.VerifyMember
	Clock    func() time.Time
	Random   io.Reader // for the ids of new members and the codes of coupons
	Log      *slog.Logger

	mu       sync.Mutex
	programs []program.Program // as they were at programsReadAt
	// programsReadAt is zero for never.
	programsReadAt time.Time
}

// Handle answers one request as API Gateway delivers it:
//
//	GET  /c/{code}             the card's page; no prize in it
//	POST /c/{code}             its form; the page with the prize
//	POST /c/{code}/redemption  the same for programs, JSON in and out
//	POST /c/{code}/appeal      against a hold or a void, JSON in and out
//
// /C/ is the same as /c/. A code that cannot be redeemed now is 404
// card_not_found whatever the reason; a card that somebody else redeemed is
// 409 card_taken with the date. A caller who typed too many wrong codes gets
// 429 too_many_codes for every one that they type, and when all did, everybody
// who types one 429 challenge_required until they answer the challenge. The
// pages answer with the same statuses.
func (f *Function) Handle(ctx context.Context, event events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
	return gateway.Handle(http.HandlerFunc(f.route))(ctx, event)
}

func (f *Function) route(w http.ResponseWriter, r *http.Request) {
	_, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if code, isAPI := strings.CutSuffix(rest, "/redemption"); isAPI {
		f.serve(w, r, http.StatusOK, func() (any, error) { return f.redeemFromJSON(r, code) })
		return
	}
	if code, isAPI := strings.CutSuffix(rest, "/appeal"); isAPI {
		f.serve(w, r, http.StatusAccepted, func() (any, error) { return f.appealFromJSON(r, code) })
		return
	}
	f.servePage(w, r, rest)
}

// serve answers programs.
func (f *Function) serve(w http.ResponseWriter, r *http.Request, status int, work func() (any, error)) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		problem.Write(w, r, loyalty.Refuse(loyalty.KindNotAllowed, "method_not_allowed", "only POST is taken here"))
		return
	}
	body, err := work()
	if err != nil {
		f.report(r, err)
		throttled(w, err)
		problem.Write(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	// It is done; a customer who does not hear of it asks again.
	_ = json.NewEncoder(w).Encode(body)
}

// Redeemed answers a redemption.
type Redeemed struct {
	Prize      *cards.Award     `json:"prize,omitempty" doc:"absent while the card is held, and of a voided one"`
	RedeemedAt time.Time        `json:"redeemed_at"`
	State      state            `json:"state" enum:"credited,reserved,held,voided" doc:"reserved: kept for the person who proves the typed phone; held: kept while an operator looks at it"`
	VoidReason cards.VoidReason `json:"void_reason,omitempty" doc:"why an operator does not give the prize"`
	// FriendState goes with the prize. It is what a WeCom contact way (联系我) or acquisition link (获客链接)
	// carries to tell which card brought the friend.
	FriendState string `json:"friend_state,omitempty" doc:"goes with the prize: the state that a WeCom contact way (联系我) or acquisition link (获客链接) carries to tell which card brought the friend"`
}

func answerOf(d draw) Redeemed {
	a := Redeemed{RedeemedAt: d.at, State: d.state, VoidReason: d.void, FriendState: d.friend}
	if !d.suspended() {
		a.Prize = &d.award
	}
	return a
}

func (f *Function) redeemFromJSON(r *http.Request, code string) (Redeemed, error) {
	who, err := f.claimant(r)
	if err == nil && who.ground != "" {
		err = loyalty.Invalid("/ground", "unknown", "a ground is of an appeal")
	}
	if err != nil {
		return Redeemed{}, err
	}
	result, err := f.redeem(r, code, who)
	return answerOf(result), err
}

// report logs what is our fault and only the kind of what is the caller's.
func (f *Function) report(r *http.Request, err error) {
	switch kind := loyalty.KindOf(err); kind {
	case loyalty.KindInternal, loyalty.KindUnavailable:
		f.Log.ErrorContext(r.Context(), "card not redeemed", "error", err, "request", gateway.RequestID(r.Context()))
	default:
		f.Log.InfoContext(r.Context(), "card refused", "status", problem.Status(kind), "request", gateway.RequestID(r.Context()))
	}
}

// programLife is how old the list of versions may be. A version that was
// announced a minute before it takes effect is in time.
const programLife = time.Minute

// rules is the program in force; the versions are read at most once a minute.
func (f *Function) rules(ctx context.Context) (program.Program, error) {
	now := f.Clock()
	f.mu.Lock()
	defer f.mu.Unlock()
	if age := now.Sub(f.programsReadAt); f.programsReadAt.IsZero() || age < 0 || age >= programLife {
		versions, err := f.Store.Programs(ctx)
		if err != nil {
			return program.Program{}, err
		}
		f.programs, f.programsReadAt = versions, now
	}
	return program.At(f.programs, now), nil
}

// refusalCode is the code of a refusal, "" of anything else.
func refusalCode(err error) string {
	if refusal, ok := errors.AsType[*loyalty.Error](err); ok {
		return refusal.Code
	}
	return ""
}
