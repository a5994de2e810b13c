package audience_test

import (
	"strings"
	"testing"
	"time"

	"github.com/huitou/huitou/shared/audience"
	"github.com/huitou/huitou/shared/loyalty"
)

func TestValidate(t *testing.T) {
	for pointer, definition := range map[string]audience.Definition{
		"":      {ID: "regulars.2026", Name: "老客", Rule: "orders >= 2"},
		"/id":   {ID: "../regulars", Rule: "orders >= 2"},
		"/name": {ID: "regulars", Name: strings.Repeat("x", 201), Rule: "orders >= 2"},
	} {
		err := definition.Validate()
		refusal, refused := err.(*loyalty.Error)
		if refused != (pointer != "") || refused && (refusal.Kind != loyalty.KindInvalid || refusal.Fields[0].Pointer != pointer) {
			t.Errorf("%+v: %v, want a refusal at %q", definition, err, pointer)
		}
	}
}

func TestDays(t *testing.T) {
	shanghai, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	newYork, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	at := func(text string) time.Time {
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	for _, test := range []struct {
		since, now string
		zone       *time.Location
		want       float64
	}{
		{"2026-11-21T00:00:00+08:00", "2026-11-21T23:59:59+08:00", shanghai, 0},
		{"2026-11-21T23:59:59+08:00", "2026-11-22T00:00:00+08:00", shanghai, 1},
		{"2026-11-21T17:00:00Z", "2026-11-22T15:59:59Z", shanghai, 0}, // both on the 22nd in Shanghai
		{"2024-02-28T12:00:00+08:00", "2024-03-01T12:00:00+08:00", shanghai, 2},
		{"2026-11-21T12:00:00+08:00", "2026-11-20T12:00:00+08:00", shanghai, 0},
		{"2026-03-07T12:00:00-05:00", "2026-03-09T12:00:00-04:00", newYork, 2}, // one of the days had 23 hours
	} {
		if got := audience.Days(at(test.since), at(test.now), test.zone); got != test.want {
			t.Errorf("Days(%s, %s) = %v, want %v", test.since, test.now, got, test.want)
		}
	}
	if got := audience.Days(time.Time{}, at("2026-11-21T00:00:00Z"), shanghai); got == got {
		t.Errorf("days since never = %v, want Never", got)
	}
}
