package export_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/orders/export"
)

// The samples of real exports are not part of the repository; where they lie
// beside it, the importers must find every order in them.
func TestSharedFeeds(t *testing.T) {
	folder := filepath.Join("..", "..", "..", "..", "shared", "feeds", "csv")
	if _, err := os.Stat(folder); err != nil {
		t.Logf("shared/feeds absent: the importers were not tried on the real samples")
		return
	}
	open := func(name string) export.File {
		source, err := os.Open(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = source.Close() })
		rows, err := export.NewCSV(source, export.EncodingAuto)
		if err != nil {
			t.Fatal(err)
		}
		return export.File{Name: name, Rows: rows}
	}
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	tmall, err := export.Tmall("flagship", now, open("tmall_ExportOrderDetailList.gbk.csv"), open("tmall_ExportOrderList.gbk.csv"))
	if err != nil {
		t.Fatal(err)
	}
	douyin, err := export.Douyin("flagship", now, open("douyin_orders.utf8bom.csv"))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name           string
		result         export.Result
		orders, unpaid int
		paid, refunded loyalty.Fen
	}{
		{"tmall", tmall, 2, 1, 59800 + 32358, 10000},
		{"douyin", douyin, 3, 0, 2890 + 2000 + 1590, 2890 + 1590},
	} {
		var paid, refunded loyalty.Fen
		lines := 0
		for _, order := range test.result.Orders {
			paid += order.Paid
			refunded += order.Refunded
			lines += order.Lines
		}
		t.Logf("%s: %d orders, %d lines, paid %d fen, refunded %d fen, %d unpaid, refused %v",
			test.name, len(test.result.Orders), lines, paid, refunded, len(test.result.Unpaid), test.result.Refused)
		if len(test.result.Orders) != test.orders || len(test.result.Unpaid) != test.unpaid || paid != test.paid || refunded != test.refunded || len(test.result.Refused) != 0 {
			t.Errorf("%s: want %d orders, %d unpaid, paid %d, refunded %d and nothing refused", test.name, test.orders, test.unpaid, test.paid, test.refunded)
		}
	}
}
