package redeemcard

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/pagestyle"
	"github.com/huitou/huitou/shared/problem"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/table"
)

var (
	//go:embed page.html
	pageMarkup string
	//go:embed page.css
	pageStyle string
	//go:embed page.js
	pageScript string
)

// The parts of pages are made when the first is asked for: many an instance
// is started by a redemption.
var (
	pageTemplate = sync.OnceValue(func() *template.Template { return template.Must(template.New("page").Parse(pageMarkup)) })
	scriptHash   = sync.OnceValue(func() string { return pagestyle.Hash(pageScript) })
)

// page is what page.html shows. The prize is in it only after it was drawn,
// and the code never.
type page struct {
	Text  text
	Other string // the language one click away
	Brand program.Brand
	Name  string       // of the brand, in the page's language
	Logo  template.URL // "" for the name

	// The terms that joining agrees to.
	LegalVersion string
	Legal        []legalText

	// The brand's words, or ours.
	Headline, Lead, Thanks string
	Teaser, Submit         string

	Style  template.CSS
	Script template.JS

	View  view
	Form  cards.Form
	Title string

	Batch       cards.Batch
	RulesURL    string
	From, Until string // days of the window
	Pool        []poolRow

	Phone        string // as it was typed, when it has to be corrected
	PhoneError   bool
	ConsentError bool
	Consents     map[string]bool

	Prize    prizeView
	Reserved bool
	Proved   bool         // a reserved prize that somebody has proved since
	Friend   string       // the card's reference
	AddURL   string       // where the customer adds the brand on WeCom, "" for nowhere
	FriendQR template.URL // the same, for a long press and for another phone
	Last4    string
	Repeat   bool
	Claim    claimForm
	Date     string
	Void     cards.VoidReason
	Mistyped bool
	Wait     int // minutes until codes are read again

	Challenge      string // whose answer has them read before, "" for none
	Zeros, Seconds int    // that it asks for, or so much patience
}

// legalText is a text that joining agrees to.
type legalText struct {
	Name string
	program.LegalSource
}

// view is which of the page's states is shown.
type view string

const (
	viewForm    view = "form"
	viewPrize   view = "prize"
	viewTaken   view = "taken"
	viewMissing view = "missing"
	viewTrouble view = "trouble"
	// viewThrottled asks to wait, or to scan.
	viewThrottled view = "throttled"
	// viewChallenge works on the challenge, or waits.
	viewChallenge view = "challenge"
)

// prizeView is a prize as it is shown: "50" "积分", "满 ¥199 减 ¥20" "优惠券".
type prizeView struct {
	Kind   cards.PrizeKind
	Figure string // large
	Unit   string // beside it
	Note   string // below
}

// Spoken is the prize in one line, for a screen reader.
func (p prizeView) Spoken() string { return strings.TrimSpace(p.Figure + " " + p.Unit) }

// GoOn is where patience leads from a challenge.
func (p page) GoOn() string { return "?lang=" + p.Text.Lang + "&challenge=" + p.Challenge }

// servePage answers people: the card's page and its form.
func (f *Function) servePage(w http.ResponseWriter, r *http.Request, code string) {
	p := page{Text: texts[language(r)], View: viewForm, Consents: map[string]bool{}}
	var err error
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		err = f.show(r, code, &p)
	case http.MethodPost:
		switch query := r.URL.Query(); {
		case query.Has("withdraw"):
			err = f.withdraw(r, code, &p)
		case query.Has("appeal"):
			err = f.appeal(r, code, &p)
		case query.Has("claim"):
			err = f.claimOrder(r, code, &p)
		case query.Has("mine"):
			err = f.comeBack(r, code, &p)
		default:
			err = f.submit(r, code, &p)
		}
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		problem.Write(w, r, loyalty.Refuse(loyalty.KindNotAllowed, "method_not_allowed", "a card's page is read with GET and answered with POST"))
		return
	}
	status := http.StatusOK
	if err != nil {
		f.report(r, err)
		status = problem.Status(loyalty.KindOf(err))
		p.refuse(err, code)
		wait := throttled(w, err)
		p.Wait, p.Challenge = int(math.Ceil(wait.after.Minutes())), wait.challenge
		p.Zeros, p.Seconds = challengeWork, int(math.Ceil(wait.after.Seconds()))
	}
	rules, err := f.rules(r.Context())
	if err != nil {
		f.report(r, err)
		status, rules, p.View = http.StatusServiceUnavailable, program.Default(), viewTrouble
	}
	f.render(w, r, status, p, rules)
}

// show prepares the page of a card that can be redeemed. A card that was
// redeemed says so, and lets the winner see their prize again. It decides
// nothing, so that copies which may be behind by a moment do, for half the
// price.
func (f *Function) show(r *http.Request, raw string, p *page) error {
	code, err := f.parse(r, raw, "")
	if err != nil {
		return err
	}
	now := f.Clock()
	found, err := f.look(r.Context(), table.Eventual, code, claimant{}, now)
	if err != nil {
		return err
	}
	batch := *found.Batch
	if err := batch.Redeemable(code.Card, now); err != nil {
		return err
	}
	if found.Closed {
		return cards.ErrNotFound
	}
	draws, err := f.Keys.Draws(batch)
	if err != nil {
		return err
	}
	arm := batch.Arms[draws.Arm(code.Card)]
	p.Batch, p.Form = batch, arm.Form
	if r.Method == http.MethodGet {
		// Scans (扫码) are counted from the log by batch and arm: who only looks
		// writes nothing.
		f.Log.InfoContext(r.Context(), "card scanned", "batch", batch.ID(), "arm", arm.Name, "redeemed", found.Redemption != nil)
	}
	if found.Redemption != nil {
		p.View = viewTaken
		return f.date(r.Context(), p, found.Redemption.At)
	}
	return nil
}

// submit redeems by the page's form and prepares the page with the prize, or
// the form again with what has to be corrected.
func (f *Function) submit(r *http.Request, code string, p *page) error {
	who, wrong, typed, err := f.claimantFromForm(r)
	if err != nil {
		return err
	}
	if len(wrong) > 0 {
		if err := f.show(r, code, p); err != nil {
			return err
		}
		p.Phone = typed
		for _, consent := range who.consents {
			p.Consents[string(consent)] = true
		}
		for _, field := range wrong {
			p.PhoneError = p.PhoneError || field == "phone"
			p.ConsentError = p.ConsentError || field == "membership"
		}
		return &loyalty.Error{Kind: loyalty.KindInvalid, Code: "form_incomplete"}
	}
	return f.answer(r, code, who, p)
}

// comeBack shows the winner the prize again, by the phone alone: they agreed to
// all that is asked for when they redeemed the card, and are not asked twice. A
// card that nobody redeemed yet gets its form.
func (f *Function) comeBack(r *http.Request, code string, p *page) error {
	who, wrong, typed, err := f.claimantFromForm(r)
	if err != nil {
		return err
	}
	if slices.Contains(wrong, "phone") {
		if err := f.show(r, code, p); err != nil {
			return err
		}
		p.Phone, p.PhoneError = typed, true
		return &loyalty.Error{Kind: loyalty.KindInvalid, Code: "form_incomplete"}
	}
	who.consents, who.returns = nil, true
	err = f.answer(r, code, who, p)
	if errors.Is(err, errNotRedeemed) {
		p.Phone = typed
		return f.show(r, code, p)
	}
	return err
}

// answer redeems, and prepares the page with what came of it.
func (f *Function) answer(r *http.Request, code string, who claimant, p *page) error {
	result, err := f.redeem(r, code, who)
	if taken, ok := errors.AsType[*takenError](err); ok {
		if dateErr := f.date(r.Context(), p, taken.at); dateErr != nil {
			return dateErr
		}
	}
	if err != nil {
		return err
	}
	if result.suspended() {
		return f.showSuspended(r.Context(), result, p)
	}
	p.View, p.Batch, p.Form = viewPrize, result.batch, result.arm.Form
	p.Friend = result.friend
	p.Proved = result.state == stateReserved && result.proved
	p.Reserved, p.Last4, p.Repeat = result.state == stateReserved && !result.proved, who.last4, result.repeat
	p.Prize = f.describe(r, p.Text, result.batch, result.award)
	return nil
}

// refuse turns an error into the view that explains it.
func (p *page) refuse(err error, code string) {
	switch loyalty.KindOf(err) {
	case loyalty.KindNotFound:
		p.View, p.Mistyped = viewMissing, cards.Mistyped(code)
	case loyalty.KindConflict:
		p.View = viewTaken
	case loyalty.KindThrottled:
		switch {
		case p.Claim.Full: // the page says so itself
		case refusalCode(err) == challengeRequired.Code:
			p.View = viewChallenge
		default:
			p.View = viewThrottled
		}
	case loyalty.KindInvalid:
		if refusalCode(err) != "form_incomplete" {
			p.View = viewTrouble
		}
	default:
		p.View = viewTrouble
	}
}

func (f *Function) date(ctx context.Context, p *page, at time.Time) error {
	rules, err := f.rules(ctx)
	if err != nil {
		return err
	}
	p.Date = at.In(rules.Zone()).Format(time.DateOnly)
	return nil
}

// describe says a prize in the page's language. A coupon whose template cannot
// be read is still a coupon.
func (f *Function) describe(r *http.Request, t text, batch cards.Batch, award cards.Award) prizeView {
	p := prizeView{Kind: award.Kind}
	switch award.Kind {
	case cards.PrizePoints:
		p.Figure, p.Unit = fmt.Sprint(award.Amount), t.Points
	case cards.PrizeRedPacket:
		p.Figure, p.Unit, p.Note = "¥"+yuan(award.Amount), t.RedPacket, t.RedPacketNote
	case cards.PrizeGift:
		p.Figure, p.Unit, p.Note = award.Text, t.Gift, t.GiftNote
	case cards.PrizeCoupon:
		template, err := f.promised(r.Context(), batch, award.Text)
		if err != nil {
			f.report(r, err)
			p.Figure = t.Coupon
			return p
		}
		p.Unit, p.Note = t.Coupon, template.Name
		switch {
		case template.Discount > 0 && template.Threshold > 0:
			p.Figure = fmt.Sprintf(t.Off, yuan(int64(template.Threshold)), yuan(int64(template.Discount)))
		case template.Discount > 0:
			p.Figure = "¥" + yuan(int64(template.Discount))
		default:
			p.Figure = template.Name
		}
	default:
		p.Figure, p.Note = t.NoPrize, t.NoPrizeNote
	}
	return p
}

// yuan writes fen as people read them: 18800 is "188", 188 is "1.88".
func yuan(fen int64) string {
	if fen%100 == 0 {
		return fmt.Sprint(fen / 100)
	}
	return fmt.Sprintf("%d.%02d", fen/100, fen%100)
}

func (f *Function) render(w http.ResponseWriter, r *http.Request, status int, p page, rules program.Program) {
	p.Brand, p.Name = rules.Brand, rules.Brand.Name
	p.Logo = template.URL(rules.Brand.Logo) // #nosec G203 -- program.ValidateLogo took it
	p.speak(rules.Brand.CardTexts.In(p.Text.Lang))
	p.Other = "en"
	if p.Text.Lang == "en" {
		p.Other = "zh-CN"
		if rules.Brand.NameEN != "" {
			p.Name = rules.Brand.NameEN
		}
	}
	if rules.Legal != nil {
		p.LegalVersion = rules.Legal.Version
		p.Legal = []legalText{
			{p.Text.Agreement, rules.Legal.Agreement.In(p.Text.Lang)},
			{p.Text.PrivacyNotice, rules.Legal.Privacy.In(p.Text.Lang)},
		}
	}
	if p.Batch.KeyID != "" {
		p.RulesURL = "/v1/card-batches/" + p.Batch.ID() + "/rules"
		p.From = p.Batch.ValidFrom.In(rules.Zone()).Format(time.DateOnly)
		p.Until = p.Batch.ValidTo.Add(-time.Second).In(rules.Zone()).Format(time.DateOnly)
		p.Pool = f.pool(r, p.Text, p.Batch)
	}
	if p.Friend != "" && !p.Proved { // the prize is somebody's: no new friend gets it
		p.AddURL = rules.Brand.FriendURL(p.Friend)
		p.FriendQR = f.symbol(r, p.AddURL)
	}
	p.Title = p.Text.title(p)
	style := pagestyle.Palette(rules.Brand.Colour) + pageStyle
	p.Style, p.Script = template.CSS(style), template.JS(pageScript) // #nosec G203 -- our own files, and a colour of six hexadecimal digits
	var body bytes.Buffer
	if err := pageTemplate().Execute(&body, p); err != nil {
		f.report(r, err)
		problem.Write(w, r, err)
		return
	}
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Language", p.Text.Lang)
	header.Set("Vary", "Accept-Language")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Robots-Tag", "noindex, nofollow")
	header.Set("Referrer-Policy", "no-referrer") // the code is in the address
	header.Set("Content-Security-Policy", "default-src 'self'; script-src "+scriptHash()+"; style-src "+pagestyle.Hash(style)+
		"; img-src 'self' data:; connect-src 'none'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body.Bytes()) // a customer who went away scans again
	}
}

// language is the page's: what the visitor chose, else what their browser asks
// for, else Chinese.
func language(r *http.Request) string {
	switch chosen := r.URL.Query().Get("lang"); chosen {
	case "en", "zh-CN":
		return chosen
	}
	for tag := range strings.SplitSeq(r.Header.Get("Accept-Language"), ",") {
		switch tag = strings.ToLower(strings.TrimSpace(tag)); {
		case strings.HasPrefix(tag, "zh"):
			return "zh-CN"
		case strings.HasPrefix(tag, "en"):
			return "en"
		}
	}
	return "zh-CN"
}
