package program_test

import (
	"bytes"
	"encoding/base64"
	"image"
	"image/color"
	"image/png"
	"slices"
	"strings"
	"testing"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/program"
)

func svgLogo(text string) string {
	return "data:image/svg+xml;base64," + base64.StdEncoding.EncodeToString([]byte(text))
}

func pngLogo(t *testing.T, width, height int) string {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewPaletted(image.Rect(0, 0, width, height), color.Palette{color.White})); err != nil {
		t.Fatal(err)
	}
	return "data:image/png;base64," + base64.StdEncoding.EncodeToString(b.Bytes())
}

const open, drawing = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9">`, `<path d="M0 0h9v9z" fill="url(#g)"/>`

func TestLogos(t *testing.T) {
	for name, logo := range map[string]string{
		"PNG":         pngLogo(t, 320, 96),
		"largest PNG": pngLogo(t, 1024, 1024),
		"SVG":         svgLogo(`<?xml version="1.0" encoding="UTF-8"?><!-- a logo -->` + open + `<title>回头</title><defs><linearGradient id="g"><stop offset="0"/></linearGradient></defs>` + drawing + `<use href="#g"/></svg>`),
		"quoted url":  svgLogo(open + `<path fill="url( '#g' )" d="M0 0z"/></svg>`),
	} {
		if err := program.ValidateLogo(logo); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	whole := pngLogo(t, 64, 64)
	for name, logo := range map[string]string{
		"an address":       "https://cdn.example.com/logo.png",
		"a script":         "javascript:alert(1)",
		"HTML":             "data:text/html;base64,PGI+",
		"SVG as text":      "data:image/svg+xml," + open + "</svg>",
		"JPEG":             "data:image/jpeg;base64,/9j/",
		"no base64":        "data:image/png;base64,%%%",
		"no PNG":           "data:image/png;base64,AAAA",
		"half a PNG":       whole[:len(whole)-24],
		"wide PNG":         pngLogo(t, 1025, 1),
		"too long":         svgLogo(open + strings.Repeat(drawing, 300) + "</svg>"),
		"empty SVG":        svgLogo(""),
		"half an SVG":      svgLogo(open + drawing),
		"two SVGs":         svgLogo(open + "</svg>" + open + "</svg>"),
		"no SVG":           svgLogo(`<html xmlns="http://www.w3.org/2000/svg"/>`),
		"no namespace":     svgLogo(`<svg/>`),
		"script":           svgLogo(open + `<script>alert(1)</script></svg>`),
		"handler":          svgLogo(open + `<path onload="alert(1)" d=""/></svg>`),
		"root's handler":   svgLogo(`<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>`),
		"foreign object":   svgLogo(open + `<foreignObject/></svg>`),
		"image":            svgLogo(open + `<image href="https://example.com/x.png"/></svg>`),
		"outside use":      svgLogo(open + `<use xmlns:xlink="http://www.w3.org/1999/xlink" xlink:href="https://example.com/x.svg#a"/></svg>`),
		"outside paint":    svgLogo(open + `<path fill="url(#a) URL(https://example.com/x.svg#a)" d=""/></svg>`),
		"style":            svgLogo(open + `<style>*{fill:url(https://example.com)}</style></svg>`),
		"style attribute":  svgLogo(open + `<path style="fill:url(https://example.com)" d=""/></svg>`),
		"animation":        svgLogo(open + `<animate attributeName="href"/></svg>`),
		"link":             svgLogo(open + `<a href="#x"/></svg>`),
		"entity":           svgLogo(`<!DOCTYPE svg [<!ENTITY a "b">]>` + open + `</svg>`),
		"style sheet":      svgLogo(`<?xml-stylesheet href="https://example.com/x.css"?>` + open + `</svg>`),
		"another encoding": svgLogo(`<?xml version="1.0" encoding="GBK"?>` + open + `</svg>`),
	} {
		document := program.Default().Document
		document.Brand.Logo = logo
		if err := document.Validate(); loyalty.KindOf(err) != loyalty.KindInvalid || !strings.Contains(err.Error(), "/brand/logo") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whatever is sent for a logo is taken or refused, and what is taken is an
// image by its first letters.
func FuzzLogo(f *testing.F) {
	f.Add(svgLogo(open + drawing + "</svg>"))
	f.Add("data:image/png;base64,iVBORw0KGgo=")
	f.Add("")
	f.Fuzz(func(t *testing.T, logo string) {
		if program.ValidateLogo(logo) == nil && !strings.HasPrefix(logo, "data:image/png;base64,") && !strings.HasPrefix(logo, "data:image/svg+xml;base64,") {
			t.Errorf("%q is taken", logo)
		}
	})
}

func TestCardTextsAndClaimLink(t *testing.T) {
	document := program.Default().Document
	document.Brand.ClaimLink = "https://m.example.com/orders"
	document.Brand.CardTexts = &program.CardTexts{
		Chinese: &program.CardText{Headline: strings.Repeat("礼", 40), Lead: strings.Repeat("谢", 120), Thanks: "谢谢"},
	}
	if err := document.Validate(); err != nil {
		t.Error(err)
	}
	if got := document.Brand.CardTexts.In("zh-CN").Thanks; got != "谢谢" {
		t.Errorf("in Chinese the brand says %q", got)
	}
	if got := document.Brand.CardTexts.In("en"); got != (program.CardText{}) {
		t.Errorf("in English the brand says %+v", got)
	}
	for pointer, change := range map[string]func(*program.Brand){
		"/brand/card_texts/en/headline": func(b *program.Brand) {
			b.CardTexts = &program.CardTexts{English: &program.CardText{Headline: strings.Repeat("a", 41)}}
		},
		"/brand/card_texts/zh-CN/lead": func(b *program.Brand) {
			b.CardTexts = &program.CardTexts{Chinese: &program.CardText{Lead: strings.Repeat("谢", 121)}}
		},
		"/brand/card_texts/zh-CN/thanks":   func(b *program.Brand) { b.CardTexts = &program.CardTexts{Chinese: &program.CardText{Thanks: "a\nb"}} },
		"/brand/claim_link (a script)":     func(b *program.Brand) { b.ClaimLink = "javascript:alert(1)" },
		"/brand/claim_link (too long)":     func(b *program.Brand) { b.ClaimLink = "https://m.example.com/" + strings.Repeat("a", 200) },
		"/brand/claim_link (not a secret)": func(b *program.Brand) { b.ClaimLink = "http://m.example.com/" },
		"/brand/shops (too many)":          func(b *program.Brand) { b.Shops = slices.Repeat(b.Shops[:1], 21) },
		"/brand/shops/1 (twice)":           func(b *program.Brand) { b.Shops = slices.Repeat(b.Shops[:1], 2) },
		"/brand/shops/0 (no channel)":      func(b *program.Brand) { b.Shops = []program.Shop{{Shop: "s", Name: "n"}} },
		"/brand/shops/0 (no shop)":         func(b *program.Brand) { b.Shops = []program.Shop{{Channel: "c", Name: "n"}} },
		"/brand/shops/0 (no name)":         func(b *program.Brand) { b.Shops = []program.Shop{{Channel: "c", Shop: "s"}} },
		"/brand/shops/0 (two lines)":       func(b *program.Brand) { b.Shops = []program.Shop{{Channel: "c", Shop: "s", Name: "a\nb"}} },
		"/brand/shops/0 (too long)": func(b *program.Brand) {
			b.Shops = []program.Shop{{Channel: "c", Shop: "s", Name: "n", NameEN: strings.Repeat("a", 41)}}
		},
	} {
		document := program.Default().Document
		change(&document.Brand)
		want, _, _ := strings.Cut(pointer, " ")
		if err := document.Validate(); loyalty.KindOf(err) != loyalty.KindInvalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", pointer, err)
		}
	}
}
