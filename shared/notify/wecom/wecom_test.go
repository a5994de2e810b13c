package wecom_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/notify"
	"github.com/huitou/huitou/shared/notify/wecom"
)

const (
	corp   = "ww1234567890abcdef"
	secret = "canary-of-a-secret"
)

// platform answers as WeCom's API does: status 200, an errcode in the body.
type platform struct {
	*httptest.Server
	mu      sync.Mutex
	tokens  int      // given out
	valid   string   // the token that is taken
	codes   []int    // errcodes of the next greetings, then 0
	status  []int    // HTTP statuses of the next calls, then 200
	greeted []string // bodies of the greetings that were taken
	calls   int      // of send_welcome_msg
}

func open(t *testing.T) *platform {
	p := &platform{}
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	p.Config.Handler = p
	return p
}

func (p *platform) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.status) > 0 {
		status := p.status[0]
		if p.status = p.status[1:]; status != 200 {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, "<html>")
			return
		}
	}
	answer := func(code int, more string) {
		fmt.Fprintf(w, `{"errcode":%d,"errmsg":"hint: [1] from ip: 127.0.0.1"%s}`, code, more)
	}
	query := r.URL.Query()
	switch r.Method + " " + r.URL.Path {
	case "GET /cgi-bin/gettoken":
		if query.Get("corpid") != corp || query.Get("corpsecret") != secret {
			answer(40001, "")
			return
		}
		p.tokens++
		p.valid = fmt.Sprint("token-", p.tokens)
		answer(0, fmt.Sprintf(`,"access_token":%q,"expires_in":7200`, p.valid))
	case "POST /cgi-bin/externalcontact/send_welcome_msg":
		p.calls++
		if query.Get("access_token") != p.valid {
			answer(42001, "")
			return
		}
		if len(p.codes) > 0 {
			code := p.codes[0]
			if p.codes = p.codes[1:]; code != 0 {
				answer(code, "")
				return
			}
		}
		body, _ := io.ReadAll(r.Body)
		p.greeted = append(p.greeted, string(body))
		answer(0, "")
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (p *platform) sender(t *testing.T, now *time.Time) *wecom.Sender {
	t.Helper()
	app, err := wecom.ReadApp(fmt.Appendf(nil, `{"corp_id":%q,"secret":%q,"api":%q}`, corp, secret, p.URL+"/"))
	if err != nil {
		t.Fatal(err)
	}
	return wecom.New(app, p.Client(), func() time.Time { return *now }).WithoutPause()
}

func welcome() notify.Message {
	return notify.Message{ID: "welcome:1", Kind: notify.KindWelcome, Text: "您好 & welcome", WelcomeCode: "CODE-1"}
}

func TestWelcome(t *testing.T) {
	p, now := open(t), time.Unix(1795233600, 0)
	sender := p.sender(t, &now)
	for range 3 {
		if err := sender.Send(t.Context(), welcome()); err != nil {
			t.Fatal(err)
		}
	}
	var sent map[string]any
	if err := json.Unmarshal([]byte(p.greeted[0]), &sent); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]any{"welcome_code": "CODE-1", "text": map[string]any{"content": "您好 & welcome"}}, sent); diff != "" {
		t.Errorf("the call (-want +got):\n%s", diff)
	}
	if p.tokens != 1 || len(p.greeted) != 3 {
		t.Errorf("%d tokens for %d greetings", p.tokens, len(p.greeted))
	}
	// A token is given up before it ends.
	now = now.Add(7200*time.Second - 5*time.Minute)
	if err := sender.Send(t.Context(), welcome()); err != nil || p.tokens != 2 {
		t.Errorf("%d tokens, %v", p.tokens, err)
	}
}

func TestTokenThatEndedEarly(t *testing.T) {
	p, now := open(t), time.Unix(1795233600, 0)
	sender := p.sender(t, &now)
	if err := sender.Send(t.Context(), welcome()); err != nil {
		t.Fatal(err)
	}
	p.valid = "drawn anew in the console"
	if err := sender.Send(t.Context(), welcome()); err != nil {
		t.Fatal(err)
	}
	if p.tokens != 2 || len(p.greeted) != 2 || p.calls != 3 {
		t.Errorf("%d tokens, %d greetings in %d calls", p.tokens, len(p.greeted), p.calls)
	}
}

func TestPlatformRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		codes  []int
		status []int
		kind   loyalty.Kind
		calls  int
		taken  int
	}{
		"chatting already":      {codes: []int{41051}, kind: loyalty.KindInvalid, calls: 1},
		"an address not trust":  {codes: []int{60020}, kind: loyalty.KindInvalid, calls: 1},
		"a code that ended":     {codes: []int{41050}, kind: loyalty.KindInvalid, calls: 1},
		"busy once":             {codes: []int{-1}, calls: 2, taken: 1},
		"another sends":         {codes: []int{41096, 41096}, calls: 3, taken: 1},
		"busy for good":         {codes: []int{-1, -1, -1, 0}, kind: loyalty.KindUnavailable, calls: 3},
		"too often":             {codes: []int{45009, 45009, 45009}, kind: loyalty.KindUnavailable, calls: 3},
		"a proxy in the way":    {status: []int{502, 200, 502}, calls: 1, taken: 1},
		"a proxy that stays":    {status: []int{502, 503, 302}, kind: loyalty.KindUnavailable},
		"a refusal after a try": {codes: []int{-1, 41051}, kind: loyalty.KindInvalid, calls: 2},
	} {
		t.Run(name, func(t *testing.T) {
			p, now := open(t), time.Unix(1795233600, 0)
			p.codes, p.status = test.codes, test.status
			err := p.sender(t, &now).Send(t.Context(), welcome())
			if err != nil && loyalty.KindOf(err) != test.kind || err == nil && test.taken == 0 {
				t.Errorf("%v, want kind %d", err, test.kind)
			}
			if err != nil && (strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "token-") || strings.Contains(err.Error(), "CODE-1")) {
				t.Errorf("%v tells a secret", err)
			}
			if p.calls != test.calls || len(p.greeted) != test.taken {
				t.Errorf("%d calls, %d taken; want %d, %d", p.calls, len(p.greeted), test.calls, test.taken)
			}
		})
	}
}

func TestUnreachable(t *testing.T) {
	p, now := open(t), time.Unix(1795233600, 0)
	sender := p.sender(t, &now)
	p.Close()
	err := sender.Send(t.Context(), welcome())
	if loyalty.KindOf(err) != loyalty.KindUnavailable || strings.Contains(err.Error(), secret) {
		t.Errorf("%v", err)
	}
	// Without time for another try there is none.
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := sender.Send(over, welcome()); loyalty.KindOf(err) != loyalty.KindUnavailable {
		t.Errorf("%v", err)
	}
}

func TestWrongSecret(t *testing.T) {
	p, now := open(t), time.Unix(1795233600, 0)
	sender := wecom.New(wecom.App{CorpID: corp, Secret: "canary-wrong", API: p.URL}, p.Client(), func() time.Time { return now })
	err := sender.Send(t.Context(), welcome())
	if loyalty.KindOf(err) != loyalty.KindInvalid || strings.Contains(err.Error(), "canary") || p.calls != 0 {
		t.Errorf("%v after %d calls", err, p.calls)
	}
}

// TestOthersAnswer stands for a captive portal or a wrong proxy: what has no
// errcode took no greeting.
func TestOthersAnswer(t *testing.T) {
	for _, body := range []string{"", "{}", "[]", "<html>", `{"errcode":"0"}`, `{"errcode":0}`} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }))
		sender := wecom.New(wecom.App{CorpID: corp, Secret: secret, API: server.URL}, server.Client(), time.Now).WithoutPause()
		if err := sender.Send(t.Context(), welcome()); loyalty.KindOf(err) != loyalty.KindUnavailable {
			t.Errorf("%q: %v", body, err)
		}
		server.Close()
	}
}

func TestOnlyGreetings(t *testing.T) {
	p, now := open(t), time.Unix(1795233600, 0)
	sender := p.sender(t, &now)
	for name, change := range map[string]func(*notify.Message){
		"a reminder": func(m *notify.Message) { m.Kind = notify.KindRepurchase },
		"no code":    func(m *notify.Message) { m.WelcomeCode = "" },
		"no text":    func(m *notify.Message) { m.Text = "" },
	} {
		message := welcome()
		change(&message)
		if err := sender.Send(t.Context(), message); loyalty.KindOf(err) != loyalty.KindInvalid || p.tokens+p.calls != 0 {
			t.Errorf("%s: %v after %d calls", name, err, p.tokens+p.calls)
		}
	}
}

func TestReadApp(t *testing.T) {
	app, err := wecom.ReadApp([]byte(`{"corp_id":"ww1","secret":"s"}`))
	if want := (wecom.App{CorpID: "ww1", Secret: "s", API: "https://qyapi.weixin.qq.com"}); err != nil || app != want {
		t.Errorf("%+v, %v", app, err)
	}
	for _, document := range []string{
		"", "null", "canary", `{"corp_id":"canary"}`, `{"secret":"canary"}`, `{"corp_id":"ww1","secret":"canary","token":"x"}`,
		`{"corp_id":"ww1","secret":"canary","api":"http://wecom.example"}`, `{"corp_id":"ww1","secret":"canary","api":"ftp://x"}`,
		`{"corp_id":"ww1","secret":"canary","api":"https://x/?a=b"}`, `{"corp_id":"ww1","secret":"canary","api":"::"}`,
	} {
		if app, err := wecom.ReadApp([]byte(document)); err == nil || app != (wecom.App{}) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %+v, %v", document, app, err)
		}
	}
}
