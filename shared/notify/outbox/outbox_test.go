package outbox_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/notify"
	"github.com/huitou/huitou/shared/notify/outbox"
	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/table/embedded"
)

func message(n int, at time.Time) notify.Message {
	return notify.Message{ID: fmt.Sprint("remind:m:", n), Member: "m", Kind: notify.KindRepurchase, Category: "milk-powder", Text: "… 拒收请回复R", At: at}
}

func list(t *testing.T, o outbox.Outbox) (messages []notify.Message) {
	t.Helper()
	cursor := ""
	for {
		page, next, err := o.List(t.Context(), 2, cursor)
		if err != nil {
			t.Fatal(err)
		}
		messages = append(messages, page...)
		if next == "" {
			return messages
		}
		cursor = next
	}
}

func TestNewestFirstAndOnce(t *testing.T) {
	folder := t.TempDir()
	engine, err := embedded.Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	o := outbox.Outbox{Table: engine}
	start := time.Date(2026, 11, 22, 1, 5, 0, 0, time.UTC)
	var want []notify.Message
	for _, n := range []int{3, 1, 2, 10, 5} {
		m := message(n, start.Add(time.Duration(n)*time.Millisecond))
		for range 2 {
			if err := o.Send(t.Context(), m); err != nil {
				t.Fatal(err)
			}
		}
		late := m
		late.At, late.Text = start.Add(time.Hour), "another text"
		if err := o.Send(t.Context(), late); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range []int{10, 5, 3, 2, 1} {
		want = append(want, message(n, start.Add(time.Duration(n)*time.Millisecond)))
	}
	if diff := cmp.Diff(want, list(t, o)); diff != "" {
		t.Errorf("listed (-want +got):\n%s", diff)
	}
	if err := engine.Close(); err != nil {
		t.Fatal(err)
	}
	engine, err = embedded.Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	if diff := cmp.Diff(want, list(t, outbox.Outbox{Table: engine})); diff != "" {
		t.Errorf("listed after a restart (-want +got):\n%s", diff)
	}
}

func TestEmpty(t *testing.T) {
	if got := list(t, outbox.Outbox{Table: embedded.Memory()}); len(got) != 0 {
		t.Errorf("listed %v", got)
	}
}

type down struct{ table.Table }

func (down) Write(context.Context, ...table.Action) error {
	return loyalty.Refuse(loyalty.KindUnavailable, "throttled", "")
}

func TestATableThatFailsIsNotAnAcknowledgement(t *testing.T) {
	err := outbox.Outbox{Table: down{embedded.Memory()}}.Send(t.Context(), message(1, time.Unix(0, 0)))
	if loyalty.KindOf(err) != loyalty.KindUnavailable {
		t.Errorf("error %v, want KindUnavailable", err)
	}
}
