package orders_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the real zone, also where the machine has none

	"pgregory.net/rapid"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/orders"
)

func TestParseYuan(t *testing.T) {
	for text, want := range map[string]loyalty.Fen{
		"0": 0, "0.00": 0, "0.01": 1, "598.00": 59800, "86.2": 8620, "19.90": 1990, "1,323.58": 132358, "1,234,567.89": 123456789,
		" 223.58元 ": 22358, "¥598.00": 59800, "￥1": 100, "100.": 10000, "100.0000": 10000, "10000000000.00": orders.MaxAmount, "007": 700,
		"１２": 1200, "１，３２３．５８": 132358, "￥１９９．００元": 19900, "\u00a05.00\u3000": 500,
	} {
		if got, err := orders.ParseYuan(text); err != nil || got != want {
			t.Errorf("%q: %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", " ", "-1", "-0.00", "+5", "1e3", "1E3", "0.001", "1.005", ".5", "1.2.3", "1,5", "12,34", "1234,567", ",123", "1,,234", "1.2,345", "NaN", "Infinity", "0x10", "1_000",
		"－１２", "１．５．０", "十二", "(12.00)", "12.00 CNY", "无退款申请", "元", "10000000000.01", "99999999999999999999", strings.Repeat("9", 1<<20), "1e1000000000", "1 000", "$5",
	} {
		if got, err := orders.ParseYuan(text); loyalty.KindOf(err) != loyalty.KindInvalid {
			t.Errorf("%.40q was taken as %d (%v)", text, got, err)
		}
	}
}

func TestYuanAreExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fen := loyalty.Fen(rapid.Int64Range(0, orders.MaxAmount).Draw(t, "fen"))
		if got, err := orders.ParseYuan(fmt.Sprintf("%d.%02d", fen/100, fen%100)); err != nil || got != fen {
			t.Fatalf("%d became %d, %v", fen, got, err)
		}
	})
}

func TestParseLocalTime(t *testing.T) {
	for text, want := range map[string]string{
		"2026-11-02 09:00:21": "2026-11-02T01:00:21Z", "2026/11/3 8:5": "2026-11-03T00:05:00Z", " 2026-1-2 3:4:5 ": "2026-01-01T19:04:05Z",
		"2026/11/03 08:05": "2026-11-03T00:05:00Z", "2026-11-02T09:00:21": "2026-11-02T01:00:21Z", "2024-02-29 00:00:00": "2024-02-28T16:00:00Z",
	} {
		got, err := orders.ParseLocalTime(text)
		if err != nil || got.UTC().Format(time.RFC3339) != want {
			t.Errorf("%q: %v, %v; want %s", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", "2026-02-30 00:00:00", "2026-11-02", "2026-11-02 24:00:00", "2026-11-02 23:60:00", "1970-01-01 08:00:00", "0000-00-00 00:00:00", "0001-01-01 00:00:00",
		"11/02/2026 09:00", "2026年11月2日", "46328.375", "2026-11-02 09:00:21+08:00", "1991-04-14 02:30:00", "2026-11-02 09:00:21 PM",
	} {
		if got, err := orders.ParseLocalTime(text); loyalty.KindOf(err) != loyalty.KindInvalid {
			t.Errorf("%q was taken as %v (%v)", text, got, err)
		}
	}
}

// The importers rest on a fixed offset; it must be the country's zone for
// every event there can be.
func TestShanghaiNeverChangesItsClocks(t *testing.T) {
	zone, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatalf("no zone data on this machine: %v", err)
	}
	for at := orders.Earliest; at.Year() < 2040; at = at.Add(24 * time.Hour) {
		_, want := at.In(zone).Zone()
		if _, got := at.In(orders.Shanghai).Zone(); got != want {
			t.Fatalf("on %v the zone is %d s from UTC, not %d", at, want, got)
		}
	}
}

// FuzzParseYuan: what is taken is an amount that prints as itself, and whatever
// is written another way is the same fen.
func FuzzParseYuan(f *testing.F) {
	for _, seed := range []string{"323.58", "1,323.58", "￥１２．５０元", "1e3", "0.001", "-1", "10000000000.00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		fen, err := orders.ParseYuan(text)
		if err != nil {
			return
		}
		if fen < 0 || fen > orders.MaxAmount {
			t.Fatalf("%q became %d", text, fen)
		}
		if again, err := orders.ParseYuan(fmt.Sprintf("￥%d.%02d元", fen/100, fen%100)); err != nil || again != fen {
			t.Fatalf("%q became %d and then %d, %v", text, fen, again, err)
		}
	})
}

// FuzzParseLocalTime: what is taken prints as a time that is read the same.
func FuzzParseLocalTime(f *testing.F) {
	for _, seed := range []string{"2026-11-02 09:00:21", "2026/11/3 8:5", "２０２６-11-02T9:0:1", "46328.375", "1991-04-14 02:30:00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		at, err := orders.ParseLocalTime(text)
		if err != nil {
			return
		}
		if again, err := orders.ParseLocalTime(at.Format(time.DateTime)); err != nil || !again.Equal(at.Truncate(time.Second)) || at.Before(orders.Earliest) {
			t.Fatalf("%q became %v and then %v, %v", text, at, again, err)
		}
	})
}
