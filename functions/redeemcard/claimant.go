package redeemcard

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/enrolment"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/strictjson"
	"github.com/huitou/huitou/shared/token"
)

// claimant is who wants a card's prize: a member by their token, or an
// identity.
type claimant struct {
	member   loyalty.MemberID // proved by a member token; "" with an identity
	identity loyalty.Identity
	last4    string // of a phone, for the page
	consents []loyalty.Consent
	ground   cards.Ground  // of an appeal
	returns  bool          // who only wants to see what they won: redeems nothing
	request  string        // fingerprint of the Idempotency-Key, "" without one
	known    store.Account // their account, where a credit was refused and had to look at it
	parts    []store.Merge // which accounts were then found to be parts of others
}

// unproved tells a typed phone: it may be anybody's, so the prize is kept for
// its owner and nothing is said about them.
func (c claimant) unproved() bool { return c.member == "" && c.identity.Kind == loyalty.IdentityPhone }

// Redemption is the body of a redemption. A member's token in the Authorization
// header takes the place of the identity, and of the whole body.
type Redemption struct {
	Identity *Identity         `json:"identity,omitzero"`
	Consents []loyalty.Consent `json:"consents,omitzero" enum:"membership,marketing,personalisation"`
}

// Appeal is the body of an appeal: who redeemed the card, and why the prize is theirs.
type Appeal struct {
	Redemption
	Ground cards.Ground `json:"ground,omitzero" required:"true" enum:"bought,given,other"`
}

// Identity names a customer to the brand.
type Identity struct {
	Kind    loyalty.IdentityKind `json:"kind" enum:"buyer,openid,unionid,wecom,phone"`
	Channel loyalty.Channel      `json:"channel,omitzero"`
	Value   string               `json:"value"`
}

const (
	maxIdentity       = 128
	maxIdempotencyKey = 255
)

// claimant reads the body of a redemption, or the member token that takes its
// place.
func (f *Function) claimant(r *http.Request) (claimant, error) {
	request, err := fingerprint(r.Header.Get("Idempotency-Key"))
	if err != nil {
		return claimant{}, err
	}
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return claimant{}, err
	}
	var body Appeal
	if len(raw) > 0 {
		if err := checkMedia(r.Header, "application/json"); err != nil {
			return claimant{}, err
		}
		if body, err = readBody(raw); err != nil {
			return claimant{}, err
		}
	}
	if header := r.Header.Get("Authorization"); header != "" {
		bearer, err := token.Bearer(header)
		if err != nil {
			return claimant{}, err
		}
		member, err := token.VerifyMember(f.TokenKey, bearer, f.Clock())
		if err != nil {
			return claimant{}, err
		}
		return claimant{member: member, ground: body.Ground, request: request}, nil
	}
	if body.Identity == nil {
		return claimant{}, loyalty.Invalid("/identity", "required", "send an identity, or a member token in the Authorization header")
	}
	who, err := f.identify(*body.Identity)
	who.consents, who.ground, who.request = body.Consents, body.Ground, request
	return who, err
}

func readBody(raw []byte) (Appeal, error) {
	var body Appeal
	if err := strictjson.Decode(raw, &body); err != nil {
		return body, err
	}
	for i, consent := range body.Consents {
		if !slices.Contains(allConsents, consent) {
			return body, loyalty.Invalid(fmt.Sprintf("/consents/%d", i), "unknown", "a consent is membership, marketing or personalisation")
		}
	}
	return body, nil
}

var allConsents = []loyalty.Consent{loyalty.ConsentMembership, loyalty.ConsentMarketing, loyalty.ConsentPersonalisation}

// identify turns what was sent into an identity as it is kept. Errors never
// repeat the value.
func (f *Function) identify(body Identity) (claimant, error) {
	read, err := enrolment.ReadIdentity(loyalty.Identity{Kind: body.Kind, Channel: body.Channel, Value: body.Value}, f.PhoneKey)
	if refusal, ok := errors.AsType[*loyalty.Error](err); ok && len(refusal.Fields) > 0 {
		return claimant{}, loyalty.Invalid("/identity"+refusal.Fields[0].Pointer, refusal.Fields[0].Code, refusal.Detail)
	}
	who := claimant{identity: read.Identity}
	if read.Kind == loyalty.IdentityPhone {
		who.last4 = read.Shown[max(0, len(read.Shown)-last4):]
	}
	return who, err
}

// fingerprint is what is kept of an Idempotency-Key.
func fingerprint(key string) (string, error) {
	if key == "" {
		return "", nil
	}
	if len(key) > maxIdempotencyKey || strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r > '~' }) {
		return "", loyalty.Invalid("Idempotency-Key", "malformed", "an Idempotency-Key has 1 to 255 printable ASCII characters")
	}
	sum := sha256.Sum256([]byte(key))
	return base64.RawURLEncoding.EncodeToString(sum[:12]), nil
}

// claimantFromForm reads the page's own form. Fields says by name which ones
// are wrong; there is an error only for what is no such form at all.
func (f *Function) claimantFromForm(r *http.Request) (who claimant, fields []string, typed string, err error) {
	form, err := readForm(r)
	if err != nil {
		return who, nil, "", err
	}
	typed = form.Get("phone")
	who, err = f.identify(Identity{Kind: loyalty.IdentityPhone, Value: typed})
	if loyalty.KindOf(err) == loyalty.KindInvalid {
		fields, err = append(fields, "phone"), nil
	}
	for _, consent := range allConsents {
		if slices.Contains(form["consent"], string(consent)) {
			who.consents = append(who.consents, consent)
		}
	}
	who.ground = cards.Ground(form.Get("ground"))
	if !slices.Contains(who.consents, loyalty.ConsentMembership) {
		fields = append(fields, "membership")
	}
	return who, fields, typed, err
}

// readForm reads the body of one of the page's own forms.
func readForm(r *http.Request) (url.Values, error) {
	if err := checkMedia(r.Header, "application/x-www-form-urlencoded"); err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(raw))
	if err != nil || !utf8.Valid(raw) {
		return nil, loyalty.Invalid("", "not_a_form", "the body is not a form")
	}
	return form, nil
}

// checkMedia takes one media type in UTF-8, not compressed.
func checkMedia(header http.Header, want string) error {
	media, parameters, err := mime.ParseMediaType(header.Get("Content-Type"))
	charset, named := parameters["charset"]
	if err != nil || media != want || named && !strings.EqualFold(charset, "utf-8") {
		return loyalty.Refuse(loyalty.KindUnsupported, "media_type", "the body must be "+want+" in UTF-8")
	}
	if encoding := header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return loyalty.Refuse(loyalty.KindUnsupported, "encoded_body", "the body must not be compressed")
	}
	return nil
}
