// Package token is how callers prove who they are: operators by a random
// token of which the table keeps the hash alone, members by a short-lived
// signed one that a brand's mini-program asks for.
package token

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/huitou/huitou/shared/loyalty"
)

// Role is what an operator may do.
type Role string

// The roles. An admin may do everything.
const (
	RoleViewer      Role = "viewer"      // read
	RoleOperator    Role = "operator"    // read and run the brand's day: cards, coupons, campaigns, members
	RoleAdmin       Role = "admin"       // and change the rules, queues and operators
	RoleIntegration Role = "integration" // the brand's own servers: members, spending, tokens
	RolePrinter     Role = "printer"     // a printing house (印刷厂): the codes of a batch
)

// Roles lists them.
var Roles = []Role{RoleViewer, RoleOperator, RoleAdmin, RoleIntegration, RolePrinter}

// Operator is who is behind a token.
type Operator struct {
	Name string `json:"name"`
	Role Role   `json:"role"`
}

// May tells whether the operator has one of the roles; an admin has all.
func (o Operator) May(roles ...Role) bool {
	for _, role := range roles {
		if o.Role == role {
			return true
		}
	}
	return o.Role == RoleAdmin
}

const operatorPrefix = "huitou_"

// NewOperatorToken draws 160 random bits.
func NewOperatorToken(random io.Reader) (string, error) {
	raw := make([]byte, 20)
	if _, err := io.ReadFull(random, raw); err != nil {
		return "", fmt.Errorf("operator token: %w", err)
	}
	return operatorPrefix + base64.RawURLEncoding.EncodeToString(raw), nil
}

// Hash is what the table keeps of an operator's token. A token has 160 random
// bits, so one SHA-256 is enough.
func Hash(operatorToken string) string {
	sum := sha256.Sum256([]byte(operatorToken))
	return hex.EncodeToString(sum[:])
}

// Looks tells whether a text has the form of an operator's or a member's token.
func Looks(text string) bool {
	return strings.HasPrefix(text, operatorPrefix) || strings.HasPrefix(text, "eyJ") && strings.Count(text, ".") == 2
}

// Bearer reads an Authorization header; KindUnauthenticated without one.
func Bearer(header string) (string, error) {
	scheme, raw, found := strings.Cut(header, " ")
	if !found || !strings.EqualFold(scheme, "Bearer") || raw == "" || len(raw) > 2048 {
		return "", loyalty.Refuse(loyalty.KindUnauthenticated, "token_missing", `send "Authorization: Bearer <token>"`)
	}
	return raw, nil
}

const (
	issuer         = "huitou"
	memberAudience = "member"
	// MemberLife is how long a member's token is good.
	MemberLife = time.Hour
)

// NewMember signs a token for a member, good for MemberLife.
func NewMember(key []byte, member loyalty.MemberID, now time.Time) (raw string, expiresAt time.Time, err error) {
	expiresAt = now.Add(MemberLife).Truncate(time.Second)
	raw, err = jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.RegisteredClaims{
		Issuer: issuer, Audience: jwt.ClaimStrings{memberAudience}, Subject: string(member),
		IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(expiresAt),
	}).SignedString(key)
	return raw, expiresAt, err
}

// VerifyMember returns the member a token was signed for, or
// KindUnauthenticated code "token_invalid" whatever is wrong with it.
func VerifyMember(key []byte, raw string, now time.Time) (loyalty.MemberID, error) {
	var claims jwt.RegisteredClaims
	_, err := jwt.ParseWithClaims(raw, &claims,
		func(*jwt.Token) (any, error) { return key, nil },
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}),
		jwt.WithIssuer(issuer), jwt.WithAudience(memberAudience), jwt.WithExpirationRequired(),
		jwt.WithTimeFunc(func() time.Time { return now }), jwt.WithStrictDecoding(),
	)
	if err != nil || claims.Subject == "" || len(raw) > 2048 {
		return "", &loyalty.Error{Kind: loyalty.KindUnauthenticated, Code: "token_invalid", Detail: "the token does not verify or has expired; ask for a new one", Cause: err}
	}
	return loyalty.MemberID(claims.Subject), nil
}
