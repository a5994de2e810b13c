package loyalty_test

import (
	"strings"
	"testing"

	"github.com/huitou/huitou/shared/loyalty"
)

func TestALinkIsHTTPSAndNothingElse(t *testing.T) {
	for _, link := range []string{"https://shop.example.com", "https://shop.example.com/", "https://shop.example.com:8443/a?b=c&d=%20#e", "https://店铺.example/新品", "https://[2001:db8::1]/"} {
		if !loyalty.IsLink(link, 200) {
			t.Errorf("%q is refused", link)
		}
	}
	for _, link := range []string{
		"", "javascript:alert(1)", "JavaScript:alert(1)", "http://shop.example.com/", "data:text/html,x", "data:image/png;base64,AA==", "//shop.example.com", "shop.example.com", "/a", "https:",
		"https://", "https:///a", "https:shop.example.com", "HTTPS://shop.example.com", "https://user@shop.example.com", "https://user:word@shop.example.com", "https://@shop.example.com", " https://shop.example.com", "https://shop.example.com ",
		"https://shop.example.com/a b", "https://shop.example.com/\n", "https://shop.example.com/\u3000", "https://shop.example.com/\u200b", "https://shop.example.com\\@evil.example", "https://:443/", "ftp://shop.example.com", "https://shop.example.com/" + strings.Repeat("a", 200), "vbscript:x", "https://shop.example.com/\xff", "https://%zz/",
	} {
		if loyalty.IsLink(link, 200) {
			t.Errorf("%q is taken", link)
		}
	}
}

func TestAChannelHasOneSpelling(t *testing.T) {
	for _, channel := range []string{"tmall", "wechat-store", "a", "x_1", strings.Repeat("a", 32)} {
		if !loyalty.IsChannel(channel) {
			t.Errorf("%q is refused", channel)
		}
	}
	for _, channel := range []string{"", "Tmall", "TMALL", "tma\u212al", "tmall ", " tmall", "1a", "-a", "天猫", "t/m", "t.m", "t%6d", "..", strings.Repeat("a", 33), "tmall\x00"} {
		if loyalty.IsChannel(channel) {
			t.Errorf("%q is taken", channel)
		}
	}
}

func TestANameIsPrintable(t *testing.T) {
	for _, name := range []string{"b-1", "SO/2026/1", "买家 一", "t\u00e9", "100%", "..", strings.Repeat("x", 128)} {
		if !loyalty.IsName(name, 128) {
			t.Errorf("%q is refused", name)
		}
	}
	for _, name := range []string{"", " ", " a", "a ", "a\n", "a\x00b", "a\u0085", "a\u200bb", "a\u202eb", "\ufffd", "\xff", "a\u3000", "\ufeffa", strings.Repeat("x", 129)} {
		if loyalty.IsName(name, 128) {
			t.Errorf("%q is taken", name)
		}
	}
}
