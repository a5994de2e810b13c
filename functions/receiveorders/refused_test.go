package receiveorders_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/refused"
)

// kept is the one input that was queued to be kept for a person.
func (h *hook) kept(t testing.TB) refused.Input {
	t.Helper()
	if len(h.queue.bodies) != 1 {
		t.Fatalf("%d messages were queued, want the one input", len(h.queue.bodies))
	}
	if bytes.Contains(h.queue.bodies[0], []byte(phone)) {
		t.Errorf("the phone is on the queue: %s", h.queue.bodies[0])
	}
	input, ok := refused.Read(h.queue.bodies[0])
	if !ok {
		t.Fatalf("no input: %s", h.queue.bodies[0])
	}
	return input
}

const goodPaid = `{"full_order_info":{"order_info":{"tid":"E1","pay_time":"2026-11-21 10:00:00"},"buyer_info":{"yz_open_id":"yz-1","buyer_phone":"13800000000"},"receiver_name":"canary","orders":[{"oid":"1","num":1,"payment":"1.00"}]}}`

// A push that a platform signed and we cannot read is acknowledged and kept for
// a person, without a phone and without what we do not read.
func TestASignedPushThatCannotBeReadIsKeptForAPerson(t *testing.T) {
	for name, test := range map[string]struct {
		kind, message, fault string
		order                bool
	}{
		"no JSON":            {"trade_TradePaid", "hello", "/msg bad_message", false},
		"no order number":    {"trade_TradeSuccess", `{"tid":"","update_time":"2026-11-21 10:00:00"}`, "/order_id required", false},
		"three decimals":     {"trade_TradePaid", strings.Replace(goodPaid, "1.00", "1.005", 1), "/msg/full_order_info/orders/0/payment bad_money", true},
		"a negative payment": {"trade_TradePaid", strings.Replace(goodPaid, "1.00", "-1.00", 1), "/msg/full_order_info/orders/0/payment bad_money", true},
		"no lines":           {"trade_TradePaid", strings.Replace(goodPaid, `[{"oid":"1","num":1,"payment":"1.00"}]`, `[]`, 1), "/msg/full_order_info/orders required", true},
		"a line of U+FFFD":   {"trade_TradePaid", strings.Replace(goodPaid, `"oid":"1"`, `"oid":"\ufffd"`, 1), "/lines/0/line_id not_printable", true},
		"a phone as a line":  {"trade_TradePaid", strings.Replace(strings.Replace(goodPaid, `"oid":"1"`, `"oid":"13800000000"`, 1), "1.00", "x", 1), "/msg/full_order_info/orders/0/payment bad_money", true},
		"a time of 2036":     {"trade_TradePaid", strings.Replace(goodPaid, "2026-", "2036-", 1), "/occurred_at in_the_future", true},
		"no type":            {"", goodPaid, "/type required", true},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHook()
			response := h.send(t, youzanPush(t, test.kind, url.QueryEscape(test.message)))
			if response.StatusCode != 200 || strings.TrimSpace(response.Body) != `{"code":0,"msg":"success"}` {
				t.Errorf("%+v", response)
			}
			input := h.kept(t)
			if input.Source != "youzan" || input.Reason != refused.Unreadable || input.Form != refused.Youzan || len(input.Faults) == 0 ||
				strings.TrimSpace(input.Faults[0].Pointer+" "+input.Faults[0].Code) != test.fault {
				t.Errorf("%+v", input)
			}
			if strings.Contains(input.Content, "canary") || strings.Contains(h.log.String(), "canary") {
				t.Errorf("what is not read is kept: %s\n%s", input.Content, h.log)
			}
			if got := input.Order == (loyalty.OrderKey{Channel: "youzan", Shop: "1", Order: "E1"}); got != test.order {
				t.Errorf("order %+v", input.Order)
			}
			if !strings.Contains(h.log.String(), "push kept for a person") {
				t.Errorf("not counted: %s", h.log)
			}
			if wants := name == "a phone as a line"; input.Cut != wants {
				t.Errorf("cut: %v", input.Cut)
			}
		})
	}
}

func TestAKeptPushNamesItsBuyerByTokens(t *testing.T) {
	h := newHook()
	h.send(t, youzanPush(t, "trade_TradePaid", url.QueryEscape(strings.Replace(goodPaid, "1.00", "x", 1))))
	input := h.kept(t)
	if len(input.Names) != 2 || input.Names[0] != (loyalty.Identity{Kind: loyalty.IdentityBuyer, Channel: "youzan", Value: "yz-1"}) || input.Names[1].Kind != loyalty.IdentityPhone {
		t.Errorf("names %+v", input.Names)
	}
	if !strings.Contains(input.Content, input.Names[1].Value) {
		t.Errorf("no token in %s", input.Content)
	}
	// The platform sends it again: it is the same input.
	again := newHook()
	resent := youzanPush(t, "trade_TradePaid", url.QueryEscape(strings.Replace(strings.Replace(goodPaid, "1.00", "x", 1), "canary", "another", 1)))
	again.send(t, resent)
	if again.kept(t).ID() != input.ID() {
		t.Error("it is another input when it is sent again")
	}
}

func TestANicknameOfGarbageLosesNoOrder(t *testing.T) {
	for _, value := range []string{`"\ufffd"`, "\"\ufffd\"", `"\u0001"`, "\"\x01\"", `"\ud83d"`, `"👶"`, "\"\xff\"", `null`, `7`, `{}`} {
		h := newHook()
		message := strings.Replace(goodPaid, `"receiver_name":"canary"`, `"receiver_name":`+value, 1)
		if response := h.send(t, youzanPush(t, "trade_TradePaid", url.QueryEscape(message))); response.StatusCode != 200 || len(h.queue.bodies) != 1 || bytes.Contains(h.queue.bodies[0], []byte("refused")) {
			t.Errorf("%q: %+v with %q", value, response, h.queue.bodies)
		}
	}
}

func TestAKeptPushThatTheQueueDoesNotTakeIsNotAcknowledged(t *testing.T) {
	h := newHook()
	h.queue.err = errors.New("down")
	h.refused(t, h.send(t, youzanPush(t, "trade_TradePaid", "hello")), 503, "queue_unavailable")
}

// An unsigned push writes nothing, whatever is in it.
func TestAnUnsignedPushIsNeverKept(t *testing.T) {
	for _, message := range []string{"hello", url.QueryEscape(goodPaid), ""} {
		h := newHook()
		event := youzanPush(t, "trade_TradePaid", message)
		event.Headers["event-sign"] = strings.Repeat("0", 32)
		h.refused(t, h.send(t, event), 401, "bad_signature")
	}
}

// The sender of the canonical event is told what is wrong with it, and keeps
// it.
func TestACanonicalEventThatIsRefusedIsNotKept(t *testing.T) {
	h := newHook()
	h.refused(t, h.send(t, signed(t, `{"type":"order.paid"}`)), 400, "invalid")
}

func TestACallbackThatCannotBeReadIsKeptForAPerson(t *testing.T) {
	text := contact().XML(receiver.ID)
	laughs := `<!DOCTYPE xml [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;">]>`
	future := contact()
	future.At = now.Add(301 * time.Second)
	for name, test := range map[string]struct {
		text  []byte
		fault loyalty.Field
	}{
		"a DTD":         {[]byte(laughs + string(text)), loyalty.Field{Code: "bad_callback"}},
		"an entity":     {[]byte(strings.Replace(string(text), "zhangsan", "&b;", 1)), loyalty.Field{Code: "bad_callback"}},
		"no XML":        {[]byte("hello " + phone), loyalty.Field{Code: "bad_callback"}},
		"nobody":        {[]byte(strings.Replace(string(text), "zhangsan", "", 1)), loyalty.Field{Pointer: "/UserID", Code: "malformed"}},
		"a phone":       {[]byte(strings.Replace(strings.Replace(string(text), "zhangsan", "", 1), contact().State, phone, 1)), loyalty.Field{Pointer: "/UserID", Code: "malformed"}},
		"of the future": {future.XML(receiver.ID), loyalty.Field{Pointer: "/CreateTime", Code: "in_the_future"}},
	} {
		t.Run(name, func(t *testing.T) {
			h, friends := wecomHook(t)
			if response := h.send(t, post(t, now, test.text)); response.StatusCode != 200 || response.Body != "" || len(friends.bodies) != 0 {
				t.Errorf("%+v, %d friends", response, len(friends.bodies))
			}
			input := h.kept(t)
			want := refused.Input{Source: "wecom", Reason: refused.Unreadable, Faults: []loyalty.Field{test.fault}, Form: refused.WeCom, Content: input.Content, Names: input.Names}
			if diff := cmp.Diff(want, input); diff != "" {
				t.Error(diff)
			}
			if !json.Valid([]byte(input.Content)) || strings.Contains(input.Content, contact().WelcomeCode) {
				t.Errorf("content %s", input.Content)
			}
		})
	}
}
