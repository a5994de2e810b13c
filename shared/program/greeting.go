package program

import (
	"cmp"
	"unicode/utf8"

	"github.com/huitou/huitou/shared/friend"
	"github.com/huitou/huitou/shared/loyalty"
)

const (
	maxWelcome     = 4000 // bytes, of WeCom's text
	maxWelcomeNews = 200  // characters
)

// Greeting is what a new WeCom friend is greeted with (欢迎语): Welcome, and what
// became of the prize of the card that brought them. Where WeCom's 4,000 bytes
// do not hold both it is Welcome alone; "" where that is empty, for then the
// staff say what there is to say.
func (b Brand) Greeting(prize friend.Prize) string {
	news := ""
	switch prize {
	case friend.PrizeProved, friend.PrizeHis:
		news = cmp.Or(b.WelcomePrize, shipped().Brand.WelcomePrize)
	case friend.PrizeTaken, friend.PrizeWithheld:
		news = cmp.Or(b.WelcomeTaken, shipped().Brand.WelcomeTaken)
	}
	if b.Welcome == "" || news == "" || len(b.Welcome)+1+len(news) > maxWelcome {
		return b.Welcome
	}
	return b.Welcome + "\n" + news
}

func (b Brand) validateGreeting(pointer string) error {
	switch {
	case len(b.Welcome) > maxWelcome:
		return loyalty.Invalid(pointer+"/welcome", "out_of_range", "a greeting has 4000 bytes at most, which is some 1300 Chinese characters")
	case utf8.RuneCountInString(b.WelcomePrize) > maxWelcomeNews:
		return loyalty.Invalid(pointer+"/welcome_prize", "out_of_range", "a sentence of the greeting has at most 200 characters")
	case utf8.RuneCountInString(b.WelcomeTaken) > maxWelcomeNews:
		return loyalty.Invalid(pointer+"/welcome_taken", "out_of_range", "a sentence of the greeting has at most 200 characters")
	}
	return nil
}
