package operate

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/huitou/huitou/shared/coupons"
	"github.com/huitou/huitou/shared/idempotency"
	"github.com/huitou/huitou/shared/identity"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/problem"
	"github.com/huitou/huitou/shared/rest"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/token"
)

// Outcomes of an act.
const (
	accepted       = "accepted"
	outcomeRefused = "refused"
	failed         = "failed"
)

// actAnswer is one row of the audit log (操作日志).
type actAnswer struct {
	ID       string     `json:"id"`
	At       time.Time  `json:"at" doc:"when it was asked for; of a repeated request the first time"`
	Operator string     `json:"operator"`
	Role     token.Role `json:"role" enum:"viewer,operator,admin,integration,printer"`
	Action   string     `json:"action" doc:"noun.verb: card-batch.activate; x-audit-action of the call"`
	Resource string     `json:"resource" doc:"the path it was sent to; what reads as a phone, a code or a token is ***"`
	Outcome  string     `json:"outcome" enum:"accepted,refused,failed" doc:"accepted: allowed, understood and carried out, unless the process died in the middle, when only the thing itself tells how far it came; refused: nothing changed, code says why; failed: it may have happened, and a repeat of the request finishes it"`
	Status   int        `json:"status,omitempty" doc:"of the answer that refused or failed"`
	Code     string     `json:"code,omitempty" doc:"of the problem"`
	Reason   string     `json:"reason,omitempty" doc:"as the operator gave it, at most 120 characters; what reads as a phone, a code, a token or a long number is ***"`
}

const (
	auditSpan   = 30 * 24 * time.Hour  // shown when nothing is said about from
	auditMost   = 366 * 24 * time.Hour // between from and to
	auditLooked = 1000                 // rows that one call looks at for a filter
	auditStep   = 100                  // at a time
	auditReason = 120                  // characters
)

func (f Function) registerAudit(api rest.API) {
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodGet, Path: "/v1/audit", ID: "audit", Tag: "operators",
		Summary: "What operators did (操作日志), newest first; a page may be short, or empty, and yet have a next_cursor",
	}, f.audit)
}

func (f Function) audit(ctx context.Context, in *struct {
	rest.Paging
	Operator string    `query:"operator" maxLength:"64" doc:"by this one alone"`
	Action   string    `query:"action" maxLength:"64" doc:"this action alone: card-batch.activate"`
	From     time.Time `query:"from" doc:"at or after this; 30 days before to when absent"`
	To       time.Time `query:"to" doc:"before this, at most 366 days after from; the end of the log when absent"`
},
) (*rest.Body[rest.List[actAnswer]], error) {
	from, to := in.From, in.To
	if to.IsZero() {
		// A request that another machine took is not missed for its clock.
		to = f.Clock().Add(time.Minute)
	}
	if from.IsZero() {
		from = to.Add(-auditSpan)
	}
	if !from.Before(to) || to.Sub(from) > auditMost {
		return nil, loyalty.Invalid("from", "out_of_range", "from stands before to, by at most 366 days")
	}
	id := ""
	if in.Cursor != "" {
		last, lastID, ok := readAuditCursor(in.Cursor)
		if !ok {
			return nil, loyalty.Invalid("cursor", "invalid_cursor", "this is no cursor of this list")
		}
		if last.Before(to) {
			to, id = last, lastID
		}
	}
	answer := rest.List[actAnswer]{Items: []actAnswer{}}
	step := in.Limit
	if in.Operator != "" || in.Action != "" {
		step = auditStep
	}
	for looked := 0; looked < auditLooked; looked += step {
		if to.Before(from) {
			return rest.Answer(answer), nil
		}
		acts, err := f.Store.Acts(ctx, from, to, id, step)
		if err != nil {
			return nil, err
		}
		for _, act := range acts {
			if (in.Operator == "" || act.Operator == in.Operator) && (in.Action == "" || act.Action == in.Action) {
				answer.Items = append(answer.Items, shownAct(act))
			}
			to, id = act.At, act.ID
			if len(answer.Items) == in.Limit {
				answer.NextCursor = auditCursor(to, id)
				return rest.Answer(answer), nil
			}
		}
		if len(acts) < step {
			return rest.Answer(answer), nil
		}
	}
	answer.NextCursor = auditCursor(to, id)
	return rest.Answer(answer), nil
}

func shownAct(act store.Act) actAnswer {
	shown := actAnswer{
		ID: act.ID, At: act.At, Operator: act.Operator, Role: token.Role(act.Role), Action: act.Action, Resource: act.Resource,
		Outcome: accepted, Status: act.Failed.Status, Code: act.Failed.Code, Reason: act.Reason,
	}
	switch {
	case shown.Status >= http.StatusInternalServerError:
		shown.Outcome = failed
	case shown.Status != 0:
		shown.Outcome = outcomeRefused
	}
	return shown
}

// A cursor is the last act that was looked at.
func auditCursor(at time.Time, id string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(at.UTC().Format(time.RFC3339Nano) + " " + id))
}

func readAuditCursor(cursor string) (at time.Time, id string, ok bool) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil {
		return time.Time{}, "", false
	}
	instant, id, found := strings.Cut(string(raw), " ")
	at, err = loyalty.ParseTime(instant)
	return at, id, found && err == nil && isActID(id)
}

func isActID(id string) bool { return len(id) == 16 && strings.Trim(id, "0123456789abcdef") == "" }

// record puts an act's row into the audit log; see the package's comment for
// what a row promises.
func (f Function) record(ctx context.Context, act rest.Act) (func(error) error, error) {
	operator, _ := rest.Operator(ctx) // the call asked for a role
	if act.Name == lookupAct {
		act.On = f.lookedUp(act.On)
	}
	row := store.Act{
		Operator: operator.Name, Role: string(operator.Role), Action: act.Name, Resource: f.resource(act), Reason: veiledReason(act.Reason),
	}
	if idempotency.Cause(ctx) != "" {
		row.ID, row.At = derivedID(ctx, "act"), idempotency.FirstUse(ctx)
	} else {
		var id [8]byte
		if _, err := io.ReadFull(f.Random, id[:]); err != nil {
			return nil, fmt.Errorf("act: %w", err)
		}
		row.ID, row.At = hex.EncodeToString(id[:]), f.Clock()
	}
	row.At = row.At.UTC().Truncate(time.Microsecond)
	before, err := f.Store.RecordAct(ctx, row)
	if err != nil {
		return nil, err
	}
	return func(err error) error {
		var now store.Failure
		if err != nil {
			now = store.Failure{Status: problem.Status(loyalty.KindOf(err)), Code: "internal"}
			if refusal, ok := errors.AsType[*loyalty.Error](err); ok && now.Status != http.StatusInternalServerError {
				now.Code = refusal.Code
			}
		}
		if now == before {
			return err
		}
		// A refusal that the log does not have is no answer yet: the caller
		// repeats the request, which changed nothing.
		unsaid := f.Store.EndAct(ctx, row, now)
		if now.Status >= http.StatusInternalServerError || unsaid == nil {
			return err
		}
		return unsaid
	}, nil
}

const veiled = "***"

// resource is the act's path with its parameters. Operators paste into the
// wrong field: a parameter that is a phone, a card's or a coupon's code or a
// token is left out, and so is one that the path itself calls a code.
func (f Function) resource(act rest.Act) string {
	var resource strings.Builder
	for part := range strings.SplitSeq(strings.Trim(act.Path, "/"), "/") {
		resource.WriteByte('/')
		name, isParameter := strings.CutPrefix(part, "{")
		name = strings.TrimSuffix(name, "}")
		switch {
		case !isParameter:
			resource.WriteString(part)
		case name == "code" || f.secret(act.Parameters[name]):
			resource.WriteString(veiled)
		default:
			resource.WriteString(url.PathEscape(act.Parameters[name]))
		}
	}
	switch {
	case act.On == "":
	case f.secret(act.On):
		resource.WriteString("/" + veiled)
	default:
		resource.WriteString("/" + url.PathEscape(act.On))
	}
	return resource.String()
}

// secret tells whether a value is a phone, a code or a token.
func (f Function) secret(value string) bool {
	if _, err := identity.ParsePhone(value); err == nil || identity.IsVirtual(value) {
		return true
	}
	if _, err := f.Keys.Codec().Parse(value); err == nil {
		return true
	}
	if _, _, isCoupon := coupons.ParseCode(value); isCoupon {
		return true
	}
	return token.Looks(value)
}

// The parts of a reason that do not belong into the log: 11 digits or more,
// however they are grouped; four groups of four letters, as a card's code is
// written; a long word with a digit in it, as codes and tokens are. That takes
// order numbers too: the whole reason stands with the thing itself.
var (
	longNumber = pattern(`[+＋]?[0-9０-９](?:[\s\-‐‑–－.·()（）]{0,3}[0-9０-９]){10,}`)
	groups     = pattern(`(?i)\b[0-9a-z]{4}(?:[\s\-‐‑–－_]+[0-9a-z]{4}){3,}`)
	longWord   = pattern(`[0-9A-Za-z_][0-9A-Za-z_.\-]{11,}`)
)

func pattern(text string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(text) })
}

func veiledReason(reason string) string {
	reason = groups().ReplaceAllString(longNumber().ReplaceAllString(reason, veiled), veiled)
	reason = longWord().ReplaceAllStringFunc(reason, func(word string) string {
		if strings.ContainsAny(word, "0123456789_") {
			return veiled
		}
		return word
	})
	if runes := []rune(reason); len(runes) > auditReason {
		return string(runes[:auditReason-1]) + "…"
	}
	return reason
}
