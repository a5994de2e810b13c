package openapi_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/huitou/huitou/infra/openapi"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/program"
)

// compiled is the published schema as a validator of other people's reads it.
func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	raw, err := openapi.ProgramSchema()
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource("https://huitou.dev/program.schema.json", parsed); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("https://huitou.dev/program.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if schema.DraftVersion != 2020 {
		t.Errorf("the schema is of draft %d", schema.DraftVersion)
	}
	return schema
}

// shipped is default.json, parsed anew.
func shipped(t *testing.T) map[string]any {
	t.Helper()
	raw, err := os.ReadFile("../../shared/program/default.json")
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	return parsed.(map[string]any)
}

// place changes a document at a pointer and fails the test when nothing stands
// above it.
func place(t *testing.T, document map[string]any, pointer string, value any) map[string]any {
	t.Helper()
	above, last := pointer[:strings.LastIndexByte(pointer, '/')], pointer[strings.LastIndexByte(pointer, '/')+1:]
	var at any = document
	for step := range strings.SplitSeq(strings.TrimPrefix(above, "/"), "/") {
		switch inner := at.(type) {
		case map[string]any:
			if above != "" {
				at = inner[step]
			}
		case []any:
			at = inner[0]
		}
	}
	switch inner := at.(type) {
	case map[string]any:
		inner[last] = value
		if either := map[string]string{"link": "text", "text": "link"}[last]; strings.HasPrefix(pointer, "/legal/") && either != "" {
			delete(inner, either) // a text has the one or the other
		}
	case []any:
		inner[0] = value
	default:
		t.Fatalf("the document has nothing at %s; give it one", above)
	}
	return document
}

func validate(t *testing.T, document map[string]any) error {
	t.Helper()
	raw, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	var parsed program.Document
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&parsed); err != nil {
		return err
	}
	return parsed.Validate()
}

func TestTheShippedProgramKeepsTheSchema(t *testing.T) {
	schema := compiled(t)
	if err := schema.Validate(shipped(t)); err != nil {
		t.Error(err)
	}
	scheduled := place(t, shipped(t), "/effective_at", "2027-01-01T00:00:00+08:00")
	if err := schema.Validate(scheduled); err != nil {
		t.Errorf("with the time it takes effect: %v", err)
	}
}

func TestTheSchemaRefuses(t *testing.T) {
	schema := compiled(t)
	for name, test := range map[string]struct {
		pointer string
		value   any
	}{
		"an unknown field":        {"/points/per_yuan", 1},
		"a float for points":      {"/points/rate/points", 1.5},
		"a text for a number":     {"/points/rate/per_fen", "100"},
		"another colour":          {"/brand/colour", "red"},
		"a currency in lower":     {"/currency", "cny"},
		"an hour that is none":    {"/repurchase/quiet_hours/from", "24:00"},
		"no zone":                 {"/time_zone", ""},
		"a time without its zone": {"/effective_at", "2027-01-01T00:00:00"},
		"nothing for a section":   {"/points", nil},
	} {
		if err := schema.Validate(place(t, shipped(t), test.pointer, test.value)); err == nil {
			t.Errorf("%s passed", name)
		}
	}
	for _, field := range []string{"brand", "currency", "time_zone", "points", "repurchase"} {
		document := shipped(t)
		delete(document, field)
		if err := schema.Validate(document); err == nil {
			t.Errorf("a program without %s passed", field)
		}
	}
}

// leaf is one place of a program.
type leaf struct {
	pointer, description string
	schema               map[string]any
}

// leaves walks the schema. A value of a map stands at "milk-powder", whatever the
// map is of, and one of a list at 0.
func leaves(t *testing.T, definitions map[string]any, at map[string]any, pointer, description string) []leaf {
	t.Helper()
	if own, ok := at["description"].(string); ok {
		description = own
	}
	if ref, ok := at["$ref"].(string); ok {
		at = definitions[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any)
	}
	properties, _ := at["properties"].(map[string]any)
	values, _ := at["additionalProperties"].(map[string]any)
	var found []leaf
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		found = append(found, leaves(t, definitions, properties[name].(map[string]any), pointer+"/"+name, "")...)
	}
	if values != nil {
		found = append(found, leaves(t, definitions, values, pointer+"/milk-powder", description)...)
	}
	if items, ok := at["items"].(map[string]any); ok {
		found = append(found, leaves(t, definitions, items, pointer+"/0", description)...)
	}
	return append(found, leaf{pointer, description, at})
}

// text is so many characters that may stand at a pointer.
func text(pointer string, characters int) string {
	switch pointer {
	case "/brand/logo":
		const begin, svg = "data:image/svg+xml;base64,", `<svg xmlns="http://www.w3.org/2000/svg"/>`
		letters := max(0, characters-len(begin))
		image := base64.StdEncoding.EncodeToString([]byte(svg + strings.Repeat(" ", letters/4*3-len(svg))))
		return begin + image + strings.Repeat("x", letters-len(image))
	case "/brand/friend_link", "/brand/claim_link", "/brand/homepage":
		const begin = "https://work.weixin.qq.com/ca/"
		return begin + strings.Repeat("x", characters-len(begin))
	case "/legal/agreement/zh-CN/link", "/legal/agreement/en/link", "/legal/privacy/zh-CN/link", "/legal/privacy/en/link":
		const begin = "https://shop.example/"
		return begin + strings.Repeat("x", characters-len(begin))
	case "/brand/welcome", "/brand/shops/0/channel", "/legal/version": // WeCom counts bytes, and a channel has Latin letters
		return strings.Repeat("x", characters)
	}
	return strings.Repeat("字", characters)
}

// Validate bounds all that the schema bounds, and the other way round: at
// each bound both say yes, one beyond it both say no. Every number has bounds,
// and everything says what it is.
func TestTheSchemaAndValidateHaveTheSameBounds(t *testing.T) {
	schema := compiled(t)
	raw, err := openapi.ProgramSchema()
	if err != nil {
		t.Fatal(err)
	}
	var whole map[string]any
	if err := json.Unmarshal(raw, &whole); err != nil {
		t.Fatal(err)
	}
	definitions := whole["$defs"].(map[string]any)
	// default.json with all that it leaves out, so that there is one of each to
	// change.
	document := func() map[string]any {
		d := shipped(t)
		for pointer, text := range map[string]string{
			"/points/expiry":          `{"months": 12, "end_of": "month"}`,
			"/points/channels":        `{"milk-powder": {"after_completion_days": 1, "after_payment_days": 1}}`,
			"/points/categories":      `{"milk-powder": {"points": 2, "per_fen": 100}}`,
			"/points/value_per_point": `{"fen": 1, "per_points": 1}`,
			"/points/check_in":        `{"daily": 1, "streak": [{"days": 7, "bonus": 5}]}`,
			"/points/bonuses": `{"channels": {"milk-powder": 1}, "tiers": {"milk-powder": 1}, "member_day": {"days": [18], "percent": 100},
				"campaigns": [{"name": "双11", "from": "2026-11-11T00:00:00+08:00", "to": "2026-11-12T00:00:00+08:00", "percent": 100, "categories": ["x"], "channels": ["y"]}]}`,
			"/tiers": `{"growth": {"points": 1, "per_fen": 100}, "window": {"kind": "rolling", "months": 12}, "demotion": "at_once",
				"levels": [{"id": "gold", "name": "金卡", "growth": 1000}]}`,
			"/brand/card_texts": `{"zh-CN": {"headline": "谢谢"}, "en": {"headline": "Thank you"}}`,
			"/legal": `{"version": "2027-01", "agreement": {"zh-CN": {"text": "会员协议"}, "en": {"text": "Agreement"}},
				"privacy": {"zh-CN": {"text": "隐私政策"}, "en": {"text": "Privacy"}}}`,
			"/brand/links": `{"milk-powder": "https://shop.example.com/"}`,
			// So long a cycle leaves room for the longest lead.
			"/repurchase/categories/milk-powder/cycle_days": `730`,
		} {
			value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			place(t, d, pointer, value)
		}
		return d
	}
	if err := schema.Validate(document()); err != nil {
		t.Fatal(err)
	}
	if err := validate(t, document()); err != nil {
		t.Fatal(err)
	}
	bounds := 0
	check := func(leaf leaf, value any, want bool) {
		t.Helper()
		bounds++
		changed := place(t, document(), leaf.pointer, value)
		if err := schema.Validate(changed); (err == nil) != want {
			t.Errorf("%s = %.20v: the schema says %v", leaf.pointer, value, err)
		}
		err := validate(t, changed)
		if (err == nil) != want {
			t.Errorf("%s = %.20v: Validate says %v", leaf.pointer, value, err)
		}
		if err != nil && loyalty.KindOf(err) != loyalty.KindInvalid {
			t.Errorf("%s = %.20v: Validate fails with %v", leaf.pointer, value, err)
		}
	}
	for _, leaf := range leaves(t, definitions, whole, "", "the whole") {
		if leaf.description == "" {
			t.Errorf("%s says nothing of itself", leaf.pointer)
		}
		if leaf.schema["type"] == "integer" {
			minimum, hasMinimum := leaf.schema["minimum"].(float64)
			maximum, hasMaximum := leaf.schema["maximum"].(float64)
			if !hasMinimum || !hasMaximum {
				t.Errorf("%s is a number without bounds", leaf.pointer)
				continue
			}
			if leaf.pointer == "/repurchase/categories/milk-powder/cycle_days" {
				minimum = 8 // the lead of 7 days must be shorter
			} else {
				check(leaf, json.Number(fmt.Sprint(int64(minimum)-1)), false)
			}
			check(leaf, json.Number(fmt.Sprint(int64(minimum))), true)
			check(leaf, json.Number(fmt.Sprint(int64(maximum))), true)
			check(leaf, json.Number(fmt.Sprint(int64(maximum)+1)), false)
		}
		if longest, ok := leaf.schema["maxLength"].(float64); ok {
			check(leaf, text(leaf.pointer, int(longest)), true)
			check(leaf, text(leaf.pointer, int(longest)+1), false)
		}
		if _, ok := leaf.schema["minLength"].(float64); ok {
			check(leaf, "", false)
		}
	}
	if bounds < 40 {
		t.Errorf("only %d bounds were tried", bounds)
	}
	t.Logf("%d bounds", bounds)
}
