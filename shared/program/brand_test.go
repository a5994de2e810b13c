package program_test

import (
	"strings"
	"testing"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/program"
)

func TestDefaultIsValid(t *testing.T) {
	if err := program.Default().Validate(); err != nil {
		t.Error(err)
	}
}

func TestFriendLink(t *testing.T) {
	for link, want := range map[string]string{
		"":                                "",
		"https://work.weixin.qq.com/ca/c": "https://work.weixin.qq.com/ca/c?customer_channel=R1",
		"https://work.weixin.qq.com/ca/c?customer_channel=a&b=%20": "https://work.weixin.qq.com/ca/c?b=+&customer_channel=R1",
	} {
		document := program.Default().Document
		document.Brand.FriendLink = link
		if err := document.Validate(); err != nil {
			t.Errorf("%s: %v", link, err)
		}
		if got := document.Brand.FriendURL("R1"); got != want {
			t.Errorf("%s becomes %s, want %s", link, got, want)
		}
	}
	for _, link := range []string{"http://work.weixin.qq.com/ca/c", "javascript:alert(1)", "work.weixin.qq.com", "https://", "https://%zz"} {
		document := program.Default().Document
		document.Brand.FriendLink = link
		if err := document.Validate(); loyalty.KindOf(err) != loyalty.KindInvalid || !strings.Contains(err.Error(), "/brand/friend_link") {
			t.Errorf("%s: %v", link, err)
		}
	}
}

func TestWelcome(t *testing.T) {
	for text, valid := range map[string]bool{"": true, strings.Repeat("欢", 1333): true, strings.Repeat("欢", 1334): false, strings.Repeat("a", 4001): false} {
		document := program.Default().Document
		document.Brand.Welcome = text
		if err := document.Validate(); (err == nil) != valid {
			t.Errorf("%d bytes: %v", len(text), err)
		}
	}
}
