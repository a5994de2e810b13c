// Package program is the brand's rules (会员计划): one versioned document that
// every decision records the version of. It never holds a secret.
package program

import (
	"embed"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	// The brand's time zone must be known on machines without a zone database.
	_ "time/tzdata"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/pagestyle"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/repurchase"
	"github.com/huitou/huitou/shared/tiers"
)

// Program is one version of the rules.
type Program struct {
	Version     int64     `json:"version"`      // from 1; 0 is the program that ships with huitou
	EffectiveAt time.Time `json:"effective_at"` // decisions about what happened from then on use it
	Document
}

// Document is what an operator edits.
type Document struct {
	Brand      Brand            `json:"brand" doc:"what customers see of the brand"`
	Currency   string           `json:"currency" pattern:"^[A-Z]{3}$" doc:"ISO 4217; all amounts are in its minor unit"`
	TimeZone   string           `json:"time_zone" minLength:"1" doc:"IANA name; days, quiet hours and schedules follow it"`
	Points     points.Rules     `json:"points" doc:"what purchases earn (积分规则)"`
	Repurchase repurchase.Rules `json:"repurchase" doc:"when customers need the goods again, and when they may be told (复购提醒)"`
	Cards      *cards.Rules     `json:"cards,omitempty" doc:"package cards (包裹卡); absent: the defaults"`
	Legal      *Legal           `json:"legal,omitempty" doc:"what members agree to: shown beside the required consent, and the version kept with it; absent: pages ask without"`
	Tiers      *tiers.Rules     `json:"tiers,omitempty" doc:"growth value and tiers (成长值, 会员等级); absent: there are none"`
}

// Brand is what customers see on pages and in messages.
type Brand struct {
	Name     string            `json:"name" minLength:"1" maxLength:"40" doc:"as customers know it"`
	NameEN   string            `json:"name_en,omitempty" maxLength:"80" doc:"on English pages; the name where it is absent"`
	Colour   string            `json:"colour" pattern:"^#[0-9a-fA-F]{6}$" doc:"the accent of its pages"`
	Contact  string            `json:"contact" maxLength:"200" doc:"how a customer reaches the brand: shown where a card is refused"`
	Homepage string            `json:"homepage,omitempty" maxLength:"200" doc:"its address"`
	Links    map[string]string `json:"links,omitempty" doc:"where a reminder leads, by channel; \"\" is the default"`
	// Welcome greets a new WeCom friend; WeCom takes 4,000 bytes.
	Welcome string `json:"welcome,omitempty" maxLength:"4000" doc:"what a new WeCom friend is greeted with (欢迎语); empty leaves it to the staff"`
	// WelcomePrize and WelcomeTaken follow it where a package card brought the friend.
	WelcomePrize string `json:"welcome_prize,omitempty" maxLength:"200" doc:"said after the greeting to a friend whose package card's prize is theirs by that (好友核实); our own sentence where it is absent"`
	WelcomeTaken string `json:"welcome_taken,omitempty" maxLength:"200" doc:"said to one who cannot have it: it became somebody else's before, or the batch is frozen; our own sentence where it is absent"`
	// FriendLink is a WeCom acquisition link (获客链接).
	FriendLink string `json:"friend_link,omitempty" maxLength:"200" doc:"the WeCom acquisition link (获客链接) on a card's page, https://work.weixin.qq.com/ca/…"`
	// Shops are what a card's page asks for when an order is claimed there.
	Shops []Shop `json:"shops,omitempty" maxItems:"20" doc:"the shops whose orders are claimed by number on a card's page after the prize (凭单号认领), as they are offered there; none: the page leads to claim_link"`
	// ClaimLink is where a member claims an order by its number.
	ClaimLink string `json:"claim_link,omitempty" maxLength:"200" doc:"where members claim orders by their numbers and see what became of it: the brand's member centre, https://…"`
	// Logo is an image in itself, see ValidateLogo.
	Logo string `json:"logo,omitempty" maxLength:"12002" doc:"the logo on a card's page, shown on white: data:image/png;base64,… or data:image/svg+xml;base64,…; the name is shown where it is absent"`
	// CardTexts are the brand's own words on a card's page, by language.
	CardTexts *CardTexts `json:"card_texts,omitempty" doc:"the brand's words on a card's page, by language"`
}

// FriendURL is the FriendLink with the State that its friends will come with;
// "" without a link.
func (b Brand) FriendURL(state string) string {
	link, err := url.Parse(b.FriendLink)
	if err != nil || b.FriendLink == "" {
		return "" // Validate refused every other link
	}
	query := link.Query()
	query.Set("customer_channel", state)
	link.RawQuery = query.Encode()
	return link.String()
}

//go:embed default.json
var files embed.FS

// Default is the program that ships with huitou: one point for each whole ¥1. It
// is the caller's own, to change what lies behind its pointers too.
func Default() Program { return read() }

// shipped is Default, read once, for those who change nothing.
var shipped = sync.OnceValue(read)

func read() Program {
	raw, err := files.ReadFile("default.json")
	if err != nil {
		panic(err) // embedded at build time
	}
	var document Document
	if err := json.Unmarshal(raw, &document); err != nil {
		panic(fmt.Sprintf("program: default.json: %v", err)) // a test reads it
	}
	return Program{Document: document}
}

// zones are the time zones that were asked for, by name: the standard library
// reads a file each time.
var zones sync.Map

// Zone is the brand's time zone.
func (d Document) Zone() *time.Location {
	if zone, known := zones.Load(d.TimeZone); known {
		return zone.(*time.Location)
	}
	zone, err := time.LoadLocation(d.TimeZone)
	if err != nil {
		return time.UTC // Validate refused every other name
	}
	zones.Store(d.TimeZone, zone)
	return zone
}

func isCurrency(text string) bool {
	return len(text) == 3 && strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

// Validate refuses a document that could not be applied: KindInvalid with the
// pointer of the first field that is wrong.
func (d Document) Validate() error {
	switch {
	case d.Brand.Name == "" || utf8.RuneCountInString(d.Brand.Name) > 40:
		return loyalty.Invalid("/brand/name", "out_of_range", "the brand's name must have 1 to 40 characters")
	case utf8.RuneCountInString(d.Brand.NameEN) > 80:
		return loyalty.Invalid("/brand/name_en", "out_of_range", "the brand's English name must have at most 80 characters")
	case utf8.RuneCountInString(d.Brand.Contact) > 200:
		return loyalty.Invalid("/brand/contact", "out_of_range", "how to reach the brand must be said in at most 200 characters")
	case utf8.RuneCountInString(d.Brand.Homepage) > 200:
		return loyalty.Invalid("/brand/homepage", "out_of_range", "the homepage's address must have at most 200 characters")
	case utf8.RuneCountInString(d.Brand.FriendLink) > 200:
		return loyalty.Invalid("/brand/friend_link", "out_of_range", "an acquisition link must have at most 200 characters")
	case !pagestyle.IsColour(d.Brand.Colour):
		return loyalty.Invalid("/brand/colour", "malformed", `a colour is written "#c8102e"`)
	case !isCurrency(d.Currency):
		return loyalty.Invalid("/currency", "malformed", `a currency is an ISO 4217 code such as "CNY"`)
	}
	if d.Brand.Homepage != "" && !loyalty.IsLink(d.Brand.Homepage, maxLink) {
		return loyalty.Invalid("/brand/homepage", "malformed", "the homepage's address begins with https:// and has at most 200 characters")
	}
	for _, channel := range slices.Sorted(maps.Keys(d.Brand.Links)) {
		if !loyalty.IsLink(d.Brand.Links[channel], maxLink) {
			return loyalty.Invalid("/brand/links/"+strings.NewReplacer("~", "~0", "/", "~1").Replace(channel), "malformed", "where a reminder leads begins with https:// and has at most 200 characters")
		}
	}
	if d.Brand.FriendLink != "" && !loyalty.IsLink(d.Brand.FriendLink, maxLink) {
		return loyalty.Invalid("/brand/friend_link", "malformed", "an acquisition link begins with https://work.weixin.qq.com/ca/")
	}
	if err := d.Brand.validatePage("/brand"); err != nil {
		return err
	}
	if err := d.Brand.validateGreeting("/brand"); err != nil {
		return err
	}
	if err := d.Legal.validate("/legal"); err != nil {
		return err
	}
	if _, err := time.LoadLocation(d.TimeZone); err != nil || d.TimeZone == "" || d.TimeZone == "Local" {
		return loyalty.Invalid("/time_zone", "unknown", `a time zone is an IANA name such as "Asia/Shanghai"`)
	}
	if err := d.Points.Validate("/points"); err != nil {
		return err
	}
	if err := d.Cards.Validate("/cards"); err != nil {
		return err
	}
	if d.Tiers != nil {
		if err := d.Tiers.Validate("/tiers"); err != nil {
			return err
		}
	}
	return d.Repurchase.Validate("/repurchase")
}

// At is the version in force at a time: the one with the latest EffectiveAt
// not after it, and of those the highest. Default when there is none.
func At(versions []Program, at time.Time) Program {
	found := shipped()
	for _, version := range versions {
		if version.EffectiveAt.After(at) {
			continue
		}
		if found.Version == 0 || !version.EffectiveAt.Before(found.EffectiveAt) {
			found = version
		}
	}
	return found
}

// In is the version in force at a time if it is in the currency; else the first
// in it that came into force later and is in force by now; false where there is
// none. So an order in a currency that the brand allows later can be applied then.
func In(versions []Program, currency string, at, now time.Time) (Program, bool) {
	if found := At(versions, at); found.Currency == currency {
		return found, true
	}
	var first Program
	for _, version := range versions {
		if version.Currency != currency || !version.EffectiveAt.After(at) || version.EffectiveAt.After(now) {
			continue
		}
		if first.Version == 0 || version.EffectiveAt.Before(first.EffectiveAt) {
			first = version
		}
	}
	return first, first.Version != 0
}

// Freeze writes the rules into a fact of an order, so that no later change of
// the program reaches it: the version, and into a payment (冻结费率) the return window
// of the channel, the categories of its lines, what points.Rules.Freeze makes of
// them, and the growth they bring. payment is what the fact does not tell: channel, zone, what was
// granted before, and the buyer. A payment that is frozen already is frozen
// anew, as if these rules had been in force: so a simulation learns what they
// would have given.
func (p Program) Freeze(fact points.Fact, payment points.Payment) points.Fact {
	fact.Program = p.Version
	if fact.Kind != points.FactPaid {
		return fact
	}
	window := p.Points.WindowOf(payment.Channel)
	fact.Window = &window
	payment.PaidAt, payment.Lines = fact.At, slices.Clone(fact.Lines)
	for i, line := range payment.Lines {
		if line.Listed {
			line.Category = ""
		}
		category := p.Repurchase.CategoryOf(line.Category, line.SKU)
		line.Category, line.Listed = category, category != line.Category
		line.Rate, line.Because, line.Growth = points.Rate{}, nil, points.Rate{}
		payment.Lines[i] = line
	}
	fact.Lines, fact.Month = p.Points.Freeze(payment), ""
	if p.Tiers == nil {
		return fact
	}
	fact.Month = tiers.MonthOf(fact.At, payment.Zone)
	for i, line := range fact.Lines {
		if !line.Gift && !line.History {
			fact.Lines[i].Growth = points.Rate(p.Tiers.Growth)
		}
	}
	return fact
}

// Same tells whether two documents say the same.
func Same(a, b Document) bool { return reflect.DeepEqual(a, b) }
