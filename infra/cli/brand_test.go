package cli_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/huitou/huitou/functions/convertorders"
	"github.com/huitou/huitou/functions/operate"
	"github.com/huitou/huitou/functions/receiveorders"
	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/queue"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table/embedded"
	"github.com/huitou/huitou/shared/token"
)

const adminToken = "admin-token-of-the-test"

var now = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)

// brand is the functions behind the command line, on one table, with a queue
// that delivers at once.
type brand struct {
	*httptest.Server
	t      *testing.T
	lock   sync.Mutex
	seen   []*http.Request
	before func(w http.ResponseWriter, r *http.Request) bool // see first
	dead   []queue.DeadMessage
	store  store.Store
	keys   *cards.Keyring
}

// first lets f see each request from now on before the functions do; f tells
// whether it has answered. nil lets all pass.
func (b *brand) first(f func(w http.ResponseWriter, r *http.Request) bool) {
	b.lock.Lock()
	defer b.lock.Unlock()
	b.before = f
}

// asked is how many requests there were.
func (b *brand) asked() int {
	b.lock.Lock()
	defer b.lock.Unlock()
	return len(b.seen)
}

type delivered struct{ convert convertorders.Function }

func (d delivered) Send(ctx context.Context, bodies ...[]byte) error {
	var event events.SQSEvent
	for i, body := range bodies {
		event.Records = append(event.Records, events.SQSMessage{MessageId: fmt.Sprint(i), Body: string(body)})
	}
	response, err := d.convert.Handle(ctx, event)
	if err == nil && len(response.BatchItemFailures) > 0 {
		err = fmt.Errorf("%d messages failed", len(response.BatchItemFailures))
	}
	return err
}

// nowhere takes messages that no test reads.
type nowhere struct{}

func (nowhere) Send(context.Context, ...[]byte) error { return nil }

func (b *brand) Status(context.Context) ([]queue.Status, error) {
	return []queue.Status{{Name: "orders", Waiting: 12, InFlight: 3, Dead: len(b.dead)}, {Name: "messages"}}, nil
}

func (b *brand) Dead(_ context.Context, name string, limit int) ([]queue.DeadMessage, error) {
	if name != "orders" {
		return nil, loyalty.Refuse(loyalty.KindNotFound, "queue_unknown", "there is no such queue; GET /v1/queues lists them")
	}
	return b.dead[:min(limit, len(b.dead))], nil
}

func (b *brand) Redrive(context.Context, string) (int, error) {
	n := len(b.dead)
	b.dead = nil
	return n, nil
}

func openBrand(t *testing.T) *brand {
	t.Helper()
	engine := embedded.Memory()
	t.Cleanup(func() {
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	})
	keys, err := cards.NewKeyring(cards.RootKey{ID: 'K', Secret: [32]byte{1, 2, 3}})
	if err != nil {
		t.Fatal(err)
	}
	clock := func() time.Time { return now }
	log := slog.New(slog.DiscardHandler)
	orders := delivered{convertorders.Function{Store: store.Store{Table: engine}, Clock: clock, Log: log}}
	b := &brand{t: t, store: store.Store{Table: engine}, keys: keys}
	phoneKey := bytes.Repeat([]byte{7}, 32)
	mux := http.NewServeMux()
	mux.Handle("/", operate.Function{
		Store: store.Store{Table: engine}, Orders: orders, Payouts: nowhere{}, Queues: b, Keys: keys,
		PhoneKey: phoneKey, TokenKey: bytes.Repeat([]byte{8}, 32),
		AdminToken: token.Hash(adminToken), PublicURL: "https://brand.example",
		Clock: clock, Random: rand.Reader, Log: log,
	}.Handler())
	receive := receiveorders.Function{
		Orders: orders, Secrets: receiveorders.Secrets{Webhook: []string{secret}}, PhoneKey: phoneKey, Clock: clock, RealClock: time.Now, Log: log,
	}
	mux.HandleFunc("/hooks/", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		event := events.APIGatewayV2HTTPRequest{RawPath: r.URL.EscapedPath(), Body: string(body), Headers: map[string]string{}}
		event.RequestContext.HTTP.Method = r.Method
		for name, values := range r.Header {
			event.Headers[strings.ToLower(name)] = strings.Join(values, ",")
		}
		response, err := receive.Handle(r.Context(), event)
		if err != nil {
			t.Error(err)
		}
		w.WriteHeader(response.StatusCode)
		_, _ = io.WriteString(w, response.Body)
	})
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.lock.Lock()
		b.seen = append(b.seen, r)
		before := b.before
		b.lock.Unlock()
		if before == nil || !before(w, r) {
			mux.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(b.Close)
	t.Setenv("HUITOU_URL", b.URL)
	t.Setenv("HUITOU_OPERATOR_TOKEN", adminToken)
	t.Setenv("HUITOU_WEBHOOK_SECRET", secret)
	return b
}

// done runs a command that has to succeed without a word on stderr.
func (b *brand) done(arguments ...string) string {
	b.t.Helper()
	code, out, errText := run(b.t, context.Background(), arguments...)
	if code != 0 || errText != "" {
		b.t.Fatalf("huitou %s: exit code %d, %s, %s", strings.Join(arguments, " "), code, out, errText)
	}
	return out
}

// refused runs a command that has to fail, and gives what it says.
func (b *brand) refused(want int, arguments ...string) string {
	b.t.Helper()
	code, out, errText := run(b.t, context.Background(), arguments...)
	if code != want || out != "" || strings.Count(errText, "\n") != 1 {
		b.t.Errorf("huitou %s: exit code %d, %q, %q; want %d and one line", strings.Join(arguments, " "), code, out, errText, want)
	}
	return errText
}

func (b *brand) file(name, content string) string {
	b.t.Helper()
	path := filepath.Join(b.t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		b.t.Fatal(err)
	}
	return path
}

func field(t *testing.T, raw, name string) string {
	t.Helper()
	var members map[string]any
	if err := json.Unmarshal([]byte(raw), &members); err != nil {
		t.Fatalf("%v in %s", err, raw)
	}
	return fmt.Sprint(members[name])
}

const window = "--valid-from=2026-01-01T00:00:00+08:00 --valid-to=2028-01-01T00:00:00+08:00"

// batch makes a batch of cards and gives its id.
func (b *brand) batch(name string, count int) string {
	b.t.Helper()
	return field(b.t, b.done(append([]string{"cards", "create", "--json", "--name", name, "--count", fmt.Sprint(count), "--prize", "points:200:1"}, strings.Fields(window)...)...), "id")
}

// calls counts the requests that were made to a path.
func (b *brand) calls(method, path string) int {
	b.lock.Lock()
	defer b.lock.Unlock()
	n := 0
	for _, r := range b.seen {
		if r.Method == method && r.URL.Path == path {
			n++
		}
	}
	return n
}
