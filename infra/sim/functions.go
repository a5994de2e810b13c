package sim

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/huitou/huitou/functions/convertorders"
	"github.com/huitou/huitou/functions/issuecoupons"
	"github.com/huitou/huitou/functions/payprizes"
	"github.com/huitou/huitou/functions/receiveorders"
	"github.com/huitou/huitou/functions/redeemcard"
	"github.com/huitou/huitou/functions/remindrepurchase"
	"github.com/huitou/huitou/functions/runcampaigns"
	"github.com/huitou/huitou/functions/sendmessages"
	"github.com/huitou/huitou/functions/settlepoints"
	"github.com/huitou/huitou/functions/welcomefriends"
	"github.com/huitou/huitou/shared/orders/youzan"
	"github.com/huitou/huitou/shared/schedule"
	"github.com/huitou/huitou/shared/store"
)

// The functions, by the names that template.yaml gives them. Client stands for
// an operator's or an integration's call.
const (
	receiveOrders    = "ReceiveOrders"
	convertOrders    = "ConvertOrders"
	redeemCard       = "RedeemCard"
	runCampaigns     = "RunCampaigns"
	issueCoupons     = "IssueCoupons"
	remindRepurchase = "RemindRepurchase"
	sendMessages     = "SendMessages"
	settlePoints     = "SettlePoints"
	operate          = "Operate"
	payPrizes        = "PayPrizes"
	welcomeFriends   = "WelcomeFriends"
)

// timeouts of the functions as in template.yaml.
var timeouts = map[string]time.Duration{
	receiveOrders: 5 * time.Second, convertOrders: 30 * time.Second, redeemCard: 10 * time.Second, runCampaigns: time.Minute,
	issueCoupons: time.Minute, remindRepurchase: 5 * time.Minute, sendMessages: time.Minute, settlePoints: 5 * time.Minute, operate: 29 * time.Second,
	payPrizes: time.Minute, welcomeFriends: 30 * time.Second,
}

// maxSkew is how far an instance's clock is off at the most, and maxFlight how
// long a write whose caller is gone may still be on its way.
const (
	maxSkew   = time.Minute
	maxFlight = 20 * time.Second
)

// handler is what a function is called with; one of the three.
type handler struct {
	batch func(context.Context, events.SQSEvent) (events.SQSEventResponse, error)
	tick  func(context.Context, schedule.Tick) error
	http  func(context.Context, events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error)
}

// wire makes the function of an instance, with the dependencies that its
// lambda/main.go gives it on AWS.
func (s *simulation) wire(i *instance) {
	data := store.Store{Table: client{i}}
	log := slog.New(slog.DiscardHandler)
	switch i.name {
	case receiveOrders:
		i.handler.http = receiveorders.Function{
			Orders: producer{i, s.orders}, Secrets: receiveorders.Secrets{Webhook: []string{webhookSecret}, Youzan: []youzan.App{youzanApp}},
			PhoneKey: phoneKey, Clock: i.clock, RealClock: i.clock, Log: log,
		}.Handle
	case convertOrders:
		i.handler.batch = convertorders.Function{Store: data, Clock: i.clock, Log: log}.Handle
	case redeemCard:
		i.handler.http = (&redeemcard.Function{
			Store: data, Orders: producer{i, s.orders}, Payouts: producer{i, s.payouts}, Keys: s.keys, PhoneKey: phoneKey, TokenKey: tokenKey,
			Clock: i.clock, Random: s.random, Log: log,
		}).Handle
	case runCampaigns:
		i.handler.tick = runcampaigns.Function{Store: data, Coupons: producer{i, s.coupons}, Log: log}.Handle
	case issueCoupons:
		i.handler.batch = issuecoupons.Function{Store: data, Coupons: producer{i, s.coupons}, Rand: s.random, Clock: i.clock, Log: log}.Handle
	case remindRepurchase:
		i.handler.tick = remindrepurchase.Function{Store: data, Messages: producer{i, s.messages}, Log: log}.Handle
	case sendMessages:
		i.handler.batch = sendmessages.Function{Store: data, Notifier: sender{i}, Clock: i.clock, Log: log}.Handle
	case payPrizes:
		i.handler.batch = payprizes.Function{Store: data, Payer: cashier{i}, Clock: i.clock, Log: log}.Handle
	case welcomeFriends:
		i.handler.batch = welcomefriends.Function{
			Store: data, Orders: producer{i, s.orders}, Payouts: producer{i, s.payouts}, Keys: s.keys, Notifier: greeter{i},
			Random: s.random, Clock: i.clock, RealClock: i.clock, Log: log,
		}.Handle
	case operate:
		i.handler.http = s.operators
	case settlePoints:
		i.handler.tick = settlepoints.Function{Store: data, Payouts: producer{i, s.payouts}, Log: log}.Handle
	}
}

// instanceOf finds an idle instance of the function, or starts one.
func (s *simulation) instanceOf(function string) *instance {
	pool := s.pool[function][:0]
	var idle *instance
	for _, i := range s.pool[function] {
		if i.broken {
			continue
		}
		pool = append(pool, i)
		if i.current != nil || idle != nil {
			continue
		}
		if s.now().Sub(i.idle) < 10*time.Minute {
			idle = i
		} else if _, thawed := s.faults.strikes(StaleGlobals, function, number(function), uint64(s.ordinals[function])); thawed {
			idle = i
		}
	}
	s.pool[function] = pool
	if idle != nil {
		return idle
	}
	s.ordinals["instance"]++
	i := &instance{simulation: s, name: function, idle: s.now()}
	if draw, skewed := s.faults.strikes(ClockSkew, function, number(function), uint64(s.ordinals["instance"])); skewed {
		i.skew = time.Duration(draw%uint64(2*maxSkew/time.Millisecond+1))*time.Millisecond - maxSkew
	}
	s.wire(i)
	s.pool[function] = append(s.pool[function], i)
	return i
}

// tick is one firing of a schedule for an instant, with all that a scheduler
// can make of it.
func (s *simulation) tick(function string, at time.Time) {
	place := []uint64{number(function), uint64(at.Unix())}
	where := fmt.Sprint(function, " at ", at.In(zone).Format("01-02 15:04"))
	s.at(at.Add(time.Duration(s.rng.IntN(3000))*time.Millisecond), func() {
		if _, missed := s.faults.strikes(Missed, where, place...); missed {
			return
		}
		delay := time.Duration(0)
		if draw, late := s.faults.strikes(FiredLate, where, place...); late {
			delay = time.Duration(draw%54) * time.Minute
		}
		s.in(delay, func() { s.fire(function, at, 0) })
		if draw, twice := s.faults.strikes(FiredTwice, where, place...); twice {
			s.in(delay+time.Duration(draw%5000)*time.Millisecond, func() { s.fire(function, at, 0) })
		}
		if _, overlaps := s.faults.strikes(Overlapping, where, place...); overlaps {
			s.in(delay, func() { s.fire(function, at.Add(time.Minute), 0) })
		}
	})
}

// fire calls a schedule's function; one that failed is called again twice, as
// Lambda does with what the scheduler hands it.
func (s *simulation) fire(function string, at time.Time, retries int) {
	i := s.instanceOf(function)
	var err error
	s.begin(i, timeouts[function], func(ctx context.Context) {
		err = i.handler.tick(ctx, schedule.Tick{Time: at})
	}, func(crashed bool) {
		if (crashed || err != nil) && retries < 2 {
			s.in(time.Duration(retries+1)*time.Minute, func() { s.fire(function, at, retries+1) })
		}
	})
}
