package schedule_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/schedule"
)

func TestATickWithoutAnInstantIsRefusedInOneWay(t *testing.T) {
	for _, event := range []string{
		`{}`, `null`, `[]`, `"2026-11-21T10:00:00Z"`, `{"time":null}`, `{"time":""}`, `{"time":1763719200}`, `{"time":"2026-11-21"}`, `{"time":"2026-11-21T9:00:00Z"}`,
		`{"time":"2026-11-21T10:00:00+24:00"}`, `{"time":"0001-01-01T00:00:00Z"}`, `{"Time":"2026-11-21T10:00:00Z"}`, `{"time":"<aws.scheduler.scheduled-time>"}`,
		`{"time":"2026-11-21T10:00:00Z","time":"2026-11-22T10:00:00Z"}`,
	} {
		tick := schedule.Tick{Time: time.Unix(1, 0)}
		if err := json.Unmarshal([]byte(event), &tick); err != nil {
			t.Errorf("%s: the function is not asked: %v", event, err)
		}
		at, err := tick.At()
		refusal, ok := errors.AsType[*loyalty.Error](err)
		if !ok || refusal.Kind != loyalty.KindInvalid || len(refusal.Fields) != 1 || refusal.Fields[0] != (loyalty.Field{Pointer: "/time", Code: "not_rfc3339"}) || !at.IsZero() {
			t.Errorf("%s: %v, %v", event, at, err)
		}
	}
}

func TestATickSaysItsInstant(t *testing.T) {
	want := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	written, err := json.Marshal(schedule.Tick{Time: want})
	if err != nil {
		t.Fatal(err)
	}
	for _, event := range []string{string(written), `{"time":"2026-11-21T10:00:00Z"}`, `{"time":"2026-11-21T18:00:00+08:00","another":1}`} {
		var tick schedule.Tick
		if err := json.Unmarshal([]byte(event), &tick); err != nil {
			t.Fatal(err)
		}
		if at, err := tick.At(); err != nil || !at.Equal(want) {
			t.Errorf("%s: %v, %v", event, at, err)
		}
	}
}
