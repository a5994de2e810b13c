// Package template reads a SAM template and resolves its intrinsic functions
// as far as one process needs them. A name, an ARN or a URL of a resource
// becomes "local:" and its logical id; a parameter becomes its default or the
// value given in its place. It refuses what it does not know, with the line.
package template

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Template is a parsed template. It is read only.
type Template struct {
	values     map[string]any // parameters and pseudo parameters
	conditions map[string]*condition
	globals    *yaml.Node // Globals.Function, nil when absent
	resources  []Resource
}

// condition is evaluated once, when the template is parsed.
type condition struct {
	node  *yaml.Node
	known bool
	holds bool
	err   error
}

// Resource is one resource as it stands in the template.
type Resource struct {
	Name       string // logical id
	Type       string
	Line       int
	Properties *yaml.Node // nil when it has none
	Attributes *yaml.Node // the whole resource: DeletionPolicy, Metadata, …
}

// Parse reads a template. values replace parameters and pseudo parameters
// ("AWS::Partition"); a name that the template does not declare is an error.
// A resource whose Condition does not hold is left out.
func Parse(text []byte, values map[string]string) (*Template, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return nil, fmt.Errorf("template: %w", err)
	}
	if len(document.Content) != 1 || document.Content[0].Kind != yaml.MappingNode {
		return nil, errors.New("template: not a mapping")
	}
	root := document.Content[0]
	t := &Template{
		values: map[string]any{
			"AWS::AccountId": "000000000000",
			"AWS::Partition": "aws",
			"AWS::Region":    "local",
			"AWS::StackName": "local",
			"AWS::URLSuffix": "localhost",
			"AWS::NoValue":   absent{},
		},
		conditions: map[string]*condition{},
	}
	for name, node := range entries(child(root, "Parameters")) {
		fallback := child(node, "Default")
		if fallback == nil {
			t.values[name] = unset{}
			continue
		}
		t.values[name] = fallback.Value
	}
	for name, value := range values {
		if _, known := t.values[name]; !known {
			return nil, fmt.Errorf("template: no parameter %s", name)
		}
		t.values[name] = value
	}
	for name, node := range entries(child(root, "Conditions")) {
		t.conditions[name] = &condition{node: node}
	}
	for name, c := range t.conditions {
		// One that does not evaluate is an error only where it is used.
		_, _ = t.condition(name, c.node.Line)
	}
	t.globals = child(child(root, "Globals"), "Function")
	for name, node := range entries(child(root, "Resources")) {
		kind := child(node, "Type")
		if kind == nil {
			return nil, fmt.Errorf("template:%d: %s has no Type", node.Line, name)
		}
		if condition := child(node, "Condition"); condition != nil {
			holds, err := t.condition(condition.Value, node.Line)
			if err != nil {
				return nil, err
			}
			if !holds {
				continue
			}
		}
		t.resources = append(t.resources, Resource{
			Name: name, Type: kind.Value, Line: node.Line,
			Properties: child(node, "Properties"), Attributes: node,
		})
	}
	if len(t.resources) == 0 {
		return nil, errors.New("template: no resources")
	}
	return t, nil
}

// Resources are those of a type, "" for all, in the template's order.
func (t *Template) Resources(kind string) []Resource {
	var found []Resource
	for _, resource := range t.resources {
		if kind == "" || resource.Type == kind {
			found = append(found, resource)
		}
	}
	return found
}

// Resource finds one by its logical id.
func (t *Template) Resource(name string) (Resource, bool) {
	for _, resource := range t.resources {
		if resource.Name == name {
			return resource, true
		}
	}
	return Resource{}, false
}

// Function is a function's properties with Globals.Function beneath them, as
// SAM merges them: mappings key by key, lists one after the other.
func (t *Template) Function(resource Resource) (any, error) {
	own, err := t.Resolve(resource.Properties)
	if err != nil {
		return nil, err
	}
	shared, err := t.Resolve(t.globals)
	if err != nil {
		return nil, err
	}
	return merge(shared, own), nil
}

func merge(shared, own any) any {
	switch own := own.(type) {
	case nil:
		return shared
	case map[string]any:
		below, ok := shared.(map[string]any)
		if !ok {
			return own
		}
		merged := maps.Clone(below)
		for name, value := range own {
			merged[name] = merge(below[name], value)
		}
		return merged
	case []any:
		below, _ := shared.([]any)
		return append(below[:len(below):len(below)], own...)
	default:
		return own
	}
}

// Decode fills target from a resolved value by its JSON names; a property that
// target does not have is an error when strict.
func Decode(value, target any, strict bool) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	if strict {
		decoder.DisallowUnknownFields()
	}
	return decoder.Decode(target)
}

// Int is a whole number that a template writes as 5, "5" or !Ref of a
// parameter, which always is text.
type Int int

// UnmarshalJSON takes a number or a string of digits.
func (i *Int) UnmarshalJSON(text []byte) error {
	n, err := strconv.Atoi(strings.Trim(string(text), `"`))
	if err != nil {
		return fmt.Errorf("%s is not a whole number", text)
	}
	*i = Int(n)
	return nil
}

// child is a mapping's value, nil where it is absent or node is no mapping.
func child(node *yaml.Node, name string) *yaml.Node {
	for key, value := range entries(node) {
		if key == name {
			return value
		}
	}
	return nil
}

// entries walks a mapping in the order in which it is written.
func entries(node *yaml.Node) func(yield func(string, *yaml.Node) bool) {
	return func(yield func(string, *yaml.Node) bool) {
		if node == nil || node.Kind != yaml.MappingNode {
			return
		}
		for i := 0; i+1 < len(node.Content); i += 2 {
			if !yield(node.Content[i].Value, node.Content[i+1]) {
				return
			}
		}
	}
}
