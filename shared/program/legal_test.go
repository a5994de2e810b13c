package program_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/program"
)

func legal(change func(*program.Legal)) program.Document {
	texts := program.Legal{
		Version:   "2027-01",
		Agreement: program.LegalText{Chinese: program.LegalSource{Link: "https://brand.example/agreement"}, English: &program.LegalSource{Text: "You join."}},
		Privacy:   program.LegalText{Chinese: program.LegalSource{Text: "我们只用手机号识别您。"}},
	}
	change(&texts)
	document := program.Default().Document
	document.Legal = &texts
	return document
}

func TestLegalTextsThatCannotBeShownAreRefused(t *testing.T) {
	if err := legal(func(*program.Legal) {}).Validate(); err != nil {
		t.Fatal(err)
	}
	for pointer, change := range map[string]func(*program.Legal){
		"/legal/version":                 func(l *program.Legal) { l.Version = "" },
		"/legal/version ":                func(l *program.Legal) { l.Version = "第一版" },
		"/legal/version  ":               func(l *program.Legal) { l.Version = strings.Repeat("1", 33) },
		"/legal/version   ":              func(l *program.Legal) { l.Version = "-1" },
		"/legal/agreement/zh-CN":         func(l *program.Legal) { l.Agreement.Chinese = program.LegalSource{} },
		"/legal/agreement/zh-CN ":        func(l *program.Legal) { l.Agreement.Chinese.Text = "both" },
		"/legal/agreement/zh-CN/link":    func(l *program.Legal) { l.Agreement.Chinese.Link = "http://brand.example/a" },
		"/legal/agreement/zh-CN/link ":   func(l *program.Legal) { l.Agreement.Chinese.Link = "javascript:alert(1)" },
		"/legal/agreement/zh-CN/link  ":  func(l *program.Legal) { l.Agreement.Chinese.Link = "https://" },
		"/legal/agreement/zh-CN/link   ": func(l *program.Legal) { l.Agreement.Chinese.Link = "https://brand.example/" + strings.Repeat("x", 200) },
		"/legal/agreement/en":            func(l *program.Legal) { l.Agreement.English = &program.LegalSource{} },
		"/legal/privacy/zh-CN/text":      func(l *program.Legal) { l.Privacy.Chinese.Text = strings.Repeat("字", 2001) },
		"/legal/privacy/zh-CN/text ":     func(l *program.Legal) { l.Privacy.Chinese.Text = " 我们" },
	} {
		err := legal(change).Validate()
		refusal, ok := errors.AsType[*loyalty.Error](err)
		if !ok || refusal.Fields[0].Pointer != strings.TrimSpace(pointer) {
			t.Errorf("%s: %v", pointer, err)
		}
	}
}

func TestAProgramWithoutLegalTextsSaysSo(t *testing.T) {
	if missing := program.Default().MissingLegal(); missing == "" || program.Default().Legal.VersionNow() != "" {
		t.Errorf("%q", missing)
	}
	with := legal(func(*program.Legal) {})
	if with.MissingLegal() != "" || with.Legal.VersionNow() != "2027-01" || with.Legal.Privacy.In("en").Text != "我们只用手机号识别您。" || with.Legal.Agreement.In("en").Text != "You join." {
		t.Errorf("%+v", with.Legal)
	}
}
