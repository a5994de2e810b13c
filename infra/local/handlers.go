package main

import (
	"crypto/rand"
	"log/slog"
	"time"

	"github.com/huitou/huitou/functions/convertorders"
	"github.com/huitou/huitou/functions/issuecoupons"
	"github.com/huitou/huitou/functions/members"
	"github.com/huitou/huitou/functions/operate"
	"github.com/huitou/huitou/functions/payprizes"
	"github.com/huitou/huitou/functions/receiveorders"
	"github.com/huitou/huitou/functions/redeemcard"
	"github.com/huitou/huitou/functions/remindrepurchase"
	"github.com/huitou/huitou/functions/runcampaigns"
	"github.com/huitou/huitou/functions/sendmessages"
	"github.com/huitou/huitou/functions/settlepoints"
	"github.com/huitou/huitou/functions/welcomefriends"
	"github.com/huitou/huitou/infra/stack"
	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/notify"
	"github.com/huitou/huitou/shared/queue"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/token"
	"github.com/huitou/huitou/shared/wecom"
)

// deps is what the functions share in this process and have each for itself on
// AWS.
type deps struct {
	table     table.Table
	secrets   secrets
	keys      *cards.Keyring
	queues    queue.Admin
	notifier  notify.Notifier
	wecom     wecom.App
	publicURL string
	log       *slog.Logger
}

// storeOf is the table as the function's role allows it.
func (d deps) storeOf(env stack.Environment) store.Store {
	return store.Store{Table: env.Restrict(d.table, "TABLE_NAME")}
}

// handlers makes every function of the template, with what its lambda/main.go
// gives it on AWS.
func handlers(d deps) map[string]stack.Builder {
	with := func(variable string, build func(stack.Environment, queue.Sender) stack.Handler) stack.Builder {
		return func(env stack.Environment) (stack.Handler, error) {
			sender, err := env.Queue(variable)
			if err != nil {
				return nil, err
			}
			return build(env, sender), nil
		}
	}
	withTwo := func(first, second string, build func(env stack.Environment, first, second queue.Sender) stack.Handler) stack.Builder {
		return func(env stack.Environment) (stack.Handler, error) {
			one, err := env.Queue(first)
			if err != nil {
				return nil, err
			}
			two, err := env.Queue(second)
			if err != nil {
				return nil, err
			}
			return build(env, one, two), nil
		}
	}
	plain := func(build func(stack.Environment) stack.Handler) stack.Builder {
		return func(env stack.Environment) (stack.Handler, error) { return build(env), nil }
	}
	return map[string]stack.Builder{
		"ReceiveOrders": withTwo("ORDERS_QUEUE_URL", "FRIENDS_QUEUE_URL", func(env stack.Environment, orders, friends queue.Sender) stack.Handler {
			return stack.Call(receiveorders.Function{
				Orders: orders, Friends: friends,
				Secrets:  receiveorders.Secrets{Webhook: []string{d.secrets.WebhookSecret}, Youzan: demoYouzan, WeCom: []wecom.App{d.wecom}},
				PhoneKey: d.secrets.PhoneKey, Clock: env.Clock, RealClock: time.Now, Log: d.log,
			}.Handle)
		}),
		"ConvertOrders": plain(func(env stack.Environment) stack.Handler {
			return stack.Call(convertorders.Function{Store: d.storeOf(env), Clock: env.Clock, Log: d.log}.Handle)
		}),
		"RedeemCard": withTwo("ORDERS_QUEUE_URL", "PAYOUTS_QUEUE_URL", func(env stack.Environment, orders, payouts queue.Sender) stack.Handler {
			return stack.Call((&redeemcard.Function{
				Store: d.storeOf(env), Orders: orders, Payouts: payouts, Keys: d.keys, PhoneKey: d.secrets.PhoneKey, TokenKey: d.secrets.TokenKey,
				Clock: env.Clock, Random: rand.Reader, Log: d.log,
			}).Handle)
		}),
		"Members": with("ORDERS_QUEUE_URL", func(env stack.Environment, orders queue.Sender) stack.Handler {
			return stack.Call(members.Function{Store: d.storeOf(env), Orders: orders, TokenKey: d.secrets.TokenKey, Clock: env.Clock, Log: d.log}.Handle())
		}),
		"Operate": withTwo("ORDERS_QUEUE_URL", "PAYOUTS_QUEUE_URL", func(env stack.Environment, orders, payouts queue.Sender) stack.Handler {
			return stack.Call(operate.Function{
				Store: d.storeOf(env), Orders: orders, Payouts: payouts, Queues: d.queues, Keys: d.keys,
				PhoneKey: d.secrets.PhoneKey, TokenKey: d.secrets.TokenKey,
				AdminToken: token.Hash(d.secrets.OperatorToken), PublicURL: d.publicURL,
				Clock: env.Clock, Random: rand.Reader, Log: d.log,
			}.Handle())
		}),
		"RunCampaigns": with("COUPONS_QUEUE_URL", func(env stack.Environment, coupons queue.Sender) stack.Handler {
			return stack.Do(runcampaigns.Function{Store: d.storeOf(env), Coupons: coupons, Log: d.log}.Handle)
		}),
		"IssueCoupons": with("COUPONS_QUEUE_URL", func(env stack.Environment, coupons queue.Sender) stack.Handler {
			return stack.Call(issuecoupons.Function{Store: d.storeOf(env), Coupons: coupons, Rand: rand.Reader, Clock: env.Clock, Log: d.log}.Handle)
		}),
		"RemindRepurchase": with("MESSAGES_QUEUE_URL", func(env stack.Environment, messages queue.Sender) stack.Handler {
			return stack.Do(remindrepurchase.Function{Store: d.storeOf(env), Messages: messages, Log: d.log}.Handle)
		}),
		"SettlePoints": with("PAYOUTS_QUEUE_URL", func(env stack.Environment, payouts queue.Sender) stack.Handler {
			return stack.Do(settlepoints.Function{Store: d.storeOf(env), Payouts: payouts, Log: d.log}.Handle)
		}),
		"SendMessages": plain(func(env stack.Environment) stack.Handler {
			return stack.Call(sendmessages.Function{Store: d.storeOf(env), Notifier: d.notifier, Clock: env.Clock, Log: d.log}.Handle)
		}),
		"WelcomeFriends": func(env stack.Environment) (stack.Handler, error) {
			orders, err := env.Queue("ORDERS_QUEUE_URL")
			if err != nil {
				return nil, err
			}
			payouts, err := env.Queue("PAYOUTS_QUEUE_URL")
			if err != nil {
				return nil, err
			}
			return stack.Call(welcomefriends.Function{
				Store: d.storeOf(env), Orders: orders, Payouts: payouts, Keys: d.keys, Notifier: d.notifier, Random: rand.Reader,
				Clock: env.Clock, RealClock: time.Now, Log: d.log,
			}.Handle), nil
		},
		"PayPrizes": plain(func(env stack.Environment) stack.Handler {
			return stack.Call(payprizes.Function{Store: d.storeOf(env), Payer: demoPayer{d.notifier, env.Clock}, Clock: env.Clock, Log: d.log}.Handle)
		}),
	}
}
