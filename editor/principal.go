package editor

import "context"

// A Kind says what sort of principal somebody is.
type Kind string

const (
	KindGuest   Kind = "guest"   // gave only a name
	KindPerson  Kind = "person"  // has an account
	KindProgram Kind = "program" // a token or the command line
)

// A Principal is whoever acts. The zero Principal is nobody.
type Principal struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Color string `json:"color"` // #rrggbb
	Kind  Kind   `json:"kind"`
}

// Nobody reports whether p is nobody in particular.
func (p Principal) Nobody() bool { return p.ID == "" }

// A Role is what a principal may do on a page; each includes those before it.
type Role int

const (
	RoleNone Role = iota // may not even see it
	RoleView
	RoleComment
	RoleEdit
	RoleOwn
)

func (r Role) String() string {
	return [...]string{"none", "view", "comment", "edit", "own"}[r]
}

// An Authorizer says what a principal may do. It is asked at each call.
type Authorizer interface {
	// Role is p's role on a page, given its settings.
	Role(ctx context.Context, p Principal, page Settings) (Role, error)
	// MayCreate reports whether p may create pages.
	MayCreate(ctx context.Context, p Principal) (bool, error)
}

// OpenWorkspace lets everybody who has signed in create pages and edit all of
// them: what a fresh store on loopback is.
type OpenWorkspace struct{}

func (OpenWorkspace) Role(_ context.Context, p Principal, page Settings) (Role, error) {
	switch {
	case p.Nobody():
		return RoleNone, nil
	case p.ID == page.Creator:
		return RoleOwn, nil
	default:
		return RoleEdit, nil
	}
}

func (OpenWorkspace) MayCreate(_ context.Context, p Principal) (bool, error) {
	return !p.Nobody(), nil
}

// An Author is what readers are told of whoever made a change.
type Author struct {
	Name  string `json:"name"`
	Color string `json:"color"`
	Kind  Kind   `json:"kind"`
}

// People knows authors by the id of their principal.
type People interface {
	Author(ctx context.Context, id string) (Author, error)
}
