package flow

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"strings"
	"time"
	"unicode/utf8"
)

// tokenLeeway is how far the clocks of who signs tokens and of this instance may be apart.
const tokenLeeway = 5 * time.Second

// What others see of a user is bounded: everybody in a room is sent it. A longer name is cut, a longer
// picture left out.
const (
	maxName    = 256
	maxPicture = 2048
)

// adminID is the user id that the admin token acts as.
const adminID = "admin"

// Request is what authentication may look at. Its functions are valid during the call only.
type Request struct {
	Token  string                   // a bearer token offered outside Authorization; "" for none
	Header func(name string) string // a request header; "" when missing
	Cookie func(name string) string // a cookie; "" when missing
	Local  func(key string) any     // what the application's own middleware left
	Remote string                   // the client's address
}

// bearer returns the token that the request offers; found is false when it offers none.
func (r Request) bearer() (token string, found bool, err error) {
	header := r.Header("Authorization")
	if header == "" {
		return r.Token, r.Token != "", nil
	}
	scheme, token, _ := strings.Cut(header, " ")
	token = strings.TrimSpace(token)
	if !strings.EqualFold(scheme, "bearer") || token == "" {
		return "", true, Errorf(CodeUnauthenticated, "Authorization must be a bearer token")
	}
	return token, true, nil
}

// Identify tells who sends a request: the first source that is present decides. These are the
// Authenticate hook, a bearer token in Authorization, Request.Token, and, where anonymous users are let
// in, nothing at all. It returns nil and no error when a token may still come in a first message; a
// request that needs a user now is then [CodeUnauthenticated]. Errors: [CodeUnauthenticated],
// [CodeTokenExpired].
func (h *Hub) Identify(ctx context.Context, r Request) (*User, error) {
	if h.cfg.Authenticate != nil {
		user, err := askHook(h, "Authenticate", func() (*User, error) { return h.cfg.Authenticate(ctx, r) })
		if err != nil {
			return nil, unauthenticated(err)
		}
		if user != nil {
			return checkUser(*user)
		}
	}
	token, found, err := r.bearer()
	if err != nil {
		return nil, err
	}
	if found {
		user, err := h.verifyToken(ctx, token)
		if err != nil {
			return nil, err
		}
		return &user, nil
	}
	if h.cfg.Anonymous {
		return &User{ID: "anonymous-" + newID(), Anonymous: true}, nil
	}
	if h.cfg.VerifyToken == nil && h.cfg.AdminToken == "" {
		return nil, Errorf(CodeUnauthenticated, "this server cannot check any credentials, and lets nobody in without")
	}
	return nil, nil
}

// verifyToken returns the user of a bearer token.
func (h *Hub) verifyToken(ctx context.Context, token string) (User, error) {
	if h.isAdminToken(token) {
		return User{ID: adminID, Name: "Admin", Admin: true}, nil
	}
	if h.cfg.VerifyToken == nil {
		return User{}, Errorf(CodeUnauthenticated, "the token is not good")
	}
	user, err := askHook(h, "VerifyToken", func() (User, error) { return h.cfg.VerifyToken(ctx, token) })
	if err != nil {
		return User{}, unauthenticated(err)
	}
	checked, err := checkUser(user)
	if err != nil {
		return User{}, err
	}
	return *checked, nil
}

// isAdminToken compares in constant time. It compares sums, because the comparison of texts of different
// lengths ends at once, and so would tell the length.
func (h *Hub) isAdminToken(token string) bool {
	given, wanted := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(h.cfg.AdminToken))
	return h.cfg.AdminToken != "" && subtle.ConstantTimeCompare(given[:], wanted[:]) == 1
}

// unauthenticated gives an error of a hook the code that the contract has for it.
func unauthenticated(err error) error {
	if code := ErrorCode(err); code == CodeUnauthenticated || code == CodeTokenExpired {
		return err
	}
	return &Error{Code: CodeUnauthenticated, Message: "the credentials are not good", Err: err}
}

// checkUser looks at what a hook says of a user.
func checkUser(u User) (*User, error) {
	if !u.Expires.IsZero() && time.Since(u.Expires) >= tokenLeeway {
		return nil, Errorf(CodeTokenExpired, "the credentials have expired")
	}
	if !u.valid() {
		return nil, Errorf(CodeUnauthenticated, "a user id must have 1 to 255 bytes of UTF-8")
	}
	u.Name = strings.ToValidUTF8(u.Name[:min(len(u.Name), maxName)], "")
	if len(u.Picture) > maxPicture || !utf8.ValidString(u.Picture) {
		u.Picture = ""
	}
	return &u, nil
}

// RequireAdmin returns nil when a request may use the admin routes. [CodeUnauthenticated] for
// credentials that are wrong, [CodeForbidden] for good ones without the right, and when nobody can be
// admin.
func (h *Hub) RequireAdmin(ctx context.Context, r Request) error {
	if h.cfg.AdminToken == "" && h.cfg.Admin == nil {
		return Errorf(CodeForbidden, "no admin is configured")
	}
	token, found, err := r.bearer()
	if err != nil {
		return err
	}
	if found && h.isAdminToken(token) {
		return nil
	}
	if h.cfg.Admin != nil {
		ok, err := askHook(h, "Admin", func() (bool, error) { return h.cfg.Admin(ctx, r) })
		if err != nil || ok {
			return err
		}
	}
	user, err := h.Identify(ctx, r)
	if err != nil {
		return err
	}
	if user == nil || user.Anonymous {
		return Errorf(CodeUnauthenticated, "admin credentials are required")
	}
	return errForbidden()
}

// Require returns nil when the user has at least the given access to the room. [CodeInvalidRoom], or
// [CodeForbidden], the same for a room that one may not see and one that does not exist.
func (h *Hub) Require(ctx context.Context, user User, room string, least Access) error {
	access, err := h.access(ctx, user, room)
	if err != nil {
		return err
	}
	if access < least {
		return errForbidden()
	}
	return nil
}

// access asks the application what a user may do in a room.
func (h *Hub) access(ctx context.Context, user User, room string) (Access, error) {
	if !ValidRoom(room) {
		return None, errInvalidRoom()
	}
	if user.Admin {
		return Owner, nil
	}
	access, err := askHook(h, "Authorize", func() (Access, error) { return h.cfg.Authorize(ctx, user, room) })
	if err == nil {
		return access, nil
	}
	if ErrorCode(err) != CodeInternal {
		return None, err
	}
	h.log.Error("asking the Authorize hook failed", "room", room, "user", user.ID, "error", err)
	return None, &Error{
		Code: CodeUnavailable, Message: "the access cannot be checked now, try again",
		RetryAfter: time.Second, Err: err,
	}
}

func errInvalidRoom() *Error {
	return Errorf(CodeInvalidRoom, "room must match [A-Za-z0-9][A-Za-z0-9._:~-]{0,127}")
}

func errForbidden() *Error { return Errorf(CodeForbidden, "not allowed") }
