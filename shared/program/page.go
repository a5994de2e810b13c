package program

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"image/png"
	"io"
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

// CardText is what a brand says itself on a card's page in one language. A text
// that is empty is said in huitou's words.
type CardText struct {
	Headline string `json:"headline,omitempty" maxLength:"40" doc:"above the form"`
	Lead     string `json:"lead,omitempty" maxLength:"120" doc:"below the headline"`
	Thanks   string `json:"thanks,omitempty" maxLength:"120" doc:"below the prize"`
}

// Shop is one shop on one channel, by the names that its order feed gives both.
type Shop struct {
	Channel loyalty.Channel `json:"channel" minLength:"1" maxLength:"32" pattern:"^[a-z][a-z0-9_-]{0,31}$" doc:"as its orders name it: tmall"`
	Shop    string          `json:"shop" minLength:"1" maxLength:"64" doc:"as its orders name it: flagship"`
	Name    string          `json:"name" minLength:"1" maxLength:"40" doc:"as customers know it: 天猫旗舰店"`
	NameEN  string          `json:"name_en,omitempty" maxLength:"40" doc:"on English pages; the name where it is absent"`
}

const maxShops = 20

func validateShops(shops []Shop, pointer string) error {
	if len(shops) > maxShops {
		return loyalty.Invalid(pointer, "too_many", "a card's page offers at most 20 shops")
	}
	isName := func(text string, least, most int) bool {
		length := utf8.RuneCountInString(text)
		return length >= least && length <= most && !strings.ContainsFunc(text, unicode.IsControl)
	}
	for i, shop := range shops {
		at := fmt.Sprintf("%s/%d", pointer, i)
		if !isName(string(shop.Channel), 1, 64) || !isName(shop.Shop, 1, 64) || !isName(shop.Name, 1, 40) || !isName(shop.NameEN, 0, 40) {
			return loyalty.Invalid(at, "out_of_range", "a shop has a channel and a shop of up to 64 characters, as its orders name them, and a name of up to 40")
		}
		if !loyalty.IsChannel(string(shop.Channel)) {
			return loyalty.Invalid(at+"/channel", "not_a_channel", "a channel has 1 to 32 lower case letters, digits, hyphens and underscores, a letter first, as its orders name it")
		}
		if slices.ContainsFunc(shops[:i], func(other Shop) bool { return other.Channel == shop.Channel && other.Shop == shop.Shop }) {
			return loyalty.Invalid(at, "duplicate", "a shop stands in the list once")
		}
	}
	return nil
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
	if err := validateShops(b.Shops, pointer+"/shops"); err != nil {
		return err
	}
	if b.ClaimLink != "" && !loyalty.IsLink(b.ClaimLink, maxLink) {
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
