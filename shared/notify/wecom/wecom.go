// Package wecom hands messages to WeCom (企业微信): the greeting of a new friend
// (document 92137, send_welcome_msg).
package wecom

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/notify"
	"github.com/huitou/huitou/shared/strictjson"
)

// App is the brand's application that may greet customers, as it is kept with
// the brand's secrets:
//
//	{"corp_id":"ww…","secret":"…","api":"https://…"}
//
// The platform answers only addresses that the application trusts (企业可信IP),
// and a Lambda has none of its own. api, which may be left out, is where the
// platform's API is reached instead: the brand's own proxy at a trusted address.
type App struct {
	CorpID string `json:"corp_id"`
	Secret string `json:"secret"`
	API    string `json:"api"`
}

const platform = "https://qyapi.weixin.qq.com"

// ReadApp reads an App. Its errors quote nothing of the document.
func ReadApp(document []byte) (App, error) {
	app := App{API: platform}
	malformed := errors.New(`wecom: an application is {"corp_id":"ww…","secret":"…"}, with "api":"https://…" where a proxy stands before the platform`)
	if strictjson.Exact(document, &app) != nil || app.CorpID == "" || app.Secret == "" {
		return App{}, malformed
	}
	parsed, err := url.Parse(app.API)
	if err != nil || parsed.Host == "" || parsed.RawQuery != "" || parsed.Scheme != "https" && (parsed.Scheme != "http" || !local(parsed.Hostname())) {
		return App{}, malformed
	}
	app.API = strings.TrimRight(app.API, "/")
	return app, nil
}

func local(host string) bool { return host == "localhost" || host == "127.0.0.1" || host == "::1" }

// attempts bounds how often one call is made: the platform asks for up to three
// tries when it is busy.
const attempts = 3

const pause = 300 * time.Millisecond

// spare is how long before its end a token is no longer used.
const spare = 5 * time.Minute

// Sender implements notify.Notifier for messages of notify.KindWelcome. It keeps
// the access token, which the platform gives out alike to everybody who asks
// while it lasts. It is safe for concurrent use.
type Sender struct {
	app    App
	client *http.Client
	clock  func() time.Time
	pause  time.Duration // between two tries

	mu    sync.Mutex
	token string
	until time.Time
}

var _ notify.Notifier = (*Sender)(nil)

// New makes a sender of the application. The client brings the time limit of a
// call.
func New(app App, client *http.Client, clock func() time.Time) *Sender {
	// A redirect would carry the token to somebody else.
	straight := *client
	straight.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Sender{app: app, client: &straight, clock: clock, pause: pause}
}

// Send implements notify.Notifier. A platform that is busy, answers with 5xx or
// not in time is KindUnavailable, after three tries as far as ctx has time for
// them; every other refusal is KindInvalid code "message_refused", with the
// platform's errcode in the cause: 41051 stands for a customer who is chatting
// already or was greeted by another application, 60020 for an address that the
// application does not trust.
func (s *Sender) Send(ctx context.Context, message notify.Message) error {
	if message.Kind != notify.KindWelcome || message.WelcomeCode == "" || message.Text == "" {
		return loyalty.Refuse(loyalty.KindInvalid, "message_unknown", "only greetings with a code and a text are sent through WeCom")
	}
	var err error
	for try := range attempts {
		if try > 0 && !wait(ctx, s.pause) {
			return err
		}
		if err = s.try(ctx, message); loyalty.KindOf(err) != loyalty.KindUnavailable {
			return err
		}
	}
	return err
}

// wait tells whether there was time for the pause.
func wait(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

func (s *Sender) try(ctx context.Context, message notify.Message) error {
	token, err := s.accessToken(ctx)
	if err != nil {
		return err
	}
	type content struct {
		Content string `json:"content"`
	}
	body, err := json.Marshal(struct {
		WelcomeCode string  `json:"welcome_code"`
		Text        content `json:"text"`
	}{message.WelcomeCode, content{message.Text}})
	if err != nil {
		return &loyalty.Error{Kind: loyalty.KindInvalid, Code: "message_malformed", Cause: err}
	}
	answer, err := s.call(ctx, http.MethodPost, "/cgi-bin/externalcontact/send_welcome_msg", url.Values{"access_token": {token}}, body)
	if err != nil {
		return err
	}
	if *answer.Code == codeBadToken || *answer.Code == codeTokenExpired {
		s.forget(token)
	}
	return answer.judge()
}

// accessToken asks for a token at most once for all callers at a time.
func (s *Sender) accessToken(ctx context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.token != "" && s.clock().Before(s.until) {
		return s.token, nil
	}
	answer, err := s.call(ctx, http.MethodGet, "/cgi-bin/gettoken", url.Values{"corpid": {s.app.CorpID}, "corpsecret": {s.app.Secret}}, nil)
	if err != nil {
		return "", err
	}
	if err := answer.judge(); err != nil {
		return "", err
	}
	if answer.AccessToken == "" {
		return "", unavailable(errors.New("the platform gave no token"))
	}
	s.token, s.until = answer.AccessToken, s.clock().Add(time.Duration(answer.ExpiresIn)*time.Second-spare)
	return s.token, nil
}

// forget drops a token that the platform no longer takes.
func (s *Sender) forget(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.token == token {
		s.token = ""
	}
}

// answer is what the platform's calls answer, always with status 200. Whatever
// has no errcode comes from somebody else on the way.
type answer struct {
	Code        *int   `json:"errcode"`
	AccessToken string `json:"access_token"`
	ExpiresIn   int64  `json:"expires_in"`
}

// The platform's codes that are worth another try.
const (
	codeBusy         = -1
	codeBadToken     = 40014
	codeTokenExpired = 42001
	codeSending      = 41096 // another application is greeting the same customer
	codeTooOften     = 45009
)

func (a answer) judge() error {
	cause := fmt.Errorf("the platform answered errcode %d", *a.Code)
	switch *a.Code {
	case 0:
		return nil
	case codeBusy, codeBadToken, codeTokenExpired, codeSending, codeTooOften:
		return unavailable(cause)
	}
	return &loyalty.Error{Kind: loyalty.KindInvalid, Code: "message_refused", Detail: "WeCom does not take the message", Cause: cause}
}

const maxAnswer = 64 << 10

func (s *Sender) call(ctx context.Context, method, path string, query url.Values, body []byte) (answer, error) {
	request, err := http.NewRequestWithContext(ctx, method, s.app.API+path+"?"+query.Encode(), bytes.NewReader(body))
	if err != nil {
		return answer{}, unavailable(errors.New("the platform's address is none"))
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json; charset=utf-8")
	}
	response, err := s.client.Do(request)
	if err != nil {
		return answer{}, unavailable(err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return answer{}, unavailable(err)
	}
	if response.StatusCode != http.StatusOK {
		return answer{}, unavailable(fmt.Errorf("the platform answered %d", response.StatusCode))
	}
	var got answer
	if err := strictjson.Known(raw, &got); err != nil || got.Code == nil {
		return answer{}, unavailable(errors.New("the answer is not of the platform's form"))
	}
	return got, nil
}

// unavailable drops the URL from the cause: it holds the secret or the token.
func unavailable(cause error) error {
	if named, ok := errors.AsType[*url.Error](cause); ok {
		cause = named.Err
	}
	return &loyalty.Error{Kind: loyalty.KindUnavailable, Code: "receiver_unavailable", Detail: "WeCom cannot be reached", Cause: cause}
}
