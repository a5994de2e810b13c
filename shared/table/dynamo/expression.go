package dynamo

import (
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/huitou/huitou/shared/table"
)

// expression collects the placeholders of one action's expressions. Names are
// always placeholders, so no attribute can collide with a reserved word.
type expression struct {
	names  map[string]string
	values map[string]types.AttributeValue
}

func (e *expression) name(attribute string) string {
	for placeholder, known := range e.names {
		if known == attribute {
			return placeholder
		}
	}
	if e.names == nil {
		e.names = map[string]string{}
	}
	placeholder := "#" + strconv.Itoa(len(e.names))
	e.names[placeholder] = attribute
	return placeholder
}

func (e *expression) value(value types.AttributeValue) string {
	if e.values == nil {
		e.values = map[string]types.AttributeValue{}
	}
	placeholder := ":" + strconv.Itoa(len(e.values))
	e.values[placeholder] = value
	return placeholder
}

// condition renders conditions that must all hold; nil is no condition.
func (e *expression) condition(conditions []table.Condition) *string {
	if len(conditions) == 0 {
		return nil
	}
	parts := make([]string, len(conditions))
	for i, condition := range conditions {
		parts[i] = e.test(condition)
	}
	all := strings.Join(parts, " AND ")
	return &all
}

func (e *expression) test(condition table.Condition) string {
	switch condition.Test {
	case table.TestExists:
		return "attribute_exists(pk)"
	case table.TestAbsent:
		return "attribute_not_exists(pk)"
	}
	name := e.name(condition.Name)
	missing := "attribute_not_exists(" + name + ")"
	if condition.Test == table.TestMissing {
		return missing
	}
	value := e.value(encode(condition.Value))
	switch condition.Test {
	case table.TestEquals:
		return name + " = " + value
	case table.TestAtLeast:
		return name + " >= " + value
	case table.TestAtMost:
		return name + " <= " + value
	case table.TestMissingOrEquals:
		return "(" + missing + " OR " + name + " = " + value + ")"
	}
	return "(" + missing + " OR " + name + " <= " + value + ")"
}

// update renders changes as one clause for each verb.
func (e *expression) update(changes []table.Change) *string {
	var set, add, remove []string
	for _, change := range changes {
		name := e.name(change.Name)
		switch change.Op {
		case table.ChangeSet:
			set = append(set, name+" = "+e.value(encode(change.Value)))
		case table.ChangeSetIfMissing:
			set = append(set, name+" = if_not_exists("+name+", "+e.value(encode(change.Value))+")")
		case table.ChangeAdd:
			add = append(add, name+" "+e.value(encode(change.Value)))
		case table.ChangeRemove:
			remove = append(remove, name)
		}
	}
	var clauses []string
	for _, clause := range []struct {
		verb  string
		parts []string
	}{{"SET ", set}, {"ADD ", add}, {"REMOVE ", remove}} {
		if len(clause.parts) > 0 {
			clauses = append(clauses, clause.verb+strings.Join(clause.parts, ", "))
		}
	}
	all := strings.Join(clauses, " ")
	return &all
}

// keyCondition renders which part of a partition a query reads.
func (e *expression) keyCondition(query table.Query, pk, sk string) *string {
	text := func(s string) string { return e.value(encode(table.String(s))) }
	condition := e.name(pk) + " = " + text(query.PK)
	if query.Prefix == "" && query.From == "" && query.To == "" {
		return &condition // a placeholder that is not used is refused
	}
	sk = e.name(sk)
	switch {
	case query.Prefix != "":
		condition += " AND begins_with(" + sk + ", " + text(query.Prefix) + ")"
	case query.From != "" && query.To != "":
		condition += " AND " + sk + " BETWEEN " + text(query.From) + " AND " + text(query.To)
	case query.From != "":
		condition += " AND " + sk + " >= " + text(query.From)
	default:
		condition += " AND " + sk + " <= " + text(query.To)
	}
	return &condition
}
