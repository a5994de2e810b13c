package operate

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/huitou/huitou/shared/enrolment"
	"github.com/huitou/huitou/shared/idempotency"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/orders"
	"github.com/huitou/huitou/shared/rest"
	"github.com/huitou/huitou/shared/statement"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/token"
)

// enrolBody is who joins.
type enrolBody struct {
	Identities []identityBody    `json:"identities" minItems:"1" maxItems:"20"`
	Consents   []loyalty.Consent `json:"consents,omitempty" enum:"membership,marketing,personalisation" maxItems:"3"`
	GivenAt    *time.Time        `json:"given_at,omitempty" doc:"when the person gave the consents; a consent that was withdrawn is given again only by a later act, so without this it stays withdrawn"`
	Birthday   string            `json:"birthday,omitempty" pattern:"^[0-9]{4}-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?$" doc:"a month is enough: 2024-05"`
	Facts      map[string]string `json:"facts,omitempty" doc:"what the brand knows, in at most 20 short texts"`
}

type identityBody struct {
	Kind    loyalty.IdentityKind `json:"kind" enum:"buyer,openid,unionid,wecom,phone"`
	Channel loyalty.Channel      `json:"channel,omitempty" maxLength:"32" pattern:"^[a-z][a-z0-9_-]{0,31}$" doc:"as its orders name it; needed but for a phone, which is the same on every channel"`
	Value   string               `json:"value" minLength:"1" maxLength:"128"`
}

// member is a member as operators see them.
type member struct {
	MemberID   loyalty.MemberID  `json:"member_id"`
	JoinedAt   time.Time         `json:"joined_at"`
	Home       loyalty.Channel   `json:"home_channel,omitempty" doc:"where the member first bought"`
	Identities []shownIdentity   `json:"identities"`
	Consents   []loyalty.Consent `json:"consents"`

	Withdrawn map[loyalty.Consent]time.Time `json:"withdrawn,omitempty" doc:"when consents were withdrawn that are not given"`

	Agreed     string            `json:"agreed_version,omitempty" doc:"version of the member agreement and privacy notice in force when the membership was agreed to; absent where the program had none"`
	Birthday   string            `json:"birthday,omitempty"`
	Facts      map[string]string `json:"facts,omitempty"`
	Orders     int64             `json:"orders"`
	Paid       loyalty.Fen       `json:"paid"`
	Refunded   loyalty.Fen       `json:"refunded"`
	Points     statement.Points  `json:"points"`
	Tier       string            `json:"tier,omitempty" doc:"id of the tier; more at its own path"`
	MergedFrom []mergedMember    `json:"merged_from,omitempty" doc:"members who were merged into this one; what they have counts here"`
	MergedInto *mergedMember     `json:"merged_into,omitempty" doc:"the member as whose part this one counts; use that one"`
	ErasedAt   *time.Time        `json:"erased_at,omitempty" doc:"when the person was erased; the ledger is kept"`
}

type shownIdentity struct {
	Kind    loyalty.IdentityKind `json:"kind"`
	Channel loyalty.Channel      `json:"channel,omitempty"`
	Value   string               `json:"value" doc:"a phone is masked"`
}

func (f Function) registerMembers(api rest.API) {
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodPost, Path: "/v1/members", ID: "enrol", Act: "member.enrol", Tag: "members", Roles: clerks,
		Summary: "Make a member, or find the one with any of these identities and add the others",
		Status:  http.StatusOK, Also: map[int]string{http.StatusCreated: "Created"},
	}, f.enrol)
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodGet, Path: "/v1/members/{id}", ID: "member", Tag: "members", Roles: readers,
		Summary: "One member",
	}, func(ctx context.Context, in *MemberPath) (*rest.Body[member], error) {
		account, err := f.Store.Account(ctx, in.member())
		if err != nil {
			return nil, err
		}
		return f.wholeMember(ctx, account)
	})
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodGet, Path: "/v1/members/{id}/points", ID: "member-points", Tag: "members", Roles: readers,
		Summary: "A member's points",
	}, func(ctx context.Context, in *MemberPath) (*rest.Body[statement.Points], error) {
		account, err := f.Store.Account(ctx, in.member())
		if err != nil {
			return nil, err
		}
		return rest.Answer(statement.OfPoints(account, f.Clock())), nil
	})
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodGet, Path: "/v1/members/{id}/tier", ID: "member-tier", Tag: "members", Roles: readers,
		Summary: "A member's tier, growth value and what leads to the next",
	}, func(ctx context.Context, in *MemberPath) (*rest.Body[statement.Tier], error) {
		account, err := f.Store.Account(ctx, in.member())
		if err != nil {
			return nil, err
		}
		rules, err := f.rules(ctx)
		if err != nil {
			return nil, err
		}
		return rest.Answer(statement.OfTier(account, rules, f.Clock())), nil
	})
	registerHistory(f, api, "points/ledger", "member-ledger", "A member's ledger, newest first", statement.Ledger)
	registerHistory(f, api, "orders", "member-orders", "A member's orders, newest first", statement.Orders)
	registerHistory(f, api, "coupons", "member-coupons", "A member's coupons", f.coupons)
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodGet, Path: "/v1/members/{id}/reminders", ID: "member-reminders", Tag: "reminders", Roles: readers,
		Summary: "A member's reminders: due, sent or skipped, and why",
	}, func(ctx context.Context, in *struct {
		MemberPath
		rest.Paging
	},
	) (*rest.Body[rest.List[statement.Reminder]], error) {
		account, err := f.Store.Account(ctx, in.member())
		if err != nil {
			return nil, err
		}
		rules, err := f.rules(ctx)
		if err != nil {
			return nil, err
		}
		page, err := rest.PageOf(statement.Reminders(account, rules, f.Clock()), in.Paging)
		return rest.Answer(page), err
	})
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodPost, Path: "/v1/members/{id}/tokens", ID: "member-token", Act: "member-token.issue", Tag: "members",
		Roles: []token.Role{token.RoleIntegration}, Status: http.StatusCreated,
		Summary: "A short-lived token with which a member's own page or mini-program calls /v1/me",
	}, f.issueToken)
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodPut, Path: "/v1/members/{id}/consents/{consent}", ID: "give-consent", Act: "consent.give", Tag: "members", Roles: clerks,
		Summary: "Record a consent that the member gives now, also one that was withdrawn", Status: http.StatusNoContent,
	}, func(ctx context.Context, in *ConsentPath) (*struct{}, error) {
		rules, err := f.rules(ctx)
		if err != nil {
			return nil, err
		}
		changes := append([]table.Change{store.GiveConsent(in.Consent, f.Clock())}, store.Agree([]loyalty.Consent{in.Consent}, rules.Legal.VersionNow())...)
		return nil, f.change(ctx, in.member(), changes...)
	})
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodDelete, Path: "/v1/members/{id}/consents/{consent}", ID: "withdraw-consent", Act: "consent.withdraw", Tag: "members", Roles: clerks,
		Summary: "Withdraw a consent", Status: http.StatusNoContent,
	}, func(ctx context.Context, in *ConsentPath) (*struct{}, error) {
		return nil, f.change(ctx, in.member(), store.WithdrawConsent(in.Consent, f.Clock())...)
	})
}

// ConsentPath names a consent of a member.
type ConsentPath struct {
	MemberPath
	Consent loyalty.Consent `path:"consent" enum:"membership,marketing,personalisation"`
}

// change changes the account of a person; KindNotFound code "member_unknown"
// where there is none, and KindConflict as store.Account.Open says.
func (f Function) change(ctx context.Context, member loyalty.MemberID, changes ...table.Change) error {
	err := f.Store.Table.Write(ctx, store.UpdateAccount(member, changes, store.Alive()))
	if !store.Refused(err) {
		return err
	}
	account, err := store.AccountRefused(err, 0, member)
	if err != nil {
		return err
	}
	return account.Open()
}

func (f Function) enrol(ctx context.Context, in *rest.Body[enrolBody]) (*struct {
	Status int
	Body   member
}, error,
) {
	rules, err := f.rules(ctx)
	if err != nil {
		return nil, err
	}
	request := enrolment.Request{Consents: in.Body.Consents, Agreed: rules.Legal.VersionNow(), Birthday: in.Body.Birthday, Facts: in.Body.Facts}
	if err := checkFacts(in.Body.Facts); err != nil {
		return nil, err
	}
	if at := in.Body.GivenAt; at != nil {
		if at.After(f.Clock()) || at.Before(orders.Earliest) {
			return nil, loyalty.Invalid("/given_at", "out_of_range", "nobody gave a consent in the future, or before 2000")
		}
		request.GivenAt = *at
	}
	for i, identity := range in.Body.Identities {
		read, err := f.readIdentity(fmt.Sprintf("/identities/%d", i), identity)
		if err != nil {
			return nil, err
		}
		request.Identities = append(request.Identities, read)
	}
	id, created, err := f.join(ctx, request)
	if err != nil {
		return nil, err
	}
	account, err := f.Store.Account(ctx, id)
	if err != nil {
		return nil, err
	}
	shown, err := f.wholeMember(ctx, account)
	if err != nil {
		return nil, err
	}
	answer := &struct {
		Status int
		Body   member
	}{http.StatusOK, shown.Body}
	if created {
		answer.Status = http.StatusCreated
	}
	return answer, nil
}

// join makes or finds the member, and has the orders that waited credited.
func (f Function) join(ctx context.Context, request enrolment.Request) (loyalty.MemberID, bool, error) {
	id, created, err := enrolment.Enrol(ctx, f.Store, request, f.Random, f.Clock())
	if err != nil {
		return "", false, err
	}
	// Sent for every identity and every time: a message that was lost with an
	// earlier answer is made up for by the client's repeat.
	messages := make([][]byte, len(request.Identities))
	for i, identity := range request.Identities {
		messages[i] = enrolment.JoinedMessage(identity.Identity)
	}
	return id, created, f.Orders.Send(ctx, messages...)
}

func checkFacts(facts map[string]string) error {
	if len(facts) > 20 {
		return loyalty.Invalid("/facts", "out_of_range", "at most 20 facts")
	}
	for name, value := range facts {
		if name == "" || len(name) > 64 || len(value) > 256 {
			return loyalty.Invalid("/facts", "out_of_range", "a fact's name has 1 to 64 bytes, its text at most 256")
		}
	}
	return nil
}

// readIdentity takes an identity as it is kept, see enrolment.ReadIdentity.
func (f Function) readIdentity(pointer string, in identityBody) (enrolment.Identity, error) {
	read, err := enrolment.ReadIdentity(loyalty.Identity{Kind: in.Kind, Channel: in.Channel, Value: in.Value}, f.PhoneKey)
	return read, below(pointer, err)
}

func shownMember(account store.Account, now time.Time) member {
	m := member{
		MemberID: account.Member, JoinedAt: account.JoinedAt, Home: account.Home,
		Identities: shownIdentities(account), Consents: []loyalty.Consent{}, Agreed: account.Agreed,
		Birthday: account.Profile.Birthday, Facts: account.Profile.Facts,
		Orders: account.Orders, Paid: account.Paid, Refunded: account.Refunded,
		Points: statement.OfPoints(account, now), Tier: account.Tier.Level,
	}
	if merge := account.Merged; merge != nil {
		m.MergedInto = &mergedMember{merge.Into, merge.By.At, merge.By.Operator, merge.Reason}
	}
	if account.Erased != nil {
		m.ErasedAt = &account.Erased.By.At
	}
	for _, consent := range []loyalty.Consent{loyalty.ConsentMembership, loyalty.ConsentMarketing, loyalty.ConsentPersonalisation} {
		if _, given := account.Consents[consent]; given {
			m.Consents = append(m.Consents, consent)
		} else if at, withdrawn := account.Withdrawn[consent]; withdrawn {
			if m.Withdrawn == nil {
				m.Withdrawn = map[loyalty.Consent]time.Time{}
			}
			m.Withdrawn[consent] = at
		}
	}
	return m
}

func shownIdentities(account store.Account) []shownIdentity {
	identities := []shownIdentity{}
	for _, identity := range account.Profile.Identities {
		shown := shownIdentity{identity.Kind, identity.Channel, identity.Value}
		if identity.Shown != "" {
			shown.Value = identity.Shown
		}
		identities = append(identities, shown)
	}
	return identities
}

// registerHistory adds a list that belongs to one member.
func registerHistory[T any](f Function, api rest.API, path, id, summary string,
	page func(context.Context, store.Store, store.Account, int, string) ([]T, string, error),
) {
	type input struct {
		MemberPath
		rest.Paging
	}
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodGet, Path: "/v1/members/{id}/" + path, ID: id, Tag: "members", Roles: readers, Summary: summary,
	}, func(ctx context.Context, in *input) (*rest.Body[rest.List[T]], error) {
		account, err := f.Store.Account(ctx, in.member())
		if err != nil {
			return nil, err
		}
		items, next, err := page(ctx, f.Store, account, in.Limit, in.Cursor)
		if err != nil {
			return nil, err
		}
		return rest.Answer(rest.Page(items, next)), nil
	})
}

func (f Function) coupons(ctx context.Context, s store.Store, account store.Account, limit int, cursor string) ([]statement.Coupon, string, error) {
	return statement.Coupons(ctx, s, account, limit, cursor, f.Clock())
}

type memberToken struct {
	Token     string    `json:"token"`
	ExpiresAt time.Time `json:"expires_at"`
}

func (f Function) issueToken(ctx context.Context, in *MemberPath) (*rest.Body[memberToken], error) {
	account, err := f.Store.Account(ctx, in.member())
	if err != nil {
		return nil, err
	}
	if err := account.Open(); err != nil {
		return nil, err
	}
	idempotency.KeepSecret(ctx)
	raw, expiresAt, err := token.NewMember(f.TokenKey, in.member(), f.Clock())
	if err != nil {
		return nil, err
	}
	return rest.Answer(memberToken{raw, expiresAt}), nil
}
