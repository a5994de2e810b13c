package enrolment

import (
	"github.com/huitou/huitou/shared/identity"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/orders"
)

// ReadIdentity takes an identity as somebody wrote it, and is the one rule of all
// doors at which identities come in: a phone in any of the forms of
// identity.ParsePhone becomes its token under phoneKey, whatever its channel; every
// other has a channel and a name in the form in which order events have them,
// since "Tmall" would never meet the orders of "tmall". A masked name is refused.
// It fails with KindInvalid at /kind, /channel or /value, and repeats no value.
func ReadIdentity(written loyalty.Identity, phoneKey []byte) (Identity, error) {
	switch written.Kind {
	case loyalty.IdentityPhone:
		phone, err := identity.ParsePhone(written.Value)
		if err != nil {
			return Identity{}, loyalty.Invalid("/value", "not_a_phone", "a phone number is 11 digits, or + and the country code before them")
		}
		known, err := phone.Identity(phoneKey)
		return Identity{Identity: known, Shown: phone.String()}, err
	case loyalty.IdentityBuyer, loyalty.IdentityOpenID, loyalty.IdentityUnionID, loyalty.IdentityWeCom:
	default:
		return Identity{}, loyalty.Invalid("/kind", "unknown", "an identity is a buyer, openid, unionid, wecom or phone")
	}
	switch {
	case written.Channel == "":
		return Identity{}, loyalty.Invalid("/channel", "required", "only a phone means the same person on every channel")
	case !loyalty.IsChannel(string(written.Channel)):
		return Identity{}, loyalty.Invalid("/channel", "not_a_channel", "a channel has 1 to 32 lower case letters, digits, hyphens and underscores, a letter first, as its orders name it")
	case orders.IsMasked(written.Value):
		return Identity{}, loyalty.Invalid("/value", "masked", "a masked name or ciphertext stands for nobody")
	case !loyalty.IsName(written.Value, orders.MaxIDBytes):
		return Identity{}, loyalty.Invalid("/value", "malformed", "an identity's value has 1 to 128 bytes of printable characters, and no blank at either end")
	}
	return Identity{Identity: written}, nil
}
