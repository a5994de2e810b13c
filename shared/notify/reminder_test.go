package notify_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/notify"
)

func reminder() notify.Reminder {
	return notify.NewReminder("m1", []notify.Goods{
		{Category: "diapers", Bought: time.Date(2026, 11, 11, 2, 0, 0, 0, time.UTC)},
		{Category: "milk-powder", Bought: time.Date(2026, 11, 1, 2, 0, 0, 0, time.UTC)},
	}, time.Date(2026, 11, 22, 1, 5, 0, 0, time.UTC), 3)
}

func TestReminderRoundTrip(t *testing.T) {
	body := reminder().Encode()
	want := `{"kind":"repurchase.reminder","id":"remind:m1:diapers:1794362400","member":"m1","goods":[{"category":"diapers","bought":"2026-11-11T02:00:00Z"},` +
		`{"category":"milk-powder","bought":"2026-11-01T02:00:00Z"}],"at":"2026-11-22T01:05:00Z","program":3}`
	if diff := cmp.Diff(want, string(body)); diff != "" {
		t.Errorf("the body (-want +got):\n%s", diff)
	}
	got, err := notify.DecodeReminder(body)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(reminder(), got); diff != "" {
		t.Errorf("decoded (-want +got):\n%s", diff)
	}
}

// single is a body as a version wrote it that asked for each category by itself.
const single = `{"kind":"repurchase.reminder","id":"remind:m1:milk-powder:1793498400","member":"m1","category":"milk-powder",` +
	`"bought":"2026-11-01T02:00:00Z","at":"2026-11-22T01:05:00Z","program":3}`

func TestDecodeReminderReadsABodyOfOneCategory(t *testing.T) {
	got, err := notify.DecodeReminder([]byte(single))
	if err != nil {
		t.Fatal(err)
	}
	want := notify.NewReminder("m1", []notify.Goods{{Category: "milk-powder", Bought: time.Date(2026, 11, 1, 2, 0, 0, 0, time.UTC)}}, time.Date(2026, 11, 22, 1, 5, 0, 0, time.UTC), 3)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("decoded (-want +got):\n%s", diff)
	}
}

func TestDecodeReminderRefuses(t *testing.T) {
	good := string(reminder().Encode())
	for name, body := range map[string]string{
		"empty": "", "null": "null", "a list": "[]", "a string": `"x"`, "truncated": good[:len(good)-1], "trailing": good + "{}",
		"unknown field":      strings.Replace(good, "{", `{"phone":"13800000000",`, 1),
		"another kind":       strings.Replace(good, "repurchase.reminder", "13800000000", 1),
		"no member":          strings.Replace(good, `"member":"m1"`, `"member":""`, 1),
		"another's id":       strings.Replace(good, "remind:m1", "remind:m2", 1),
		"no time":            strings.Replace(good, "2026-11-22T01:05:00Z", "0001-01-01T00:00:00Z", 1),
		"a fraction":         strings.Replace(good, "2026-11-01T02:00:00Z", "2026-11-01T02:00:00.5Z", 1),
		"no goods":           `{"kind":"repurchase.reminder","id":"remind:m1:diapers:1794362400","member":"m1","goods":[],"at":"2026-11-22T01:05:00Z","program":3}`,
		"goods out of order": strings.ReplaceAll(good, "diapers", "oats"),
		"goods twice":        strings.ReplaceAll(good, "diapers", "milk-powder"),
		"goods of no name":   strings.Replace(good, `"milk-powder"`, `""`, 1),
		"both forms":         strings.Replace(single, "{", `{"goods":[],`, 1),
		"one of another id":  strings.Replace(single, "remind:m1", "remind:m2", 1),
		"one of no category": strings.Replace(single, `"category":"milk-powder",`, "", 1),
		"a time of no day":   strings.Replace(good, "2026-11-01T02:00:00Z", "2026-02-30T02:00:00Z", 1),
	} {
		_, err := notify.DecodeReminder([]byte(body))
		if loyalty.KindOf(err) != loyalty.KindInvalid {
			t.Errorf("%s: %v, want KindInvalid", name, err)
		}
		if err != nil && strings.Contains(err.Error(), "13800000000") {
			t.Errorf("%s: the error quotes the body: %v", name, err)
		}
	}
}

func FuzzDecodeReminder(f *testing.F) {
	f.Add(reminder().Encode())
	f.Add([]byte(single))
	f.Add([]byte(`{"kind":"repurchase.reminder"}`))
	f.Add([]byte(`{"kind":1}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := notify.DecodeReminder(body)
		if err != nil {
			if loyalty.KindOf(err) != loyalty.KindInvalid {
				t.Fatalf("refused with %v", err)
			}
			return
		}
		again, err := notify.DecodeReminder(got.Encode())
		if err != nil || len(again.Goods) != len(got.Goods) || !again.At.Equal(got.At) || again.ID != got.ID {
			t.Fatalf("%+v comes back as %+v, %v", got, again, err)
		}
	})
}
