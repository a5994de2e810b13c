package template

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const document = `
Parameters:
  Name: {Type: String, Default: brand}
  Count: {Type: Number, Default: 5}
  Needed: {Type: String}
Conditions:
  IsBrand: !Equals [!Ref Name, brand]
  IsOther: !Not [!Condition IsBrand]
  Both: !And [!Condition IsBrand, {Condition: IsOther}]
  Either: !Or [!Condition IsBrand, {Condition: IsOther}]
  Text: !Ref Name
  Self: !Not [!Condition Mirror]
  Mirror: !Not [!Condition Self]
Globals:
  Function: {Timeout: 3, Tags: {a: 1, b: 2}, Layers: [one]}
Resources:
  Queue: {Type: AWS::SQS::Queue}
  Gone: {Type: AWS::SQS::Queue, Condition: IsOther}
  Api: {Type: AWS::Serverless::HttpApi}
  Work: {Type: AWS::Serverless::Function, Properties: {Timeout: 9, Tags: {b: 3}, Layers: [two]}}
  Value:
    Type: Test
    Properties:
      X: `

func resolveX(expression string, values map[string]string) (any, error) {
	parsed, err := Parse([]byte(document+expression+"\n"), values)
	if err != nil {
		return nil, err
	}
	value, _ := parsed.Resource("Value")
	properties, err := parsed.Resolve(value.Properties)
	if err != nil {
		return nil, err
	}
	x, ok := properties.(map[string]any)["X"]
	if !ok {
		return "absent", nil
	}
	return x, nil
}

func TestResolve(t *testing.T) {
	for expression, want := range map[string]any{
		"plain":                                  "plain",
		"5":                                      json.Number("5"),
		`"5"`:                                    "5",
		"true":                                   true,
		"~":                                      nil,
		"[a, !Ref Name]":                         []any{"a", "brand"},
		"!Ref Name":                              "brand",
		"!Ref Count":                             "5",
		"!Ref Queue":                             "local:Queue",
		"!Ref AWS::Region":                       "local",
		"{Ref: Name}":                            "brand",
		"!GetAtt Queue.Arn":                      "local:Queue",
		"!GetAtt [Queue, Arn]":                   "local:Queue",
		"!GetAtt Queue.QueueName":                "local:Queue.QueueName",
		"{Fn::GetAtt: [Queue, QueueName]}":       "local:Queue.QueueName",
		"!Ref ApiDefaultStage":                   "local:ApiDefaultStage",
		`!Sub "a-${Name}-${!Name}-${Queue.Arn}"`: "a-brand-${Name}-local:Queue",
		`!Sub ["${x}/${Name}", {x: !Ref Count}]`: "5/brand",
		`{Fn::Sub: "${Name}"}`:                   "brand",
		"!If [IsBrand, yes it is, !Unknown x]":   "yes it is",
		"!If [IsOther, 1, [2]]":                  []any{json.Number("2")},
		"!If [IsOther, 1, !Ref AWS::NoValue]":    "absent",
		"[1, !Ref AWS::NoValue]":                 []any{json.Number("1")},
		"!If [Both, 1, 2]":                       json.Number("2"),
		"!If [Either, 1, 2]":                     json.Number("1"),
		`!Join ["-", [a, !Ref Name]]`:            "a-brand",
		`!Split [",", "a,b"]`:                    []any{"a", "b"},
	} {
		got, err := resolveX(expression, nil)
		if err != nil {
			t.Errorf("%s: %v", expression, err)
		} else if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", expression, diff)
		}
	}
	if got, err := resolveX("!If [IsBrand, !Ref Needed, !Ref Name]", map[string]string{"Name": "other", "Needed": "x"}); err != nil || got != "other" {
		t.Errorf("with values: %v, %v", got, err)
	}
}

func TestResolveRefuses(t *testing.T) {
	for expression, want := range map[string]string{
		"!Ref Nobody":          "no parameter or resource Nobody",
		"!Ref Gone":            "no parameter or resource Gone",
		"!Ref Needed":          "parameter Needed has no default and no value",
		"!Ref QueueOther":      "no parameter or resource QueueOther",
		"!GetAtt Nobody.Arn":   "no parameter or resource Nobody",
		`!Sub "${Nobody}"`:     "no parameter or resource Nobody",
		`!Sub "${Name"`:        "a ${ without }",
		"!Sub {a: b}":          "wants a text",
		"!ImportValue x":       "!ImportValue: an unknown intrinsic",
		"{Fn::ImportValue: x}": "!ImportValue: an unknown intrinsic",
		"!Select [0, [a]]":     "!Select: an unknown intrinsic",
		"!If [Nowhere, 1, 2]":  "no condition Nowhere",
		"!If [Text, 1, 2]":     "condition Text is neither true nor false",
		"!If [Self, 1, 2]":     "refers to itself",
		"!If [IsBrand, 1]":     "wants a condition and two values",
		"!Equals [1]":          "wants two values",
		"!Not [1]":             "wants one condition",
		"!And [1]":             "wants conditions",
		"!Join [a, b]":         "wants a separator and a list",
		"!Split [a]":           "wants a separator and a text",
		"[&a 1, *a]":           "an alias",
		"{a: 1, a: 2}":         "stands twice",
	} {
		if _, err := resolveX(expression, nil); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "template:") {
			t.Errorf("%s: %v, want …%s…", expression, err, want)
		}
	}
}

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"":                       "not a mapping",
		"[]":                     "not a mapping",
		"a: [":                   "template: yaml",
		"Resources: {}":          "no resources",
		"Resources: {A: {B: c}}": "A has no Type",
		"Resources: {A: {Type: x, Condition: Y}}": "no condition Y",
	} {
		if _, err := Parse([]byte(text), nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want …%s…", text, err, want)
		}
	}
	if _, err := Parse([]byte(document+"1\n"), map[string]string{"Nobody": "x"}); err == nil {
		t.Error("a value for a parameter that is not there is taken")
	}
}

func TestFunction(t *testing.T) {
	parsed, err := Parse([]byte(document+"1\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	work, _ := parsed.Resource("Work")
	got, err := parsed.Function(work)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"Timeout": json.Number("9"), "Layers": []any{"one", "two"},
		"Tags": map[string]any{"a": json.Number("1"), "b": json.Number("3")},
	}
	if diff := cmp.Diff(any(want), got); diff != "" {
		t.Error(diff)
	}
	var names []string
	for _, resource := range parsed.Resources("") {
		names = append(names, resource.Name)
	}
	if got := strings.Join(names, " "); got != "Queue Api Work Value" {
		t.Errorf("resources: %s", got)
	}
}

func TestInt(t *testing.T) {
	for text, want := range map[string]int{"5": 5, `"5"`: 5, `""`: -1, "5.5": -1, `"five"`: -1, "true": -1} {
		var got Int
		err := json.Unmarshal([]byte(text), &got)
		if (err == nil) != (want >= 0) || err == nil && int(got) != want {
			t.Errorf("%s: %d, %v", text, got, err)
		}
	}
}

// FuzzParse: whatever the text, Parse and Resolve return.
func FuzzParse(f *testing.F) {
	f.Add(document + "1\n")
	f.Add("Resources: {A: {Type: T, Properties: {X: !Sub [a, b, c]}}}")
	f.Add("Conditions: {A: !Condition A}\nResources: {A: {Type: T, Condition: A}}")
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := Parse([]byte(text), nil)
		if err != nil {
			return
		}
		for _, resource := range parsed.Resources("") {
			value, err := parsed.Function(resource)
			if err != nil {
				continue
			}
			if _, err := json.Marshal(value); err != nil {
				t.Errorf("a resolved value is no JSON: %v", err)
			}
		}
	})
}
