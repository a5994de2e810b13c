package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/huitou/huitou/functions/members"
	"github.com/huitou/huitou/functions/operate"
	"github.com/huitou/huitou/shared/ledger"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/orders"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/schedule"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/token"
)

// spendings are what becomes of points after they were earned. The rows of the
// API hold its Idempotency-Keys and audit log as well.
var spendings = []operation{
	{"points set aside, without end", 6, func(s *shop) (Units, error) { return s.spent(endless, (*shop).reserved) }},
	{"points set aside, of a lot", 6, func(s *shop) (Units, error) { return s.spent(ending, (*shop).reserved) }},
	{"reservation committed", noTarget, func(s *shop) (Units, error) { return s.spent(ending, (*shop).committed) }},
	{"reservation cancelled, without end", noTarget, func(s *shop) (Units, error) { return s.spent(endless, (*shop).cancelled) }},
	{"reservation cancelled, of a lot", noTarget, func(s *shop) (Units, error) { return s.spent(ending, (*shop).cancelled) }},
	{"spend through the API, set aside and committed", noTarget, func(s *shop) (Units, error) { return s.spent(ending, (*shop).spentByAPI) }},
	{"correction by hand through the API", noTarget, func(s *shop) (Units, error) { return s.spent(ending, (*shop).adjustedByAPI) }},
	{"refund of a line, after settlement, of a lot", 6, func(s *shop) (Units, error) { return s.spent(ending, (*shop).refundedLate) }},
	{"expiry of a member's lot", 6, func(s *shop) (Units, error) {
		const due = 40
		return after(s.settled(due, ending), func() (Units, error) {
			return s.metered(due, func(ctx context.Context) error { return s.settle().Handle(ctx, schedule.Tick{Time: lotOver}) })
		})
	}},
	{"order claimed by its number, until it is credited", noTarget, (*shop).claimed},
	{"claim that waits for its order", noTarget, (*shop).waits},
	{"correction proposed through the API", noTarget, func(s *shop) (Units, error) {
		return s.asked(`/v1/members/{0}/points/adjustments`, `{"points":5000,"reason":"late parcel"}`)
	}},
	{"member looked up by an identity", noTarget, func(s *shop) (Units, error) {
		return s.asked("/v1/members/lookup", fmt.Sprintf(`{"identity":{"kind":"buyer","channel":"tmall","value":%q}}`, identity(0).Value))
	}},
	{"50 members listed", 0, func(s *shop) (Units, error) { return s.asked("/v1/members?limit=50", "") }},
	{"50 orders of nobody listed", 0, func(s *shop) (Units, error) {
		for i := range 60 {
			if err := s.before(s.paid(stranger, i, regular)); err != nil {
				return Units{}, err
			}
		}
		return s.asked("/v1/orders?owner=nobody&limit=50", "")
	}},
}

// Whether the shop's points end.
const (
	endless = false
	ending  = true
)

var (
	settledAt = paidAt.AddDate(0, 0, 31)
	// lotOver is when the schedule finds that points of settledAt ended.
	lotOver = settledAt.AddDate(0, 3, 0)
)

// settled gives each of the first n members 398 points that they may spend.
func (s *shop) settled(n int, ends bool) error {
	if ends {
		if err := s.engine.Write(s.ctx, store.PutProgram(expiring())); err != nil {
			return err
		}
	}
	if err := s.bought(n, unplanned); err != nil {
		return err
	}
	s.now = settledAt
	return s.settle().Handle(s.ctx, schedule.Tick{Time: settledAt})
}

// expiring is a program whose points are good for a month and the rest of the
// one after it.
func expiring() program.Program {
	rules := program.Default()
	rules.Version, rules.EffectiveAt = 2, paidAt.AddDate(0, -6, 0)
	rules.Points.Expiry = &points.Expiry{Months: 1, EndOf: "month"}
	return rules
}

// spent is what an act of the first member takes once they have points.
func (s *shop) spent(ends bool, act func(*shop) (Units, error)) (Units, error) {
	return after(s.settled(1, ends), func() (Units, error) { return act(s) })
}

const reservation = "bench-1"

func (s *shop) reserve(ctx context.Context) error {
	_, err := ledger.Reserve(ctx, s.store, store.Reservation{
		Fact: points.Fact{At: s.now, Member: s.members[0]}, ID: reservation, Points: 100, Reason: "exchange", ExpiresAt: s.now.Add(time.Hour),
	})
	return err
}

func (s *shop) reserved() (Units, error) { return s.metered(1, s.reserve) }

func (s *shop) committed() (Units, error) {
	return after(s.reserve(s.ctx), func() (Units, error) {
		return s.metered(1, func(ctx context.Context) error {
			_, err := ledger.Commit(ctx, s.store, s.members[0], reservation, s.now)
			return err
		})
	})
}

func (s *shop) cancelled() (Units, error) {
	return after(s.reserve(s.ctx), func() (Units, error) {
		return s.metered(1, func(ctx context.Context) error {
			_, err := ledger.Cancel(ctx, s.store, s.members[0], reservation, s.now)
			return err
		})
	})
}

func (s *shop) refundedLate() (Units, error) {
	return s.delivered(s.event(orders.TypeRefunded, 0, 0, orders.Line{LineID: "1", Refunded: 10_000}))
}

// The cash desk of a shop, which spends, and a shopkeeper, who corrects.
const (
	cashDesk   = "cash-desk-token"
	shopkeeper = "shopkeeper-token"
)

func (s *shop) operate() (http.Handler, error) {
	for credential, operator := range map[string]store.Operator{
		cashDesk:   {Name: "cash-desk", Role: string(token.RoleIntegration)},
		shopkeeper: {Name: "shopkeeper", Role: string(token.RoleOperator)},
	} {
		hash := token.Hash(credential)
		if err := s.engine.Write(s.ctx, store.AddOperator(hash, operator)...); err != nil {
			return nil, err
		}
		// They called before in this hour.
		if err := s.store.NoteUse(s.ctx, hash, store.Credential{}, s.now); err != nil {
			return nil, err
		}
	}
	return operate.Function{
		Store: s.store, Orders: s.queued, Keys: s.keys, PhoneKey: shopKey, TokenKey: shopKey, Clock: s.clock, Random: s.random, Log: quiet,
	}.Handler(), nil
}

// posted reads a JSON answer, unless that is nil.
func posted(ctx context.Context, to http.Handler, path, bearer, key, body string, read any) error {
	request := httptest.NewRequestWithContext(ctx, http.MethodPost, path, strings.NewReader(body))
	request.Header.Set("Authorization", "Bearer "+bearer)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Idempotency-Key", key)
	answer := httptest.NewRecorder()
	to.ServeHTTP(answer, request)
	if answer.Code >= http.StatusMultipleChoices {
		return fmt.Errorf("%s: %d %s", path, answer.Code, answer.Body)
	}
	if read == nil {
		return nil
	}
	return json.Unmarshal(answer.Body.Bytes(), read)
}

func (s *shop) spentByAPI() (Units, error) {
	api, err := s.operate()
	if err != nil {
		return Units{}, err
	}
	return s.metered(1, func(ctx context.Context) error {
		path := "/v1/members/" + string(s.members[0]) + "/points/reservations"
		var made struct{ ID string }
		if err := posted(ctx, api, path, cashDesk, "set-aside", `{"points":100,"reason":"exchange"}`, &made); err != nil {
			return err
		}
		return posted(ctx, api, path+"/"+made.ID+"/commit", cashDesk, "commit", "", nil)
	})
}

func (s *shop) adjustedByAPI() (Units, error) {
	api, err := s.operate()
	if err != nil {
		return Units{}, err
	}
	return s.metered(1, func(ctx context.Context) error {
		return posted(ctx, api, "/v1/members/"+string(s.members[0])+"/points/adjustments", shopkeeper, "correct", `{"points":-20,"reason":"wrong price"}`, nil)
	})
}

// asked is a call of the shopkeeper's: a GET, or a POST with a body. {0} is the
// first member.
func (s *shop) asked(path, body string) (Units, error) {
	api, err := s.operate()
	if err != nil {
		return Units{}, err
	}
	path = strings.ReplaceAll(path, "{0}", string(s.members[0]))
	return s.metered(1, func(ctx context.Context) error {
		if body != "" {
			return posted(ctx, api, path, shopkeeper, "ask", body, nil)
		}
		request := httptest.NewRequestWithContext(ctx, http.MethodGet, path, nil)
		request.Header.Set("Authorization", "Bearer "+shopkeeper)
		answer := httptest.NewRecorder()
		api.ServeHTTP(answer, request)
		if answer.Code != http.StatusOK {
			return fmt.Errorf("%s: %d %s", path, answer.Code, answer.Body)
		}
		return nil
	})
}

// waits is a claim of an order that nobody has heard of, looked at once.
func (s *shop) waits() (Units, error) {
	claim := store.Claim{
		Member: s.members[0], Order: loyalty.OrderKey{Channel: "tmall", Shop: "flagship", Order: orderID(1)}, Cause: "bench",
		At: s.now.Truncate(time.Second), Proof: points.Proof{PhoneLast4: "0000"},
	}
	if err := s.engine.Write(s.ctx, store.PutClaim(claim, nil)); err != nil {
		return Units{}, err
	}
	return s.metered(1, func(ctx context.Context) error { return ledger.Claim(ctx, s.store, nil, claim, s.now) })
}

// claimed is a member's claim of an order that nobody owns, and its decision.
func (s *shop) claimed() (Units, error) {
	if err := s.before(s.paid(stranger, 1, regular)); err != nil {
		return Units{}, err
	}
	bearer, _, err := token.NewMember(shopKey, s.members[0], s.now)
	if err != nil {
		return Units{}, err
	}
	api := members.Function{Store: s.store, Orders: s.queued, TokenKey: shopKey, Clock: s.clock, Log: quiet}.Handler()
	return s.metered(1, func(ctx context.Context) error {
		body := fmt.Sprintf(`{"channel":"tmall","shop":"flagship","order_id":%q,"proof":{"phone_last4":"0000"}}`, orderID(1))
		if err := posted(ctx, api, "/v1/me/orders", bearer, "claim", body, nil); err != nil {
			return err
		}
		if answer, err := s.convert().Handle(ctx, records(s.queued.take()...)); err != nil || len(answer.BatchItemFailures) > 0 {
			return fmt.Errorf("%d claims failed: %w", len(answer.BatchItemFailures), err)
		}
		account, err := s.store.Account(s.ctx, s.members[0])
		if err == nil && account.Balance != (points.Balance{Pending: loyalty.Points(398)}) {
			err = fmt.Errorf("the claim gave %+v", account.Balance)
		}
		return err
	})
}
