package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/huitou/huitou"
	"github.com/huitou/huitou/functions/sendmessages"
	"github.com/huitou/huitou/infra/stack"
	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/ledger"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/notify"
	messages "github.com/huitou/huitou/shared/notify/webhook"
	"github.com/huitou/huitou/shared/points"
	brand "github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table/embedded"
	"github.com/huitou/huitou/shared/webhook"
)

// wire is a network within the test, so that hours on it pass at once.
type wire chan net.Conn

func (w wire) dial(context.Context, string, string) (net.Conn, error) {
	here, there := net.Pipe()
	w <- there
	return here, nil
}

func (w wire) Accept() (net.Conn, error) {
	conn, open := <-w
	if !open {
		return nil, net.ErrClosed
	}
	return conn, nil
}
func (w wire) Close() error   { close(w); return nil }
func (w wire) Addr() net.Addr { return &net.UnixAddr{Name: "wire"} }

// hanging is a sender (an HTTP server) that does not answer until it is let go.
type hanging struct {
	mu    sync.Mutex
	tried map[loyalty.MemberID]int
	taken map[string]int // by the message's id, only those that were answered
	free  bool
}

func (h *hanging) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body struct{ Data notify.Message }
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	h.mu.Lock()
	h.tried[body.Data.Member]++
	free := h.free
	if free {
		h.taken[body.Data.ID]++
	}
	h.mu.Unlock()
	if !free {
		<-r.Context().Done()
	}
}

// The template's own numbers hold a sender that hangs for half an hour: no
// message goes to the dead queue, least of all one that was never tried, and no
// reminder is recorded as sent. Once the sender answers, each leaves.
func TestASenderThatHangsForHalfAnHourLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const members = 40
		time.Sleep(40*24*time.Hour + 70*time.Minute) // it is 9:10 in Shanghai, and years begin in 2000
		server := &hanging{tried: map[loyalty.MemberID]int{}, taken: map[string]int{}}
		network := make(wire)
		listening := &http.Server{Handler: server}
		go listening.Serve(network)
		transport := &http.Transport{DialContext: network.dial, DisableKeepAlives: true}
		receiver, err := webhook.New(webhook.Target{URL: "http://127.0.0.1:9/", Secrets: []string{"whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="}},
			&http.Client{Timeout: sendmessages.CallLimit, Transport: transport}, time.Now)
		if err != nil {
			t.Fatal(err)
		}

		engine, queues := embedded.Memory(), embedded.Memory()
		defer engine.Close()
		defer queues.Close()
		records := store.Store{Table: engine}
		rules := brand.Default()
		rules.Version, rules.EffectiveAt = 1, time.Now().AddDate(-1, 0, 0)
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		must(engine.Write(t.Context(), store.PutProgram(rules)))
		member := func(i int) loyalty.MemberID { return loyalty.MemberID(fmt.Sprint("m", i)) }
		bought := time.Now().AddDate(0, 0, -21)
		for i := range members {
			must(engine.Write(t.Context(), store.CreateAccount(member(i), store.Profile{}, []loyalty.Consent{loyalty.ConsentMembership, loyalty.ConsentMarketing}, bought)...))
			fact := points.Fact{Kind: points.FactPaid, At: bought, Member: member(i), Lines: []points.Line{{ID: "1", Category: "milk-powder", Quantity: 1, Paid: 10_000}}}
			_, err := ledger.Post(t.Context(), records, []brand.Program{rules}, ledger.News{Order: loyalty.OrderKey{Channel: "tmall", Shop: "flagship", Order: fmt.Sprint(i)}, Fact: fact}, bought)
			must(err)
		}
		keys, err := cards.NewKeyring(cards.RootKey{ID: 'K', Secret: [32]byte{1, 2, 3}})
		must(err)
		admin := &localQueues{}
		running, err := stack.Open(stack.Config{
			Template: huitou.Template, Queues: queues, Log: slog.New(slog.DiscardHandler),
			Builders: handlers(deps{table: engine, keys: keys, queues: admin, notifier: messages.New(receiver), publicURL: "http://huitou.example", log: slog.New(slog.DiscardHandler)}),
		})
		must(err)
		admin.stack = running
		running.Start()
		defer func() {
			must(running.Close(context.Background()))
			must(listening.Close())
		}()
		outcomes := func() map[string]int {
			counted := map[string]int{}
			for i := range members {
				account, err := records.Account(t.Context(), member(i))
				must(err)
				counted[account.Reminded["milk-powder"].Outcome]++
			}
			return counted
		}

		must(running.Fire(t.Context(), "RemindRepurchase/Hourly", time.Now()))
		time.Sleep(30 * time.Minute)
		if got := outcomes(); got[store.OutcomeSent] > 0 || got[store.OutcomeHandingOver] == 0 {
			t.Errorf("while the sender hangs the reminders are %v", got)
		}
		dead, err := admin.Dead(t.Context(), "messages", 1000)
		must(err)
		if len(dead) > 0 {
			t.Errorf("%d messages are in the dead queue", len(dead))
		}
		server.mu.Lock()
		tried := len(server.tried)
		server.free = true
		server.mu.Unlock()
		if tried != members {
			t.Errorf("%d of %d messages were tried in half an hour", tried, members)
		}
		time.Sleep(20 * time.Minute)
		if got := outcomes(); got[store.OutcomeSent] != members {
			t.Errorf("once the sender answers the reminders are %v", got)
		}
		if len(server.taken) != members {
			t.Errorf("the sender took %d messages, want %d", len(server.taken), members)
		}
	})
}
