package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// A document is openapi.json, decoded, with as much of JSON Schema as it uses.
//
// An object whose schema lists properties and says nothing of others may have
// no others here, so that what the server adds is noticed; for a reader of the
// document it may.
type document map[string]any

func readDocument(t *testing.T) document {
	t.Helper()
	var d document
	if err := json.Unmarshal(openAPI, &d); err != nil {
		t.Fatalf("openapi.json: %v", err)
	}
	return d
}

// at is what a reference of the form #/a/b/c names; nil where nothing is there.
func (d document) at(ref string) any {
	var v any = map[string]any(d)
	for name := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
		m, _ := v.(map[string]any)
		v = m[strings.ReplaceAll(name, "~1", "/")]
	}
	return v
}

// resolve follows references and joins the parts of allOf.
func (d document) resolve(node any) map[string]any {
	m, _ := node.(map[string]any)
	if ref, ok := m["$ref"].(string); ok {
		return d.resolve(d.at(ref))
	}
	parts, _ := m["allOf"].([]any)
	for _, part := range parts {
		m = joined(d.resolve(part), m)
	}
	return m
}

func joined(a, b map[string]any) map[string]any {
	out := maps.Clone(a)
	maps.Copy(out, b)
	properties := map[string]any{}
	var required []any
	for _, m := range []map[string]any{a, b} {
		p, _ := m["properties"].(map[string]any)
		maps.Copy(properties, p)
		r, _ := m["required"].([]any)
		required = append(required, r...)
	}
	out["properties"], out["required"] = properties, required
	return out
}

// keyword is the check of a keyword; nil for one that is unknown.
func (d document) keyword(name string) func(schema map[string]any, v any) error {
	switch name {
	case "type":
		return d.checkType
	case "const":
		return d.checkConst
	case "enum":
		return d.checkEnum
	case "oneOf":
		return d.checkOneOf
	case "pattern":
		return d.checkPattern
	case "format":
		return d.checkFormat
	case "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties":
		return d.checkSize
	case "minimum", "maximum":
		return d.checkRange
	case "items":
		return d.checkItems
	case "required":
		return d.checkRequired
	case "properties", "additionalProperties":
		return d.checkMembers
	}
	return nil
}

// annotations check nothing, or are read along with another keyword.
var annotations = []string{
	"description", "default", "discriminator", "contentMediaType", "x-halley-on", "allOf", "patternProperties",
}

// check returns what is wrong with a value by a schema, nil where nothing is.
func (d document) check(schema, v any) error {
	s := d.resolve(schema)
	if s == nil {
		return fmt.Errorf("there is no schema %v", schema)
	}
	for _, name := range slices.Sorted(maps.Keys(s)) {
		if slices.Contains(annotations, name) {
			continue
		}
		check := d.keyword(name)
		if check == nil {
			return fmt.Errorf("the keyword %q of %v is unknown", name, schema)
		}
		if err := check(s, v); err != nil {
			return err
		}
	}
	return nil
}

func (d document) checkType(s map[string]any, v any) error {
	types, many := s["type"].([]any)
	if !many {
		types = []any{s["type"]}
	}
	if slices.ContainsFunc(types, func(t any) bool { return isType(t, v) }) {
		return nil
	}
	return fmt.Errorf("%s is no %v", brief(v), s["type"])
}

func isType(name, v any) bool {
	switch v := v.(type) {
	case nil:
		return name == "null"
	case bool:
		return name == "boolean"
	case string:
		return name == "string"
	case float64:
		return name == "number" || name == "integer" && v == math.Trunc(v)
	case []any:
		return name == "array"
	}
	return name == "object"
}

func (d document) checkConst(s map[string]any, v any) error {
	if reflect.DeepEqual(v, s["const"]) {
		return nil
	}
	return fmt.Errorf("%s is not %s", brief(v), brief(s["const"]))
}

func (d document) checkEnum(s map[string]any, v any) error {
	for _, one := range s["enum"].([]any) {
		if reflect.DeepEqual(v, one) {
			return nil
		}
	}
	return fmt.Errorf("%s is none of %s", brief(v), brief(s["enum"]))
}

func (d document) checkOneOf(s map[string]any, v any) error {
	fits := 0
	var refusals []string
	for _, one := range s["oneOf"].([]any) {
		if err := d.check(one, v); err != nil {
			refusals = append(refusals, err.Error())
		} else {
			fits++
		}
	}
	if fits == 1 {
		return nil
	}
	return fmt.Errorf("%s fits %d of one-of; %s", brief(v), fits, strings.Join(refusals, "; "))
}

func (d document) checkPattern(s map[string]any, v any) error {
	text, ok := v.(string)
	if !ok || regexp.MustCompile(s["pattern"].(string)).MatchString(text) {
		return nil
	}
	return fmt.Errorf("%s does not match %s", brief(v), s["pattern"])
}

func (d document) checkFormat(s map[string]any, v any) error {
	layout, known := map[string]string{"date": time.DateOnly, "date-time": time.RFC3339}[s["format"].(string)]
	if !known {
		return fmt.Errorf("the format %q is unknown", s["format"])
	}
	if text, ok := v.(string); ok {
		_, err := time.Parse(layout, text)
		return err
	}
	return nil
}

func (d document) checkSize(s map[string]any, v any) error {
	var size int
	var what string
	switch v := v.(type) {
	case string:
		size, what = utf8.RuneCountInString(v), "Length"
	case []any:
		size, what = len(v), "Items"
	case map[string]any:
		size, what = len(v), "Properties"
	}
	return within(s, "min"+what, "max"+what, float64(size))
}

func (d document) checkRange(s map[string]any, v any) error {
	if n, ok := v.(float64); ok {
		return within(s, "minimum", "maximum", n)
	}
	return nil
}

func within(s map[string]any, low, high string, n float64) error {
	if least, ok := s[low].(float64); ok && n < least {
		return fmt.Errorf("%v is less than the %s %v", n, low, least)
	}
	if most, ok := s[high].(float64); ok && n > most {
		return fmt.Errorf("%v is more than the %s %v", n, high, most)
	}
	return nil
}

func (d document) checkItems(s map[string]any, v any) error {
	items, _ := v.([]any)
	for i, item := range items {
		if err := d.check(s["items"], item); err != nil {
			return fmt.Errorf("item %d: %w", i, err)
		}
	}
	return nil
}

func (d document) checkRequired(s map[string]any, v any) error {
	object, ok := v.(map[string]any)
	for _, name := range s["required"].([]any) {
		if _, there := object[name.(string)]; ok && !there {
			return fmt.Errorf("%s lacks %q", brief(v), name)
		}
	}
	return nil
}

func (d document) checkMembers(s map[string]any, v any) error {
	object, _ := v.(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(object)) {
		schema := memberSchema(s, name)
		if schema == nil {
			return fmt.Errorf("%s has a member %q, which is not in the document", brief(v), name)
		}
		if err := d.check(schema, object[name]); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// memberSchema is what an object's member must fit; nil where it may not be.
func memberSchema(s map[string]any, name string) any {
	properties, _ := s["properties"].(map[string]any)
	if schema, ok := properties[name]; ok {
		return schema
	}
	patterns, _ := s["patternProperties"].(map[string]any)
	for pattern, schema := range patterns {
		if regexp.MustCompile(pattern).MatchString(name) {
			return schema
		}
	}
	if schema, ok := s["additionalProperties"].(map[string]any); ok {
		return schema
	}
	return nil
}

func brief(v any) string {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Sprint(v)
	}
	return fmt.Sprintf("%.200s", strings.TrimSpace(out.String()))
}
