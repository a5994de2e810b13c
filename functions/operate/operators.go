package operate

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"

	"github.com/huitou/huitou/shared/idempotency"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/rest"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/token"
)

type operatorBody struct {
	Name string     `json:"name" pattern:"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$" doc:"stands in the audit log"`
	Role token.Role `json:"role" enum:"viewer,operator,admin,integration,printer"`
}

type operatorAnswer struct {
	operatorBody
	Token string `json:"token" doc:"shown in this answer alone; the table keeps its hash"`
}

func (f Function) registerOperators(api rest.API) {
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodPost, Path: "/v1/operators", ID: "add-operator", Act: "operator.add", Tag: "operators", Status: http.StatusCreated,
		Summary: "Name an operator and give him a token",
	}, f.addOperator)
}

type operatorInput struct{ Body operatorBody }

func (in operatorInput) ActOn() string { return in.Body.Name }

func (f Function) addOperator(ctx context.Context, in *operatorInput) (*rest.Body[operatorAnswer], error) {
	if f.secret(in.Body.Name) {
		return nil, loyalty.Invalid("/name", "personal", "the name stands in the audit log: a phone, a code or a token is none")
	}
	if in.Body.Name == adminName {
		return nil, loyalty.Refuse(loyalty.KindConflict, "operator_exists", "an operator of this name exists; choose another name")
	}
	idempotency.KeepSecret(ctx)
	raw, err := f.operatorToken(ctx, in.Body)
	if err != nil {
		return nil, err
	}
	operator := store.Operator{Name: in.Body.Name, Role: string(in.Body.Role)}
	err = f.Store.Table.Write(ctx, store.AddOperator(token.Hash(raw), operator)...)
	if store.Refused(err) {
		known, hash, err := f.Store.OperatorToken(ctx, operator.Name)
		if err != nil {
			return nil, err
		}
		if hash != token.Hash(raw) || known != operator {
			return nil, loyalty.Refuse(loyalty.KindConflict, "operator_exists", "an operator of this name exists; choose another name")
		}
		err = nil // the repeat of the request that made him
		return rest.Answer(operatorAnswer{in.Body, raw}), err
	}
	return rest.Answer(operatorAnswer{in.Body, raw}), err
}

// operatorToken comes from the request's cause under the brand's token key, so
// that the repeat of a request whose answer was lost gives the same token
// although nobody kept it.
func (f Function) operatorToken(ctx context.Context, operator operatorBody) (string, error) {
	info := strings.Join([]string{"operator/v1", operator.Name, string(operator.Role), idempotency.Cause(ctx)}, "\n")
	bits, err := hkdf.Key(sha256.New, f.TokenKey, nil, info, 20)
	if err != nil {
		return "", fmt.Errorf("operator token: %w", err)
	}
	return token.NewOperatorToken(strings.NewReader(string(bits)))
}
