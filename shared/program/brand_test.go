package program_test

import (
	"strings"
	"testing"

	"github.com/huitou/huitou/shared/friend"
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

func TestTheGreetingTellsOfThePrize(t *testing.T) {
	shipped := program.Default().Brand
	own := shipped
	own.WelcomePrize, own.WelcomeTaken = "到账啦", "晚了一步"
	absent := own
	absent.WelcomePrize, absent.WelcomeTaken = "", ""
	long, none := own, own
	long.Welcome, none.Welcome = strings.Repeat("a", 3999), ""
	for name, c := range map[string]struct {
		brand program.Brand
		prize friend.Prize
		want  string
	}{
		"theirs by it":     {own, friend.PrizeProved, own.Welcome + "\n到账啦"},
		"theirs before":    {own, friend.PrizeHis, own.Welcome + "\n到账啦"},
		"somebody else's":  {own, friend.PrizeTaken, own.Welcome + "\n晚了一步"},
		"nobody's":         {own, friend.PrizeWithheld, own.Welcome + "\n晚了一步"},
		"no card":          {own, friend.PrizeNone, own.Welcome},
		"a blank":          {own, friend.PrizeBlank, own.Welcome},
		"our words":        {absent, friend.PrizeProved, own.Welcome + "\n" + shipped.WelcomePrize},
		"our words for no": {absent, friend.PrizeTaken, own.Welcome + "\n" + shipped.WelcomeTaken},
		"no room":          {long, friend.PrizeProved, long.Welcome},
		"the staff greet":  {none, friend.PrizeProved, ""},
	} {
		if got := c.brand.Greeting(c.prize); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	for pointer, change := range map[string]func(*program.Brand, string){
		"/brand/welcome_prize": func(b *program.Brand, text string) { b.WelcomePrize = text },
		"/brand/welcome_taken": func(b *program.Brand, text string) { b.WelcomeTaken = text },
	} {
		for _, length := range []int{200, 201} {
			document := program.Default().Document
			change(&document.Brand, strings.Repeat("礼", length))
			if err := document.Validate(); (err == nil) != (length == 200) || err != nil && !strings.Contains(err.Error(), pointer) {
				t.Errorf("%s with %d characters: %v", pointer, length, err)
			}
		}
	}
}
