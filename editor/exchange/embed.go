package exchange

import (
	"encoding/json"
	"fmt"

	"halley/ot"
)

// withPath is an embed that shows another file.
func withPath(e ot.Embed, path string) ot.Embed {
	if e.Type == "image" {
		return ot.Embed{Type: "image", Value: ot.StringValue(path)}
	}
	var value fileValue
	if json.Unmarshal([]byte(e.Value), &value) != nil {
		return e // which no schema allows
	}
	value.Path = path
	return fileEmbed(value)
}

// A fileValue is the value of a file embed.
type fileValue struct {
	Name string `json:"name"`
	Path string `json:"path"`
	Size int64  `json:"size"`
}

// fileEmbed is the embed of a value, in the one form that contents are compared by.
func fileEmbed(value fileValue) ot.Embed {
	raw, err := json.Marshal([]any{map[string]any{"insert": map[string]any{"file": value}}})
	if err != nil {
		panic(fmt.Sprintf("exchange: encode a file embed: %v", err))
	}
	d, err := ot.Parse(raw)
	if err != nil || len(d) != 1 {
		panic(fmt.Sprintf("exchange: a file embed is a content: %v", err))
	}
	return d[0].Embed
}
