package sim

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"

	operators "github.com/huitou/huitou/functions/operate"
	"github.com/huitou/huitou/shared/queue"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/token"
)

// desk is the operators' API. To make it takes as long as a third of a world, so
// there are as many as worlds run at a time, and each world borrows one. In a
// world one invocation goes on at a time, and the desk works for that one.
type desk struct {
	handle func(context.Context, events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error)
	world  *simulation
}

const adminToken = "the simulated admin's token"

// clerks are the two operators of worlds in which one alone is not enough.
var clerks = [2]string{"chen", "zhou"}

func clerkToken(name string) string { return "the simulated token of " + name }

// hire gives the clerks their tokens.
func (s *simulation) hire() {
	for _, name := range clerks {
		operator := store.Operator{Name: name, Role: string(token.RoleOperator)}
		s.must(s.commit(nil, store.AddOperator(token.Hash(clerkToken(name)), operator)))
	}
}

var desks = sync.OnceValue(func() chan *desk {
	free := make(chan *desk, runtime.GOMAXPROCS(0))
	for range cap(free) {
		d := &desk{}
		d.handle = operators.Function{
			Store: store.Store{Table: deskTable{d}}, Keys: keyring(), PhoneKey: phoneKey, TokenKey: tokenKey, AdminToken: token.Hash(adminToken),
			Orders:  deskSender{d, func(s *simulation) *line { return s.orders }},
			Payouts: deskSender{d, func(s *simulation) *line { return s.payouts }},
			Clock:   func() time.Time { return d.world.active.clock() }, Random: deskRandom{d}, Log: slog.New(slog.DiscardHandler),
		}.Handle()
		free <- d
	}
	return free
})

// operators is the operators' API of the world.
func (s *simulation) operators(ctx context.Context, event events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
	if s.desk == nil {
		s.desk = <-desks()
		s.desk.world = s
	}
	return s.desk.handle(ctx, event)
}

// leave gives back what the world borrowed.
func (s *simulation) leave() {
	if s.desk != nil {
		s.desk.world = nil
		desks() <- s.desk
		s.desk = nil
	}
}

type deskTable struct{ *desk }

var _ table.Table = deskTable{}

func (d deskTable) client() client { return client{d.world.active} }

func (d deskTable) Get(ctx context.Context, consistency table.Consistency, keys ...table.Key) ([]*table.Item, error) {
	return d.client().Get(ctx, consistency, keys...)
}

func (d deskTable) Query(ctx context.Context, query table.Query) (table.Page, error) {
	return d.client().Query(ctx, query)
}

func (d deskTable) Scan(ctx context.Context, scan table.Scan) (table.Page, error) {
	return d.client().Scan(ctx, scan)
}

func (d deskTable) Write(ctx context.Context, actions ...table.Action) error {
	return d.client().Write(ctx, actions...)
}

type deskSender struct {
	*desk
	to func(*simulation) *line
}

var _ queue.Sender = deskSender{}

func (d deskSender) Send(ctx context.Context, bodies ...[]byte) error {
	return producer{d.world.active, d.to(d.world)}.Send(ctx, bodies...)
}

type deskRandom struct{ *desk }

func (d deskRandom) Read(p []byte) (int, error) { return io.ReadFull(d.world.random, p) }

// act is an operator's or an integration's request to the API.
type act struct {
	what   string
	method string
	path   func() string // where it is sent to now; "" while there is nowhere
	key    string        // the Idempotency-Key of a POST
	by     string        // the operator who sends it; "": whoever holds the admin's token
	body   any
	tries  int
}

// patient is how often somebody sends a request again.
const patient = 50

// ask sends a request again and again until there is a final answer.
func (s *simulation) ask(a act, answered func(status int, body string)) {
	path := a.path()
	if path == "" {
		answered(http.StatusNotFound, "")
		return
	}
	body := ""
	if a.body != nil {
		raw, err := json.Marshal(a.body)
		if err != nil {
			panic(err) // the plan's bodies are plain
		}
		body = string(bytes.TrimSpace(raw))
	}
	s.record("operators", a.what)
	headers := map[string]string{"authorization": "Bearer " + adminToken}
	if a.by != "" {
		headers["authorization"] = "Bearer " + clerkToken(a.by)
	}
	if a.key != "" {
		headers["idempotency-key"] = a.key
	}
	s.request(operate, a.method, path, headers, body, func(status int, body string) {
		again := func() {
			a.tries++
			s.in(s.patience(a.tries), func() { s.ask(a, answered) })
		}
		switch {
		case a.tries > patient && !s.calm: // they give up
		case status == http.StatusInternalServerError:
			s.violate("PANIC", "%s is answered with %s", a.what, body)
		case status == 0 || status > 500, status == http.StatusConflict && strings.Contains(body, "in_progress"):
			again()
		default:
			place := []uint64{number(a.what), number(a.key), uint64(a.tries)}
			if _, same := s.faults.strikes(RetrySameKey, a.what, place...); same && a.tries < 6 {
				again()
				return
			}
			answered(status, body)
		}
	})
}
