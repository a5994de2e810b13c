//go:build smoke

package smoke

import (
	"bytes"
	"context"
	"crypto/md5" // Youzan's signature; the choice is not ours
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/huitou/huitou/infra/conformance/reference"
	"github.com/huitou/huitou/infra/smoke/artifact"
	"github.com/huitou/huitou/infra/stack/runtimeapi"
	"github.com/huitou/huitou/shared/audience"
	"github.com/huitou/huitou/shared/campaign"
	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/coupons"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/notify"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/schedule"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/table/dynamo"
	"github.com/huitou/huitou/shared/token"
	"github.com/huitou/huitou/shared/wecom"
	"github.com/huitou/huitou/shared/wecom/wecomtest"
)

// The queues, by the URLs that the functions are given.
const (
	ordersQueue   = "local:OrdersQueue"
	couponsQueue  = "local:CouponsQueue"
	messagesQueue = "local:MessagesQueue"
	friendsQueue  = "local:FriendsQueue"
	payoutsQueue  = "local:PayoutsQueue"
)

// invocationLimit is far above any function's timeout.
const invocationLimit = time.Minute

// brand is one brand's deployment: its binaries, its AWS and its sender. The
// binaries know the wall clock alone, so every time here is reckoned from now.
type brand struct {
	*testing.T
	functions map[string]artifact.Function
	binaries  map[string]string
	cloud     *artifact.Cloud
	secrets   artifact.Secrets
	store     store.Store
	sent      *inbox
	now       time.Time
	running   map[string]*runtimeapi.Process
	asked     int
}

// inbox is the brand's own sender, which messages are posted to, and WeCom's
// API beside it.
type inbox struct {
	mu       sync.Mutex
	requests []request
	greeted  []string // bodies of send_welcome_msg
	paid     []request
}

type request struct {
	header http.Header
	body   []byte
}

func (i *inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	switch r.URL.Path {
	case "/cgi-bin/gettoken":
		_, _ = io.WriteString(w, `{"errcode":0,"access_token":"token-of-smoke","expires_in":7200}`)
		return
	case "/cgi-bin/externalcontact/send_welcome_msg":
		i.greeted = append(i.greeted, r.URL.Query().Get("access_token")+" "+string(body))
		_, _ = io.WriteString(w, `{"errcode":0}`)
		return
	case "/payouts":
		i.paid = append(i.paid, request{r.Header, body})
		_, _ = io.WriteString(w, `{"bill":"HTK000020000000","amount":188,"state":"paid","reference":"smoke-1"}`)
		return
	}
	i.requests = append(i.requests, request{r.Header, body})
}

func open(t *testing.T) *brand {
	b := &brand{T: t, functions: map[string]artifact.Function{}, sent: &inbox{}, now: time.Now(), running: map[string]*runtimeapi.Process{}}
	functions, err := artifact.Functions()
	b.must(err)
	for _, function := range functions {
		b.functions[function.Name] = function
	}
	b.binaries, err = artifact.Build(t.Context(), functions)
	b.must(err)

	server, engine, err := reference.First(t.Context(), t.TempDir(), t.Logf)
	if err != nil {
		t.Fatalf("no DynamoDB engine to run the binaries on could be started:\n%v", err)
	}
	t.Cleanup(server.Close)
	t.Logf("the table is kept by %s", engine.Name)
	b.must(dynamo.Create(t.Context(), server.Client, artifact.TableName))
	b.store = store.Store{Table: dynamo.New(server.Client, artifact.TableName)}

	sender := httptest.NewServer(b.sent)
	t.Cleanup(sender.Close)
	b.secrets, err = artifact.DrawSecrets(sender.URL)
	b.must(err)
	b.cloud = b.openCloud(server.Endpoint, b.secrets.Parameters())
	return b
}

func (b *brand) openCloud(tables string, parameters map[string]string) *artifact.Cloud {
	b.Helper()
	cloud, err := artifact.OpenCloud(tables, parameters)
	b.must(err)
	b.Cleanup(func() { b.must(cloud.Close()) })
	return cloud
}

func (b *brand) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func (b *brand) write(actions ...table.Action) {
	b.Helper()
	b.must(b.store.Table.Write(b.Context(), actions...))
}

func (b *brand) account(member loyalty.MemberID) store.Account {
	b.Helper()
	account, err := b.store.Account(b.Context(), member)
	b.must(err)
	return account
}

// invoke calls a function's binary, which is started at its first call, and
// reads the answer.
func invoke[A any](b *brand, function string, event any) (answer A) {
	b.Helper()
	process := b.running[function]
	if process == nil {
		var err error
		process, err = runtimeapi.Start(b.binaries[function], b.functions[function].Environment(b.cloud, ""), os.Stderr)
		b.must(err)
		b.running[function] = process
		b.Cleanup(func() { b.must(process.Close()) })
	}
	payload, err := json.Marshal(event)
	b.must(err)
	ctx, cancel := context.WithTimeout(b.Context(), invocationLimit)
	defer cancel()
	raw, err := process.Invoke(ctx, payload)
	if err != nil {
		b.Fatalf("%s: %v", function, err)
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		b.Fatalf("%s answered %.200q: %v", function, raw, err)
	}
	return answer
}

// ask sends an HTTP request as API Gateway hands it over, and fails unless the
// answer has the status.
func (b *brand) ask(function string, status int, event events.APIGatewayV2HTTPRequest) events.APIGatewayV2HTTPResponse {
	b.Helper()
	answer := invoke[events.APIGatewayV2HTTPResponse](b, function, event)
	if answer.StatusCode != status {
		b.Fatalf("%s %s %s answers %d, not %d: %s", function, event.RequestContext.HTTP.Method, event.RawPath, answer.StatusCode, status, answer.Body)
	}
	return answer
}

// deliver hands bodies to a function as SQS does, and fails unless all are
// done.
func (b *brand) deliver(function string, bodies ...[]byte) {
	b.Helper()
	event := fixture[events.SQSEvent](b, "issuecoupons", "event.json")
	template := event.Records[0]
	event.Records = nil
	for i, body := range bodies {
		record := template
		record.MessageId, record.Body = fmt.Sprintf("19dd0b57-b21e-4ac1-bd88-%012d", i), string(body)
		event.Records = append(event.Records, record)
	}
	if answer := invoke[events.SQSEventResponse](b, function, event); len(bodies) == 0 || len(answer.BatchItemFailures) > 0 {
		b.Fatalf("%s: %d of %d messages failed", function, len(answer.BatchItemFailures), len(bodies))
	}
}

// tick fires a function's schedule for an instant.
func (b *brand) tick(function string, at time.Time) {
	b.Helper()
	invoke[any](b, function, schedule.Tick{Time: at.UTC()})
}

// fixture reads an event of a function as AWS sends it.
func fixture[E any](b *brand, function, name string) (event E) {
	b.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "functions", function, "testdata", name))
	b.must(err)
	b.must(json.Unmarshal(raw, &event))
	return event
}

// request is an HTTP event with a body of JSON, nil for none.
func (b *brand) request(method, path, bearer string, body any) events.APIGatewayV2HTTPRequest {
	b.Helper()
	event := fixture[events.APIGatewayV2HTTPRequest](b, "receiveorders", "generic.json")
	event.RawPath, event.RequestContext.HTTP.Path, event.RequestContext.HTTP.Method = path, path, method
	event.PathParameters, event.Body = nil, ""
	event.Headers = map[string]string{"accept": "application/json", "host": event.Headers["host"]}
	if bearer != "" {
		event.Headers["authorization"] = "Bearer " + bearer
	}
	if body != nil {
		raw, err := json.Marshal(body)
		b.must(err)
		event.Body, event.Headers["content-type"] = string(raw), "application/json"
		event.Headers["idempotency-key"] = fmt.Sprint("smoke-", b.asked)
		b.asked++
	}
	return event
}

const category = "milk-powder" // a 28-day cycle and 7 days' lead in the program that ships

// paidAt is so long ago that the reminder is due and the points are pending.
func (b *brand) paidAt() time.Time { return b.now.AddDate(0, 0, -22).Truncate(time.Second) }

func TestEveryBinaryAnswers(t *testing.T) {
	b := open(t)
	b.measure()
	b.incomplete()

	// Operate: it is up, and makes a member.
	if got := b.ask("Operate", http.StatusOK, b.request("GET", "/healthz", "", nil)).Body; !strings.Contains(got, `"ok"`) {
		b.Errorf("Operate: /healthz says %s", got)
	}
	b.ask("Operate", http.StatusUnauthorized, b.request("POST", "/v1/members", "", map[string]any{}))
	joined := b.ask("Operate", http.StatusCreated, b.request("POST", "/v1/members", b.secrets.Admin, map[string]any{
		"identities": []map[string]string{{"kind": "buyer", "channel": "tmall", "value": "buyer-1"}},
		"consents":   []string{"membership", "marketing"},
	}))
	var known struct {
		MemberID loyalty.MemberID `json:"member_id"`
	}
	b.must(json.Unmarshal([]byte(joined.Body), &known))
	member := known.MemberID

	// ReceiveOrders: signed events of two channels reach the queue, an unsigned
	// one does not.
	b.deliver("ConvertOrders", b.cloud.Take(ordersQueue)...) // the member's orders, had any waited
	b.receive()
	events := b.cloud.Take(ordersQueue)
	if len(events) != 2 {
		b.Fatalf("ReceiveOrders: %d messages on the queue", len(events))
	}

	// ConvertOrders: 398 points for ¥398, and none twice.
	b.deliver("ConvertOrders", events...)
	b.deliver("ConvertOrders", events...)
	if got, want := b.account(member).Balance, (points.Balance{Pending: 398}); got != want {
		b.Errorf("ConvertOrders: the balance is %+v, want %+v", got, want)
	}

	b.befriend(member, b.redeem(member))
	b.pay(member)

	// Members: the member sees what they have, nobody else anything.
	bearer, _, err := token.NewMember(b.secrets.TokenKey, member, time.Now())
	b.must(err)
	b.ask("Members", http.StatusUnauthorized, b.request("GET", "/v1/me", "", nil))
	if got := b.ask("Members", http.StatusOK, b.request("GET", "/v1/me", bearer, nil)).Body; !strings.Contains(got, string(member)) || !strings.Contains(got, `"pending":398`) {
		b.Errorf("Members: /v1/me says %s", got)
	}

	b.campaign(member)
	b.remind(member)

	// SettlePoints: the return window is over 30 days after payment.
	b.tick("SettlePoints", b.paidAt().AddDate(0, 0, 31))
	if got, want := b.account(member).Balance, (points.Balance{Available: 398 + 888}); got != want {
		b.Errorf("SettlePoints: the balance is %+v, want %+v", got, want)
	}
	for name := range b.functions {
		if b.running[name] == nil {
			b.Errorf("%s was never asked anything", name)
		}
	}
}

// receive sends ReceiveOrders an event of each channel.
func (b *brand) receive() {
	b.Helper()
	generic := fixture[events.APIGatewayV2HTTPRequest](b, "receiveorders", "generic.json")
	generic.Body = strings.Replace(generic.Body, "2026-11-21T10:00:00+08:00", b.paidAt().Format(time.RFC3339), 1)
	b.ask("ReceiveOrders", http.StatusUnauthorized, generic)
	webhook, err := standardwebhooks.NewWebhook(b.secrets.Webhook)
	b.must(err)
	at := time.Now()
	signature, err := webhook.Sign(generic.Headers["webhook-id"], at, []byte(generic.Body))
	b.must(err)
	generic.Headers["webhook-timestamp"], generic.Headers["webhook-signature"] = fmt.Sprint(at.Unix()), signature
	if got := b.ask("ReceiveOrders", http.StatusAccepted, generic).Body; strings.TrimSpace(got) != `{"accepted":1}` {
		b.Errorf("ReceiveOrders: generic is answered %s", got)
	}

	push := fixture[events.APIGatewayV2HTTPRequest](b, "receiveorders", "youzan.json")
	raw, err := base64.StdEncoding.DecodeString(push.Body)
	b.must(err)
	var body map[string]any
	b.must(json.Unmarshal(raw, &body))
	sign := func(content string) string {
		sum := md5.Sum([]byte(b.secrets.Youzan.ClientID + content + b.secrets.Youzan.ClientSecret))
		return hex.EncodeToString(sum[:])
	}
	message, err := url.QueryUnescape(body["msg"].(string))
	b.must(err)
	paid := b.paidAt().In(time.FixedZone("CST", 8*60*60)).Format(time.DateTime)
	body["msg"] = url.QueryEscape(strings.Replace(message, "2026-11-21 10:00:00", paid, 1))
	body["sign"] = sign(body["msg"].(string))
	raw, err = json.Marshal(body)
	b.must(err)
	push.Body, push.Headers["event-sign"] = base64.StdEncoding.EncodeToString(raw), sign(string(raw))
	if got := b.ask("ReceiveOrders", http.StatusOK, push).Body; strings.TrimSpace(got) != `{"code":0,"msg":"success"}` {
		b.Errorf("ReceiveOrders: youzan is answered %s", got)
	}
}

// card makes a batch of one card, and gives its code.
func (b *brand) card(batch int, award cards.Award) (code string) {
	b.Helper()
	made := cards.Batch{
		KeyID: string(b.secrets.Cards.ID), Number: batch, Name: "smoke", Count: 1, State: cards.StateActive,
		ValidFrom: b.now.AddDate(0, 0, -1), ValidTo: b.now.AddDate(0, 0, 1),
		Arms: []cards.Arm{{Name: "a", Form: cards.FormScratch, Weight: 1, Prizes: []cards.Prize{{Award: award, Quantity: 1}}}},
	}
	_, _, err := b.store.CreateBatch(b.Context(), made, "smoke")
	b.must(err)
	ring, err := cards.NewKeyring(b.secrets.Cards)
	b.must(err)
	code, err = ring.Codec().Token(made.Code(0))
	b.must(err)
	return code
}

// redeem gives the member a card's prize and returns the State that a friend
// of theirs comes with; a second person gets none.
func (b *brand) redeem(member loyalty.MemberID) (state string) {
	b.Helper()
	code := b.card(1, cards.Award{Kind: cards.PrizePoints, Amount: 888})
	page := b.ask("RedeemCard", http.StatusOK, b.request("GET", "/C/"+code, "", nil))
	if !strings.Contains(page.Body, "<html") || strings.Contains(page.Body, `id="prize"`) {
		b.Errorf("RedeemCard: the page is no page, or shows the prize")
	}
	claim := func(buyer string) events.APIGatewayV2HTTPRequest {
		return b.request("POST", "/c/"+code+"/redemption", "", map[string]any{
			"identity": map[string]string{"kind": "buyer", "channel": "tmall", "value": buyer},
		})
	}
	var won struct {
		State string `json:"friend_state"`
	}
	answer := b.ask("RedeemCard", http.StatusOK, claim("buyer-1")).Body
	b.must(json.Unmarshal([]byte(answer), &won))
	if !strings.Contains(answer, `"prize":{"kind":"points","value":888}`) || won.State == "" {
		b.Errorf("RedeemCard: %s", answer)
	}
	b.ask("RedeemCard", http.StatusConflict, claim("buyer-2"))
	if got, want := b.account(member).Balance, (points.Balance{Pending: 398, Available: 888}); got != want {
		b.Errorf("RedeemCard: the balance is %+v, want %+v", got, want)
	}
	return won.State
}

// pay gives the member a red packet, which is paid once.
func (b *brand) pay(member loyalty.MemberID) {
	b.Helper()
	code := b.card(2, cards.Award{Kind: cards.PrizeRedPacket, Amount: 188})
	b.ask("RedeemCard", http.StatusOK, b.request("POST", "/c/"+code+"/redemption", "", map[string]any{
		"identity": map[string]string{"kind": "buyer", "channel": "tmall", "value": "buyer-1"},
	}))
	b.deliver("PayPrizes", b.cloud.Take(payoutsQueue)...)
	if len(b.sent.paid) != 1 || !strings.Contains(string(b.sent.paid[0].body), `"bill":"HTK000020000000","amount":188`) {
		b.Fatalf("PayPrizes: the payer was asked %d times", len(b.sent.paid))
	}
	webhook, err := standardwebhooks.NewWebhook(b.secrets.Sender)
	b.must(err)
	b.must(webhook.Verify(b.sent.paid[0].body, b.sent.paid[0].header))
	shown := b.ask("Operate", http.StatusOK, b.request("GET", "/v1/payouts/HTK000020000000", b.secrets.Admin, nil)).Body
	if !strings.Contains(shown, `"state":"paid"`) || !strings.Contains(shown, string(member)) {
		b.Errorf("Operate: the payout is %s", shown)
	}
}

// befriend makes the winner of a card a WeCom friend, twice told.
func (b *brand) befriend(member loyalty.MemberID, state string) {
	b.Helper()
	const contact = "wmAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	at := time.Now().Truncate(time.Second)
	query, body := b.secrets.WeCom.Callback(at, "nonce", wecomtest.Friend{
		Change: wecom.ChangeAdd, User: "zhangsan", External: contact, State: state, WelcomeCode: "WELCOME-CODE", At: at,
	}.XML(b.secrets.WeCom.ID))
	callback := b.request("POST", "/hooks/wecom", "", nil)
	callback.Body = string(body)
	b.ask("ReceiveOrders", http.StatusUnauthorized, callback)
	callback.RawQueryString = query.Encode()
	for range 2 {
		if got := b.ask("ReceiveOrders", http.StatusOK, callback).Body; got != "" {
			b.Errorf("ReceiveOrders: WeCom is answered %s", got)
		}
	}
	events := b.cloud.Take(friendsQueue)
	if len(events) != 2 {
		b.Fatalf("ReceiveOrders: %d messages on the queue of friends", len(events))
	}
	b.deliver("WelcomeFriends", events...)
	if len(b.sent.greeted) != 1 || !strings.HasPrefix(b.sent.greeted[0], "token-of-smoke ") || !strings.Contains(b.sent.greeted[0], `"welcome_code":"WELCOME-CODE"`) {
		b.Errorf("WelcomeFriends: WeCom was called with %q", b.sent.greeted)
	}
	owners, err := b.store.Owners(b.Context(), store.WeComIdentity(contact))
	b.must(err)
	if owners[0] != member {
		b.Errorf("WelcomeFriends: the contact is %q's", owners[0])
	}
	shown := b.ask("Operate", http.StatusOK, b.request("GET", "/v1/card-batches/K-00001", b.secrets.Admin, nil)).Body
	if !strings.Contains(shown, `"friends":{"added":1,"left":0,`) {
		b.Errorf("Operate: the batch is %s", shown)
	}
}

// campaign gives the member the one coupon of one campaign.
func (b *brand) campaign(member loyalty.MemberID) {
	b.Helper()
	at := b.now.UTC().Truncate(time.Minute)
	b.write(
		store.PutAudience(audience.Definition{ID: "buyers", Rule: "orders >= 1"}, 0),
		store.PutTemplate(coupons.Template{
			ID: "ten-off", Name: "满199减20", Kind: coupons.KindOwn, Threshold: 19_900, Discount: 2_000,
			Validity: coupons.Validity{Days: 14}, Budget: coupons.Budget{Quantity: 10},
		}, 0),
		store.PutCampaign(campaign.Campaign{
			ID: "smoke", Audience: "buyers", Template: "ten-off", Schedule: campaign.Schedule{At: at}, State: campaign.StateActive, CreatedAt: at,
		}, 0),
	)
	b.tick("RunCampaigns", at)
	pages := b.cloud.Take(couponsQueue)
	if len(pages) != table.RosterShards {
		b.Fatalf("RunCampaigns: %d pages, want %d", len(pages), table.RosterShards)
	}
	for batch := range slices.Chunk(slices.Concat(pages, pages[:3]), 10) { // some come twice
		b.deliver("IssueCoupons", batch...)
	}
	issued, _, err := b.store.Coupons(b.Context(), member, 10, "")
	b.must(err)
	if len(issued) != 1 || issued[0].Template != "ten-off" || issued[0].Code == "" {
		b.Errorf("IssueCoupons: the member has %+v", issued)
	}
	result, err := b.store.CampaignResult(b.Context(), "smoke")
	b.must(err)
	if want := (store.CampaignResult{Runs: 1, Finished: 1, Issued: 1}); result != want {
		b.Errorf("IssueCoupons: the result is %+v, want %+v", result, want)
	}
}

// remind sends the member the one reminder that is due.
func (b *brand) remind(member loyalty.MemberID) {
	b.Helper()
	rules := program.Default()
	at := rules.Repurchase.Allowed(time.Now(), rules.Zone())
	b.tick("RemindRepurchase", at)
	wishes := b.cloud.Take(messagesQueue)
	if len(wishes) != 1 {
		b.Fatalf("RemindRepurchase: %d messages, want 1", len(wishes))
	}
	b.deliver("SendMessages", wishes...)
	if outcome := b.account(member).Reminded[category].Outcome; outcome != store.OutcomeSent {
		b.Errorf("SendMessages: the outcome is %q", outcome)
	}
	if len(b.sent.requests) != 1 {
		b.Fatalf("SendMessages: the sender was posted %d messages, want 1", len(b.sent.requests))
	}
	posted := b.sent.requests[0]
	webhook, err := standardwebhooks.NewWebhook(b.secrets.Sender)
	b.must(err)
	if err := webhook.Verify(posted.body, posted.header); err != nil {
		b.Errorf("SendMessages: the message is badly signed: %v", err)
	}
	var event struct{ Data notify.Message }
	b.must(json.Unmarshal(posted.body, &event))
	if message := event.Data; message.Member != member || message.Category != category || message.Text == "" {
		b.Errorf("SendMessages: posted %+v", message)
	}
}

// measure prints how long each binary takes to ask for its first invocation,
// and how large it is.
func (b *brand) measure() {
	b.Helper()
	for _, name := range slices.Sorted(maps.Keys(b.functions)) {
		start, err := artifact.Spawn(b.Context(), b.binaries[name], b.functions[name].Environment(b.cloud, ""))
		if err != nil {
			b.Fatalf("%s: %v", name, err)
		}
		file, err := os.Stat(b.binaries[name])
		b.must(err)
		b.Logf("%-17s init %5.1f ms, %5.1f ms CPU, %5.2f MB", name, milliseconds(start.Wall), milliseconds(start.Ended.UserTime()+start.Ended.SystemTime()), float64(file.Size())/1e6)
	}
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 }

// notMissed are variables without which a function starts, and why.
var notMissed = map[string]string{
	"Operate COUPONS_QUEUE_URL":        "operators see the queues that are named",
	"Operate MESSAGES_QUEUE_URL":       "operators see the queues that are named",
	"Operate FRIENDS_QUEUE_URL":        "operators see the queues that are named",
	"Operate PUBLIC_URL":               "empty until a first deployment has told the API's address; printing cards is refused until then",
	"Operate SCHEDULES_DEAD_QUEUE_URL": "failed firings, which operators do not see yet",
	"RedeemCard PUBLIC_URL":            "nothing on the page needs it yet",
}

// incomplete starts each binary without each of its variables, and without each
// of its secrets: it must end by itself and say what is missing.
func (b *brand) incomplete() {
	b.Helper()
	for _, name := range slices.Sorted(maps.Keys(b.functions)) {
		for _, variable := range slices.Sorted(maps.Keys(b.functions[name].Variables)) {
			if _, listed := notMissed[name+" "+variable]; listed {
				if _, err := artifact.Spawn(b.Context(), b.binaries[name], b.functions[name].Environment(b.cloud, variable)); err != nil {
					b.Errorf("%s does not start without %s any more; strike it off the list", name, variable)
				}
				continue
			}
			b.refuses(name, variable, b.functions[name].Environment(b.cloud, variable))
			parameter := b.functions[name].Variables[variable]
			if !strings.HasSuffix(variable, "_PARAMETER") {
				continue
			}
			without := b.secrets.Parameters()
			delete(without, parameter)
			b.refuses(name, variable, b.functions[name].Environment(b.openCloud("", without), ""))
			const wrong = "no-such-thing"
			without[parameter] = wrong
			if variable == "ADMIN_TOKEN_PARAMETER" {
				continue // any text may be a token
			}
			if said := b.refuses(name, variable, b.functions[name].Environment(b.openCloud("", without), "")); strings.Contains(said, wrong) {
				b.Errorf("%s quotes the secret of %s", name, variable)
			}
		}
	}
}

// refuses fails unless the binary ends by itself, with a status that is not 0
// and a word about the variable; it returns what it said.
func (b *brand) refuses(name, variable string, environment []string) string {
	b.Helper()
	var said bytes.Buffer
	process, err := runtimeapi.Start(b.binaries[name], environment, &said)
	b.must(err)
	ctx, cancel := context.WithTimeout(b.Context(), invocationLimit)
	defer cancel()
	_, err = process.Invoke(ctx, []byte(`{}`))
	b.must(process.Close()) // what it printed has come through then
	report, answered := errors.AsType[*runtimeapi.FunctionError](err)
	switch {
	case err == nil || answered && !report.AtStart:
		b.Errorf("%s starts without %s; a variable that nobody reads should not be in the template", name, variable)
	case !strings.Contains(err.Error(), "exit status 1"):
		b.Errorf("%s without %s: %v", name, variable, err)
	case !strings.Contains(said.String(), variable):
		b.Errorf("%s without %s says %q", name, variable, said.String())
	}
	return said.String()
}
