package receiveorders_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"github.com/huitou/huitou/functions/receiveorders"
	"github.com/huitou/huitou/shared/friend"
	"github.com/huitou/huitou/shared/gateway"
	"github.com/huitou/huitou/shared/wecom"
	"github.com/huitou/huitou/shared/wecom/wecomtest"
)

// receiver is the application that testdata/wecom.json was made for.
var receiver = wecomtest.Receiver{ID: "ww1234567890abcdef", Token: "token-of-a-test", EncodingAESKey: strings.Repeat("a1B2", 10) + "c3D"}

// wecomHook is the function with a queue of friends.
func wecomHook(t testing.TB) (*hook, *line) {
	t.Helper()
	callbacks, err := wecom.NewApp(receiver.ID, receiver.Token, receiver.EncodingAESKey)
	if err != nil {
		t.Fatal(err)
	}
	h, friends := newHook(), &line{}
	h.Friends, h.Secrets.WeCom = friends, []wecom.App{callbacks}
	return h, friends
}

// called is the fixture with another query and body.
func called(t testing.TB, method string, query url.Values, body []byte) events.APIGatewayV2HTTPRequest {
	t.Helper()
	event := sample(t, "wecom.json")
	event.RawQueryString, event.Body, event.RequestContext.HTTP.Method = query.Encode(), string(body), method
	return event
}

// contact is the event in the fixture.
func contact() wecomtest.Friend {
	return wecomtest.Friend{
		Change: wecom.ChangeAdd, User: "zhangsan", External: "wmAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		State: "RKYFHDZ2C555KJ7SXWEBQ584C", WelcomeCode: "WELCOME-CODE-1", At: now,
	}
}

// post is a callback with an event, signed at a time.
func post(t testing.TB, at time.Time, text []byte) events.APIGatewayV2HTTPRequest {
	t.Helper()
	query, body := receiver.Callback(at, "1372623149", text)
	return called(t, "POST", query, body)
}

func TestWeCom(t *testing.T) {
	h, friends := wecomHook(t)
	for range 2 { // the platform sends again what it had no answer to
		response := h.send(t, sample(t, "wecom.json"))
		if response.StatusCode != 200 || response.Body != "" || response.Headers["Cache-Control"] != "no-store" {
			t.Errorf("%+v", response)
		}
	}
	if len(friends.bodies) != 2 || string(friends.bodies[0]) != string(friends.bodies[1]) || len(h.queue.bodies) != 0 {
		t.Fatalf("%q, %q", friends.bodies, h.queue.bodies)
	}
	got, err := friend.Decode(friends.bodies[0])
	if err != nil {
		t.Fatal(err)
	}
	c := contact()
	want := friend.Event{Change: friend.Added, At: now.UTC(), User: c.User, External: c.External, State: c.State, WelcomeCode: c.WelcomeCode}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, canary := range []string{c.User, c.External, c.State, c.WelcomeCode, receiver.Token, receiver.EncodingAESKey, "1372623149"} {
		if strings.Contains(h.log.String(), canary) {
			t.Errorf("%q is in the log: %s", canary, h.log)
		}
	}
}

func TestWeComChanges(t *testing.T) {
	for change, want := range map[string]friend.Change{
		wecom.ChangeAdd: friend.Added, wecom.ChangeAddHalf: friend.Added, wecom.ChangeDelete: friend.Dropped, wecom.ChangeDeleteFollow: friend.Removed,
	} {
		h, friends := wecomHook(t)
		c := contact()
		c.Change = change
		h.send(t, post(t, now, c.XML(receiver.ID)))
		if len(friends.bodies) != 1 {
			t.Fatalf("%s: %d events", change, len(friends.bodies))
		}
		if got, err := friend.Decode(friends.bodies[0]); err != nil || got.Change != want {
			t.Errorf("%s: %+v, %v", change, got, err)
		}
	}
}

func TestWeComWithoutMeaningIsAcknowledged(t *testing.T) {
	edited := contact()
	edited.Change = "edit_external_contact"
	for kind, text := range map[string]string{
		"edit_external_contact": string(edited.XML(receiver.ID)),
		"change_contact":        "<xml><Event>change_contact</Event></xml>",
		"text":                  "<xml><MsgType>text</MsgType><Content>13800000000</Content></xml>",
	} {
		h, friends := wecomHook(t)
		response := h.send(t, post(t, now, []byte(text)))
		if response.StatusCode != 200 || response.Body != "" || len(friends.bodies) != 0 {
			t.Errorf("%s: %+v with %d events", kind, response, len(friends.bodies))
		}
		if !strings.Contains(h.log.String(), "callback without a friend") || !strings.Contains(h.log.String(), kind) {
			t.Errorf("%s was not counted: %s", kind, h.log)
		}
	}
}

func TestWeComEcho(t *testing.T) {
	h, friends := wecomHook(t)
	const text = `1616140317555161061<"&`
	response := h.send(t, called(t, "GET", receiver.Echo(now, "n", []byte(text)), nil))
	if response.StatusCode != 200 || response.Body != text || response.Headers["Content-Type"] != "text/plain; charset=utf-8" || response.Headers["X-Content-Type-Options"] != "nosniff" {
		t.Errorf("%+v", response)
	}
	unsigned := receiver.Echo(now, "n", []byte(text))
	unsigned.Del("msg_signature")
	plain := receiver.Echo(now, "n", []byte(text))
	plain.Set("echostr", text)
	twice := receiver.Echo(now, "n", []byte(text))
	twice.Add("echostr", "x")
	other := receiver
	other.ID = "ww0000000000000000"
	for name, query := range map[string]url.Values{
		"unsigned": unsigned, "not sealed": plain, "echostr twice": twice, "for another": other.Echo(now, "n", []byte(text)), "empty": {},
	} {
		response := h.send(t, called(t, "GET", query, nil))
		h.refused(t, response, 401, "bad_signature")
		if strings.Contains(response.Body, "1616140317555161061") {
			t.Errorf("%s: %s", name, response.Body)
		}
	}
	for _, at := range []time.Time{now.Add(-301 * time.Second), now.Add(301 * time.Second)} {
		h.refused(t, h.send(t, called(t, "GET", receiver.Echo(at, "n", []byte(text)), nil)), 401, "signature_expired")
	}
	if len(friends.bodies) != 0 {
		t.Errorf("%d events", len(friends.bodies))
	}
}

func TestWeComRefusals(t *testing.T) {
	other := receiver
	other.ID = "ww0000000000000000"
	stranger := receiver
	stranger.Token = "another"
	text := contact().XML(receiver.ID)
	laughs := `<!DOCTYPE xml [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;">]>`
	from := func(r wecomtest.Receiver) events.APIGatewayV2HTTPRequest {
		query, body := r.Callback(now, "n", text)
		return called(t, "POST", query, body)
	}
	altered := func(change func(*events.APIGatewayV2HTTPRequest)) events.APIGatewayV2HTTPRequest {
		event := sample(t, "wecom.json")
		change(&event)
		return event
	}
	for name, test := range map[string]struct {
		event  events.APIGatewayV2HTTPRequest
		status int
		code   string
	}{
		"for another":      {from(other), 401, "bad_signature"},
		"by another":       {from(stranger), 401, "bad_signature"},
		"one letter":       {altered(func(e *events.APIGatewayV2HTTPRequest) { e.Body = strings.Replace(e.Body, "A", "B", 1) }), 401, "bad_signature"},
		"another body":     {altered(func(e *events.APIGatewayV2HTTPRequest) { e.Body = "<xml><Encrypt>AAAA</Encrypt></xml>" }), 401, "bad_signature"},
		"plain":            {altered(func(e *events.APIGatewayV2HTTPRequest) { e.Body = string(text) }), 401, "bad_signature"},
		"no body":          {altered(func(e *events.APIGatewayV2HTTPRequest) { e.Body = "" }), 401, "bad_signature"},
		"JSON":             {altered(func(e *events.APIGatewayV2HTTPRequest) { e.Body = "{}" }), 401, "bad_signature"},
		"a DTD outside":    {altered(func(e *events.APIGatewayV2HTTPRequest) { e.Body = laughs + e.Body }), 401, "bad_signature"},
		"unsigned":         {altered(func(e *events.APIGatewayV2HTTPRequest) { e.RawQueryString = "" }), 401, "bad_signature"},
		"a query of no":    {altered(func(e *events.APIGatewayV2HTTPRequest) { e.RawQueryString = "a=%zz" }), 401, "bad_signature"},
		"a value twice":    {altered(func(e *events.APIGatewayV2HTTPRequest) { e.RawQueryString += "&nonce=1" }), 401, "bad_signature"},
		"another time":     {altered(func(e *events.APIGatewayV2HTTPRequest) { e.RawQueryString += "0" }), 401, "bad_signature"},
		"301 s old":        {post(t, now.Add(-301*time.Second), text), 401, "signature_expired"},
		"301 s ahead":      {post(t, now.Add(301*time.Second), text), 401, "signature_expired"},
		"of 1970":          {post(t, time.Unix(0, 0), text), 401, "signature_expired"},
		"another method":   {altered(func(e *events.APIGatewayV2HTTPRequest) { e.RequestContext.HTTP.Method = "PUT" }), 405, "method_not_allowed"},
		"too large":        {altered(func(e *events.APIGatewayV2HTTPRequest) { e.Body = strings.Repeat("x", gateway.MaxBody+1) }), 413, "body_too_large"},
		"no receiver's id": {from(wecomtest.Receiver{Token: receiver.Token, EncodingAESKey: receiver.EncodingAESKey}), 401, "bad_signature"},
	} {
		t.Run(name, func(t *testing.T) {
			h, friends := wecomHook(t)
			response := h.send(t, test.event)
			h.refused(t, response, test.status, test.code)
			if len(friends.bodies) != 0 {
				t.Errorf("%d friends were queued", len(friends.bodies))
			}
			if strings.Contains(response.Body, "zhangsan") || strings.Contains(h.log.String(), "zhangsan") {
				t.Errorf("it is repeated: %s\n%s", response.Body, h.log)
			}
		})
	}
	unconnected, _ := wecomHook(t)
	unconnected.Secrets.WeCom = nil
	unconnected.refused(t, unconnected.send(t, sample(t, "wecom.json")), 401, "bad_signature")
	for _, at := range []time.Time{now.Add(-300 * time.Second), now.Add(300 * time.Second)} {
		h, friends := wecomHook(t)
		if response := h.send(t, post(t, at, text)); response.StatusCode != 200 || len(friends.bodies) != 1 {
			t.Errorf("%+v with %d events", response, len(friends.bodies))
		}
	}
}

func TestWeComQueueFails(t *testing.T) {
	h, friends := wecomHook(t)
	friends.err = errors.New("canary")
	h.refused(t, h.send(t, sample(t, "wecom.json")), 503, "queue_unavailable")
}

func TestReadSecretsOfWeCom(t *testing.T) {
	secrets, err := receiveorders.ReadSecrets([]byte(`{"wecom":[{"receive_id":"ww1234567890abcdef","token":"token-of-a-test","encoding_aes_key":"` + receiver.EncodingAESKey + `"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	h, friends := wecomHook(t)
	h.Secrets = secrets
	if response := h.send(t, sample(t, "wecom.json")); response.StatusCode != 200 || len(friends.bodies) != 1 {
		t.Errorf("%+v with %d events", response, len(friends.bodies))
	}
	for _, document := range []string{
		`{"wecom":[{}]}`, `{"wecom":[{"receive_id":"canary","token":"canary","encoding_aes_key":"canary"}]}`, `{"wecom":[{"corp_id":"canary"}]}`,
	} {
		if _, err := receiveorders.ReadSecrets([]byte(document)); err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", document, err)
		}
	}
}
