package openapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

const (
	components  = "#/components/schemas/"
	definitions = "#/$defs/"
)

// schema is a JSON Schema 2020-12, which OpenAPI 3.1 takes its schemas from.
type schema struct {
	Dialect     string                  `json:"$schema"`
	ID          string                  `json:"$id"`
	Title       string                  `json:"title"`
	Description string                  `json:"description"`
	Ref         string                  `json:"$ref"`
	Definitions map[string]*huma.Schema `json:"$defs"`
}

// bound says what a tag of the field cannot: the bounds of numbers in maps and
// lists, and which fields exclude each other. A test holds it against Validate.
func bound(schemas map[string]*huma.Schema) {
	between := func(values *huma.Schema, least, most float64) {
		values.Minimum, values.Maximum = &least, &most
	}
	bonuses := schemas["PointsBonuses"].Properties
	for _, name := range []string{"channels", "tiers"} {
		between(bonuses[name].AdditionalProperties.(*huma.Schema), 0, 1000)
	}
	between(schemas["PointsMemberDay"].Properties["days"].Items, 1, 31)
	one := 1
	for _, name := range []string{"ProgramLegalSource", "TemplateBodyValidityStruct", "LookupBody"} {
		schemas[name].MinProperties, schemas[name].MaxProperties = &one, &one
	}
	for _, source := range schemas["ProgramLegalSource"].Properties {
		source.MinLength = &one
	}
	schemas["ScheduleBody"].OneOf = []*huma.Schema{{Required: []string{"at"}}, {Required: []string{"cron"}}}
}

// Text is the pattern of what strictjson takes for a text: no control characters but tab and line
// ends, and no U+FFFD.
const Text = "^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\ufffd]*$"

// readable says of every text in a body that somebody sends what strictjson holds
// it to.
func readable(document *huma.OpenAPI) {
	all := document.Components.Schemas.Map()
	var sent []string
	for _, item := range document.Paths {
		for _, operation := range []*huma.Operation{item.Post, item.Put, item.Delete} {
			if operation == nil || operation.RequestBody == nil || operation.RequestBody.Content["application/json"] == nil {
				continue
			}
			if root, ok := strings.CutPrefix(operation.RequestBody.Content["application/json"].Schema.Ref, components); ok {
				sent = append(sent, root)
			}
		}
	}
	done := map[string]bool{}
	for ; len(sent) > 0; sent = sent[1:] {
		if done[sent[0]] {
			continue
		}
		done[sent[0]] = true
		within(all[sent[0]], func(schema *huma.Schema) {
			if schema.Type == huma.TypeString && schema.Pattern == "" && schema.Format == "" && len(schema.Enum) == 0 {
				schema.Pattern = Text
			}
		})
		sent = append(sent, referred(all[sent[0]])...)
	}
}

// within calls f with a schema and all that stand in it.
func within(schema *huma.Schema, f func(*huma.Schema)) {
	if schema == nil {
		return
	}
	f(schema)
	for _, property := range schema.Properties {
		within(property, f)
	}
	within(schema.Items, f)
	if values, ok := schema.AdditionalProperties.(*huma.Schema); ok {
		within(values, f)
	}
}

// ProgramSchema is the JSON Schema of the brand's rules as it should be
// committed: of the very body that PUT /v1/program takes.
func ProgramSchema() ([]byte, error) {
	api := published().OpenAPI()
	all := api.Components.Schemas.Map()
	body := api.Paths["/v1/program"].Put.RequestBody.Content["application/json"].Schema
	root, ok := strings.CutPrefix(body.Ref, components)
	if !ok {
		return nil, errors.New("openapi: the body of PUT /v1/program has no schema of its own")
	}
	document := schema{
		Dialect: "https://json-schema.org/draft/2020-12/schema",
		ID:      "https://huitou.dev/program.schema.json",
		Title:   "huitou program",
		Description: "The rules of one brand (会员计划), as PUT /v1/program and `huitou program apply` take them. Amounts are integers in the " +
			"currency's minor unit (fen), points are integers, times are RFC 3339 with zone. Beyond this schema a time zone must be known, " +
			"a lead shorter than its cycle, and no version begins in the past.",
		Ref:         components + root,
		Definitions: map[string]*huma.Schema{},
	}
	for open := []string{root}; len(open) > 0; open = open[1:] {
		if document.Definitions[open[0]] != nil {
			continue
		}
		document.Definitions[open[0]] = all[open[0]]
		open = append(open, referred(all[open[0]])...)
	}
	raw, err := json.MarshalIndent(document, "", " ")
	raw = bytes.ReplaceAll(raw, []byte(components), []byte(definitions))
	return append(raw, '\n'), err
}

// referred names the schemas that one speaks of.
func referred(s *huma.Schema) []string {
	if s == nil {
		return nil
	}
	var names []string
	if name, ok := strings.CutPrefix(s.Ref, components); ok {
		names = append(names, name)
	}
	names = append(names, referred(s.Items)...)
	if values, ok := s.AdditionalProperties.(*huma.Schema); ok {
		names = append(names, referred(values)...)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		names = append(names, referred(s.Properties[name])...)
	}
	return names
}
