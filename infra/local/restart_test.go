package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// demoBatch is the one batch of the demo brand.
type demoBatch struct {
	ID    string `json:"id"`
	State string `json:"state"`
	Count int    `json:"count"`
}

func TestSecondStartKeepsEverythingAndLoadsNoDemo(t *testing.T) {
	folder := t.TempDir()
	p := start(t, folder, nil)
	member := p.member(t, buyerOf("stays"))
	p.order(t, milk("STAYS-1", "stays", 19_900, time.Now()))
	p.rest(t)
	ledger := p.ledger(t, member)
	batches := listed[demoBatch](t, p, "/v1/card-batches")
	members := p.everybody(t)
	var template struct{ Name string }
	p.get(t, "/v1/coupon-templates/welcome-20", &template)
	if len(batches) != 1 || batches[0].State != "active" || len(members) != len(demoMembers)+1 || len(ledger) != 1 {
		t.Fatalf("after the first start: %+v, %d members, %+v", batches, len(members), ledger)
	}
	// The operator changes something that a second load would undo.
	p.put(t, "/v1/audiences/milk-regulars", map[string]any{"name": "改过", "rule": "orders >= 7"}).read(t, http.StatusOK, nil)
	token, secret := p.token, p.secret
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}

	p = start(t, folder, nil)
	if p.token != token || p.secret != secret {
		t.Error("the second start prints other credentials")
	}
	if diff := cmp.Diff(ledger, p.ledger(t, member)); diff != "" {
		t.Errorf("the ledger (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(batches, listed[demoBatch](t, p, "/v1/card-batches")); diff != "" {
		t.Errorf("the batches (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(members, p.everybody(t)); diff != "" {
		t.Errorf("the members (-before +after):\n%s", diff)
	}
	var changed struct{ Name string }
	p.get(t, "/v1/audiences/milk-regulars", &changed)
	if changed.Name != "改过" {
		t.Errorf("the demo was loaded over it: %q", changed.Name)
	}
	p.do(t, http.MethodGet, p.greetedCard(t), nil, nil).read(t, http.StatusOK, nil)
}

// everybody is who an audience of all finds.
func (p *process) everybody(t *testing.T) map[string]bool {
	t.Helper()
	p.put(t, "/v1/audiences/everybody", map[string]any{"rule": "joined_days >= 0"}).read(t, http.StatusOK, nil)
	var preview struct {
		Count  int
		Sample []string
	}
	p.post(t, "/v1/audiences/everybody/preview", nil).read(t, http.StatusOK, &preview)
	all := map[string]bool{}
	for _, member := range preview.Sample {
		all[member] = true
	}
	if preview.Count != len(all) {
		t.Fatalf("%d members, more than a sample shows", preview.Count)
	}
	return all
}

// Ctrl-C answers what was asked before it, and takes no longer than closeTime.
func TestInterruptUnderLoadEndsInTime(t *testing.T) {
	p := start(t, t.TempDir(), empty)
	member := p.member(t, buyerOf("closing"))
	var taken atomic.Int32
	ended := make(chan struct{})
	for client := range 16 {
		go func() {
			defer func() { ended <- struct{}{} }()
			for n := 0; ; n++ {
				body := encode(t, milk(fmt.Sprintf("CLOSING-%d-%d", client, n), "closing", 1_000, time.Now()))
				header, err := sign(p.secret, fmt.Sprintf("msg_%d_%d", client, n), time.Now(), body)
				if err != nil {
					t.Error(err)
					return
				}
				a, err := p.call(http.MethodPost, genericHook, header, body)
				if err != nil {
					return // nobody listens any more
				}
				if a.status != http.StatusAccepted {
					t.Errorf("%d %s", a.status, a.body)
					return
				}
				taken.Add(1)
			}
		}()
	}
	eventually(t, "100 orders are taken", func() bool { return taken.Load() >= 100 })
	began := time.Now()
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > closeTime {
		t.Errorf("it took %s to stop", took)
	}
	for range 16 {
		<-ended
	}
	p = start(t, p.folder, empty)
	p.rest(t)
	if entries := p.ledger(t, member); len(entries) != int(taken.Load()) {
		t.Errorf("%d entries, %d orders were taken", len(entries), taken.Load())
	}
}

func TestSecondProcessOnTheSameFolderIsRefused(t *testing.T) {
	p := shared(t)
	second, err := launch(p.folder, nil)
	if err == nil {
		_ = second.stop()
		t.Fatal("two processes work on one folder")
	}
	for _, told := range []string{p.folder, "another process"} {
		if !strings.Contains(err.Error(), told) {
			t.Errorf("the error does not say %q: %v", told, err)
		}
	}
	p.do(t, http.MethodGet, "/healthz", nil, nil).read(t, http.StatusOK, nil)
}

func TestAddressInUseIsRefusedByItsVariable(t *testing.T) {
	p := shared(t)
	second, err := launch(t.TempDir(), map[string]string{"HUITOU_DEMO": "0", "HUITOU_ADDR": strings.TrimPrefix(p.address, "http://")})
	if err == nil {
		_ = second.stop()
		t.Fatal("two processes listen at one address")
	}
	if !strings.Contains(err.Error(), "HUITOU_ADDR") || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("the error is %v", err)
	}
}

func TestSpoiledSecretsAreNotOverwritten(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "secrets.json")
	if err := os.WriteFile(path, []byte(`{"phone_key`), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := launch(folder, empty)
	if err == nil {
		_ = p.stop()
		t.Fatal("it starts with half a file of secrets")
	}
	if !strings.Contains(err.Error(), path) {
		t.Errorf("the error does not name the file: %v", err)
	}
	if raw, err := os.ReadFile(path); err != nil || string(raw) != `{"phone_key` {
		t.Errorf("the file became %q, %v", raw, err)
	}
}

// interrupting is a network on which Ctrl-C falls on the nth request.
type interrupting struct {
	left   atomic.Int32
	cancel context.CancelFunc
}

func (i *interrupting) RoundTrip(request *http.Request) (*http.Response, error) {
	if i.left.Add(-1) == 0 {
		i.cancel()
		return nil, errors.New("the network is gone")
	}
	return http.DefaultTransport.RoundTrip(request)
}

// A first start that is interrupted while it loads the demo is made up for by
// the next one, wherever it stopped.
func TestDemoInterruptedAnywhereIsCompletedOnce(t *testing.T) {
	const requests = 23 // that a start with the demo makes of itself
	for _, at := range []int32{2, 5, 9, 14, 20, 21, 22, requests} {
		folder := t.TempDir()
		ctx, cancel := context.WithTimeout(t.Context(), startTime)
		network := &interrupting{cancel: cancel}
		network.left.Store(at)
		c := config{addr: "127.0.0.1:0", folder: folder, demo: true}
		http.DefaultClient.Transport = network
		err := run(ctx, c, newTranscript(), discard)
		http.DefaultClient.Transport = nil
		cancel()
		if network.left.Load() > 0 {
			t.Fatalf("the start made fewer than %d requests: %v", at, err)
		}
		if err == nil {
			t.Errorf("interrupted at request %d: no error", at)
		}
		p := start(t, folder, nil)
		p.rest(t)
		batches := listed[demoBatch](t, p, "/v1/card-batches")
		if len(batches) != 1 || batches[0].State != "active" {
			t.Errorf("interrupted at request %d: %+v", at, batches)
		}
		members := p.everybody(t)
		if len(members) != len(demoMembers) {
			t.Errorf("interrupted at request %d: %d members", at, len(members))
		}
		earned := 0
		for member := range members {
			earned += len(p.ledger(t, member))
		}
		if earned != 7 {
			t.Errorf("interrupted at request %d: %d orders are credited, the demo has 7", at, earned)
		}
		if err := p.stop(); err != nil {
			t.Error(err)
		}
	}
}
