package program

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"image/png"
	"io"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/huitou/huitou/shared/loyalty"
)

// CardTexts are a brand's words by the languages of a card's page.
type CardTexts struct {
	Chinese *CardText `json:"zh-CN,omitempty" doc:"in Chinese"`
	English *CardText `json:"en,omitempty" doc:"in English"`
}

// In is the brand's words in a language, zh-CN or en.
func (t *CardTexts) In(language string) CardText {
	var found *CardText
	switch {
	case t == nil:
	case language == "zh-CN":
		found = t.Chinese
	case language == "en":
		found = t.English
	}
	if found == nil {
		return CardText{}
	}
	return *found
}

// CardText is what a brand says itself on a card's page in one language. What
// is empty is said in huitou's words.
type CardText struct {
	Headline string `json:"headline,omitempty" maxLength:"40" doc:"above the form"`
	Lead     string `json:"lead,omitempty" maxLength:"120" doc:"below the headline"`
	Thanks   string `json:"thanks,omitempty" maxLength:"120" doc:"below the prize"`
}

const (
	// maxLogo is the length of a logo as it is written, so that a page with one
	// stays well under 60 kB: 9 kB of image in base64 and what stands before.
	maxLogo = 12_002
	// maxLogoEdge bounds the pixels that a customer's phone unpacks.
	maxLogoEdge = 1024
	maxLink     = 200

	pngLogo = "data:image/png;base64,"
	svgLogo = "data:image/svg+xml;base64,"
)

// validatePage checks what a card's page shows of the brand.
func (b Brand) validatePage(pointer string) error {
	if b.Logo != "" {
		if err := ValidateLogo(b.Logo); err != nil {
			return loyalty.Invalid(pointer+"/logo", "malformed", err.Error())
		}
	}
	if link, err := url.Parse(b.ClaimLink); err != nil || utf8.RuneCountInString(b.ClaimLink) > maxLink || b.ClaimLink != "" && (link.Scheme != "https" || link.Host == "") {
		return loyalty.Invalid(pointer+"/claim_link", "malformed", "the link to where orders are claimed begins with https:// and has at most 200 characters")
	}
	for _, language := range []string{"zh-CN", "en"} {
		text := b.CardTexts.In(language)
		for _, part := range []struct {
			name, text string
			most       int
		}{{"headline", text.Headline, 40}, {"lead", text.Lead, 120}, {"thanks", text.Thanks, 120}} {
			if utf8.RuneCountInString(part.text) > part.most || strings.ContainsFunc(part.text, unicode.IsControl) {
				return loyalty.Invalid(pointer+"/card_texts/"+language+"/"+part.name, "out_of_range", "a headline has at most 40 characters, a lead and a thanks 120, all in one line")
			}
		}
	}
	return nil
}

// ValidateLogo takes an image that is whole in itself: a PNG of at most 1,024
// pixels each way, or an SVG that draws and does nothing else. A page shows it
// as an image, in which browsers run no script and load nothing; what would try
// to is refused all the same, for an operator may open the file elsewhere.
func ValidateLogo(logo string) error {
	if len(logo) > maxLogo {
		return errors.New("a logo has at most 12,002 characters with its data: prefix, some 9 kB of image")
	}
	if encoded, ok := strings.CutPrefix(logo, pngLogo); ok {
		return validatePNG(encoded)
	}
	if encoded, ok := strings.CutPrefix(logo, svgLogo); ok {
		return validateSVG(encoded)
	}
	return errors.New("a logo begins with " + pngLogo + " or " + svgLogo)
}

var errBase64 = errors.New("the logo is no base64 (RFC 4648, with padding)")

func validatePNG(encoded string) error {
	raw, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return errBase64
	}
	size, err := png.DecodeConfig(bytes.NewReader(raw))
	switch {
	case err != nil:
		return errors.New("the logo is no PNG image")
	case size.Width > maxLogoEdge || size.Height > maxLogoEdge:
		return errors.New("a logo has at most 1,024 pixels each way")
	}
	if _, err := png.Decode(bytes.NewReader(raw)); err != nil {
		return errors.New("the logo is a damaged PNG image")
	}
	return nil
}

// drawn are the elements of SVG that draw.
var drawn = []string{
	"svg", "g", "defs", "title", "desc", "path", "rect", "circle", "ellipse", "line", "polyline", "polygon", "text", "tspan",
	"linearGradient", "radialGradient", "stop", "clipPath", "mask", "symbol", "use",
}

var errSVG = errors.New("the logo's SVG may only draw: no script, style, image, animation, event or address outside itself")

func validateSVG(encoded string) error {
	raw, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return errBase64
	}
	decoder := xml.NewDecoder(bytes.NewReader(raw))
	depth, roots := 0, 0
	for {
		token, err := decoder.Token()
		switch {
		case errors.Is(err, io.EOF) && roots == 1:
			return nil
		case err != nil:
			return errors.New("the logo is no well-formed SVG in UTF-8")
		}
		switch t := token.(type) {
		case xml.Directive: // a DOCTYPE can define entities
			return errSVG
		case xml.ProcInst:
			if t.Target != "xml" {
				return errSVG
			}
		case xml.EndElement:
			depth--
		case xml.StartElement:
			if depth == 0 {
				if roots++; t.Name.Local != "svg" || t.Name.Space != "http://www.w3.org/2000/svg" || roots > 1 {
					return errors.New(`the logo's first element must be <svg xmlns="http://www.w3.org/2000/svg"> and the only one`)
				}
			}
			depth++
			if !slices.Contains(drawn, t.Name.Local) || slices.ContainsFunc(t.Attr, active) {
				return errSVG
			}
		}
	}
}

// active tells whether an attribute of SVG could do more than draw.
func active(a xml.Attr) bool {
	name, value := strings.ToLower(a.Name.Local), strings.ToLower(a.Value)
	switch {
	case strings.HasPrefix(name, "on"), name == "style", name == "base", name == "src":
		return true
	case name == "href":
		return !strings.HasPrefix(value, "#")
	}
	for rest := value; ; {
		_, after, found := strings.Cut(rest, "url(")
		if !found {
			return false
		}
		if !strings.HasPrefix(strings.TrimLeft(after, " \t\n\r'\""), "#") {
			return true
		}
		rest = after
	}
}
