package template

import (
	"encoding/json"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

type (
	absent struct{} // AWS::NoValue: the property is as if it were not written
	unset  struct{} // a parameter without a value
)

// Resolve evaluates a node to nil, bool, json.Number, string, []any or
// map[string]any.
func (t *Template) Resolve(node *yaml.Node) (any, error) {
	value, err := t.resolve(node)
	if err != nil {
		return nil, err
	}
	if _, gone := value.(absent); gone {
		return nil, nil
	}
	return value, nil
}

func (t *Template) resolve(node *yaml.Node) (any, error) {
	if node == nil {
		return nil, nil
	}
	if name, argument, ok := intrinsic(node); ok {
		return t.call(name, argument)
	}
	switch node.Kind {
	case yaml.ScalarNode:
		return scalar(node)
	case yaml.SequenceNode:
		list := []any{}
		for _, element := range node.Content {
			value, err := t.resolve(element)
			if err != nil {
				return nil, err
			}
			if _, gone := value.(absent); !gone {
				list = append(list, value)
			}
		}
		return list, nil
	case yaml.MappingNode:
		mapping := map[string]any{}
		for name, element := range entries(node) {
			if _, twice := mapping[name]; twice {
				return nil, fmt.Errorf("template:%d: %s stands twice", element.Line, name)
			}
			value, err := t.resolve(element)
			if err != nil {
				return nil, err
			}
			if _, gone := value.(absent); !gone {
				mapping[name] = value
			}
		}
		return mapping, nil
	default: // CloudFormation takes no anchors
		return nil, fmt.Errorf("template:%d: an alias", node.Line)
	}
}

func scalar(node *yaml.Node) (any, error) {
	switch node.Tag {
	case "!!bool":
		var value bool
		err := node.Decode(&value)
		return value, err
	case "!!int", "!!float":
		return json.Number(node.Value), nil
	case "!!null":
		return nil, nil
	default:
		return node.Value, nil
	}
}

// intrinsic tells a call, written !Name x or {Fn::Name: x}, from a plain node.
func intrinsic(node *yaml.Node) (name string, argument *yaml.Node, ok bool) {
	if strings.HasPrefix(node.Tag, "!") && !strings.HasPrefix(node.Tag, "!!") {
		plain := *node
		plain.Tag = ""
		if node.Kind == yaml.ScalarNode {
			plain.Tag = "!!str"
		}
		return node.Tag[1:], &plain, true
	}
	if node.Kind != yaml.MappingNode || len(node.Content) != 2 {
		return "", nil, false
	}
	key := node.Content[0].Value
	if short, ok := strings.CutPrefix(key, "Fn::"); ok {
		return short, node.Content[1], true
	}
	// "Condition" is an intrinsic only inside Conditions, and a mapping with
	// this one key stands nowhere else.
	if key == "Ref" || key == "Condition" && node.Content[1].Kind == yaml.ScalarNode {
		return key, node.Content[1], true
	}
	return "", nil, false
}

func (t *Template) call(name string, argument *yaml.Node) (any, error) {
	refuse := func(why string) (any, error) {
		return nil, fmt.Errorf("template:%d: !%s: %s", argument.Line, name, why)
	}
	switch name {
	case "Ref":
		return t.reference(argument.Value, argument.Line)
	case "GetAtt":
		if argument.Kind == yaml.SequenceNode && len(argument.Content) == 2 {
			return t.attribute(argument.Content[0].Value, argument.Content[1].Value, argument.Line)
		}
		resource, attribute, _ := strings.Cut(argument.Value, ".")
		return t.attribute(resource, attribute, argument.Line)
	case "Sub":
		return t.substitute(argument)
	case "Condition":
		return t.condition(argument.Value, argument.Line)
	}
	if argument.Kind != yaml.SequenceNode {
		return refuse("an unknown intrinsic")
	}
	if name == "If" { // only the branch that is taken is looked at
		if len(argument.Content) != 3 {
			return refuse("wants a condition and two values")
		}
		holds, err := t.condition(argument.Content[0].Value, argument.Line)
		if err != nil {
			return nil, err
		}
		if holds {
			return t.resolve(argument.Content[1])
		}
		return t.resolve(argument.Content[2])
	}
	value, err := t.resolve(argument)
	if err != nil {
		return nil, err
	}
	list := value.([]any)
	switch name {
	case "Equals":
		if len(list) != 2 {
			return refuse("wants two values")
		}
		return fmt.Sprint(list[0]) == fmt.Sprint(list[1]), nil
	case "Not":
		holds, ok := false, len(list) == 1
		if ok {
			holds, ok = list[0].(bool)
		}
		if !ok {
			return refuse("wants one condition")
		}
		return !holds, nil
	case "And", "Or":
		for _, element := range list {
			holds, ok := element.(bool)
			if !ok {
				return refuse("wants conditions")
			}
			if holds != (name == "And") {
				return holds, nil
			}
		}
		return name == "And", nil
	case "Join":
		if len(list) == 2 {
			if parts, ok := texts(list[1]); ok {
				return strings.Join(parts, fmt.Sprint(list[0])), nil
			}
		}
		return refuse("wants a separator and a list")
	case "Split":
		if len(list) == 2 {
			var parts []any
			for _, part := range strings.Split(fmt.Sprint(list[1]), fmt.Sprint(list[0])) {
				parts = append(parts, part)
			}
			return parts, nil
		}
		return refuse("wants a separator and a text")
	}
	return refuse("an unknown intrinsic")
}

func texts(value any) ([]string, bool) {
	list, ok := value.([]any)
	parts := make([]string, len(list))
	for i, element := range list {
		parts[i] = fmt.Sprint(element)
	}
	return parts, ok
}

func (t *Template) reference(name string, line int) (any, error) {
	if value, ok := t.values[name]; ok {
		if _, missing := value.(unset); missing {
			return nil, fmt.Errorf("template:%d: parameter %s has no default and no value", line, name)
		}
		return value, nil
	}
	return t.attribute(name, "", line)
}

// attribute of a resource. SAM makes resources of its own, whose names begin
// with that of the resource they come from, so a prefix is enough.
func (t *Template) attribute(name, attribute string, line int) (any, error) {
	for _, resource := range t.resources {
		if resource.Name == name || strings.HasPrefix(resource.Type, "AWS::Serverless::") && strings.HasPrefix(name, resource.Name) {
			switch attribute {
			case "", "Arn", "QueueUrl":
				return "local:" + name, nil
			default:
				return "local:" + name + "." + attribute, nil
			}
		}
	}
	return nil, fmt.Errorf("template:%d: no parameter or resource %s", line, name)
}

// substitute replaces ${Name}, ${Name.Attribute} and the names of its own
// mapping; ${!Name} stays as ${Name}.
func (t *Template) substitute(argument *yaml.Node) (any, error) {
	text, own := argument, (*yaml.Node)(nil)
	if argument.Kind == yaml.SequenceNode && len(argument.Content) == 2 {
		text, own = argument.Content[0], argument.Content[1]
	}
	if text.Kind != yaml.ScalarNode {
		return nil, fmt.Errorf("template:%d: !Sub wants a text", argument.Line)
	}
	var out strings.Builder
	rest := text.Value
	for {
		before, after, found := strings.Cut(rest, "${")
		out.WriteString(before)
		if !found {
			return out.String(), nil
		}
		name, tail, closed := strings.Cut(after, "}")
		if !closed {
			return nil, fmt.Errorf("template:%d: !Sub: a ${ without }", text.Line)
		}
		rest = tail
		if literal, ok := strings.CutPrefix(name, "!"); ok {
			out.WriteString("${" + literal + "}")
			continue
		}
		var value any
		var err error
		resource, attribute, dotted := strings.Cut(name, ".")
		switch local := child(own, name); {
		case local != nil:
			value, err = t.resolve(local)
		case dotted:
			value, err = t.attribute(resource, attribute, text.Line)
		default:
			value, err = t.reference(name, text.Line)
		}
		if err != nil {
			return nil, err
		}
		fmt.Fprint(&out, value)
	}
}

func (t *Template) condition(name string, line int) (bool, error) {
	c, ok := t.conditions[name]
	if !ok {
		return false, fmt.Errorf("template:%d: no condition %s", line, name)
	}
	if !c.known {
		c.known = true
		c.err = fmt.Errorf("template:%d: condition %s refers to itself", c.node.Line, name)
		c.holds, c.err = t.evaluate(name, c.node)
	}
	return c.holds, c.err
}

func (t *Template) evaluate(name string, node *yaml.Node) (bool, error) {
	value, err := t.resolve(node)
	if err != nil {
		return false, err
	}
	holds, ok := value.(bool)
	if !ok {
		return false, fmt.Errorf("template:%d: condition %s is neither true nor false", node.Line, name)
	}
	return holds, nil
}
