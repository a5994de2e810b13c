package operate

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html/template"
	"log/slog"
	"mime"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/huitou/huitou/shared/pagestyle"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/coupons"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/problem"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/rest"
)

type rulesAnswer struct {
	Name      string    `json:"name"`
	Cards     int       `json:"cards"`
	ValidFrom time.Time `json:"valid_from"`
	ValidTo   time.Time `json:"valid_to"`
	Arms      []rulesOf `json:"arms"`
	Text      string    `json:"text,omitempty"`
	Digest    string    `json:"digest" doc:"SHA-256 of this document without its digest; it never changes once the rules are published"`
}

type rulesOf struct {
	Form   cards.Form       `json:"form"`
	Cards  int              `json:"cards"`
	Prizes []publishedPrize `json:"prizes"`
}

type publishedPrize struct {
	PrizeBody
	Coupon   *cards.Terms `json:"coupon,omitempty" doc:"the coupon's terms, frozen when the rules were published"`
	Announce bool         `json:"announce,omitempty" doc:"worth more than 50000 fen: its winners are announced"`
}

// publishedRules is what is published of a batch: a function of its document alone,
// which no call changes after the rules are public.
func publishedRules(batch cards.Batch) (rulesAnswer, error) {
	answer := rulesAnswer{Name: batch.Name, Cards: batch.Count, ValidFrom: batch.ValidFrom, ValidTo: batch.ValidTo, Text: batch.RulesText, Arms: []rulesOf{}}
	for i, arm := range batch.Arms {
		published := rulesOf{arm.Form, batch.ArmSize(i), []publishedPrize{}}
		for j, shown := range shownPrizes(arm) {
			prize := publishedPrize{PrizeBody: shown, Announce: batch.Announced(arm.Prizes[j])}
			if terms, frozen := batch.TermsOf(arm.Prizes[j].Text); frozen && shown.Kind == cards.PrizeCoupon {
				prize.Coupon = &terms
			}
			published.Prizes = append(published.Prizes, prize)
		}
		answer.Arms = append(answer.Arms, published)
	}
	raw, err := json.Marshal(answer)
	if err != nil {
		return answer, err
	}
	sum := sha256.Sum256(raw)
	answer.Digest = hex.EncodeToString(sum[:])
	return answer, nil
}

// published is the rules as JSON (rulesAnswer) or as a page ([]byte).
type published struct {
	Status          int
	Vary            string `header:"Vary"`
	ContentType     string `header:"Content-Type"`
	ContentLanguage string `header:"Content-Language"`
	ContentSecurity string `header:"Content-Security-Policy"`
	Body            any
}

// registerRules adds the public calls of a batch: for programs JSON, for the
// customers whom the card's page sends here pages.
func (f Function) registerRules(api rest.API) {
	public(api, f.Log, rest.Operation{
		Path: "/v1/card-batches/{id}/rules", ID: "batch-rules",
		Summary: "The published prize rules: kinds, quantities, window; a page where Accept prefers text/html",
	}, reflect.TypeFor[rulesAnswer](), f.prizeRules)
	public(api, f.Log, rest.Operation{
		Path: "/v1/card-batches/{id}/winners", ID: "batch-winners",
		Summary: "Who won prizes worth more than 50000 fen (中奖公示); a page where Accept prefers text/html. It may be short, or empty, and yet have a next_cursor",
	}, reflect.TypeFor[rest.List[winnerAnswer]](), f.winners)
}

// public registers a call that needs no token and answers a document, or a page.
func public[I any](api rest.API, log *slog.Logger, op rest.Operation, answer reflect.Type, handle func(context.Context, *I) (*published, error)) {
	op.Method, op.Tag, op.Security = http.MethodGet, "cards", "none"
	op.Content = map[string]reflect.Type{"application/json": answer, "text/html": rest.Text}
	rest.Register(api, log, op, handle)
}

func (f Function) prizeRules(ctx context.Context, in *struct {
	BatchPath
	Accept string `header:"Accept" doc:"text/html for a page"`
},
) (*published, error) {
	batch, err := f.publicBatch(ctx, in.ID)
	if prefersHTML(in.Accept) {
		return f.publicPage(ctx, "rules", err, func(rules program.Program) (any, error) { return f.shownRules(ctx, batch, rules) })
	}
	if err != nil {
		return nil, err
	}
	answer, err := publishedRules(batch)
	return asDocument(answer), err
}

func asDocument(answer any) *published {
	return &published{Status: http.StatusOK, Vary: "Accept", ContentType: "application/json", Body: answer}
}

// publicBatch is a batch whose rules are public: from the first of the two
// activations on. Before, it may never be opened, and is as unknown
// (KindNotFound, "batch_unknown") as one that does not exist.
func (f Function) publicBatch(ctx context.Context, id string) (cards.Batch, error) {
	batch, err := f.Store.Batch(ctx, id)
	if err == nil && batch.Approved == nil && batch.Activated == nil {
		err = loyalty.Refuse(loyalty.KindNotFound, "batch_unknown", "")
	}
	return batch, err
}

// prefersHTML tells whether an Accept header ranks text/html above JSON. Of
// two ranges that match, the more exact one counts (RFC 9110, 12.5.1).
func prefersHTML(accept string) bool {
	quality := func(media string) float64 {
		group, _, _ := strings.Cut(media, "/")
		best, exactness := 0.0, 0
		for part := range strings.SplitSeq(accept, ",") {
			accepted, parameters, err := mime.ParseMediaType(part)
			if err != nil {
				continue
			}
			match := map[string]int{"*/*": 1, group + "/*": 2, media: 3}[accepted]
			if match == 0 || match < exactness {
				continue
			}
			q := 1.0
			if text, ok := parameters["q"]; ok {
				if q, err = strconv.ParseFloat(text, 64); err != nil {
					continue
				}
			}
			best, exactness = q, match
		}
		return best
	}
	return quality("text/html") > quality("application/json")
}

//go:embed rules.html winners.html
var publicFiles embed.FS

var publicTemplates = sync.OnceValue(func() *template.Template { return template.Must(template.ParseFS(publicFiles, "*.html")) })

// publicShown is what the public pages of a batch show. Their words are Chinese:
// they are the publication (公示) that the brand owes its customers.
type publicShown struct {
	Brand   program.Brand
	Style   template.CSS
	Problem string // instead of the page
	Page    any
}

// rulesShown is what rules.html shows.
type rulesShown struct {
	ID, Name    string
	State       string // in words
	Open        bool   // cards can be redeemed now
	Cards       int
	From, Until string
	Published   string
	Digest      string
	Draw        bool // chance decides, in some arm
	Announced   bool // winners of some prize are
	Arms        []armShown
	TopWorth    string // of the dearest prize whose worth is declared
	Text        string
}

type armShown struct {
	Form   string
	Cards  int
	Prizes []prizeShown
}

type prizeShown struct {
	Kind, Name, Note string
	Quantity         int
	Share            string // of the arm's cards
}

var formNames = map[cards.Form]string{
	cards.FormScratch: "刮刮卡", cards.FormReveal: "揭晓卡（张张有奖）", cards.FormPlain: "礼遇卡",
}

// publicPage shows a public page of a batch in the brand's colour, or why there
// is none: because of err, which finding the batch ended with, or of what show
// says.
func (f Function) publicPage(ctx context.Context, name string, err error, show func(program.Program) (any, error)) (*published, error) {
	rules, rulesErr := f.rules(ctx)
	if rulesErr != nil {
		err, rules.Brand = rulesErr, program.Brand{} // not the one that ships with huitou
	}
	shown := publicShown{Brand: rules.Brand}
	status := http.StatusOK
	if err == nil {
		shown.Page, err = show(rules)
	}
	switch kind := loyalty.KindOf(err); {
	case err == nil:
	case kind == loyalty.KindNotFound:
		status, shown.Problem = http.StatusNotFound, "没有找到这个批次的活动规则"
	case kind == loyalty.KindInvalid:
		status, shown.Problem = http.StatusBadRequest, "页面地址不完整"
	default:
		f.Log.ErrorContext(ctx, "request failed", "operation", "batch-"+name, "error", err.Error())
		status, shown.Problem = problem.Status(kind), "页面暂时打不开，请稍后再试"
	}
	style := pagestyle.Palette(rules.Brand.Colour) + publicStyle
	shown.Style = template.CSS(style) // #nosec G203 -- our own file, and colours of six hexadecimal digits
	var page bytes.Buffer
	if err := publicTemplates().ExecuteTemplate(&page, name+".html", shown); err != nil {
		return nil, err
	}
	return &published{
		Status: status, Vary: "Accept", ContentType: "text/html; charset=utf-8", ContentLanguage: "zh-CN",
		ContentSecurity: "default-src 'none'; style-src " + pagestyle.Hash(style) + "; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
		Body:            page.Bytes(),
	}, nil
}

func (f Function) shownRules(ctx context.Context, batch cards.Batch, rules program.Program) (rulesShown, error) {
	zone, now := rules.Zone(), f.Clock()
	minute := func(at time.Time) string { return at.In(zone).Format("2006-01-02 15:04") }
	shown := rulesShown{
		ID: batch.ID(), Name: batch.Name, Cards: batch.Count, Text: batch.RulesText,
		// The last minute of the window: ValidTo is the first instant after it.
		From: minute(batch.ValidFrom), Until: minute(batch.ValidTo.Add(-time.Second)),
	}
	document, err := publishedRules(batch)
	if err != nil {
		return rulesShown{}, err
	}
	shown.Digest = document.Digest[:16]
	for _, signature := range []*cards.Signature{batch.Activated, batch.Approved} {
		if signature != nil {
			shown.Published = minute(signature.At)
		}
	}
	switch {
	case batch.State == cards.StateFrozen:
		shown.State = "已停止兑奖"
		if batch.Frozen != nil {
			shown.State += "（" + minute(batch.Frozen.At) + "）"
		}
	case !now.Before(batch.ValidTo):
		shown.State = "活动已结束"
	case batch.State != cards.StateActive || now.Before(batch.ValidFrom):
		shown.State = "公示中，尚未开始"
	default:
		shown.State, shown.Open = "进行中", true
	}
	var top loyalty.Fen
	templates := map[string]coupons.Template{}
	for i, arm := range batch.Arms {
		size := batch.ArmSize(i)
		a := armShown{Form: formNames[arm.Form], Cards: size}
		rest := size
		for _, prize := range arm.Prizes {
			if prize.Kind == cards.PrizeNone {
				continue // counted with what is left
			}
			if prize.Kind == cards.PrizeCoupon {
				if err := f.readTemplate(ctx, templates, batch, prize.Text); err != nil {
					return rulesShown{}, err
				}
			}
			worth, _ := batch.WorthOf(prize)
			top = max(top, worth)
			p := describePrize(prize, templates[prize.Text])
			if batch.Announced(prize) {
				p.Note += "；单个价值超过 ¥500，中奖情况随时公示"
				shown.Announced = true
			}
			p.Quantity, p.Share = prize.Quantity, share(prize.Quantity, size)
			a.Prizes = append(a.Prizes, p)
			rest -= prize.Quantity
		}
		if rest > 0 {
			a.Prizes = append(a.Prizes, prizeShown{Kind: "none", Name: "未中奖", Quantity: rest, Share: share(rest, size)})
		}
		shown.Draw = shown.Draw || len(a.Prizes) > 1
		shown.Arms = append(shown.Arms, a)
	}
	shown.Draw = shown.Draw || len(shown.Arms) > 1
	if top > 0 {
		shown.TopWorth = yuan(top)
	}
	return shown, nil
}

// readTemplate adds a coupon template to those that were read, with the terms
// that the batch froze where it did. Else one that is gone leaves its id, which
// is all that is still known of it.
func (f Function) readTemplate(ctx context.Context, known map[string]coupons.Template, batch cards.Batch, id string) error {
	if _, ok := known[id]; ok {
		return nil
	}
	if terms, frozen := batch.TermsOf(id); frozen {
		known[id] = coupons.Template{
			ID: id, Name: terms.Name, Threshold: terms.Threshold, Discount: terms.Discount,
			Validity: coupons.Validity{Days: terms.Days, Months: terms.Months},
		}
		return nil
	}
	found, _, err := f.Store.Template(ctx, id)
	if loyalty.KindOf(err) == loyalty.KindNotFound {
		found, err = coupons.Template{Name: id}, nil
	}
	known[id] = found
	return err
}

func describePrize(prize cards.Prize, coupon coupons.Template) prizeShown {
	p := prizeShown{Kind: string(prize.Kind)}
	var notes []string
	switch prize.Kind {
	case cards.PrizePoints:
		p.Name, notes = fmt.Sprintf("%d 积分", prize.Amount), []string{"计入会员账户"}
	case cards.PrizeRedPacket:
		p.Name, notes = "¥"+yuan(loyalty.Fen(prize.Amount))+" 现金红包", []string{"核实身份后发放"}
	case cards.PrizeGift:
		p.Name, notes = prize.Text, []string{"赠品，随下一笔订单寄出"}
	case cards.PrizeCoupon:
		p.Name = coupon.Name
		switch {
		case coupon.Threshold > 0:
			notes = append(notes, "优惠券，单笔满 ¥"+yuan(coupon.Threshold)+" 减 ¥"+yuan(coupon.Discount))
		case coupon.Discount > 0:
			notes = append(notes, "优惠券，减 ¥"+yuan(coupon.Discount))
		default:
			notes = append(notes, "优惠券")
		}
		switch {
		case coupon.Validity.Days > 0:
			notes = append(notes, fmt.Sprintf("自发放起 %d 天内有效", coupon.Validity.Days))
		case coupon.Validity.Months > 0:
			notes = append(notes, fmt.Sprintf("自发放起 %d 个月内有效", coupon.Validity.Months))
		}
	}
	if prize.Worth > 0 && prize.Kind != cards.PrizeRedPacket {
		notes = append(notes, "价值 ¥"+yuan(prize.Worth))
	}
	p.Note = strings.Join(notes, "；")
	return p
}

// share is a part of the cards as people read it, rounded to a hundredth of a
// percent; what would round to nothing says so.
func share(part, whole int) string {
	hundredths := (part*20_000 + whole) / (2 * whole)
	switch {
	case hundredths == 0:
		return "不足 0.01%"
	case hundredths%100 == 0:
		return fmt.Sprintf("%d%%", hundredths/100)
	}
	return fmt.Sprintf("%d.%02d%%", hundredths/100, hundredths%100)
}

// yuan writes fen as people read them: 18800 is "188", 188 is "1.88".
func yuan(fen loyalty.Fen) string {
	if fen%100 == 0 {
		return strconv.FormatInt(int64(fen/100), 10)
	}
	return fmt.Sprintf("%d.%02d", fen/100, fen%100)
}

const publicStyle = `*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:#f5f1ec;color:#2b2320;font:16px/1.65 -apple-system,BlinkMacSystemFont,"PingFang SC","Hiragino Sans GB","Microsoft YaHei","Noto Sans CJK SC",system-ui,sans-serif;overflow-wrap:anywhere}
header{padding:22px 20px 74px;background:var(--brand);color:var(--ink-on-brand);text-align:center}
header p{margin:0;font-size:15px;letter-spacing:.12em}
h1{margin:6px 0 0;font-size:24px;line-height:1.35}
main{max-width:640px;margin:-52px auto 0;padding:0 16px 8px}
section{margin-bottom:14px;padding:18px 20px;background:#fff;border-radius:16px;box-shadow:0 1px 2px rgba(43,20,12,.06),0 8px 24px rgba(43,20,12,.06)}
h2{margin:0 0 10px;font-size:17px}
h3{margin:18px 0 6px;font-size:15px}
p{margin:0 0 8px}
p:last-child,ul:last-child{margin-bottom:0}
.state{display:inline-block;padding:1px 12px;border-radius:99px;background:#efe9e4;color:#54473f;font-size:14px;font-weight:600}
.open{background:#e3f1e4;color:#1d5128}
dl{display:grid;grid-template-columns:max-content 1fr;gap:6px 14px;margin:12px 0 0}
dt{color:#675a54}
dd{margin:0}
table{width:100%;border-collapse:collapse}
th,td{padding:10px 0;border-top:1px solid #efe7e1;text-align:left;vertical-align:top}
thead th{padding-top:0;border:0;color:#675a54;font-size:13px;font-weight:400}
tbody th{padding-right:12px;font-weight:600}
small{display:block;color:#675a54;font-size:13px;font-weight:400}
.number{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
.none th{font-weight:400}
.promise{border-left:4px solid var(--accent)}
.text{white-space:pre-line}
a{color:var(--accent);text-underline-offset:3px}
ul{margin:0 0 8px;padding-left:1.2em}
footer{max-width:640px;margin:0 auto;padding:6px 20px 32px;color:#675a54;font-size:13px;text-align:center}
@media print{body{background:#fff}header{padding:0 0 12px;color:#000;background:none}main{margin:0 auto}section{box-shadow:none;padding:8px 0}}
`
