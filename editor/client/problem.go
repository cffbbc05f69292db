package client

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// A Problem is a refusal, in RFC 9457's form. Members that a refusal does not
// have are zero.
type Problem struct {
	Type    string `json:"type"` // "/problems/base-ahead"
	Title   string `json:"title"`
	Status  int    `json:"status"`
	Detail  string `json:"detail"`  // a sentence for people
	Request string `json:"request"` // by which the server's log names it

	Head  uint64 `json:"head"`  // base-ahead, base-too-old: the page's newest seq
	Next  uint64 `json:"next"`  // n-gap: the n that would be taken
	Seq   uint64 `json:"seq"`   // n-reused: what the n became
	Op    *int   `json:"op"`    // invalid-edit: index of the op as sent
	Limit int64  `json:"limit"` // too-large

	RetryAfter time.Duration `json:"-"` // zero: not said
}

// Error is the sentence of the server.
func (p *Problem) Error() string {
	switch {
	case p.Detail != "":
		return strings.TrimSuffix(p.Detail, ".")
	case p.Title != "":
		return p.Title
	}
	return fmt.Sprintf("the server answered %d %s", p.Status, http.StatusText(p.Status))
}

// Name is the last part of the type, "base-ahead"; "" where what answered is
// no Halley.
func (p *Problem) Name() string {
	name, _ := strings.CutPrefix(p.Type, "/problems/")
	return name
}

// maxProblemBytes is more than any refusal has.
const maxProblemBytes = 64 << 10

// ReadProblem is the refusal that an answer is. It reads the body and does not
// close it.
func ReadProblem(resp *http.Response) *Problem {
	p := &Problem{}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxProblemBytes))
	if err == nil && strings.HasPrefix(resp.Header.Get("Content-Type"), "application/problem+json") {
		if json.Unmarshal(body, p) != nil {
			p = &Problem{}
		}
	}
	p.Status = resp.StatusCode
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && seconds > 0 {
		p.RetryAfter = time.Duration(seconds) * time.Second
	}
	return p
}
