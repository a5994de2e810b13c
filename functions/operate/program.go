package operate

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/rest"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/token"
)

type programBody struct {
	program.Document
	EffectiveAt time.Time `json:"effective_at,omitempty" doc:"from when on; now when absent. What happened before keeps its rules"`
}

type programAnswer struct {
	program.Program
	Versions []programVersion `json:"versions" doc:"every version, oldest first"`
}

type programVersion struct {
	Version     int64     `json:"version"`
	EffectiveAt time.Time `json:"effective_at"`
}

func (f Function) registerProgram(api huma.API) {
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodGet, Path: "/v1/program", ID: "program", Tag: "program",
		Roles:   []token.Role{token.RoleViewer, token.RoleOperator, token.RoleIntegration},
		Summary: "The brand's rules in force now, and their versions",
	}, func(ctx context.Context, _ *struct{}) (*rest.Body[programAnswer], error) {
		versions, err := f.Store.Programs(ctx)
		if err != nil {
			return nil, err
		}
		answer := programAnswer{Program: program.At(versions, f.Clock()), Versions: []programVersion{}}
		for _, v := range versions {
			answer.Versions = append(answer.Versions, programVersion{v.Version, v.EffectiveAt})
		}
		return rest.Answer(answer), nil
	})
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodPut, Path: "/v1/program", ID: "put-program", Act: "program.put", Tag: "program",
		Summary: "Add a version of the rules; the same document again adds none",
	}, f.putProgram)
}

func (f Function) putProgram(ctx context.Context, in *rest.Body[programBody]) (*rest.Body[program.Program], error) {
	if err := in.Body.Validate(); err != nil {
		return nil, err
	}
	now := f.Clock()
	effective := in.Body.EffectiveAt
	if effective.IsZero() {
		effective = now
	}
	// Orders are decided by the rules of when they were paid. A version that
	// begins in the past would make new orders of that time differ from those
	// already decided.
	if effective.Before(now.Add(-time.Minute)) {
		return nil, loyalty.Invalid("/effective_at", "out_of_range", "a version cannot begin in the past")
	}
	versions, err := f.Store.Programs(ctx)
	if err != nil {
		return nil, err
	}
	next := program.Program{Version: 1, EffectiveAt: effective, Document: in.Body.Document}
	if n := len(versions); n > 0 {
		last := versions[n-1]
		if program.Same(last.Document, next.Document) {
			return rest.Answer(last), nil
		}
		next.Version = last.Version + 1
	}
	err = f.Store.Table.Write(ctx, store.PutProgram(next))
	if store.Refused(err) {
		return nil, loyalty.Refuse(loyalty.KindUnavailable, "lost_race", "somebody else changed the program at the same time")
	}
	return rest.Answer(next), err
}
