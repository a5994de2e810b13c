package redeemcard

import (
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/qr"
)

// poolRow is one prize of a batch with how many cards give it.
type poolRow struct {
	prizeView
	Count int
	Share string // of all cards
}

// pool is what a batch holds (奖品与数量), of all its arms together: the same for
// every card of the batch, so it says nothing of the one in the hand. Cards
// that win nothing come last.
func (f *Function) pool(r *http.Request, t text, batch cards.Batch) []poolRow {
	var awards []cards.Award
	counts := map[cards.Award]int{}
	rest := batch.Count
	for _, arm := range batch.Arms {
		for _, prize := range arm.Prizes {
			if prize.Kind == cards.PrizeNone {
				continue
			}
			if counts[prize.Award] == 0 {
				awards = append(awards, prize.Award)
			}
			counts[prize.Award] += prize.Quantity
			rest -= prize.Quantity
		}
	}
	if none := (cards.Award{Kind: cards.PrizeNone}); rest > 0 {
		awards, counts[none] = append(awards, none), rest
	}
	rows := make([]poolRow, len(awards))
	for i, award := range awards {
		rows[i] = poolRow{f.describe(r, t, batch, award), counts[award], share(t, counts[award], batch.Count)}
		if award.Kind == cards.PrizeNone {
			rows[i].Note = ""
		}
	}
	return rows
}

// Draw tells whether chance decides.
func (p page) Draw() bool { return len(p.Pool) > 1 }

// share is a part of the cards, rounded to a hundredth of a percent.
func share(t text, part, whole int) string {
	hundredths := (part*20_000 + whole) / (2 * whole)
	switch {
	case hundredths == 0:
		return t.FewerThan + "0.01%"
	case hundredths%100 == 0:
		return fmt.Sprintf("%d%%", hundredths/100)
	}
	return fmt.Sprintf("%d.%02d%%", hundredths/100, hundredths%100)
}

// symbol is an address as an image with a QR code: WeChat's long press reads
// images only, not SVG.
func (f *Function) symbol(r *http.Request, address string) template.URL {
	if address == "" {
		return ""
	}
	code, err := qr.Encode(address)
	if err != nil {
		f.report(r, err) // no longer than a program allows it
		return ""
	}
	return template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(code.PNG(symbolScale))) // #nosec G203 -- our own image
}

// symbolScale is the pixels of a module: sharp at three pixels a point.
const symbolScale = 10

// speak chooses the words of the page: the brand's where it has any.
func (p *page) speak(own program.CardText) {
	said := p.Text.Words[p.Form]
	if other, ok := p.Text.Uncertain[p.Form]; ok && !p.Batch.AlwaysWins(p.Form) {
		said = other
	}
	p.Headline, p.Lead, p.Teaser, p.Submit, p.Thanks = said.Headline, said.Lead, said.Teaser, said.Submit, own.Thanks
	if own.Headline != "" {
		p.Headline = own.Headline
	}
	if own.Lead != "" {
		p.Lead = own.Lead
	}
}
