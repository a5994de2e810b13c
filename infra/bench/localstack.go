package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/huitou/huitou/infra/smoke/artifact"
)

// Orders is how many orders the whole stack in one process credits: signed
// HTTP, the durable queue, the function and its commit.
type Orders struct {
	Accepted  Rate    `json:"accepted"`            // answers 202
	PerSecond float64 `json:"credited_per_second"` // from the first request until the queue is empty
	Count     int     `json:"count"`
	CPU       float64 `json:"cpu_us"` // of the stack's process for each, from its start to its end
}

const (
	stackClients = 64
	stackMembers = 200
	stackLength  = 5 * time.Second
	stackStart   = 30 * time.Second
	stackDrain   = 60 * time.Second
)

// localStack is the program of `make run`, which knows nothing of being
// measured.
type localStack struct {
	url     string
	admin   string
	webhook *standardwebhooks.Webhook
	client  *http.Client
	command *exec.Cmd
}

// measureStack starts the program on a folder of its own, sends it orders from
// many clients at once, and waits until all are credited.
func measureStack(ctx context.Context) (orders Orders, err error) {
	folder, err := durableFolder(ctx)
	if err != nil {
		return orders, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	s, stop, err := startStack(ctx, folder)
	if err != nil {
		return orders, err
	}
	defer stop()
	members := make([]string, stackMembers)
	for i := range members {
		var joined struct {
			MemberID string `json:"member_id"`
		}
		body := fmt.Sprintf(`{"identities":[{"kind":"buyer","channel":"tmall","value":"buyer-%d"}],"consents":["membership"]}`, i)
		if err := s.call(ctx, http.MethodPost, "/v1/members", body, &joined); err != nil {
			return orders, err
		}
		members[i] = joined.MemberID
	}
	if err := s.drained(ctx); err != nil {
		return orders, err
	}
	began := time.Now()
	orders.Accepted, err = together(stackClients, stackLength, func(i int) error { return s.order(ctx, i) })
	if err != nil {
		return orders, err
	}
	if err := s.drained(ctx); err != nil {
		return orders, err
	}
	elapsed := time.Since(began)
	// Each order of ¥398 gives 398 points: what was accepted must be there, once.
	credited := 0
	for _, member := range members {
		var held struct{ Pending int }
		if err := s.call(ctx, http.MethodGet, "/v1/members/"+member+"/points", "", &held); err != nil {
			return orders, err
		}
		credited += held.Pending
	}
	orders.Count = credited / 398
	orders.PerSecond = float64(orders.Count) / elapsed.Seconds()
	if credited == 0 || credited%398 != 0 {
		return orders, fmt.Errorf("%d points were credited, which is no number of orders", credited)
	}
	stop()
	used := s.command.ProcessState.UserTime() + s.command.ProcessState.SystemTime()
	orders.CPU = float64(used.Microseconds()) / float64(orders.Count)
	return orders, nil
}

func startStack(ctx context.Context, folder string) (s *localStack, stop func(), err error) {
	root, err := artifact.Root(ctx)
	if err != nil {
		return nil, nil, err
	}
	program := filepath.Join(folder, "huitou-local")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", program, "./infra/local")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return nil, nil, fmt.Errorf("%w: %s", err, out)
	}
	port, err := freePort()
	if err != nil {
		return nil, nil, err
	}
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return nil, nil, err
	}
	s = &localStack{
		url: "http://127.0.0.1:" + port, admin: "bench",
		client: &http.Client{Timeout: stackStart, Transport: &http.Transport{MaxIdleConnsPerHost: stackClients}},
	}
	if s.webhook, err = standardwebhooks.NewWebhookRaw(key); err != nil {
		return nil, nil, err
	}
	var said bytes.Buffer
	process := exec.Command(program)
	process.Stdout, process.Stderr = io.Discard, &said
	process.Env = []string{
		"HUITOU_ADDR=127.0.0.1:" + port, "HUITOU_DATA=" + filepath.Join(folder, "data"), "HUITOU_DEMO=0",
		"HUITOU_OPERATOR_TOKEN=" + s.admin, "HUITOU_WEBHOOK_SECRET=whsec_" + base64.StdEncoding.EncodeToString(key),
	}
	if err := process.Start(); err != nil {
		return nil, nil, err
	}
	s.command = process
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = process.Wait() // how it ended stands in ProcessState
	}()
	stop = func() {
		_ = process.Process.Kill() // it may have ended by itself
		<-ended
	}
	err = until(ctx, stackStart, func() (bool, error) {
		select {
		case <-ended:
			return false, fmt.Errorf("the stack ended: %s: %s", process.ProcessState, said.String())
		default:
			return s.call(ctx, http.MethodGet, "/healthz", "", nil) == nil, nil
		}
	})
	if err != nil {
		stop()
		return nil, nil, err
	}
	return s, stop, nil
}

// until asks ten times a second.
func until(ctx context.Context, limit time.Duration, done func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("it took over %s: %w", limit, ctx.Err())
		case <-tick.C:
		}
	}
}

func freePort() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	return port, err
}

// call asks as the admin.
func (s *localStack) call(ctx context.Context, method, path, body string, answer any) error {
	request, err := http.NewRequestWithContext(ctx, method, s.url+path, bytes.NewReader([]byte(body)))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+s.admin)
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Idempotency-Key", rand.Text())
	}
	return s.do(request, answer)
}

// order sends the ith order, signed.
func (s *localStack) order(ctx context.Context, i int) error {
	now := time.Now()
	body := fmt.Appendf(nil, `{"type":"order.paid","channel":"tmall","shop":"flagship","order_id":"2156%015d","occurred_at":%q,"currency":"CNY","buyer":{"id":"buyer-%d"},`+
		`"lines":[{"line_id":"1","sku":"MILK-400","category":"milk-powder","quantity":2,"paid":39800}]}`, i, now.Format(time.RFC3339), i%stackMembers)
	id := "bench-" + strconv.Itoa(i)
	signature, err := s.webhook.Sign(id, now, body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/hooks/orders/generic", bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set(standardwebhooks.HeaderWebhookID, id)
	request.Header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	request.Header.Set(standardwebhooks.HeaderWebhookSignature, signature)
	return s.do(request, nil)
}

func (s *localStack) do(request *http.Request, answer any) error {
	response, err := s.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %d %s", request.Method, request.URL.Path, response.StatusCode, raw)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(raw, answer)
}

// drained waits until nothing is on the queue of orders.
func (s *localStack) drained(ctx context.Context) error {
	return until(ctx, stackDrain, func() (bool, error) {
		var queues struct {
			Items []struct {
				Name                    string
				Waiting, InFlight, Dead int
			}
		}
		var raw json.RawMessage
		if err := s.call(ctx, http.MethodGet, "/v1/queues", "", &raw); err != nil {
			return false, err
		}
		if err := json.Unmarshal(raw, &queues); err != nil {
			return false, err
		}
		for _, queue := range queues.Items {
			if queue.Name != "orders" {
				continue
			}
			if queue.Dead > 0 {
				return false, fmt.Errorf("%d orders died", queue.Dead)
			}
			return queue.Waiting+queue.InFlight == 0, nil
		}
		return false, errors.New("there is no queue of orders")
	})
}
