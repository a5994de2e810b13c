// Package members is the member's own API (/v1/me): what they have, and nothing
// of anybody else. Their token alone tells who they are; no path, query or
// body can name another.
package members

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/huitou/huitou/shared/gateway"
	"github.com/huitou/huitou/shared/idempotency"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/problem"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/queue"
	"github.com/huitou/huitou/shared/rest"
	"github.com/huitou/huitou/shared/statement"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/token"
)

// Function is members and what it needs.
type Function struct {
	Store    store.Store
	Orders   queue.Sender // told of claims
	TokenKey []byte
	Clock    func() time.Time
	Log      *slog.Logger
}

// Handler serves the API.
func (f Function) Handler() http.Handler {
	mux := http.NewServeMux()
	f.Register(rest.Serve(mux))
	return f.authenticate(rest.Strict(mux, func(next http.Handler) http.Handler {
		return idempotency.Handler(f.Store, f.Clock, func(ctx context.Context) string { return "member:" + string(caller(ctx)) }, next)
	}))
}

// Handle makes the Lambda handler.
func (f Function) Handle() func(context.Context, events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
	return gateway.Handle(f.Handler())
}

type memberKey struct{}

func caller(ctx context.Context) loyalty.MemberID {
	member, _ := ctx.Value(memberKey{}).(loyalty.MemberID) // authenticate put it there
	return member
}

func (f Function) authenticate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		bearer, err := token.Bearer(r.Header.Get("Authorization"))
		if err != nil {
			problem.Write(w, r, err)
			return
		}
		member, err := token.VerifyMember(f.TokenKey, bearer, f.Clock())
		if err != nil {
			problem.Write(w, r, err)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), memberKey{}, member)))
	})
}

// me is what a member sees of themselves.
type me struct {
	MemberID loyalty.MemberID  `json:"member_id"`
	JoinedAt time.Time         `json:"joined_at"`
	Consents []loyalty.Consent `json:"consents"`
	Points   statement.Points  `json:"points"`
}

// Register adds every call to an API.
func (f Function) Register(api rest.API) {
	register(f, api, http.MethodGet, "/v1/me", "me", "Who I am and what I have", func(_ context.Context, account store.Account, _ *struct{}) (me, error) {
		shown := me{MemberID: account.Member, JoinedAt: account.JoinedAt, Consents: []loyalty.Consent{}, Points: statement.OfPoints(account, f.Clock())}
		for _, consent := range []loyalty.Consent{loyalty.ConsentMembership, loyalty.ConsentMarketing, loyalty.ConsentPersonalisation} {
			if _, given := account.Consents[consent]; given {
				shown.Consents = append(shown.Consents, consent)
			}
		}
		return shown, nil
	})
	register(f, api, http.MethodGet, "/v1/me/points", "my-points", "My points", func(_ context.Context, account store.Account, _ *struct{}) (statement.Points, error) {
		return statement.OfPoints(account, f.Clock()), nil
	})
	registerList(f, api, "/v1/me/points/ledger", "my-ledger", "My ledger, newest first", statement.Ledger)
	registerList(f, api, "/v1/me/orders", "my-orders", "My orders, newest first", statement.Orders)
	f.registerClaims(api)
	f.registerCheckIns(api)
	registerList(f, api, "/v1/me/coupons", "my-coupons", "My coupons", func(ctx context.Context, s store.Store, account store.Account, limit int, cursor string) ([]statement.Coupon, string, error) {
		return statement.Coupons(ctx, s, account, limit, cursor, f.Clock())
	})
	register(f, api, http.MethodGet, "/v1/me/reminders", "my-reminders", "What the brand will remind me of", func(ctx context.Context, account store.Account, in *struct{ rest.Paging }) (rest.List[statement.Reminder], error) {
		versions, err := f.Store.Programs(ctx)
		if err != nil {
			return rest.List[statement.Reminder]{}, err
		}
		return rest.PageOf(statement.Reminders(account, program.At(versions, f.Clock()), f.Clock()), in.Paging)
	})
	register(f, api, http.MethodGet, "/v1/me/tier", "my-tier", "My tier and what leads to the next", func(ctx context.Context, account store.Account, _ *struct{}) (statement.Tier, error) {
		versions, err := f.Store.Programs(ctx)
		return statement.OfTier(account, program.At(versions, f.Clock()), f.Clock()), err
	})
	register(f, api, http.MethodPut, "/v1/me/consents/{consent}", "give-my-consent", "Give a consent", func(ctx context.Context, account store.Account, in *consentPath) (struct{}, error) {
		return struct{}{}, f.change(ctx, account, store.GiveConsent(in.Consent, f.Clock()))
	})
	register(f, api, http.MethodDelete, "/v1/me/consents/{consent}", "withdraw-my-consent", "Withdraw a consent, in one step", func(ctx context.Context, account store.Account, in *consentPath) (struct{}, error) {
		return struct{}{}, f.change(ctx, account, store.WithdrawConsent(in.Consent, f.Clock())...)
	})
}

type consentPath struct {
	Consent loyalty.Consent `path:"consent" enum:"membership,marketing,personalisation"`
}

// register adds a call that needs the caller's account.
func register[I, O any](f Function, api rest.API, method, path, id, summary string, answer func(context.Context, store.Account, *I) (O, error)) {
	rest.Register(api, f.Log, rest.Operation{Method: method, Path: path, ID: id, Tag: "me", Summary: summary, Security: "member"},
		func(ctx context.Context, in *I) (*rest.Body[O], error) {
			account, err := f.account(ctx)
			if err != nil {
				return nil, err
			}
			output, err := answer(ctx, account, in)
			if err != nil {
				return nil, err
			}
			return rest.Answer(output), nil
		})
}

// account is the caller's. A good token of a member who is gone opens nothing:
// of one who never was, who was erased, or who is a part of another since. The
// brand's page asks for a new token then, as when it runs out.
func (f Function) account(ctx context.Context) (store.Account, error) {
	account, err := f.Store.Account(ctx, caller(ctx))
	if loyalty.KindOf(err) == loyalty.KindNotFound || err == nil && account.Open() != nil {
		return account, gone()
	}
	return account, err
}

// ofGone says of a refusal that the member is gone, where it says so.
func ofGone(err error) error {
	refusal, ok := errors.AsType[*loyalty.Error](err)
	if ok && (refusal.Code == "member_unknown" || refusal.Code == "member_merged" || refusal.Code == "member_erased") {
		return gone()
	}
	return err
}

func gone() error {
	return loyalty.Refuse(loyalty.KindUnauthenticated, "token_invalid", "the member of this token is gone")
}

// change changes the caller's account, which may be gone since it was read.
func (f Function) change(ctx context.Context, account store.Account, changes ...table.Change) error {
	err := f.Store.Table.Write(ctx, store.UpdateAccount(account.Member, changes, store.Alive()))
	if store.Refused(err) {
		return gone()
	}
	return err
}

func registerList[T any](f Function, api rest.API, path, id, summary string,
	page func(context.Context, store.Store, store.Account, int, string) ([]T, string, error),
) {
	register(f, api, http.MethodGet, path, id, summary, func(ctx context.Context, account store.Account, in *rest.Paging) (rest.List[T], error) {
		items, next, err := page(ctx, f.Store, account, in.Limit, in.Cursor)
		return rest.Page(items, next), err
	})
}
