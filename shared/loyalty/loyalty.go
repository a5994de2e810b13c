// Package loyalty holds the words that every other package speaks: who a
// member is, what money and points are, and the closed set of ways in which a
// request can be refused. It knows no storage, no transport and no clock.
package loyalty

import "cmp"

// MemberID names one person who joined the brand (会员). It never changes and
// never carries personal data, so it may stand in ledgers for ever.
type MemberID string

// Fen is money in the currency's minor unit (分); 100 fen are ¥1.
type Fen int64

// Points is a whole number of loyalty points (积分).
type Points int64

// Channel names where an order was placed: "tmall", "douyin", "youzan", ….
type Channel string

// OrderKey names one order of one shop on one channel. Platforms reuse order
// numbers between shops, so all three parts are needed.
type OrderKey struct {
	Channel Channel `json:"channel"`
	Shop    string  `json:"shop"`
	Order   string  `json:"order"`
}

// Compare orders keys by channel, shop and number.
func (k OrderKey) Compare(other OrderKey) int {
	return cmp.Or(cmp.Compare(k.Channel, other.Channel), cmp.Compare(k.Shop, other.Shop), cmp.Compare(k.Order, other.Order))
}

// IdentityKind says how a person is known to a channel.
type IdentityKind string

// The kinds of identity. IdentityPhone is the only one that is personal data
// in itself: its value is kept as a keyed token, never as digits.
const (
	IdentityBuyer   IdentityKind = "buyer"
	IdentityOpenID  IdentityKind = "openid"
	IdentityUnionID IdentityKind = "unionid"
	IdentityWeCom   IdentityKind = "wecom"
	IdentityPhone   IdentityKind = "phone"
)

// Identity is one name by which one channel knows a person. For IdentityPhone
// the Channel is empty and Value is the phone token (see shared/identity), so
// that a phone means the same person on every channel.
type Identity struct {
	Kind    IdentityKind `json:"kind"`
	Channel Channel      `json:"channel,omitempty"`
	Value   string       `json:"value"`
}

// IsID tells whether text may be the id of something that operators name: 1 to
// 64 letters, digits, dots, hyphens and underscores, the first a letter or
// digit.
func IsID(text string) bool {
	for i, c := range []byte(text) {
		alphanumeric := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !alphanumeric && (i == 0 || c != '.' && c != '-' && c != '_') {
			return false
		}
	}
	return text != "" && len(text) <= 64
}

// Consent is a purpose a member agreed to, each by itself and each revocable.
type Consent string

// The purposes of consent (PIPL art. 13 to 16, 24).
const (
	ConsentMembership      Consent = "membership"
	ConsentMarketing       Consent = "marketing"
	ConsentPersonalisation Consent = "personalisation"
)
