package operate

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/notify"
	"github.com/huitou/huitou/shared/rest"
	"github.com/huitou/huitou/shared/statement"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/token"
)

func (f Function) registerReminders(api rest.API) {
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodGet, Path: "/v1/reminders", ID: "reminders", Tag: "reminders", Roles: readers,
		Summary: "Reminders that are scheduled up to a time",
	}, f.reminders)
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodPost, Path: "/v1/messages/{id}/events", ID: "message-event", Act: "message.report", Tag: "reminders",
		Roles: []token.Role{token.RoleIntegration}, Status: http.StatusAccepted,
		Summary: "What became of a message: delivered, read, opted_out (拒收)",
	}, f.messageEvent)
}

// reminders walks the shards of the index of who is to be looked at, and then
// those of the other index for whose call rides there; the cursor is the shard
// and the place in it.
func (f Function) reminders(ctx context.Context, in *struct {
	rest.Paging
	DueBefore time.Time `query:"due_before" required:"true"`
},
) (*rest.Body[rest.List[statement.Reminder]], error) {
	const shards = 2 * table.WakeShards
	shard, cursor := 0, ""
	if in.Cursor != "" {
		head, rest, found := strings.Cut(in.Cursor, ".")
		if _, err := fmt.Sscanf(head, "%d", &shard); err != nil || !found || shard < 0 || shard >= shards {
			return nil, loyalty.Invalid("cursor", "invalid_cursor", "this is no cursor of this list")
		}
		cursor = rest
	}
	rules, err := f.rules(ctx)
	if err != nil {
		return nil, err
	}
	answer := rest.List[statement.Reminder]{Items: []statement.Reminder{}}
	for ; shard < shards && len(answer.Items) < in.Limit; shard++ {
		carrier := store.WakeRemind
		if shard >= table.WakeShards {
			carrier = store.WakeSettle
		}
		members, _, next, err := f.Store.Due(ctx, carrier, shard%table.WakeShards, in.DueBefore, cursor)
		if err != nil {
			return nil, err
		}
		cursor = ""
		if len(members) > 0 {
			accounts, err := f.Store.Accounts(ctx, table.Eventual, members...)
			if err != nil {
				return nil, err
			}
			for _, account := range accounts {
				if account == nil || account.RemindRides != (carrier == store.WakeSettle) {
					continue
				}
				for _, reminder := range statement.Reminders(*account, rules, f.Clock()) {
					if reminder.State == "scheduled" && reminder.DueAt.Before(in.DueBefore) {
						answer.Items = append(answer.Items, reminder)
					}
				}
			}
		}
		if next != "" {
			answer.NextCursor = fmt.Sprintf("%d.%s", shard, next)
			return rest.Answer(answer), nil
		}
	}
	if shard < shards {
		answer.NextCursor = fmt.Sprintf("%d.", shard)
	}
	return rest.Answer(answer), nil
}

type messageEventBody struct {
	Type string `json:"type" enum:"delivered,read,opted_out"`
}

// optOut withdraws the consent to marketing of the member whom a message went
// to, or of the one they were merged into since. Of an erased one there is none.
func (f Function) optOut(ctx context.Context, member loyalty.MemberID) error {
	for {
		err := f.change(ctx, member, store.WithdrawConsent(loyalty.ConsentMarketing, f.Clock())...)
		if loyalty.KindOf(err) != loyalty.KindConflict {
			return err
		}
		account, err := f.Store.Account(ctx, member)
		if err != nil || account.Merged == nil {
			return err
		}
		member = account.Merged.Into
	}
}

// messageEvent takes an opt-out at once: the next look at the account sees it.
// The other events are taken and counted in the log.
func (f Function) messageEvent(ctx context.Context, in *struct {
	ID   string `path:"id" maxLength:"200" doc:"the id the message was sent with"`
	Body messageEventBody
},
) (*struct{}, error) {
	member, ok := notify.MemberOf(in.ID)
	if !ok {
		return nil, loyalty.Refuse(loyalty.KindNotFound, "message_unknown", "there is no such message")
	}
	if in.Body.Type == "opted_out" {
		return nil, f.optOut(ctx, member)
	}
	if _, err := f.Store.Account(ctx, member); err != nil {
		return nil, err
	}
	f.Log.InfoContext(ctx, "message event", "type", in.Body.Type)
	return nil, nil
}
