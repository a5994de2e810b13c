package operate

import (
	"context"
	_ "embed"
	"errors"
	"net/http"
	"time"

	"github.com/huitou/huitou/shared/census"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/rest"
	"github.com/huitou/huitou/shared/simulation"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/token"
)

type programBody struct {
	program.Document
	EffectiveAt time.Time `json:"effective_at,omitempty" doc:"from when on, and not before now; now when absent. What happened before keeps its rules, whenever it becomes known"`
}

type programAnswer struct {
	program.Program
	Versions []programVersion `json:"versions" doc:"every version, oldest first"`
}

type programVersion struct {
	Version     int64     `json:"version"`
	EffectiveAt time.Time `json:"effective_at"`
}

// VersionPath names a version of the rules.
type VersionPath struct {
	Version int64 `path:"version" minimum:"0" doc:"0 is the program that ships with huitou"`
}

type simulationBody struct {
	Document program.Document `json:"document" doc:"the rules to ask about; nothing is changed"`
	From     time.Time        `json:"from" doc:"the first moment of the period"`
	To       time.Time        `json:"to" doc:"the first moment after it"`
	Cursor   string           `json:"cursor,omitempty" maxLength:"131072" doc:"next_cursor of the answer before; the document and the period stay the same"`
}

type simulationAnswer struct {
	Definition string    `json:"definition" doc:"what the figures are"`
	From       time.Time `json:"from"`
	To         time.Time `json:"to"`
	simulation.Result
	Done       census.Done `json:"done" doc:"how far it is"`
	NextCursor string      `json:"next_cursor,omitempty" doc:"send it as cursor to go on: the answers hold the sums so far, and the one without it holds all"`
}

// simulationReads is about how many round trips to the table one call makes:
// some seconds, where API Gateway waits for 30.
const simulationReads = 1000

//go:embed program.schema.json
var programSchema []byte

func (f Function) registerProgram(api rest.API) {
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
		Summary: "Add a version of the rules; without effective_at, a document that is in force anyway adds none",
	}, f.putProgram)
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodGet, Path: "/v1/program/versions/{version}", ID: "program-version", Tag: "program",
		Roles:   []token.Role{token.RoleViewer, token.RoleOperator, token.RoleIntegration},
		Summary: "One version of the brand's rules",
	}, f.programVersion)
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodPost, Path: "/v1/program/simulation", ID: "simulate-program", Tag: "program",
		Roles:            []token.Role{token.RoleViewer, token.RoleOperator},
		NoIdempotencyKey: true,
		Summary:          "What other rules would have given for the orders of a past period (积分规则试算); changes nothing, and goes over all members in as many calls as it takes",
	}, f.simulate)
}

func (f Function) programVersion(ctx context.Context, in *VersionPath) (*rest.Body[program.Program], error) {
	if in.Version == 0 {
		return rest.Answer(program.Default()), nil
	}
	versions, err := f.Store.Programs(ctx)
	if err != nil {
		return nil, err
	}
	for _, version := range versions {
		if version.Version == in.Version {
			return rest.Answer(version), nil
		}
	}
	return nil, loyalty.Refuse(loyalty.KindNotFound, "version_unknown", "the program has no such version; GET /v1/program lists them")
}

func (f Function) simulate(ctx context.Context, in *rest.Body[simulationBody]) (*rest.Body[simulationAnswer], error) {
	if err := in.Body.Document.Validate(); err != nil {
		return nil, below("/document", err)
	}
	if !in.Body.From.Before(in.Body.To) {
		return nil, loyalty.Invalid("/to", "out_of_range", "the period must end after it begins")
	}
	asked := simulation.Asked{Document: in.Body.Document, From: in.Body.From, To: in.Body.To}
	result, done, next, err := simulation.Run(ctx, f.Store, asked, in.Body.Cursor, simulationReads)
	if err != nil {
		return nil, err
	}
	return rest.Answer(simulationAnswer{
		Definition: simulation.Definition, From: asked.From, To: asked.To, Result: result, Done: done, NextCursor: next,
	}), nil
}

// below moves the fields of a refusal to where the document stands in the
// request.
func below(pointer string, err error) error {
	refusal, ok := errors.AsType[*loyalty.Error](err)
	if !ok {
		return err
	}
	moved := *refusal
	moved.Fields = nil
	for _, field := range refusal.Fields {
		moved.Fields = append(moved.Fields, loyalty.Field{Pointer: pointer + field.Pointer, Code: field.Code})
	}
	return &moved
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
	versions, err := f.Store.Programs(ctx)
	if err != nil {
		return nil, err
	}
	for _, version := range versions {
		// A repeat of a request whose answer was lost; its time may have come.
		if version.EffectiveAt.Equal(effective) && program.Same(version.Document, in.Body.Document) {
			return rest.Answer(version), nil
		}
	}
	// Orders are decided by the rules of when they were paid. A version that
	// begins in the past would make new orders of that time differ from those
	// already decided.
	if effective.Before(now) {
		return nil, loyalty.Invalid("/effective_at", "out_of_range", "a version cannot begin in the past; without effective_at it begins now")
	}
	next := program.Program{Version: 1, EffectiveAt: effective, Document: in.Body.Document}
	if n := len(versions); n > 0 {
		standing := program.At(versions, effective)
		// With a time of its own it is a version of its own, also where the rules
		// stand: whoever reads the answer sees the time that they asked for.
		if in.Body.EffectiveAt.IsZero() && standing.Version > 0 && program.Same(standing.Document, next.Document) {
			return rest.Answer(standing), nil
		}
		next.Version = versions[n-1].Version + 1
	}
	err = f.Store.Table.Write(ctx, store.PutProgram(next))
	if store.Refused(err) {
		return nil, loyalty.Refuse(loyalty.KindUnavailable, "lost_race", "somebody else changed the program at the same time")
	}
	return rest.Answer(next), err
}
