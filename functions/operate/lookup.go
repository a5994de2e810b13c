package operate

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/enrolment"
	"github.com/huitou/huitou/shared/identity"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/rest"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
)

// lookupAct is the act that the audit log names for a look-up.
const lookupAct = "member.lookup"

// maxLookups is how often one operator looks members up in an hour of UTC. A
// shop's desk needs some tens; who walks through numbers needs thousands.
const maxLookups = 200

// lookupBody is one thing by which a member is looked for.
type lookupBody struct {
	Identity *identityBody `json:"identity,omitempty"`
	Order    *orderBody    `json:"order,omitempty"`
	Card     string        `json:"card,omitempty" minLength:"1" maxLength:"256" doc:"a card's code as it is printed or scanned, or its batch and number as GET /v1/card-holds writes them: K-00007-0000003"`
	Coupon   string        `json:"coupon,omitempty" minLength:"1" maxLength:"256" doc:"not yet: refused"`
}

// orderBody names an order.
type orderBody struct {
	Channel loyalty.Channel `json:"channel" minLength:"1" maxLength:"64"`
	Shop    string          `json:"shop" minLength:"1" maxLength:"64"`
	OrderID string          `json:"order_id" minLength:"1" maxLength:"128"`
}

func (o orderBody) key() loyalty.OrderKey {
	return loyalty.OrderKey{Channel: o.Channel, Shop: o.Shop, Order: o.OrderID}
}

// briefMember is a member as lists show them: nothing by which anybody else
// could find the person.
type briefMember struct {
	MemberID loyalty.MemberID `json:"member_id"`
	JoinedAt time.Time        `json:"joined_at"`
	Home     loyalty.Channel  `json:"home_channel,omitempty" doc:"where they first bought"`
	Phones   []string         `json:"phones,omitempty" doc:"masked"`
	Tier     string           `json:"tier,omitempty"`
	Orders   int64            `json:"orders"`
	ErasedAt *time.Time       `json:"erased_at,omitempty" doc:"when the person was erased; the ledger is kept"`
}

func (f Function) registerLookup(api rest.API) {
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodPost, Path: "/v1/members/lookup", ID: "lookup-members", Act: lookupAct, Tag: "members", Roles: shopkeepers,
		NoIdempotencyKey: true, Throttled: true,
		Summary: "Find members by an identity, an order or a card (查找会员); makes nobody, at most 200 an operator and hour, each in the audit log by a keyed hash",
	}, f.lookup)
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodGet, Path: "/v1/members", ID: "members", Tag: "members", Roles: shopkeepers,
		Summary: "Members (会员), the last who joined first; it may lag behind by a moment, and a page may be short, or empty, and yet have a next_cursor",
	}, f.members)
}

type lookupInput struct{ Body lookupBody }

// ActOn is what is looked for, in the clear: record hashes it.
func (in lookupInput) ActOn() string {
	kind, parts := "nothing", []string{}
	switch body := in.Body; {
	case body.Identity != nil:
		kind, parts = string(body.Identity.Kind), []string{string(body.Identity.Channel), body.Identity.Value}
	case body.Order != nil:
		kind, parts = "order", []string{string(body.Order.Channel), body.Order.Shop, body.Order.OrderID}
	case body.Card != "":
		kind, parts = "card", []string{body.Card}
	case body.Coupon != "":
		kind, parts = "coupon", []string{body.Coupon}
	}
	return kind + "\n" + strings.Join(parts, "\n")
}

// lookedUp is what the audit log says of what was looked for: its kind, and a
// hash under the brand's phone key, the same whenever the same is looked for
// however it is written.
func (f Function) lookedUp(on string) string {
	kind, what, _ := strings.Cut(on, "\n")
	switch kind {
	case string(loyalty.IdentityPhone):
		_, written, _ := strings.Cut(what, "\n")
		if phone, err := identity.ParsePhone(written); err == nil {
			if known, err := phone.Identity(f.PhoneKey); err == nil {
				what = known.Value
			}
		}
	case "card":
		if code, ok := f.cardOf(what); ok {
			what = code.HoldID()
		}
	}
	mac := hmac.New(sha256.New, f.PhoneKey)
	fmt.Fprintf(mac, "lookup/v1 %q %q", kind, what) // a phone begins with "+"
	return kind + "~" + hex.EncodeToString(mac.Sum(nil)[:8])
}

// cardOf reads a card's code, or its batch and number.
func (f Function) cardOf(text string) (cards.Code, bool) {
	if code, ok := cards.ParseHoldID(text); ok {
		return code, true
	}
	code, err := f.Keys.Codec().Parse(text[strings.LastIndexByte(text, '/')+1:])
	return code, err == nil
}

func (f Function) lookup(ctx context.Context, in *lookupInput) (*rest.Body[rest.List[briefMember]], error) {
	find, err := f.finder(in.Body)
	if err != nil {
		return nil, err
	}
	now, who := f.Clock(), f.whoCalls(ctx)
	counted, err := f.Store.CountLookup(ctx, who, now, maxLookups)
	if err != nil {
		return nil, err
	}
	if !counted {
		f.Log.WarnContext(ctx, "look-ups beyond the limit", "operator", who)
		refusal := loyalty.Refuse(loyalty.KindThrottled, "too_many_lookups", "200 look-ups in an hour are an operator's limit; wait for the next hour")
		refusal.After = now.Truncate(time.Hour).Add(time.Hour).Sub(now)
		return nil, refusal
	}
	answer := rest.List[briefMember]{Items: []briefMember{}}
	member, err := find(ctx)
	if err != nil || member == "" {
		return rest.Answer(answer), err
	}
	account, err := enrolment.Whole(ctx, f.Store, member)
	if err != nil {
		return nil, err
	}
	answer.Items = append(answer.Items, brief(account))
	return rest.Answer(answer), nil
}

// finder reads what is looked for; what it returns finds whose it is, "" for
// nobody's.
func (f Function) finder(in lookupBody) (func(context.Context) (loyalty.MemberID, error), error) {
	given := 0
	for _, is := range []bool{in.Identity != nil, in.Order != nil, in.Card != "", in.Coupon != ""} {
		if is {
			given++
		}
	}
	if given != 1 {
		return nil, loyalty.Invalid("", "one_of", "look for one thing: identity, order, card or coupon")
	}
	switch {
	case in.Identity != nil:
		read, err := f.readIdentity("/identity", *in.Identity)
		return func(ctx context.Context) (loyalty.MemberID, error) {
			owners, err := f.Store.Owners(ctx, read.Identity)
			if err != nil {
				return "", err
			}
			return owners[0], nil
		}, err
	case in.Order != nil:
		return func(ctx context.Context) (loyalty.MemberID, error) {
			log, err := f.Store.Log(ctx, in.Order.key())
			return points.Replay(in.Order.key(), log).Member, err
		}, nil
	case in.Card != "":
		return func(ctx context.Context) (loyalty.MemberID, error) {
			code, ok := f.cardOf(in.Card)
			if !ok {
				return "", nil
			}
			found, err := f.Store.CardClaims(ctx, code)
			if err != nil || found.Redemption == nil {
				return "", err
			}
			return found.Redemption.Member, nil
		}, nil
	}
	return nil, loyalty.Invalid("/coupon", "not_findable", "members cannot be found by a coupon's code yet; use an identity, an order or a card")
}

func brief(account store.Account) briefMember {
	shown := briefMember{
		MemberID: account.Member, JoinedAt: account.JoinedAt, Home: account.Home, Tier: account.Tier.Level, Orders: account.Orders,
	}
	for _, identity := range account.Profile.Identities {
		if identity.Kind == loyalty.IdentityPhone {
			shown.Phones = append(shown.Phones, identity.Shown)
		}
	}
	if account.Erased != nil {
		shown.ErasedAt = &account.Erased.By.At
	}
	return shown
}

// members leaves out who was merged or erased since the index was read.
func (f Function) members(ctx context.Context, in *rest.Paging) (*rest.Body[rest.List[briefMember]], error) {
	ids, next, err := f.Store.Newcomers(ctx, in.Limit, in.Cursor)
	if err != nil {
		return nil, err
	}
	accounts, err := f.Store.Accounts(ctx, table.Strong, ids...)
	if err != nil {
		return nil, err
	}
	shown := []briefMember{}
	for _, account := range accounts {
		if account != nil && account.Open() == nil {
			shown = append(shown, brief(*account))
		}
	}
	return rest.Answer(rest.Page(shown, next)), nil
}
