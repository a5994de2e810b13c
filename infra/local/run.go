package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/huitou/huitou"
	"github.com/huitou/huitou/infra/stack"
	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/notify/outbox"
	"github.com/huitou/huitou/shared/orders/youzan"
	"github.com/huitou/huitou/shared/problem"
	"github.com/huitou/huitou/shared/queue"
	"github.com/huitou/huitou/shared/table/embedded"
	"github.com/huitou/huitou/shared/wecom"
	"github.com/huitou/huitou/shared/wecom/wecomtest"
)

// demoYouzan is a made-up application, so that a Youzan push can be tried
// without an account.
var demoYouzan = []youzan.App{{ClientID: "demo-client-id", ClientSecret: "demo-client-secret"}}

// closeTime is how long work in flight may take after Ctrl-C. Work that is not
// done by then is done after the next start.
const closeTime = 10 * time.Second

// run serves until ctx ends.
func run(ctx context.Context, c config, out io.Writer, log *slog.Logger) (err error) {
	s, err := openSecrets(c)
	if err != nil {
		return err
	}
	keys, err := cards.ReadKeyring(s.CardKeys)
	if err != nil {
		return err
	}
	callbacks, err := wecom.NewApp(wecomtest.Demo.ID, wecomtest.Demo.Token, wecomtest.Demo.EncodingAESKey)
	if err != nil {
		return err
	}
	tables, err := openEngines(c.folder, "table", "queues", "outbox")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeEngines(tables)) }()
	listener, err := net.Listen("tcp", c.addr)
	if err != nil {
		return fmt.Errorf("HUITOU_ADDR: %w", err)
	}
	address := "http://" + listener.Addr().String()
	sent := outbox.Outbox{Table: tables[2]}
	admin := &localQueues{}
	huitouStack, err := stack.Open(stack.Config{
		Template: huitou.Template, Queues: tables[1], Log: log,
		Builders: handlers(deps{
			table: tables[0], secrets: s, keys: keys, queues: admin, notifier: sent, wecom: callbacks, publicURL: address, log: log,
		}),
	})
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	admin.stack = huitouStack
	huitouStack.Start()
	server := &http.Server{Handler: localHandler(huitouStack, sent), ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 64 << 10}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	err = greet(ctx, c, s, address, out)
	if err == nil {
		select {
		case <-ctx.Done():
			fmt.Fprintln(out, "\nhuitou stops; what is on the queues goes on at the next start")
		case err = <-served:
		}
	}
	closing, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	return errors.Join(err, server.Shutdown(closing), huitouStack.Close(closing))
}

func openEngines(folder string, names ...string) ([]*embedded.Engine, error) {
	var engines []*embedded.Engine
	for _, name := range names {
		engine, err := embedded.Open(filepath.Join(folder, name))
		if err != nil {
			return nil, errors.Join(err, closeEngines(engines))
		}
		engines = append(engines, engine)
	}
	return engines, nil
}

func closeEngines(engines []*embedded.Engine) error {
	var errs []error
	for _, engine := range engines {
		errs = append(errs, engine.Close())
	}
	return errors.Join(errs...)
}

// localHandler puts what only this process has in front of the stack. A mux
// tidies paths up and redirects, which API Gateway does not, so the stack stands
// beside it.
func localHandler(s *stack.Stack, sent outbox.Outbox) http.Handler {
	local := localMux(s, sent)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/_local" || strings.HasPrefix(r.URL.Path, "/_local/") {
			local.ServeHTTP(w, r)
			return
		}
		s.ServeHTTP(w, r)
	})
}

func localMux(s *stack.Stack, sent outbox.Outbox) *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("/_local", s.Control())
	mux.Handle("/_local/", s.Control())
	mux.HandleFunc("GET /_local/outbox", func(w http.ResponseWriter, r *http.Request) {
		limit := 100
		if text := r.URL.Query().Get("limit"); text != "" {
			n, err := strconv.Atoi(text)
			if err != nil || n < 1 || n > 1000 {
				problem.Write(w, r, loyalty.Invalid("limit", "out_of_range", "limit is 1 to 1000"))
				return
			}
			limit = n
		}
		messages, next, err := sent.List(r.Context(), limit, r.URL.Query().Get("cursor"))
		if err != nil {
			problem.Write(w, r, err)
			return
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		page := map[string]any{"items": messages}
		if next != "" {
			page["next_cursor"] = next
		}
		_ = json.NewEncoder(w).Encode(page) // a reader who went away needs no answer
	})
	mux.HandleFunc("/_local/outbox", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", "GET, HEAD")
		problem.Write(w, r, loyalty.Refuse(loyalty.KindNotAllowed, "method_not_allowed", "only GET is taken here"))
	})
	return mux
}

// localQueues is the stack's queues as operators see them: a queue without its
// "Queue", its dead letters with it.
type localQueues struct{ stack *stack.Stack }

var _ queue.Admin = (*localQueues)(nil)

var localQueueNames = map[string]string{
	"orders": "OrdersQueue", "coupons": "CouponsQueue", "messages": "MessagesQueue", "friends": "FriendsQueue",
	"payouts": "PayoutsQueue",
}

func (q *localQueues) Status(context.Context) ([]queue.Status, error) {
	states := map[string]stack.QueueState{}
	for _, state := range q.stack.Queues() {
		states[state.Name] = state
	}
	all := []queue.Status{}
	for _, name := range []string{"orders", "coupons", "messages", "friends", "payouts"} {
		live := states[localQueueNames[name]]
		dead := states[live.Dead]
		all = append(all, queue.Status{Name: name, Waiting: live.Visible, InFlight: live.InFlight, Dead: dead.Visible + dead.InFlight})
	}
	return all, nil
}

func (q *localQueues) dead(name string) (string, error) {
	for _, state := range q.stack.Queues() {
		if state.Name == localQueueNames[name] {
			return state.Dead, nil
		}
	}
	return "", loyalty.Refuse(loyalty.KindNotFound, "queue_unknown", "there is no such queue; GET /v1/queues lists them")
}

func (q *localQueues) Dead(_ context.Context, name string, limit int) ([]queue.DeadMessage, error) {
	dead, err := q.dead(name)
	if err != nil {
		return nil, err
	}
	messages, err := q.stack.Messages(dead, limit)
	if err != nil {
		return nil, err
	}
	shown := []queue.DeadMessage{}
	for _, m := range messages {
		shown = append(shown, queue.DeadMessage{ID: m.ID, Body: string(m.Body), Receives: m.Received, SentAt: m.Sent.UTC()})
	}
	return shown, nil
}

func (q *localQueues) Redrive(ctx context.Context, name string) (int, error) {
	dead, err := q.dead(name)
	if err != nil {
		return 0, err
	}
	return q.stack.Redrive(ctx, dead)
}
