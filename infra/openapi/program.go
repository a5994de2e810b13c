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
