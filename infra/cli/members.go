package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/huitou/huitou/shared/loyalty"
)

type membersCommands struct {
	Find      MembersFindCommand      `cmd:"" help:"Find a member by an identity, an order or a card (查找会员)."`
	List      MembersListCommand      `cmd:"" help:"Members, the last who joined first."`
	Enrol     MembersEnrolCommand     `cmd:"" help:"Make a member, or find them by an identity and add the others."`
	Import    MembersImportCommand    `cmd:"" help:"Import members from an old system (迁移), with what they had there."`
	Show      MembersShowCommand      `cmd:"" help:"One member (会员资料)."`
	Points    MembersPointsCommand    `cmd:"" help:"A member's points (积分)."`
	Ledger    MembersLedgerCommand    `cmd:"" help:"A member's ledger (积分流水), newest first."`
	Orders    MembersOrdersCommand    `cmd:"" help:"A member's orders, newest first."`
	Coupons   MembersCouponsCommand   `cmd:"" help:"A member's coupons (优惠券)."`
	Reminders MembersRemindersCommand `cmd:"" help:"A member's reminders, and why."`
	Token     MembersTokenCommand     `cmd:"" help:"A short-lived token for the member's own page."`
	Merge     MembersMergeCommand     `cmd:"" help:"Merge another member into one (会员合并)."`
	Unmerge   MembersUnmergeCommand   `cmd:"" help:"Undo a merge (撤销合并)."`
	Erase     MembersEraseCommand     `cmd:"" help:"Erase the person behind a member (注销)."`
	Consent   struct {
		Give     MembersGiveConsentCommand     `cmd:"" help:"Record a consent."`
		Withdraw MembersWithdrawConsentCommand `cmd:"" help:"Withdraw a consent."`
	} `cmd:"" help:"A member's consents (授权)."`
}

// MembersEnrolCommand is `huitou members enrol`.
type MembersEnrolCommand struct {
	Identity   []string          `required:"" sep:"none" placeholder:"KIND:CHANNEL:VALUE" help:"buyer, openid, unionid or wecom with its channel and value; a phone needs no channel: phone:13800000000. May be given several times."`
	Consent    []string          `enum:"membership,marketing,personalisation" placeholder:"CONSENT" help:"membership, marketing or personalisation. May be given several times."`
	GivenAt    string            `placeholder:"TIME" help:"When the person gave the consents, such as 2026-11-21T10:00:00+08:00. What was withdrawn is given again only by a later act."`
	Birthday   string            `placeholder:"YYYY-MM[-DD]" help:"A month is enough."`
	Fact       map[string]string `mapsep:"none" placeholder:"NAME=TEXT" help:"What the brand knows. May be given several times."`
	Repeat     `embed:""`
	Connection `embed:""`
}

// Help is the long help.
func (MembersEnrolCommand) Help() string {
	return `Enrolling a known identity finds its member; nothing is made twice.

Examples:

    huitou members enrol --identity buyer:tmall:b-2156 --consent membership --consent marketing

    huitou members enrol --identity openid:wechat:oX9a --identity phone:13800000000 --birthday 2024-05 --fact baby=stage-2`
}

type identityFlag struct {
	Kind    string `json:"kind"`
	Channel string `json:"channel,omitempty"`
	Value   string `json:"value"`
}

// readIdentity reads kind:channel:value. The value may hold colons.
func readIdentity(text string) (identityFlag, error) {
	kind, rest, ok := strings.Cut(text, ":")
	identity := identityFlag{Kind: kind, Value: rest}
	if ok && kind != string(loyalty.IdentityPhone) {
		identity.Channel, identity.Value, ok = strings.Cut(rest, ":")
	}
	identity.Value = strings.TrimPrefix(identity.Value, ":") // phone::13800000000
	if !ok || identity.Value == "" {
		// The text may be a phone number, so it is not said again.
		return identity, &UsageError{"--identity is KIND:CHANNEL:VALUE, such as buyer:tmall:b-2156, or phone:13800000000"}
	}
	return identity, nil
}

type shownMember struct {
	MemberID   string            `json:"member_id"`
	JoinedAt   string            `json:"joined_at"`
	Home       string            `json:"home_channel"`
	Identities []identityFlag    `json:"identities"`
	Consents   []string          `json:"consents"`
	Agreed     string            `json:"agreed_version"`
	Birthday   string            `json:"birthday"`
	Facts      map[string]string `json:"facts"`
	Orders     int64             `json:"orders"`
	Paid       loyalty.Fen       `json:"paid"`
	Refunded   loyalty.Fen       `json:"refunded"`
	Points     shownPoints       `json:"points"`
	MergedFrom []shownMerge      `json:"merged_from"`
	MergedInto *shownMerge       `json:"merged_into"`
	ErasedAt   string            `json:"erased_at"`
}

type shownMerge struct {
	MemberID string `json:"member_id"`
	At       string `json:"at"`
	Operator string `json:"operator"`
	Reason   string `json:"reason"`
}

func (m shownMerge) String() string {
	return m.MemberID + ", " + m.At + ", by " + m.Operator + ": " + m.Reason
}

func (m shownMember) String() string {
	pairs := []string{"member", m.MemberID}
	if m.MergedInto != nil {
		pairs = append(pairs, "merged into", m.MergedInto.String())
	}
	for _, part := range m.MergedFrom {
		pairs = append(pairs, "merged from", part.String())
	}
	pairs = append(pairs, "erased", m.ErasedAt, "joined", m.JoinedAt, "home channel", m.Home)
	for _, identity := range m.Identities {
		pairs = append(pairs, "identity", strings.Join(strings.Fields(identity.Kind+" "+identity.Channel), " ")+" "+identity.Value)
	}
	pairs = append(pairs, "consents", or(strings.Join(m.Consents, ", "), "none"), "agreed to", m.Agreed, "birthday", m.Birthday)
	for _, name := range slices.Sorted(maps.Keys(m.Facts)) {
		pairs = append(pairs, "fact", name+" = "+m.Facts[name])
	}
	pairs = append(pairs, "orders", fmt.Sprint(m.Orders), "paid", money(m.Paid), "refunded", money(m.Refunded))
	return facts(append(pairs, m.Points.facts()...)...)
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

type shownPoints struct {
	Available loyalty.Points `json:"available"`
	Pending   loyalty.Points `json:"pending"`
	Debt      loyalty.Points `json:"debt"`
	Expiring  []struct {
		At     string         `json:"at"`
		Points loyalty.Points `json:"points"`
	} `json:"expiring"`
}

func (p shownPoints) facts() []string {
	pairs := []string{
		"points available", fmt.Sprint(p.Available), "points pending", fmt.Sprint(p.Pending), "points in debt", fmt.Sprint(p.Debt),
	}
	for _, part := range p.Expiring {
		pairs = append(pairs, "points expiring", fmt.Sprintf("%d at %s", part.Points, part.At))
	}
	return pairs
}

// Run enrols.
func (c MembersEnrolCommand) Run(ctx context.Context, console Console) error {
	body := struct {
		Identities []identityFlag    `json:"identities"`
		Consents   []string          `json:"consents,omitempty"`
		GivenAt    string            `json:"given_at,omitempty"`
		Birthday   string            `json:"birthday,omitempty"`
		Facts      map[string]string `json:"facts,omitempty"`
	}{Consents: c.Consent, GivenAt: c.GivenAt, Birthday: c.Birthday, Facts: c.Fact}
	for _, text := range c.Identity {
		identity, err := readIdentity(text)
		if err != nil {
			return err
		}
		body.Identities = append(body.Identities, identity)
	}
	key, err := c.key()
	if err != nil {
		return err
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return err
	}
	huitou, err := c.open()
	if err != nil {
		return err
	}
	answer, err := huitou.do(ctx, call{method: http.MethodPost, path: []string{"v1", "members"}, body: raw, key: key})
	if err != nil {
		return err
	}
	return render(console, c.Connection, answer, func(m shownMember) string {
		if answer.status == http.StatusCreated {
			return "enrolled\n" + m.String()
		}
		return "found, and given what was new\n" + m.String()
	})
}

// Member names the member of a command.
type Member struct {
	ID string `arg:"" name:"id" help:"The member's id."`
}

func (m Member) path(more ...string) []string {
	return append([]string{"v1", "members", m.ID}, more...)
}

// MembersShowCommand is `huitou members show`.
type MembersShowCommand struct {
	Member     `embed:""`
	Connection `embed:""`
}

// Help is the long help.
func (MembersShowCommand) Help() string {
	return `Phones are masked.

Examples:

    huitou members show mjzlf3ftcmmxc3iz4

    huitou members show mjzlf3ftcmmxc3iz4 --json`
}

// Run shows a member.
func (c MembersShowCommand) Run(ctx context.Context, console Console) error {
	return show(ctx, console, c.Connection, get(c.path()...), shownMember.String)
}

// MembersPointsCommand is `huitou members points`.
type MembersPointsCommand struct {
	Member     `embed:""`
	Connection `embed:""`
}

// Help is the long help.
func (MembersPointsCommand) Help() string {
	return `The balance is available + pending − debt.

Examples:

    huitou members points mjzlf3ftcmmxc3iz4`
}

// Run shows points.
func (c MembersPointsCommand) Run(ctx context.Context, console Console) error {
	return show(ctx, console, c.Connection, get(c.path("points")...), func(p shownPoints) string { return facts(p.facts()...) })
}

// MembersLedgerCommand is `huitou members ledger`.
type MembersLedgerCommand struct {
	Member     `embed:""`
	Paging     `embed:""`
	Connection `embed:""`
}

// Help is the long help.
func (MembersLedgerCommand) Help() string {
	return `Every entry shows what it changed.

Examples:

    huitou members ledger mjzlf3ftcmmxc3iz4 --limit 10

    huitou members ledger mjzlf3ftcmmxc3iz4 --all --json`
}

// Run lists the ledger.
func (c MembersLedgerCommand) Run(ctx context.Context, console Console) error {
	type entry struct {
		Kind      string         `json:"kind"`
		At        string         `json:"at"`
		Available loyalty.Points `json:"available"`
		Pending   loyalty.Points `json:"pending"`
		Debt      loyalty.Points `json:"debt"`
		Channel   string         `json:"channel"`
		OrderID   string         `json:"order_id"`
		LineID    string         `json:"line_id"`
		Program   int64          `json:"program_version"`
	}
	return list(ctx, console, c.Connection, c.Paging, get(c.path("points", "ledger")...),
		[]string{"AT", "KIND", "AVAILABLE", "PENDING", "DEBT", "CHANNEL", "ORDER", "LINE", "PROGRAM"},
		func(e entry) []string {
			return []string{e.At, e.Kind, fmt.Sprint(e.Available), fmt.Sprint(e.Pending), fmt.Sprint(e.Debt), e.Channel, e.OrderID, e.LineID, fmt.Sprint(e.Program)}
		})
}

// MembersOrdersCommand is `huitou members orders`.
type MembersOrdersCommand struct {
	Member     `embed:""`
	Paging     `embed:""`
	Connection `embed:""`
}

// Help is the long help.
func (MembersOrdersCommand) Help() string {
	return `Amounts are for goods, without shipping.

Examples:

    huitou members orders mjzlf3ftcmmxc3iz4 --all`
}

// Run lists orders.
func (c MembersOrdersCommand) Run(ctx context.Context, console Console) error {
	type order struct {
		Channel     string `json:"channel"`
		Shop        string `json:"shop"`
		OrderID     string `json:"order_id"`
		PaidAt      string `json:"paid_at"`
		CompletedAt string `json:"completed_at"`
		SettlesAt   string `json:"settles_at"`
		Cancelled   bool   `json:"cancelled"`
		Lines       []struct {
			Paid     loyalty.Fen    `json:"paid"`
			Refunded loyalty.Fen    `json:"refunded"`
			Points   loyalty.Points `json:"points"`
		} `json:"lines"`
	}
	return list(ctx, console, c.Connection, c.Paging, get(c.path("orders")...),
		[]string{"PAID AT", "CHANNEL", "SHOP", "ORDER", "LINES", "PAID", "REFUNDED", "POINTS", "STATE", "SETTLES AT"},
		func(o order) []string {
			var paid, refunded loyalty.Fen
			var points loyalty.Points
			for _, line := range o.Lines {
				paid, refunded, points = paid+line.Paid, refunded+line.Refunded, points+line.Points
			}
			state := "paid"
			switch {
			case o.Cancelled:
				state = "cancelled"
			case o.CompletedAt != "":
				state = "completed"
			}
			return []string{o.PaidAt, o.Channel, o.Shop, o.OrderID, fmt.Sprint(len(o.Lines)), money(paid), money(refunded), fmt.Sprint(points), state, o.SettlesAt}
		})
}

// MembersCouponsCommand is `huitou members coupons`.
type MembersCouponsCommand struct {
	Member     `embed:""`
	Paging     `embed:""`
	Connection `embed:""`
}

// Help is the long help.
func (MembersCouponsCommand) Help() string {
	return `A coupon's code is shown only with --json.

Examples:

    huitou members coupons mjzlf3ftcmmxc3iz4`
}

// Run lists coupons.
func (c MembersCouponsCommand) Run(ctx context.Context, console Console) error {
	type coupon struct {
		Template  string      `json:"template"`
		Name      string      `json:"name"`
		Threshold loyalty.Fen `json:"threshold"`
		Discount  loyalty.Fen `json:"discount"`
		State     string      `json:"state"`
		Expired   bool        `json:"expired"`
		IssuedAt  string      `json:"issued_at"`
		ExpiresAt string      `json:"expires_at"`
		Trigger   string      `json:"trigger"`
	}
	return list(ctx, console, c.Connection, c.Paging, get(c.path("coupons")...),
		[]string{"TEMPLATE", "NAME", "FROM", "OFF", "STATE", "ISSUED AT", "EXPIRES AT", "BY"},
		func(k coupon) []string {
			if k.Expired {
				k.State += ", expired"
			}
			return []string{k.Template, k.Name, money(k.Threshold), money(k.Discount), k.State, k.IssuedAt, k.ExpiresAt, k.Trigger}
		})
}

type shownReminder struct {
	MemberID string `json:"member_id"`
	Category string `json:"category"`
	BoughtAt string `json:"bought_at"`
	DueAt    string `json:"due_at"`
	Lead     int    `json:"lead_days"`
	State    string `json:"state"`
	Reason   string `json:"reason"`
	Why      string `json:"why"`
	// PostponedFrom is "" for one that the cap does not hold up.
	PostponedFrom string `json:"postponed_from"`
	// MessageOf is "" unless another category names the message.
	MessageOf string `json:"message_of"`
}

func (r shownReminder) state() string {
	switch {
	case r.Reason != "":
		return r.State + ": " + r.Reason
	case r.PostponedFrom != "":
		return r.State + ": postponed from " + r.PostponedFrom
	case r.MessageOf != "":
		return r.State + ": with " + r.MessageOf
	}
	return r.State
}

// MembersRemindersCommand is `huitou members reminders`.
type MembersRemindersCommand struct {
	Member     `embed:""`
	Paging     `embed:""`
	Connection `embed:""`
}

// Help is the long help.
func (MembersRemindersCommand) Help() string {
	return `Due, sent or skipped, and the reason. A reminder that the cap on messages
holds up is postponed to the first allowed hour at which the cap has room, as
long as the goods are not used up by then.

Examples:

    huitou members reminders mjzlf3ftcmmxc3iz4`
}

// Run lists reminders.
func (c MembersRemindersCommand) Run(ctx context.Context, console Console) error {
	return list(ctx, console, c.Connection, c.Paging, get(c.path("reminders")...),
		[]string{"DUE AT", "CATEGORY", "BOUGHT AT", "LEAD DAYS", "STATE", "WHY"},
		func(r shownReminder) []string {
			return []string{r.DueAt, r.Category, r.BoughtAt, fmt.Sprint(r.Lead), r.state(), r.Why}
		})
}

// MembersTokenCommand is `huitou members token`.
type MembersTokenCommand struct {
	Member     `embed:""`
	Repeat     `embed:""`
	Connection `embed:""`
}

// Help is the long help.
func (MembersTokenCommand) Help() string {
	return `The token opens /v1/me for this member and nothing else. Only integrations and admins may ask for one.

Examples:

    huitou members token mjzlf3ftcmmxc3iz4`
}

// Run issues a token.
func (c MembersTokenCommand) Run(ctx context.Context, console Console) error {
	key, err := c.key()
	if err != nil {
		return err
	}
	type token struct {
		Token     string `json:"token"`
		ExpiresAt string `json:"expires_at"`
	}
	return show(ctx, console, c.Connection, call{method: http.MethodPost, path: c.path("tokens"), key: key},
		func(t token) string { return facts("token", t.Token, "until", t.ExpiresAt) })
}

// Consent names a consent of a member.
type Consent struct {
	Member  `embed:""`
	Consent string `arg:"" name:"consent" enum:"membership,marketing,personalisation" help:"membership, marketing or personalisation."`
}

// MembersGiveConsentCommand is `huitou members consent give`.
type MembersGiveConsentCommand struct {
	Consent    `embed:""`
	Connection `embed:""`
}

// Help is the long help.
func (MembersGiveConsentCommand) Help() string {
	return `Examples:

    huitou members consent give mjzlf3ftcmmxc3iz4 marketing`
}

// Run records a consent.
func (c MembersGiveConsentCommand) Run(ctx context.Context, console Console) error {
	return c.Consent.change(ctx, console, c.Connection, http.MethodPut, "given")
}

// MembersWithdrawConsentCommand is `huitou members consent withdraw`.
type MembersWithdrawConsentCommand struct {
	Consent    `embed:""`
	Connection `embed:""`
}

// Help is the long help.
func (MembersWithdrawConsentCommand) Help() string {
	return `Nothing that needs the consent is sent from then on.

Examples:

    huitou members consent withdraw mjzlf3ftcmmxc3iz4 marketing`
}

// Run withdraws a consent.
func (c MembersWithdrawConsentCommand) Run(ctx context.Context, console Console) error {
	return c.Consent.change(ctx, console, c.Connection, http.MethodDelete, "withdrawn")
}

// change has no answer to show: --json prints what was done.
func (c Consent) change(ctx context.Context, console Console, connection Connection, method, done string) error {
	huitou, err := connection.open()
	if err != nil {
		return err
	}
	if _, err := huitou.do(ctx, call{method: method, path: c.path("consents", c.Consent)}); err != nil {
		return err
	}
	if connection.JSON {
		return console.value(map[string]string{"member_id": c.ID, "consent": c.Consent, "state": done})
	}
	return console.text(fmt.Sprintf("%s: %s %s\n", printable(c.ID), c.Consent, done))
}
