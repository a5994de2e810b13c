package loyalty_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/huitou/huitou/shared/loyalty"
)

func TestATimeIsReadAsRFC3339WritesIt(t *testing.T) {
	for text, want := range map[string]time.Time{
		"2026-11-21T10:00:00Z":                time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC),
		"2026-11-21T10:00:00+08:00":           time.Date(2026, 11, 21, 2, 0, 0, 0, time.UTC),
		"2026-11-21T10:00:00.5Z":              time.Date(2026, 11, 21, 10, 0, 0, 500_000_000, time.UTC),
		"2026-11-21T10:00:00.123456789-03:30": time.Date(2026, 11, 21, 13, 30, 0, 123_456_789, time.UTC),
		"2026-11-21T10:00:00+23:59":           time.Date(2026, 11, 20, 10, 1, 0, 0, time.UTC),
		"2026-11-21T10:00:00-23:59":           time.Date(2026, 11, 22, 9, 59, 0, 0, time.UTC),
		"2026-11-21T10:00:00-00:00":           time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC),
		"2024-02-29T00:00:00Z":                time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC),
		"1970-01-01T00:00:00Z":                time.Unix(0, 0),
		"8999-12-31T23:59:59Z":                time.Date(8999, 12, 31, 23, 59, 59, 0, time.UTC),
	} {
		got, err := loyalty.ParseTime(text)
		if err != nil || !got.Equal(want) {
			t.Errorf("%s: %v, %v; want %v", text, got, err, want)
		}
		if _, err := got.MarshalJSON(); err != nil {
			t.Errorf("%s cannot be written again: %v", text, err)
		}
	}
}

func TestWhatIsNotQuiteRFC3339IsRefused(t *testing.T) {
	for _, text := range []string{
		"", "2026", "2026-11-21", "2026-11-21T10:00:00", "2026-11-21T10:00Z", "2026-11-21 10:00:00Z", "2026-11-21t10:00:00Z", "2026-11-21T10:00:00z",
		"2026-11-21T10:00:00+24:00", "2026-11-21T10:00:00-24:00", "2026-11-21T10:00:00+08:60", "2026-11-21T10:00:00+8:00", "2026-11-21T10:00:00+0800",
		"2026-11-21T10:00:00+08", "2026-11-21T10:00:00+99:99", "2026-11-21T9:00:00Z", "2026-1-21T10:00:00Z", "2026-11-1T10:00:00Z", "26-11-21T10:00:00Z",
		"2026-11-21T24:00:00Z", "2026-11-21T10:60:00Z", "2026-11-21T10:00:60Z", "2026-11-21T10:00:00,5Z", "2026-11-21T10:00:00.Z", "2026-11-21T10:00:00.1234567890Z",
		"2026-02-29T10:00:00Z", "2026-13-01T10:00:00Z", "2026-00-01T10:00:00Z", "2026-11-31T10:00:00Z", "2026-11-21T10:00:00ZZ", " 2026-11-21T10:00:00Z", "2026-11-21T10:00:00Z ",
		"2026-11-21T10:00:00Z\n", "２０２６-11-21T10:00:00Z", "2026-11-21T10:00:00−08:00", "+2026-11-21T10:00:00Z", "-026-11-21T10:00:00Z", "12026-11-21T10:00:00Z",
		"0001-01-01T00:00:00Z", "0000-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "1970-01-01T00:00:00+00:01", "9000-01-01T00:00:00Z", "8999-12-31T23:59:59-00:01", "9999-12-31T23:59:59Z",
		"2026-11-21T10:00:00 08:00", "1763719200", "Sat, 21 Nov 2026 10:00:00 GMT", "2026-11-21T10:00:00+08:00[Asia/Shanghai]",
	} {
		at, err := loyalty.ParseTime(text)
		refusal, ok := errors.AsType[*loyalty.Error](err)
		if !ok || refusal.Kind != loyalty.KindInvalid || len(refusal.Fields) != 1 || refusal.Fields[0].Code != "not_rfc3339" || !at.IsZero() {
			t.Errorf("%q: %v, %v", text, at, err)
		}
		if len(text) > 12 && strings.Contains(err.Error(), text) {
			t.Errorf("the error repeats %q", text)
		}
	}
}

func TestEveryInstantComesBackFromItsText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zone := time.FixedZone("", rapid.IntRange(-23*60-59, 23*60+59).Draw(t, "offset")*60)
		at := time.Unix(rapid.Int64Range(0, time.Date(9000, 1, 1, 0, 0, 0, 0, time.UTC).Unix()-1).Draw(t, "second"), rapid.Int64Range(0, 999_999_999).Draw(t, "nano")).In(zone)
		if at.Year() < 1970 || at.Year() > 8999 {
			return // written in that zone it has another year
		}
		text := at.Format(time.RFC3339Nano)
		if read, err := loyalty.ParseTime(text); err != nil || !read.Equal(at) {
			t.Fatalf("%s: %v, %v", text, read, err)
		}
	})
}

func FuzzParseTime(f *testing.F) {
	for _, seed := range []string{"2026-11-21T10:00:00Z", "2026-11-21T10:00:00.5+08:00", "2026-11-21T9:00:00Z", "2026-11-21T10:00:00+24:00", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		at, err := loyalty.ParseTime(text)
		if err != nil {
			return
		}
		raw, err := at.MarshalJSON()
		if err != nil {
			t.Fatalf("%q is read and cannot be written: %v", text, err)
		}
		var again time.Time
		if err := again.UnmarshalJSON(raw); err != nil || !again.Equal(at) {
			t.Errorf("%q: %v, %v", text, again, err)
		}
		if year := at.UTC().Year(); year < 1970 || year > 8999 {
			t.Errorf("%q is of the year %d", text, year)
		}
	})
}
