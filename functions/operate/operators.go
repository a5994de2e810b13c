package operate

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/huitou/huitou/shared/idempotency"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/rest"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/token"
)

// An operator's token is looked up, strongly, at every call, and nothing keeps
// what was found: a token that was taken away is refused from the next call on.
//
// When a token was last used is kept to the hour, so that it costs one write
// unit a token and hour. It stands with the token, which every call reads in any
// case.
//
// Nobody can lock everybody out: the token of the parameter store is no row of
// the table, so no call takes it away, and nobody disables themselves, so two
// admins who disable each other leave that one at least.

// Bounds of what one operator holds.
const (
	maxTokens  = 8   // that are good at once: the last, and those before it whose overlap is not over
	maxBatches = 500 // of a printing house
)

type operatorBody struct {
	Name    string     `json:"name" pattern:"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$" doc:"stands in the audit log; a name is given once and never again"`
	Role    token.Role `json:"role" enum:"viewer,operator,admin,integration,printer"`
	Batches []string   `json:"batches,omitempty" maxItems:"100" doc:"of a printer alone: the card batches whose codes it may read while it prints them; recording what went to the printing house adds to them"`
}

type operatorAnswer struct {
	Name    string     `json:"name"`
	Role    token.Role `json:"role" enum:"viewer,operator,admin,integration,printer"`
	Batches []string   `json:"batches,omitempty"`
	Token   string     `json:"token" doc:"shown in this answer alone; the table keeps its hash"`
}

type rotationBody struct {
	Overlap int `json:"overlap_seconds,omitempty" minimum:"0" maximum:"86400" doc:"so long the tokens given before stay good, those of earlier rotations no longer than they would have; 0 ends them at once. Leave some where you rotate your own token, so that a lost answer can be asked for again"`
}

type rotationAnswer struct {
	Name        string     `json:"name"`
	Role        token.Role `json:"role" enum:"viewer,operator,admin,integration,printer"`
	Token       string     `json:"token" doc:"shown in this answer alone; the table keeps its hash"`
	OthersUntil *time.Time `json:"others_until,omitempty" doc:"until when tokens given before are good; absent where none is"`
}

// listedOperator is an operator without the token, which nobody can show.
type listedOperator struct {
	Name     string      `json:"name"`
	Role     token.Role  `json:"role" enum:"viewer,operator,admin,integration,printer"`
	Batches  []string    `json:"batches,omitempty" doc:"of a printer: those whose codes it may read while it prints them"`
	State    string      `json:"state" enum:"active,disabled"`
	Source   string      `json:"source" enum:"table,parameter_store" doc:"parameter_store: the token that the stack was deployed with; it is rotated there"`
	Made     *store.Hand `json:"made,omitempty" doc:"absent where an older version made it"`
	LastUsed *time.Time  `json:"last_used_at,omitempty" doc:"to the hour; absent for never, and for the token of the parameter store, of which it is not kept"`
	Rotated  *store.Hand `json:"rotated,omitempty"`
	Disabled *store.Hand `json:"disabled,omitempty"`
}

// OperatorPath names an operator.
type OperatorPath struct {
	Name string `path:"name" maxLength:"64"`
}

func (f Function) registerOperators(api rest.API) {
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodGet, Path: "/v1/operators", ID: "operators", Tag: "operators",
		Summary: "Who may call the API (操作员), the disabled too",
	}, f.operators)
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodPost, Path: "/v1/operators", ID: "add-operator", Act: "operator.add", Tag: "operators", Status: http.StatusCreated,
		Summary: "Name an operator and give them a token",
	}, f.addOperator)
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodPost, Path: "/v1/operators/{name}/rotation", ID: "rotate-operator", Act: "operator.rotate", Tag: "operators",
		Summary: "Give an operator a new token (轮换); the old one is good for a stated overlap",
	}, f.rotateOperator)
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodDelete, Path: "/v1/operators/{name}", ID: "disable-operator", Act: "operator.disable", Tag: "operators", Status: http.StatusNoContent,
		Summary: "Disable an operator for good (停用): every token of theirs is refused from the next call on; the name is not given again",
	}, f.disableOperator)
}

// operators lists the token of the parameter store before those of the table.
func (f Function) operators(ctx context.Context, in *rest.Paging) (*rest.Body[rest.List[listedOperator]], error) {
	const ofTable = "table."
	answer := rest.List[listedOperator]{Items: []listedOperator{}}
	cursor, goesOn := strings.CutPrefix(in.Cursor, ofTable)
	switch {
	case goesOn || f.AdminToken == "":
	case in.Cursor != "":
		return nil, loyalty.Invalid("cursor", "invalid_cursor", "this is no cursor of this list; send next_cursor as it came")
	default:
		builtIn := listedOperator{Name: adminName, Role: token.RoleAdmin, State: "active", Source: "parameter_store"}
		answer.Items = append(answer.Items, builtIn)
		if in.Limit == 1 {
			answer.NextCursor = ofTable
			return rest.Answer(answer), nil
		}
	}
	named, next, err := f.Store.Operators(ctx, in.Limit-len(answer.Items), cursor)
	if err != nil {
		return nil, err
	}
	used, err := f.Store.LastUses(ctx, named...)
	if err != nil {
		return nil, err
	}
	for i, operator := range named {
		answer.Items = append(answer.Items, shownOperator(operator, used[i]))
	}
	if next != "" {
		answer.NextCursor = ofTable + next
	}
	return rest.Answer(answer), nil
}

func shownOperator(o store.Operator, used time.Time) listedOperator {
	shown := listedOperator{
		Name: o.Name, Role: token.Role(o.Role), Batches: o.Batches, State: "active", Source: "table",
		Made: o.Made, Rotated: o.Rotated, Disabled: o.Disabled,
	}
	if o.Disabled != nil {
		shown.State = "disabled"
	}
	if !used.IsZero() {
		shown.LastUsed = &used
	}
	return shown
}

type operatorInput struct{ Body operatorBody }

func (in operatorInput) ActOn() string { return in.Body.Name }

func (f Function) addOperator(ctx context.Context, in *operatorInput) (*rest.Body[operatorAnswer], error) {
	if f.secret(in.Body.Name) {
		return nil, loyalty.Invalid("/name", "personal", "the name stands in the audit log: a phone, a code or a token is none")
	}
	if in.Body.Name == adminName {
		return nil, nameTaken
	}
	if err := f.checkBatches(ctx, in.Body); err != nil {
		return nil, err
	}
	idempotency.KeepSecret(ctx)
	raw, err := f.operatorToken(ctx, "operator/v1", in.Body.Name, string(in.Body.Role))
	if err != nil {
		return nil, err
	}
	made := f.hand(ctx)
	operator := store.Operator{Name: in.Body.Name, Role: string(in.Body.Role), Batches: in.Body.Batches, Made: &made}
	err = f.Store.Table.Write(ctx, store.AddOperator(token.Hash(raw), operator)...)
	if store.Refused(err) {
		// It may be the repeat of the request that made them.
		holder, err := f.Store.CredentialOf(ctx, token.Hash(raw), f.Clock())
		switch {
		case loyalty.KindOf(err) == loyalty.KindNotFound, err == nil && holder.Name != operator.Name:
			return nil, nameTaken
		case err != nil:
			return nil, err
		}
		return rest.Answer(operatorAnswer{in.Body.Name, in.Body.Role, in.Body.Batches, raw}), nil
	}
	if err != nil {
		return nil, err
	}
	return rest.Answer(operatorAnswer{in.Body.Name, in.Body.Role, in.Body.Batches, raw}), nil
}

var nameTaken = loyalty.Refuse(loyalty.KindConflict, "operator_exists", "an operator of this name exists or existed, and the audit log names them; choose another name")

// checkBatches refuses batches of whoever prints none, and such as do not exist.
func (f Function) checkBatches(ctx context.Context, in operatorBody) error {
	if len(in.Batches) > 0 && in.Role != token.RolePrinter {
		return loyalty.Invalid("/batches", "not_a_printer", "only a printer is bound to batches; leave them out, or choose the role printer")
	}
	for i, id := range in.Batches {
		pointer := fmt.Sprintf("/batches/%d", i)
		if slices.Contains(in.Batches[:i], id) {
			return loyalty.Invalid(pointer, "repeated", "the batch is named twice; name it once")
		}
		if _, err := f.Store.Batch(ctx, id); err != nil {
			return missing(err, pointer, "there is no batch of this id")
		}
	}
	return nil
}

// operatorToken comes from the request's cause under the brand's token key, so
// that the repeat of a request whose answer was lost gives the same token
// although nobody kept it.
func (f Function) operatorToken(ctx context.Context, parts ...string) (string, error) {
	info := strings.Join(append(parts, idempotency.Cause(ctx)), "\n")
	bits, err := hkdf.Key(sha256.New, f.TokenKey, nil, info, 20)
	if err != nil {
		return "", fmt.Errorf("operator token: %w", err)
	}
	return token.NewOperatorToken(strings.NewReader(string(bits)))
}

// operatorAttempts bounds how often a change of an operator that others changed
// meanwhile is decided again.
const operatorAttempts = 8

// changeOperator takes an operator one step on; a step that changes nothing
// returns nil.
func (f Function) changeOperator(ctx context.Context, name string, step func(store.Operator) (*store.Operator, error)) (store.Operator, error) {
	if name == adminName {
		return store.Operator{}, loyalty.Refuse(loyalty.KindConflict, "operator_built_in",
			"this token stands in the parameter store; put another there to rotate it. It cannot be disabled, so that somebody can always come in")
	}
	for range operatorAttempts {
		operator, err := f.Store.Operator(ctx, name)
		if err != nil {
			return operator, err
		}
		next, err := step(operator)
		if err != nil || next == nil {
			return operator, err
		}
		if err := f.Store.Table.Write(ctx, store.ChangeOperator(operator, *next)...); !store.Refused(err) {
			return *next, err
		}
	}
	return store.Operator{}, loyalty.Refuse(loyalty.KindUnavailable, "lost_race", "others changed the same operator at the same time")
}

// retired is when the tokens that an operator loses with a step were last used.
func (f Function) retired(ctx context.Context, operator store.Operator) (time.Time, error) {
	used, err := f.Store.LastUses(ctx, operator)
	if err != nil {
		return time.Time{}, err
	}
	return used[0], nil
}

func (f Function) rotateOperator(ctx context.Context, in *struct {
	OperatorPath
	Body rotationBody
},
) (*rest.Body[rotationAnswer], error) {
	idempotency.KeepSecret(ctx)
	raw, err := f.operatorToken(ctx, "rotation/v1", in.Name)
	if err != nil {
		return nil, err
	}
	hand, hash := f.hand(ctx), token.Hash(raw)
	overlap := time.Duration(in.Body.Overlap) * time.Second
	rotated, err := f.changeOperator(ctx, in.Name, func(o store.Operator) (*store.Operator, error) {
		if o.Disabled != nil {
			return nil, loyalty.Refuse(loyalty.KindConflict, "operator_disabled", "the operator is disabled for good; add another one")
		}
		if slices.ContainsFunc(o.Tokens, func(t store.OperatorToken) bool { return t.Hash == hash }) {
			return nil, nil // the repeat of the request that gave it
		}
		given, err := f.Store.TokenGiven(ctx, hash)
		if err != nil {
			return nil, err
		}
		if given != "" {
			return nil, loyalty.Refuse(loyalty.KindConflict, "token_ended", "the token that this request gave was replaced since; rotate again under a new Idempotency-Key")
		}
		if o.Used, err = f.retired(ctx, o); err != nil {
			return nil, err
		}
		o.Tokens, o.Rotated = heldAfter(o.Tokens, hand.At, overlap), &hand
		if len(o.Tokens) >= maxTokens {
			return nil, loyalty.Refuse(loyalty.KindConflict, "too_many_tokens", "8 tokens of this operator are good already; wait until an overlap is over, or rotate with overlap_seconds 0, which ends them all")
		}
		o.Tokens = append(o.Tokens, store.OperatorToken{Hash: hash})
		return &o, nil
	})
	if err != nil {
		return nil, err
	}
	answer := rotationAnswer{Name: rotated.Name, Role: token.Role(rotated.Role), Token: raw}
	for _, held := range rotated.Tokens {
		if held.Hash != hash && held.Good(f.Clock()) && (answer.OthersUntil == nil || held.Until.After(*answer.OthersUntil)) {
			answer.OthersUntil = &held.Until
		}
	}
	return rest.Answer(answer), nil
}

// heldAfter are the tokens that stay good for an overlap, none for longer than
// was said before.
func heldAfter(held []store.OperatorToken, now time.Time, overlap time.Duration) []store.OperatorToken {
	var kept []store.OperatorToken
	for _, t := range held {
		if until := now.Add(overlap); t.Until.IsZero() || t.Until.After(until) {
			t.Until = until
		}
		if t.Good(now) {
			kept = append(kept, t)
		}
	}
	return kept
}

func (f Function) disableOperator(ctx context.Context, in *OperatorPath) (*struct{}, error) {
	hand := f.hand(ctx)
	if in.Name == hand.Operator && in.Name != adminName {
		return nil, loyalty.Refuse(loyalty.KindConflict, "own_token", "nobody disables themselves; another admin does, or the holder of the parameter store's token")
	}
	_, err := f.changeOperator(ctx, in.Name, func(o store.Operator) (*store.Operator, error) {
		if o.Disabled != nil {
			return nil, nil // done before; only its answer was lost
		}
		used, err := f.retired(ctx, o)
		o.Tokens, o.Disabled, o.Used = nil, &hand, used
		return &o, err
	})
	return nil, err
}
