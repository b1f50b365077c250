package middleware

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"

	"github.com/fiberflow/flow"
)

// leeway is how far the clocks of the one who signs and of this process may lie apart.
const leeway = 5 * time.Second

// tokenVerifier returns what checks bearer tokens as the settings say; nil when no token can be good.
func tokenVerifier(s Settings, log *slog.Logger) (func(context.Context, string) (flow.User, error), error) {
	if s.JWTSecret != "" {
		key := []byte(s.JWTSecret)
		return verifyWith([]string{"HS256"}, func(*jwt.Token) (any, error) { return key, nil }), nil
	}
	if s.JWKSFile == "" {
		return nil, nil
	}
	set, err := openKeySet(s.JWKSFile, log)
	if err != nil {
		return nil, fmt.Errorf("COLLAB_JWKS_FILE=%q: %w", s.JWKSFile, err)
	}
	return verifyWith([]string{"RS256", "ES256", "EdDSA"}, set.find), nil
}

// verifyWith pins the methods, so that a token cannot choose how it wants to be checked.
func verifyWith(methods []string, find jwt.Keyfunc) func(context.Context, string) (flow.User, error) {
	parser := jwt.NewParser(
		jwt.WithValidMethods(methods), jwt.WithLeeway(leeway), jwt.WithExpirationRequired(), jwt.WithStrictDecoding(),
	)
	return func(_ context.Context, text string) (flow.User, error) {
		claims := jwt.MapClaims{}
		token, err := parser.ParseWithClaims(text, claims, find)
		if err != nil {
			return flow.User{}, tokenError(err)
		}
		if _, ok := token.Header["crit"]; ok {
			return flow.User{}, badToken(errors.New("the token asks for an extension that is not known"))
		}
		return userOf(claims)
	}
}

// userOf reads the claims of a token whose signature and times are good.
func userOf(claims jwt.MapClaims) (flow.User, error) {
	id, _ := claims["sub"].(string)
	if len(id) < 1 || len(id) > 255 || !utf8.ValidString(id) {
		return flow.User{}, badToken(errors.New("claim sub must be a text of 1 to 255 bytes"))
	}
	expires, err := claims.GetExpirationTime()
	if err != nil || expires == nil {
		return flow.User{}, badToken(errors.New("claim exp must be a time"))
	}
	user := flow.User{ID: id, Expires: expires.Time, Claims: claims}
	user.Name, _ = claims["name"].(string)
	user.Picture, _ = claims["picture"].(string)
	return user, nil
}

// tokenError keeps of the parser's error only what it is, since its text may quote the token.
func tokenError(err error) error {
	if errors.Is(err, jwt.ErrTokenExpired) {
		return flow.Errorf(flow.CodeTokenExpired, "the token has expired")
	}
	for _, kind := range []error{
		errNoKey, jwt.ErrTokenMalformed, jwt.ErrTokenSignatureInvalid, jwt.ErrTokenNotValidYet,
		jwt.ErrTokenRequiredClaimMissing, jwt.ErrInvalidType,
	} {
		if errors.Is(err, kind) {
			return badToken(kind)
		}
	}
	return badToken(errors.New("token is not acceptable"))
}

func badToken(cause error) error {
	return &flow.Error{Code: flow.CodeUnauthenticated, Message: "the token is not valid", Err: cause}
}
