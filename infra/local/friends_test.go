package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/huitou/huitou"
	"github.com/huitou/huitou/infra/stack"
	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/friend"
	"github.com/huitou/huitou/shared/notify/outbox"
	"github.com/huitou/huitou/shared/queue"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table/embedded"
	"github.com/huitou/huitou/shared/wecom/wecomtest"
)

// calledBack posts an event as WeCom does.
func (p *process) calledBack(t *testing.T, query url.Values, body []byte) answer {
	t.Helper()
	return p.do(t, http.MethodPost, "/hooks/wecom?"+query.Encode(), map[string]string{"Content-Type": "text/xml"}, body)
}

func (p *process) befriend(t *testing.T, f wecomtest.Friend) {
	t.Helper()
	query, body := wecomtest.Demo.Callback(time.Now(), "nonce", f.XML(wecomtest.Demo.ID))
	if a := p.calledBack(t, query, body); a.status != http.StatusOK || len(a.body) != 0 {
		t.Fatalf("the hook answers %d %s", a.status, a.body)
	}
}

type funnel struct {
	Added, Left int64
}

func (p *process) friends(t *testing.T, batch string) funnel {
	t.Helper()
	var shown struct{ Friends funnel }
	p.get(t, "/v1/card-batches/"+batch, &shown)
	return shown.Friends
}

// A card is redeemed, its winner becomes a friend and leaves again, told twice
// and in the wrong order, through the hook, the queue and the table.
func TestFriendsThroughTheWholeStack(t *testing.T) {
	p := shared(t)
	now := time.Now()
	batch := p.batch(t, "friends", 2, 50, now.Add(-time.Hour), now.Add(24*time.Hour))
	p.activate(t, batch)
	who := openID("friends-1")
	member := p.member(t, who)
	var won struct {
		State string `json:"friend_state"`
	}
	p.do(t, http.MethodPost, p.codes(t, batch)[0]+"/redemption", asJSON, redemption(who)).read(t, http.StatusOK, &won)
	if len(won.State) != 25 {
		t.Fatalf("the State is %q", won.State)
	}
	added := wecomtest.Friend{Change: "add_external_contact", User: "zhangsan", External: "wm-friends-1", State: won.State, WelcomeCode: "CODE-friends-1", At: now}
	stranger := added
	stranger.External, stranger.State, stranger.WelcomeCode = "wm-friends-2", won.State[:24]+"0", "CODE-friends-2"
	if strings.HasSuffix(won.State, "0") {
		stranger.State = won.State[:24] + "1"
	}
	late := wecomtest.Friend{Change: "add_external_contact", User: "zhangsan", External: "wm-friends-3", WelcomeCode: "CODE-friends-3", At: now.Add(-time.Minute)}
	left := wecomtest.Friend{Change: "del_follow_user", User: "zhangsan", External: "wm-friends-1", At: now.Add(time.Second)}
	p.befriend(t, added)
	p.befriend(t, added)
	p.befriend(t, stranger)
	p.befriend(t, late)
	p.rest(t)
	if got := p.friends(t, batch); got != (funnel{Added: 1}) {
		t.Errorf("the batch has %+v", got)
	}
	greeted := map[string]string{}
	for _, message := range listed[struct {
		Kind        string
		Member      string `json:"member_id"`
		Text        string
		WelcomeCode string `json:"welcome_code"`
	}](t, p, "/_local/outbox") {
		if strings.HasPrefix(message.WelcomeCode, "CODE-friends-") && message.Kind == "friend.welcome" && message.Text != "" {
			greeted[message.WelcomeCode] = message.Member
		}
	}
	if diff := cmp.Diff(map[string]string{"CODE-friends-1": member, "CODE-friends-2": ""}, greeted); diff != "" {
		t.Errorf("the greetings, by whom they went to (-want +got):\n%s", diff)
	}
	// The contact is the member now: enrolling them finds the same.
	var found struct {
		ID string `json:"member_id"`
	}
	p.post(t, "/v1/members", map[string]any{"identities": []identity{{Kind: "wecom", Channel: "wecom", Value: "wm-friends-1"}}}).read(t, http.StatusOK, &found)
	if found.ID != member {
		t.Errorf("the contact is %s, not %s", found.ID, member)
	}
	p.befriend(t, left)
	p.befriend(t, left)
	p.befriend(t, added)
	p.rest(t)
	for _, queue := range p.queues(t) {
		if queue.Name == "friends" && queue.Dead != 0 {
			t.Errorf("dead letters: %+v", queue)
		}
	}
	if got := p.friends(t, batch); got != (funnel{Added: 1, Left: 1}) {
		t.Errorf("when they left, the batch has %+v", got)
	}
}

// Callbacks that prove nothing, and WeCom's check of the address.
func TestWeComAtTheEdge(t *testing.T) {
	p := shared(t)
	now := time.Now()
	event := wecomtest.Friend{Change: "add_external_contact", User: "edge", External: "wm-edge", At: now}.XML(wecomtest.Demo.ID)
	query, body := wecomtest.Demo.Callback(now, "nonce", event)
	other := wecomtest.Demo
	other.Token = "another"
	foreign, foreignBody := other.Callback(now, "nonce", event)
	old, oldBody := wecomtest.Demo.Callback(now.Add(-301*time.Second), "nonce", event)
	for name, refused := range map[string]struct {
		query url.Values
		body  []byte
		code  string
	}{
		"unsigned": {nil, body, "bad_signature"}, "another's": {foreign, foreignBody, "bad_signature"},
		"altered": {query, append(body[:len(body):len(body)], ' ', 'x'), "bad_signature"}, "old": {old, oldBody, "signature_expired"},
	} {
		a := p.calledBack(t, refused.query, refused.body)
		var document struct{ Type string }
		if err := json.Unmarshal(a.body, &document); err != nil || a.status != http.StatusUnauthorized || !strings.HasSuffix(document.Type, "/"+refused.code) {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	echo := wecomtest.Demo.Echo(now, "nonce", []byte("94966531020182955848408"))
	if a := p.do(t, http.MethodGet, "/hooks/wecom?"+echo.Encode(), nil, nil); a.status != http.StatusOK || string(a.body) != "94966531020182955848408" {
		t.Errorf("the address check is answered %d %s", a.status, a.body)
	}
	echo.Del("msg_signature")
	if a := p.do(t, http.MethodGet, "/hooks/wecom?"+echo.Encode(), nil, nil); a.status != http.StatusUnauthorized {
		t.Errorf("an unsigned echostr is answered %d %s", a.status, a.body)
	}
	if a := p.do(t, http.MethodPut, "/hooks/wecom", nil, nil); a.status != http.StatusMethodNotAllowed || a.header.Get("Allow") != "GET, POST" {
		t.Errorf("PUT: %d %v", a.status, a.header)
	}
}

// A message that says nothing fails at each of its five tries and ends among
// the dead letters of its own queue; the friend beside it is recorded. The
// template is the real one, but for the three minutes between two tries.
func TestPoisonAmongFriendsIsKept(t *testing.T) {
	s, err := drawSecrets()
	if err != nil {
		t.Fatal(err)
	}
	keys, err := cards.ReadKeyring(s.CardKeys)
	if err != nil {
		t.Fatal(err)
	}
	data, queues := embedded.Memory(), embedded.Memory()
	builders := handlers(deps{table: data, secrets: s, keys: keys, notifier: outbox.Outbox{Table: embedded.Memory()}, log: discard})
	var friends queue.Sender
	receive := builders["ReceiveOrders"]
	builders["ReceiveOrders"] = func(env stack.Environment) (handler stack.Handler, err error) {
		if friends, err = env.Queue("FRIENDS_QUEUE_URL"); err != nil {
			return nil, err
		}
		return receive(env)
	}
	template := string(huitou.Template)
	for name, change := range map[string][2]string{
		"  FriendsQueue:\n": {"VisibilityTimeout: 180", "VisibilityTimeout: 1"}, "  WelcomeFriends:\n": {"Timeout: 30", "Timeout: 1"},
	} {
		before, rest, _ := strings.Cut(template, name)
		template = before + name + strings.Replace(rest, change[0], change[1], 1)
	}
	running, err := stack.Open(stack.Config{Template: []byte(template), Queues: queues, Log: discard, Builders: builders})
	if err != nil {
		t.Fatal(err)
	}
	running.Start()
	defer func() {
		if err := running.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	good := friend.Event{Change: friend.Added, At: time.Now().UTC().Truncate(time.Second), User: "zhangsan", External: "wm-beside-poison"}
	if err := friends.Send(t.Context(), []byte(`{"change":"loved"}`), good.Encode()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the poison is dead", func() bool {
		dead, err := running.Messages("FriendsDeadQueue", 10)
		return err == nil && len(dead) == 1 && string(dead[0].Body) == `{"change":"loved"}` && dead[0].Received == 5
	})
	eventually(t, "the friend is recorded", func() bool {
		log, err := store.Store{Table: data}.Friend(t.Context(), good.External)
		return err == nil && len(log) == 1 && log[0].Welcome == friend.WelcomeNoCode
	})
}
