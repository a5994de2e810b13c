package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// process is the local process as a stranger meets it: what it prints, and
// what it answers over HTTP by CONTRACT.md. Nothing here asks the code behind.
type process struct {
	address, token, secret string
	folder                 string
	printed, logged        *transcript
	client                 *http.Client
	cancel                 context.CancelFunc // Ctrl-C
	ended                  chan error
	foretold               string // marks the lines of faults that the test brings about
}

// transcript keeps what is written to it. Its greeted is closed when the last
// line of the greeting has come.
type transcript struct {
	mu      sync.Mutex
	text    bytes.Buffer
	greeted chan struct{}
}

const lastOfGreeting = "Ctrl-C stops it."

func newTranscript() *transcript { return &transcript{greeted: make(chan struct{})} }

func (t *transcript) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	before := bytes.Contains(t.text.Bytes(), []byte(lastOfGreeting))
	t.text.Write(p)
	if !before && bytes.Contains(t.text.Bytes(), []byte(lastOfGreeting)) {
		close(t.greeted)
	}
	return len(p), nil
}

func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}

// The bounds of waiting. Both are far beyond what anything takes here, so that
// a busy machine fails no test; CONTRACT's own bound of 2 s is logged where it
// is met or not.
const (
	startTime = 60 * time.Second
	patience  = 30 * time.Second
)

// launch runs the process on a free port until the cancel it carries.
func launch(folder string, variables map[string]string) (*process, error) {
	variables = maps.Clone(variables)
	if variables == nil {
		variables = map[string]string{}
	}
	variables["HUITOU_DATA"] = folder
	if variables["HUITOU_ADDR"] == "" {
		variables["HUITOU_ADDR"] = "127.0.0.1:0"
	}
	c, err := readConfig(nil, func(name string) string { return variables[name] })
	if err != nil {
		return nil, err
	}
	p := &process{
		folder: folder, printed: newTranscript(), logged: newTranscript(), client: newClient(), ended: make(chan error, 1),
	}
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	log := slog.New(slog.NewTextHandler(p.logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	go func() { p.ended <- run(ctx, c, p.printed, log) }()
	select {
	case <-p.printed.greeted:
		return p, p.readGreeting()
	case err := <-p.ended:
		cancel()
		return nil, errors.Join(errors.New("the process ended before it was up"), err)
	case <-time.After(startTime):
		cancel()
		return nil, fmt.Errorf("the process is not up after %s", startTime)
	}
}

func newClient() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 64
	return &http.Client{
		Transport: transport, Timeout: startTime,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

var greetingLines = regexp.MustCompile(`console +(http://\S+)/console\n[\s\S]*operator token +(\S+)\n +webhook secret +(\S+)\n`)

// readGreeting takes the address and the credentials from where an operator
// would.
func (p *process) readGreeting() error {
	found := greetingLines.FindStringSubmatch(p.printed.String())
	if found == nil {
		return fmt.Errorf("the greeting does not say where it is:\n%s", p.printed)
	}
	p.address, p.token, p.secret = found[1], found[2], found[3]
	return nil
}

// stop is Ctrl-C; the process's own error comes back.
func (p *process) stop() error {
	p.cancel()
	select {
	case err := <-p.ended:
		p.ended <- err // for who asks again
		p.client.CloseIdleConnections()
		return err
	case <-time.After(closeTime + 5*time.Second):
		return fmt.Errorf("the process still runs %s after Ctrl-C", closeTime+5*time.Second)
	}
}

// faults are the lines in which the process says that something went wrong on
// its side.
func (p *process) faults() (lines []string) {
	for line := range strings.Lines(p.logged.String()) {
		if strings.Contains(line, "level=ERROR") && (p.foretold == "" || !strings.Contains(line, p.foretold)) {
			lines = append(lines, line)
		}
	}
	return lines
}

// start is launch for one test, which ends it and looks at how it went.
func start(t *testing.T, folder string, variables map[string]string) *process {
	t.Helper()
	p, err := launch(folder, variables)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.stop(); err != nil {
			t.Errorf("the process ended with %v", err)
		}
		if faults := p.faults(); len(faults) > 0 {
			t.Errorf("the process met faults of its own:\n%s", strings.Join(faults, ""))
		}
	})
	return p
}

var discard = slog.New(slog.DiscardHandler)

var empty = map[string]string{"HUITOU_DEMO": "0"}

// common is one process for the tests that do not move its clock; each works
// on members, orders and cards of its own. A test that comes again (-count)
// gets a new one, where its names are free.
var common struct {
	process *process
	folder  string
	used    map[string]bool // by the names of tests
}

func shared(t *testing.T) *process {
	t.Helper()
	if common.used[t.Name()] {
		if err := closeCommon(); err != nil {
			t.Error(err)
		}
	}
	if common.process == nil {
		var err error
		if common.folder, err = os.MkdirTemp("", "huitou-local-"); err != nil {
			t.Fatal(err)
		}
		if common.process, err = launch(common.folder, nil); err != nil {
			t.Fatal(err)
		}
		common.used = map[string]bool{}
	}
	common.used[t.Name()] = true
	return common.process
}

// closeCommon ends the shared process and looks at how it went.
func closeCommon() error {
	p := common.process
	if p == nil {
		return nil
	}
	err := p.stop()
	if faults := p.faults(); len(faults) > 0 {
		err = errors.Join(err, fmt.Errorf("the shared process met faults of its own:\n%s", strings.Join(faults, "")))
	}
	common.process = nil
	return errors.Join(err, os.RemoveAll(common.folder))
}

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	code := m.Run()
	if err := closeCommon(); err != nil {
		fmt.Println(err)
		code = 1
	}
	os.Exit(code)
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// read takes a JSON answer of the given status apart.
func (a answer) read(t *testing.T, status int, into any) {
	t.Helper()
	if a.status != status {
		t.Fatalf("status %d, want %d: %s", a.status, status, a.body)
	}
	if into == nil {
		return
	}
	if err := json.Unmarshal(a.body, into); err != nil {
		t.Fatalf("no JSON: %v\n%s", err, a.body)
	}
}

// call sends a request and may be used from any goroutine.
func (p *process) call(method, path string, header map[string]string, body []byte) (answer, error) {
	address := path
	if strings.HasPrefix(path, "/") {
		address = p.address + path
	}
	request, err := http.NewRequest(method, address, bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	for name, value := range header {
		request.Header.Set(name, value)
	}
	response, err := p.client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	raw, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header, raw}, err
}

func (p *process) do(t *testing.T, method, path string, header map[string]string, body []byte) answer {
	t.Helper()
	a, err := p.call(method, path, header, body)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// operator are the headers of a call by the holder of a token.
func operator(token string) map[string]string {
	return map[string]string{"Authorization": "Bearer " + token, "Content-Type": "application/json", "Idempotency-Key": rand.Text()}
}

func encode(t *testing.T, document any) []byte {
	t.Helper()
	if document == nil {
		return nil
	}
	raw, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func (p *process) post(t *testing.T, path string, document any) answer {
	t.Helper()
	return p.do(t, http.MethodPost, path, operator(p.token), encode(t, document))
}

func (p *process) put(t *testing.T, path string, document any) answer {
	t.Helper()
	return p.do(t, http.MethodPut, path, operator(p.token), encode(t, document))
}

func (p *process) get(t *testing.T, path string, into any) {
	t.Helper()
	p.do(t, http.MethodGet, path, operator(p.token), nil).read(t, http.StatusOK, into)
}

// listed reads a whole list, page by page.
func listed[T any](t *testing.T, p *process, path string) (items []T) {
	t.Helper()
	separator := "?"
	if strings.Contains(path, "?") {
		separator = "&"
	}
	cursor := ""
	for {
		var page struct {
			Items []T    `json:"items"`
			Next  string `json:"next_cursor"`
		}
		p.get(t, path+separator+"limit=100"+cursor, &page)
		items = append(items, page.Items...)
		if page.Next == "" {
			return items
		}
		cursor = "&cursor=" + page.Next
	}
}

// eventually asks again and again until it is so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(patience); !so(); <-ticker.C {
		if time.Now().After(deadline) {
			t.Fatalf("after %s still not so: %s", patience, what)
		}
	}
}

type queueStatus struct {
	Name     string `json:"name"`
	Waiting  int    `json:"waiting"`
	InFlight int    `json:"in_flight"`
	Dead     int    `json:"dead"`
}

func (p *process) queues(t *testing.T) []queueStatus {
	t.Helper()
	return listed[queueStatus](t, p, "/v1/queues")
}

// rest waits until every queue is empty: what was accepted is decided then.
func (p *process) rest(t *testing.T) {
	t.Helper()
	eventually(t, "the queues are empty", func() bool {
		for _, q := range p.queues(t) {
			if q.Waiting+q.InFlight > 0 {
				return false
			}
		}
		return true
	})
}

// event is an order event as CONTRACT.md shows it.
type event struct {
	Type       string `json:"type"`
	Channel    string `json:"channel"`
	Shop       string `json:"shop"`
	OrderID    string `json:"order_id"`
	OccurredAt string `json:"occurred_at"`
	Currency   string `json:"currency,omitempty"`
	Buyer      *buyer `json:"buyer,omitempty"`
	RefundID   string `json:"refund_id,omitempty"`
	Lines      []line `json:"lines,omitempty"`
}

type buyer struct {
	ID    string `json:"id,omitempty"`
	Phone string `json:"phone,omitempty"`
}

type line struct {
	LineID   string `json:"line_id"`
	SKU      string `json:"sku,omitempty"`
	Category string `json:"category,omitempty"`
	Quantity int    `json:"quantity,omitempty"`
	Paid     int    `json:"paid,omitempty"`
	Refunded int    `json:"refunded,omitempty"`
}

var shanghai = time.FixedZone("CST", 8*3600)

func instant(at time.Time) string { return at.In(shanghai).Format(time.RFC3339) }

// milk is a paid order of one line of milk powder.
func milk(order, buyerID string, fen int, at time.Time) event {
	return event{
		Type: "order.paid", Channel: "tmall", Shop: "flagship", OrderID: order, OccurredAt: instant(at), Currency: "CNY",
		Buyer: &buyer{ID: buyerID}, Lines: []line{{LineID: "1", SKU: "MILK-400", Category: "milk-powder", Quantity: 1, Paid: fen}},
	}
}

// refundOf gives back fen of line 1.
func refundOf(order, refund string, fen int, at time.Time) event {
	return event{
		Type: "order.refunded", Channel: "tmall", Shop: "flagship", OrderID: order, OccurredAt: instant(at), Currency: "CNY",
		RefundID: refund, Lines: []line{{LineID: "1", Refunded: fen}},
	}
}

func completed(order string, at time.Time) event {
	return event{Type: "order.completed", Channel: "tmall", Shop: "flagship", OrderID: order, OccurredAt: instant(at)}
}

// sign makes Standard Webhooks headers by their specification: the HMAC-SHA256
// of "id.timestamp.body" under the decoded secret.
func sign(secret, id string, at time.Time, body []byte) (map[string]string, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		return nil, err
	}
	timestamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + timestamp + "."))
	mac.Write(body)
	return map[string]string{
		"Content-Type": "application/json", "webhook-id": id, "webhook-timestamp": timestamp,
		"webhook-signature": "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)),
	}, nil
}

func (p *process) sign(t *testing.T, at time.Time, body []byte) map[string]string {
	t.Helper()
	header, err := sign(p.secret, "msg_"+rand.Text(), at, body)
	if err != nil {
		t.Fatal(err)
	}
	return header
}

const genericHook = "/hooks/orders/generic"

// order sends a signed event and demands that it is taken.
func (p *process) order(t *testing.T, e event) {
	t.Helper()
	body := encode(t, e)
	a := p.do(t, http.MethodPost, genericHook, p.sign(t, time.Now(), body), body)
	if a.status != http.StatusAccepted || strings.TrimSpace(string(a.body)) != `{"accepted":1}` {
		t.Fatalf("the hook answers %d %s", a.status, a.body)
	}
}

type identity struct {
	Kind    string `json:"kind"`
	Channel string `json:"channel,omitempty"`
	Value   string `json:"value"`
}

func buyerOf(id string) identity { return identity{"buyer", "tmall", id} }

func openID(value string) identity { return identity{"openid", "wechat", value} }

// member makes a member who agrees to everything.
func (p *process) member(t *testing.T, identities ...identity) string {
	t.Helper()
	var made struct {
		ID string `json:"member_id"`
	}
	p.post(t, "/v1/members", map[string]any{
		"identities": identities, "consents": []string{"membership", "marketing", "personalisation"},
	}).read(t, http.StatusCreated, &made)
	return made.ID
}

type balance struct {
	Available int64 `json:"available"`
	Pending   int64 `json:"pending"`
	Debt      int64 `json:"debt"`
}

func (b balance) sum() int64 { return b.Available + b.Pending - b.Debt }

func (p *process) balance(t *testing.T, member string) (b balance) {
	t.Helper()
	p.get(t, "/v1/members/"+member+"/points", &b)
	return b
}

type entry struct {
	ID        string `json:"id"`
	Kind      string `json:"kind"`
	OrderID   string `json:"order_id"`
	LineID    string `json:"line_id"`
	Available int64  `json:"available"`
	Pending   int64  `json:"pending"`
	Debt      int64  `json:"debt"`
}

// ledger is the whole ledger of a member. It always adds up to the balance.
func (p *process) ledger(t *testing.T, member string) []entry {
	t.Helper()
	entries := listed[entry](t, p, "/v1/members/"+member+"/points/ledger")
	var sum balance
	for _, e := range entries {
		sum.Available += e.Available
		sum.Pending += e.Pending
		sum.Debt += e.Debt
	}
	if b := p.balance(t, member); b != sum {
		t.Errorf("the ledger of %s adds up to %+v, its balance is %+v", member, sum, b)
	}
	return entries
}
