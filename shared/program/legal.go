package program

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/huitou/huitou/shared/loyalty"
)

// Legal is what members agree to. Which version that was is kept with the
// membership.
type Legal struct {
	Version   string    `json:"version" minLength:"1" maxLength:"32" pattern:"^[0-9A-Za-z][0-9A-Za-z._-]{0,31}$" doc:"of both texts together, new whenever either changes: 2027-01"`
	Agreement LegalText `json:"agreement" doc:"the member agreement (会员协议)"`
	Privacy   LegalText `json:"privacy" doc:"the privacy notice (隐私政策)"`
}

// LegalText is one text by the languages of a card's page. Chinese is required:
// it is what binds; English pages show it where there is no English one.
type LegalText struct {
	Chinese LegalSource  `json:"zh-CN" doc:"in Chinese"`
	English *LegalSource `json:"en,omitempty" doc:"in English"`
}

// LegalSource is where a text is, or the text itself.
type LegalSource struct {
	Link string `json:"link,omitempty" maxLength:"200" doc:"its address, https://…"`
	Text string `json:"text,omitempty" maxLength:"2000" doc:"the text, where it has no address"`
}

// In is the text in a language, zh-CN or en.
func (t LegalText) In(language string) LegalSource {
	if language == "en" && t.English != nil {
		return *t.English
	}
	return t.Chinese
}

// VersionNow is the version of what a person agrees to who joins by these rules,
// "" where the program names no texts.
func (l *Legal) VersionNow() string {
	if l == nil {
		return ""
	}
	return l.Version
}

// MissingLegal says what a brand's pages lack while its program has no legal
// texts, "" where it has.
func (d Document) MissingLegal() string {
	if d.Legal != nil {
		return ""
	}
	return "the program names no member agreement (会员协议) and no privacy notice (隐私政策): pages ask for consent without them until legal is set"
}

func (l *Legal) validate(pointer string) error {
	if l == nil {
		return nil
	}
	if l.Version == "" || len(l.Version) > 32 || strings.ContainsFunc(l.Version, func(r rune) bool {
		return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("._-", r)
	}) || strings.ContainsRune("._-", rune(l.Version[0])) {
		return loyalty.Invalid(pointer+"/version", "malformed", "a version is 1 to 32 of A-Z, a-z, 0-9, ., - and _, such as 2027-01")
	}
	for _, text := range []struct {
		name string
		of   LegalText
	}{{"agreement", l.Agreement}, {"privacy", l.Privacy}} {
		if err := text.of.Chinese.validate(pointer + "/" + text.name + "/zh-CN"); err != nil {
			return err
		}
		if text.of.English == nil {
			continue
		}
		if err := text.of.English.validate(pointer + "/" + text.name + "/en"); err != nil {
			return err
		}
	}
	return nil
}

func (s LegalSource) validate(pointer string) error {
	switch {
	case (s.Link == "") == (s.Text == ""):
		return loyalty.Invalid(pointer, "required", "a text has either a link or the text itself")
	case s.Link != "" && !loyalty.IsLink(s.Link, maxLink):
		return loyalty.Invalid(pointer+"/link", "malformed", "a link begins with https:// and has at most 200 characters")
	case utf8.RuneCountInString(s.Text) > 2000 || strings.TrimSpace(s.Text) != s.Text:
		return loyalty.Invalid(pointer+"/text", "out_of_range", "a text has at most 2,000 characters, and no blanks around it; a longer one needs a link")
	}
	return nil
}
