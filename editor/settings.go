package editor

import (
	"encoding/json"
	"fmt"
	"time"

	"halley/ot"
	"halley/storage"
)

// pagePrefix begins the keys of the records of pages' settings.
const pagePrefix = "page/"

func recordKey(id PageID) string { return pagePrefix + string(id) }

// Settings are what a page has besides its text.
type Settings struct {
	ID      PageID    `json:"id"`
	Title   string    `json:"title"`
	Creator string    `json:"creator"` // principal's id
	Created time.Time `json:"created"`
	Trashed time.Time `json:"trashed,omitzero"` // zero: not in the trash
	Version uint64    `json:"-"`                // how often they changed
}

// storedSettings is the value of a settings record.
type storedSettings struct {
	Settings
	// TitleEdits names the title edits that were applied last, so that one that
	// is sent again is recognized; see titleEdits.
	TitleEdits titleEdits `json:"title_edits,omitempty"`
}

func (s storedSettings) encode() ([]byte, error) { return json.Marshal(s) }

func decodeSettings(r storage.Record) (storedSettings, error) {
	set, ok := parseSettings(r.Value)
	if !ok {
		set = storedSettings{}
		if err := json.Unmarshal(r.Value, &set); err != nil {
			return set, fmt.Errorf("settings under %s: %w", r.Key, err)
		}
	}
	set.Version = r.Version - 1
	return set, nil
}

// parseSettings reads settings as encode writes them. It is written by hand
// because every start reads the settings of all pages. ok is false for input
// that it does not expect; the caller then uses encoding/json.
func parseSettings(value []byte) (set storedSettings, ok bool) {
	r := ot.NewReader(value, "the settings")
	instant := func() (time.Time, error) {
		text, err := r.Text()
		if err != nil {
			return time.Time{}, err
		}
		return time.Parse(time.RFC3339Nano, text)
	}
	err := r.Object(func(name []byte) (err error) {
		var text string
		switch string(name) {
		case "id":
			text, err = r.Text()
			set.ID = PageID(text)
		case "title":
			set.Title, err = r.Text()
		case "creator":
			set.Creator, err = r.Text()
		case "created":
			set.Created, err = instant()
		case "trashed":
			set.Trashed, err = instant()
		case "title_edits":
			text, err = r.Text()
			set.TitleEdits = titleEdits(text)
		default:
			err = errUnusual
		}
		return err
	})
	return set, err == nil && r.End() == nil
}
