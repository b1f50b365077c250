package middleware

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/fiberflow/flow"
)

// leeway is how far the clocks of the one who signs and of this process may lie apart.
const leeway = 5 * time.Second

// verifier checks bearer tokens.
type verifier struct {
	parser *jwt.Parser    // for the signature
	rules  *jwt.Validator // for the claims
	find   jwt.Keyfunc
	maxAge time.Duration // how far away exp may be; 0 is anything
}

// tokenVerifier returns what checks bearer tokens as the settings say; nil when no token can be good.
func tokenVerifier(s Settings, log *slog.Logger) (func(context.Context, string) (flow.User, error), error) {
	if s.JWTSecret != "" {
		key := []byte(s.JWTSecret)
		return newVerifier(s, func(*jwt.Token) (any, error) { return key, nil }, "HS256").verify, nil
	}
	if s.JWKSFile == "" {
		return nil, nil
	}
	set, err := openKeySet(s.JWKSFile, log)
	if err != nil {
		return nil, fmt.Errorf("COLLAB_JWKS_FILE=%q: %w", s.JWKSFile, err)
	}
	return newVerifier(s, set.find, "RS256", "ES256", "EdDSA").verify, nil
}

// newVerifier pins the methods, so that a token cannot choose how it wants to be checked.
func newVerifier(s Settings, find jwt.Keyfunc, methods ...string) *verifier {
	rules := []jwt.ParserOption{jwt.WithLeeway(leeway), jwt.WithExpirationRequired(), jwt.WithIssuedAt()}
	if s.JWTIssuer != "" {
		rules = append(rules, jwt.WithIssuer(s.JWTIssuer))
	}
	if s.JWTAudience != "" {
		rules = append(rules, jwt.WithAudience(s.JWTAudience))
	}
	return &verifier{
		// The claims are left to the rules, which read times more strictly than the parser.
		parser: jwt.NewParser(
			jwt.WithValidMethods(methods), jwt.WithStrictDecoding(), jwt.WithoutClaimsValidation(),
		),
		rules: jwt.NewValidator(rules...), find: find, maxAge: s.JWTMaxAge,
	}
}

// verify is a [flow.Config.VerifyToken].
func (v *verifier) verify(_ context.Context, text string) (flow.User, error) {
	if err := wellFormed(text); err != nil {
		return flow.User{}, badToken(err)
	}
	read := jwt.MapClaims{}
	token, err := v.parser.ParseWithClaims(text, read, v.find)
	if err != nil {
		return flow.User{}, tokenError(err)
	}
	if _, ok := token.Header["crit"]; ok {
		return flow.User{}, badToken(errors.New("the token asks for an extension that is not known"))
	}
	c := claims{read}
	if err := v.rules.Validate(c); err != nil {
		return flow.User{}, tokenError(err)
	}
	user, err := c.user()
	if err != nil {
		return flow.User{}, badToken(err)
	}
	if v.maxAge > 0 && time.Until(user.Expires) > v.maxAge+leeway {
		return flow.User{}, badToken(errors.New("claim exp lies further away than COLLAB_JWT_MAX_AGE"))
	}
	return user, nil
}

// tokenError keeps of the library's error only what it is, since its text may quote the token. A token
// counts as expired when nothing else is wrong with it: only then a new one of its kind helps.
func tokenError(err error) error {
	for _, kind := range []error{
		errNoKey, jwt.ErrTokenMalformed, jwt.ErrTokenSignatureInvalid, jwt.ErrTokenNotValidYet,
		jwt.ErrTokenUsedBeforeIssued, jwt.ErrTokenInvalidIssuer, jwt.ErrTokenInvalidAudience,
		jwt.ErrTokenRequiredClaimMissing, jwt.ErrInvalidType,
	} {
		if errors.Is(err, kind) {
			return badToken(kind)
		}
	}
	if errors.Is(err, jwt.ErrTokenExpired) {
		return flow.Errorf(flow.CodeTokenExpired, "the token has expired")
	}
	return badToken(errors.New("token is not acceptable"))
}

func badToken(cause error) error {
	return &flow.Error{Code: flow.CodeUnauthenticated, Message: "the token is not valid", Err: cause}
}
