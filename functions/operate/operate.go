// Package operate is the operators' and the integrations' API (/v1), and the
// answer to every path that nobody else serves.
//
// # The audit log
//
// Every call that changes something names its act (rest.Operation.Act), and
// leaves one row: who, when, what, on what, why. The row is put before the act
// is done, so a process that dies in between leaves a row too many and never one
// too few, and the act of an operator whose row cannot be put is not done. That
// is one write unit a call. A row in the transaction of the act itself would be
// dearer (a transaction doubles what all its parts cost) and acts of many writes,
// or of none to the table, have no such transaction; a row put after the act is
// lost with the process. The price is that a row without a failure says that
// the act was accepted, not that it was finished: saying so too would be a
// second unit for every call. What was done is told by the thing itself, which
// names the operator where it matters (ledger, order log, card batch).
//
// The row's key derives from the first use of the Idempotency-Key, which the key
// remembers, so every repeat finds the row: also a repeat after a crash, after
// "not now", and of an answer that is never kept because it holds a secret. A
// PUT or DELETE has no key: each is an act of its own, though the second of two
// equal ones changes nothing.
//
// An act that is refused (4xx), or fails (5xx), has that said in its row, for one
// unit more; the last attempt counts. A call that does not come as far as an act
// leaves no row: no token or a wrong one, a role that may not, a body that does
// not validate against its schema, a key used before with another body. Those
// change nothing, and anybody with any token could fill the log with them; the
// access log has them.
//
// A look-up of members changes nothing, and leaves a row all the same: it tells
// who asked for whom, by a keyed hash.
//
// A row holds no body. Of a path it holds the parameters, of a body the reason
// and an operator's name, each without what reads as a phone, a code or a token.
package operate

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	_ "embed"
	"encoding/hex"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/gateway"
	"github.com/huitou/huitou/shared/idempotency"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/problem"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/queue"
	"github.com/huitou/huitou/shared/rest"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/token"
)

// Function is operate and what it needs.
type Function struct {
	Store      store.Store
	Orders     queue.Sender // told when an identity got an owner
	Payouts    queue.Sender // told when a payer is to be asked at once
	Queues     queue.Admin
	Keys       *cards.Keyring
	PhoneKey   []byte
	TokenKey   []byte
	AdminToken string // hash (token.Hash) of the admin's token
	PublicURL  string // where customers reach the brand: "https://huitou.example.com"; "" until the brand knows, and no card is printed before
	Clock      func() time.Time
	Random     io.Reader
	Log        *slog.Logger
}

//go:embed openapi.json
var openAPI []byte

// Handler serves the API.
func (f Function) Handler() http.Handler {
	mux := http.NewServeMux()
	api := rest.Serve(mux)
	f.Register(api)
	f.registerConsole(mux)
	mux.HandleFunc("GET /openapi.json", document("application/json; charset=utf-8", openAPI))
	mux.HandleFunc("GET /program.schema.json", document("application/schema+json; charset=utf-8", programSchema))
	caller := func(ctx context.Context) string {
		operator, _ := rest.Operator(ctx)
		return operator.Name
	}
	return orderInPath(f.authenticate(api.Public, rest.Strict(mux, func(next http.Handler) http.Handler {
		once := idempotency.Handler(f.Store, f.Clock, caller, next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if api.Keyless(r) {
				next.ServeHTTP(w, r)
				return
			}
			once.ServeHTTP(w, r)
		})
	})))
}

// document serves a document that anybody may read.
func document(contentType string, content []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		_, _ = w.Write(content) // a reader who went away needs no answer
	}
}

// Handle makes the Lambda handler.
func (f Function) Handle() func(context.Context, events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
	return gateway.Handle(f.Handler())
}

// Register adds every call to an API: the one that is served, or the one that
// the published document is made from.
func (f Function) Register(api rest.API) {
	f.registerMembers(api)
	f.registerLookup(api)
	f.registerOrders(api)
	f.registerMerges(api)
	f.registerOperators(api)
	f.registerProgram(api)
	f.registerCards(api)
	f.registerPrizes(api)
	f.registerHolds(api)
	f.registerCampaigns(api)
	f.registerSpending(api)
	f.registerAdjustments(api)
	f.registerOpenings(api)
	f.registerBindings(api)
	f.registerReminders(api)
	f.registerReports(api)
	f.registerRefused(api)
	f.registerQueues(api)
	f.registerAudit(api)
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodGet, Path: "/healthz", ID: "health", Tag: "service", Security: "none",
		Summary: "200 when everything is up",
	}, func(ctx context.Context, _ *struct{}) (*health, error) {
		if _, err := f.Store.Programs(ctx); err != nil {
			return nil, err
		}
		answer := &health{}
		answer.Body.Status = "ok"
		return answer, nil
	})
}

type health struct {
	Body struct {
		Status string `json:"status" enum:"ok"`
	}
}

// adminName is who holds the AdminToken. Nobody else has the name, so that the
// audit log and the Idempotency-Keys tell them apart.
const adminName = "admin"

// authenticate finds out who calls. A token that is not known is refused here,
// whatever it was sent to; without a token the call decides. What anybody may
// read is read whatever the header says: a proxy's or a browser's own
// credentials are none of ours.
func (f Function) authenticate(isPublic func(*http.Request) bool, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := r.Header.Get("Authorization")
		if header == "" || isPublic(r) || isPage(r) {
			next.ServeHTTP(w, r)
			return
		}
		operator, err := f.operator(r.Context(), header)
		if err != nil {
			problem.Write(w, r, err)
			return
		}
		next.ServeHTTP(w, r.WithContext(rest.WithRecorder(rest.WithOperator(r.Context(), operator), f.record)))
	})
}

// isPage is true of the documents and of the console's pages, which hold no data.
func isPage(r *http.Request) bool {
	read := r.Method == http.MethodGet || r.Method == http.MethodHead
	return read && (r.URL.Path == "/openapi.json" || r.URL.Path == "/program.schema.json" ||
		(r.URL.Path == "/console" || strings.HasPrefix(r.URL.Path, "/console/")) && r.URL.Path != "/console/session")
}

// orderInPath makes one segment of an order's number, whatever slashes and dots
// are in it: an API gateway decodes a path before it hands it on, so "SO%2F1"
// comes as two. No shop has a slash (see orders.CheckKey), so the number is what
// stands between the shop and the end, or the last segment that names a part of
// the order.
func orderInPath(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if rest, ok := strings.CutPrefix(r.URL.Path, "/v1/orders/"); ok && r.URL.RawPath == "" {
			if segments := strings.SplitN(rest, "/", 3); len(segments) == 3 {
				id, part := segments[2], ""
				if cut, ok := strings.CutSuffix(id, "/binding"); ok {
					id, part = cut, "/binding"
				}
				escaped := strings.ReplaceAll(url.PathEscape(id), ".", "%2E")
				address := *r.URL
				address.RawPath = "/v1/orders/" + url.PathEscape(segments[0]) + "/" + url.PathEscape(segments[1]) + "/" + escaped + part
				r = r.WithContext(r.Context())
				r.URL = &address
			}
		}
		next.ServeHTTP(w, r)
	})
}

func (f Function) operator(ctx context.Context, header string) (token.Operator, error) {
	bearer, err := token.Bearer(header)
	if err != nil {
		return token.Operator{}, err
	}
	hash := token.Hash(bearer)
	if f.AdminToken != "" && subtle.ConstantTimeCompare([]byte(hash), []byte(f.AdminToken)) == 1 {
		return token.Operator{Name: adminName, Role: token.RoleAdmin}, nil
	}
	if _, err := token.VerifyMember(f.TokenKey, bearer, f.Clock()); err == nil {
		return token.Operator{}, loyalty.Refuse(loyalty.KindForbidden, "role_missing", "a member's token opens /v1/me and cards, nothing else")
	}
	holder, err := f.Store.CredentialOf(ctx, hash, f.Clock())
	if loyalty.KindOf(err) == loyalty.KindNotFound {
		return token.Operator{}, loyalty.Refuse(loyalty.KindUnauthenticated, "token_invalid", "this token is not known, or not good any more")
	}
	if err != nil {
		return token.Operator{}, err
	}
	if err := f.Store.NoteUse(ctx, hash, holder, f.Clock()); err != nil {
		f.Log.WarnContext(ctx, "last use not kept", "operator", holder.Name, "error", err.Error())
	}
	return token.Operator{Name: holder.Name, Role: token.Role(holder.Role)}, nil
}

// derivedID is an id that comes from the request's Idempotency-Key: a repeat
// of the request makes the same thing again, not another.
func derivedID(ctx context.Context, kind string) string {
	sum := sha256.Sum256([]byte(kind + "\n" + idempotency.Cause(ctx)))
	return hex.EncodeToString(sum[:8])
}

// rules is the program in force now.
func (f Function) rules(ctx context.Context) (program.Program, error) {
	versions, err := f.Store.Programs(ctx)
	return program.At(versions, f.Clock()), err
}

// MemberPath names a member.
type MemberPath struct {
	ID string `path:"id" maxLength:"64" doc:"member_id"`
}

func (p MemberPath) member() loyalty.MemberID { return loyalty.MemberID(p.ID) }

var (
	readers     = []token.Role{token.RoleViewer, token.RoleOperator, token.RoleIntegration}
	shopkeepers = []token.Role{token.RoleOperator}
	clerks      = []token.Role{token.RoleOperator, token.RoleIntegration}
)
