package stack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/huitou/huitou/infra/stack/template"
	"github.com/huitou/huitou/shared/table"
)

// grant is what one statement of a role allows on the table.
type grant struct {
	actions   []string // "dynamodb:GetItem"
	resources []string // "local:Table", "local:Table/index/member"
	leading   []string // partition keys: exact, or a prefix and "*"
}

// oneOrMany reads IAM's "a string or a list of them".
type oneOrMany []string

func (o *oneOrMany) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*o = []string{one}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(o))
}

// grants reads a role. Only an Allow with the conditions that our template
// uses is understood.
func grants(t *template.Template, role string) ([]grant, error) {
	resource, ok := t.Resource(strings.TrimPrefix(role, reference("")))
	if !ok {
		return nil, nil // SAM would make a role, which allows nothing on the table
	}
	properties, err := t.Resolve(resource.Properties)
	if err != nil {
		return nil, err
	}
	var settings struct {
		Policies []struct {
			PolicyDocument struct {
				Statement []struct {
					Sid, Effect      string
					Action, Resource oneOrMany
					Condition        map[string]map[string]oneOrMany
				}
			}
		}
	}
	if err := template.Decode(properties, &settings, false); err != nil {
		return nil, fmt.Errorf("role %s: %w", resource.Name, err)
	}
	var found []grant
	for _, policy := range settings.Policies {
		for _, statement := range policy.PolicyDocument.Statement {
			if !slices.ContainsFunc(statement.Action, func(action string) bool { return strings.HasPrefix(action, "dynamodb:") }) {
				continue
			}
			if statement.Effect != "Allow" {
				return nil, fmt.Errorf("role %s, statement %s: effect %s is not known here", resource.Name, statement.Sid, statement.Effect)
			}
			g := grant{actions: statement.Action, resources: statement.Resource, leading: []string{"*"}}
			for operator, values := range statement.Condition {
				keys, ok := values["dynamodb:LeadingKeys"]
				switch {
				case ok && operator == "ForAllValues:StringLike":
					g.leading = keys
				case ok && operator == "Null":
				default:
					return nil, fmt.Errorf("role %s, statement %s: condition %s is not known here", resource.Name, statement.Sid, operator)
				}
			}
			found = append(found, g)
		}
	}
	return found, nil
}

func (g grant) allows(action, resource, pk string) bool {
	return slices.Contains(g.actions, action) && slices.Contains(g.resources, resource) &&
		slices.ContainsFunc(g.leading, func(pattern string) bool {
			prefix, open := strings.CutSuffix(pattern, "*")
			return open && strings.HasPrefix(pk, prefix) || pattern == pk
		})
}

// Restrict gives the function the table as its role allows it on AWS: a
// partition or an action that the template does not grant fails here too,
// before it fails there. variable is the one that names the table.
func (e Environment) Restrict(t table.Table, variable string) table.Table {
	return restricted{table: t, name: e.Variables[variable], function: e.Function, grants: e.grants}
}

type restricted struct {
	table    table.Table
	name     string // "local:Table"
	function string
	grants   []grant
}

// errDenied is what AWS says; it is a bug in the template or in the function.
var errDenied = errors.New("access denied by the template")

// check names the partition's tag and never the key, which may be personal.
func (r restricted) check(action, resource, pk string) error {
	for _, g := range r.grants {
		if g.allows(action, resource, pk) {
			return nil
		}
	}
	tag, _, _ := strings.Cut(pk, "#")
	return fmt.Errorf("%w: %s may not %s on %s, partitions %s", errDenied, r.function, action, resource, tag)
}

func (r restricted) Get(ctx context.Context, consistency table.Consistency, keys ...table.Key) ([]*table.Item, error) {
	action := "dynamodb:GetItem"
	if len(keys) > 1 {
		action = "dynamodb:BatchGetItem"
	}
	for _, key := range keys {
		if err := r.check(action, r.name, key.PK); err != nil {
			return nil, err
		}
	}
	return r.table.Get(ctx, consistency, keys...)
}

func (r restricted) Query(ctx context.Context, query table.Query) (table.Page, error) {
	resource := r.name
	if query.Index != "" {
		resource += "/index/" + query.Index
	}
	if err := r.check("dynamodb:Query", resource, query.PK); err != nil {
		return table.Page{}, err
	}
	return r.table.Query(ctx, query)
}

// Scan has no leading key, so only a statement without that condition allows
// it: the template's Null condition sees to that on AWS.
func (r restricted) Scan(ctx context.Context, scan table.Scan) (table.Page, error) {
	for _, g := range r.grants {
		if slices.Equal(g.leading, []string{"*"}) && g.allows("dynamodb:Scan", r.name, "") {
			return r.table.Scan(ctx, scan)
		}
	}
	return table.Page{}, fmt.Errorf("%w: %s may not dynamodb:Scan on %s", errDenied, r.function, r.name)
}

// itemActions are the permissions that the parts of a write need, alone and in
// a transaction.
var itemActions = map[table.Op]string{
	table.OpPut:    "dynamodb:PutItem",
	table.OpUpdate: "dynamodb:UpdateItem",
	table.OpDelete: "dynamodb:DeleteItem",
	table.OpCheck:  "dynamodb:ConditionCheckItem",
}

func (r restricted) Write(ctx context.Context, actions ...table.Action) error {
	for _, action := range actions {
		if err := r.check(itemActions[action.Op], r.name, action.Item.Key.PK); err != nil {
			return err
		}
	}
	return r.table.Write(ctx, actions...)
}
