// Package outbox keeps the messages that would have left, where no sender is
// connected: the local process shows them.
package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/notify"
	"github.com/huitou/huitou/shared/table"
)

// The two documents that make an entry: one by the message's id, so that a
// message is kept once, and one by time, which lists it.
const (
	known  = "outbox_id"
	listed = "outbox"
)

const attribute = "message"

// Outbox implements notify.Notifier. It is as durable as its table.
type Outbox struct {
	Table table.Table
}

var _ notify.Notifier = Outbox{}

// Send keeps the message; one whose ID is known is not kept again.
func (o Outbox) Send(ctx context.Context, message notify.Message) error {
	raw, err := json.Marshal(message)
	if err != nil {
		return &loyalty.Error{Kind: loyalty.KindInvalid, Code: "message_malformed", Cause: err}
	}
	at := message.At.UTC().Format("2006-01-02T15:04:05.000000000Z")
	err = o.Table.Write(ctx,
		table.Put(table.Item{Key: table.DocumentKey(known, message.ID)}, table.Absent()),
		table.Put(table.Item{
			Key:        table.DocumentKey(listed, at+" "+message.ID),
			Attributes: map[string]table.Value{attribute: table.String(string(raw))},
		}),
	)
	if _, there := errors.AsType[*table.ConditionError](err); there {
		return nil
	}
	return err
}

// List is one page of the messages, newest first.
func (o Outbox) List(ctx context.Context, limit int, cursor string) ([]notify.Message, string, error) {
	page, err := o.Table.Query(ctx, table.Query{
		PK: table.DocumentPK(listed), Limit: limit, Cursor: cursor, Descending: true, Consistency: table.Strong,
	})
	if err != nil {
		return nil, "", err
	}
	messages := make([]notify.Message, len(page.Items))
	for i, item := range page.Items {
		if err := json.Unmarshal([]byte(item.Text(attribute)), &messages[i]); err != nil {
			return nil, "", &loyalty.Error{Kind: loyalty.KindInternal, Code: "item_malformed", Cause: fmt.Errorf("outbox: %w", err)}
		}
		messages[i].At = messages[i].At.In(time.UTC)
	}
	return messages, page.Next, nil
}
